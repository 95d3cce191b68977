package interop

import (
	"testing"

	"github.com/pion/dtls/v3"
)

// Each SRTP profile of PROTOCOL.md §4.3 carries media both ways, when it is all that a client offers.
func TestEverySRTPProfileCarriesMedia(t *testing.T) {
	t.Parallel()
	for name, profile := range map[string]dtls.SRTPProtectionProfile{
		"AEAD_AES_128_GCM":       dtls.SRTP_AEAD_AES_128_GCM,
		"AEAD_AES_256_GCM":       dtls.SRTP_AEAD_AES_256_GCM,
		"AES128_CM_HMAC_SHA1_80": dtls.SRTP_AES128_CM_HMAC_SHA1_80,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t)
			ada := join(t, m, "Ada", options{profile: profile})
			bo := join(t, m, "Bo", options{})
			for _, p := range []*person{ada, bo} {
				p.start(p.mic, p.cam)
				p.pace()
			}
			for _, pair := range []struct{ p, q *person }{{ada, bo}, {bo, ada}} {
				p, q := pair.p, pair.q
				p.until(q.name, func() bool {
					return p.frames(source(q.me, audio)) >= 25 && p.frames(source(q.me, video)) >= 12
				})
			}
		})
	}
}
