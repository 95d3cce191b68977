package trust

import (
	"errors"
	"testing"
	"time"

	"parley/wire/proto"
)

func TestTunnelTokens(t *testing.T) {
	site, other := openSite(t), openSite(t)
	v := newVerifier(t, site.Keys()...)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	meeting := NewMeetingID()
	sign := func(s *Site) string {
		token, err := s.SignTunnel(meeting, 7, []string{"eu"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := sign(site)
	claims := someClaims("ed25519:x")
	meetingToken, err := site.SignClaims(claims)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token string
		at          time.Duration
		want        proto.Code
	}{
		{"fresh", good, 0, ""},
		{"at its end", good, TunnelLife + Leeway, ""},
		{"old", good, TunnelLife + Leeway + time.Second, proto.CodeTokenExpired},
		{"of another site", sign(other), 0, proto.CodeTokenInvalid},
		{"a meeting token", meetingToken, 0, proto.CodeTokenInvalid},
		{"none", "", 0, proto.CodeTokenInvalid},
	} {
		c, err := v.Tunnel(tt.token, now.Add(tt.at))
		var pe *proto.Error
		if errors.As(err, &pe); (err == nil) != (tt.want == "") || pe != nil && pe.Code != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err == nil && (c.Meeting != meeting || c.Participant != 7 || c.ID == "") {
			t.Errorf("%s: claims %+v", tt.name, c)
		}
	}
	// The other way round neither: a tunnel token joins no meeting.
	if _, err := v.Claims(good, now, ""); err == nil {
		t.Error("a tunnel token passes for a meeting token")
	}
	if _, err := site.SignTunnel("", 7, []string{"eu"}, now); err == nil {
		t.Error("signed a token without a meeting")
	}
}
