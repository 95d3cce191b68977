package rtc

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/proto"
)

// rawClient makes a transport by pion's DTLS alone, offering one profile. The connection is the caller's.
func (r *router) rawClient(h link.Host, ufrag string, profile dtls.SRTPProtectionProfile, opts ...dtls.ClientOption) (*Conn, *dtls.Conn) {
	r.t.Helper()
	c, conn, err := r.tryRawClient(h, ufrag, append(opts, dtls.WithSRTPProtectionProfiles(profile),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))...)
	if err != nil {
		r.t.Fatal(err)
	}
	k, err := keysOf(conn, true)
	if err != nil {
		r.t.Fatal(err)
	}
	c.keyed(k)
	return c, conn
}

func (r *router) tryRawClient(h link.Host, ufrag string, opts ...dtls.ClientOption) (*Conn, *dtls.Conn, error) {
	r.t.Helper()
	return r.tryRaw(r.dialConfig(h, ufrag), opts...)
}

func (r *router) tryRaw(cfg DialConfig, opts ...dtls.ClientOption) (*Conn, *dtls.Conn, error) {
	r.t.Helper()
	c := Open(cfg)
	r.t.Cleanup(func() { c.Close() })
	if err := c.Try(proto.UDP8801, cfg.Remote).Err(); err != nil {
		r.t.Fatal(err)
	}
	opts = append([]dtls.ClientOption{dtls.WithCertificates(cfg.Certificate), dtls.WithInsecureSkipVerify(true),
		dtls.WithLoggerFactory(silent{})}, opts...)
	conn, err := dtls.ClientWithOptions(c.pipe, c.pipe.peer, opts...)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	return c, conn, conn.HandshakeContext(ctx)
}

func TestPeersBelowTheBarAreRefused(t *testing.T) {
	gcm := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	for _, c := range []struct {
		name string
		opts []dtls.ClientOption
	}{
		{"no extended master secret", []dtls.ClientOption{gcm, dtls.WithExtendedMasterSecret(dtls.DisableExtendedMasterSecret)}},
		{"no certificate", []dtls.ClientOption{gcm, dtls.WithGetClientCertificate(
			func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil })}},
		{"no SRTP", nil},
		{"a profile we do not have", []dtls.ClientOption{dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_32)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(oneWay)
				r := startRouter(t, w, nil)
				_, conn, err := r.tryRawClient(w.host("198.51.100.7"), "user1", c.opts...)
				defer conn.Close()
				if err == nil {
					t.Error("the peer thinks that it is connected")
				}
				time.Sleep(oneWay)
				r.do(func(time.Time) {
					if len(r.up) != 0 || r.mux.inFlight != 0 {
						t.Errorf("%d transports up, %d handshakes under way", len(r.up), r.mux.inFlight)
					}
				})
				if n := r.counters(); n.Failed == 0 {
					t.Error("no failed handshake counted")
				}
			})
		})
	}
}

func TestEveryProfileCarriesMedia(t *testing.T) {
	for _, p := range []srtp.Profile{srtp.GCM128, srtp.GCM256, srtp.CM80} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(oneWay)
				r := startRouter(t, w, nil)
				c, conn := r.rawClient(w.host("198.51.100.7"), "user1", dtls.SRTPProtectionProfile(p))
				defer conn.Close()
				media(t, r, c)
				if got := r.transport().Profile(); got != p {
					t.Errorf("profile %v", got)
				}
			})
		})
	}
}

func TestBothHalvesOfAHelloMayOvertakeTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		delayed, hellos := false, 0
		w.filter(func(from, to netip.AddrPort, b []byte) bool {
			if to == routerAddr && b[0] == typeHandshake && b[recordLen] == clientHello {
				hellos++
			}
			if to == routerAddr && b[0] == 0 && !delayed {
				delayed = true
				b = bytes.Clone(b)
				time.AfterFunc(30*time.Millisecond, func() { w.inject(from, to, b) })
				return true
			}
			return false
		})
		began := time.Now()
		// A browser's hello is 1.4 kB, always two datagrams; here the fragments are small instead.
		c, conn := r.rawClient(w.host("198.51.100.7"), "user1", dtls.SRTP_AEAD_AES_128_GCM, dtls.WithMTU(80))
		defer conn.Close()
		if got, want := time.Since(began), 4*oneWay+30*time.Millisecond; got != want {
			t.Errorf("took %v, want %v", got, want)
		}
		if hellos != 2 {
			t.Errorf("%d datagrams of ClientHello, want 2", hellos)
		}
		media(t, r, c)
	})
}

func TestCloseNotifyEndsATransportWhoseDTLSIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		_, conn := r.rawClient(w.host("198.51.100.7"), "user1", dtls.SRTP_AEAD_AES_128_GCM)
		c2, conn2 := r.rawClient(w.host("198.51.100.8"), "user2", dtls.SRTP_AEAD_AES_128_GCM)
		conn.Close()
		media(t, r, c2) // the router drops its DTLS here
		conn2.Close()
		time.Sleep(2 * oneWay)
		r.do(func(time.Time) {
			if len(r.down) != 1 || r.down[r.up[0]] != ReasonPeerClosed {
				t.Errorf("down %v", r.down)
			}
		})
		media(t, r, c2)
	})
}

func TestDTLSStateIsDroppedInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		r.join(w.host("198.51.100.7"), "user1")
		sent := false
		w.watch(func(from, to netip.AddrPort, b []byte) { sent = sent || from == routerAddr && b[0] >= 20 && b[0] < 64 })
		time.Sleep(dtlsKept + 5*time.Second)
		r.do(func(time.Time) {
			if r.up[0].hs != nil || len(r.down) != 0 {
				t.Errorf("DTLS kept %v, down %v", r.up[0].hs != nil, r.down)
			}
		})
		if sent {
			t.Error("the router said something over DTLS")
		}
	})
}

func TestForgedAlertsEndNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		alert := []byte{typeAlert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40} // fatal handshake_failure, in clear
		from := netip.MustParseAddrPort("198.51.100.7:40001")
		for i := range 10 {
			time.AfterFunc(time.Duration(i)*20*time.Millisecond+5*time.Millisecond, func() { w.inject(from, routerAddr, alert) })
		}
		c := r.join(w.host("198.51.100.7"), "user1")
		if c.LocalAddr() != from {
			t.Fatalf("bound %v: the test aims wrong", c.LocalAddr())
		}
		time.Sleep(time.Second)
		media(t, r, c)
		if n := r.counters(); n.DroppedFor(ReasonBadDTLS) == 0 {
			t.Error("no alert was dropped")
		}
	})
}
