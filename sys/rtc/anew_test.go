package rtc

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
)

// A browser goes on with a peer connection for some hundred milliseconds after the page has closed it, so the router
// may have given keys to what nobody uses when the page's next one, with the same credentials, asks.
func TestAPeerConnectionMadeAgainGetsItsKeysAtOnce(t *testing.T) {
	old := netip.MustParseAddr("198.51.100.7")
	for _, tc := range []struct {
		name  string
		first func(r *router, w *wires, cfg DialConfig) // what the peer connection before did
	}{
		{"the first has its keys, and says nothing more", func(r *router, _ *wires, cfg DialConfig) { r.with(cfg) }},
		{"the first is left in the middle of its handshake", func(r *router, w *wires, cfg DialConfig) {
			w.filter(func(from, _ netip.AddrPort, b []byte) bool {
				return from.Addr() == old && b[0] == typeHandshake && b[recordLen] != clientHello
			})
			ctx, cancel := context.WithTimeout(r.t.Context(), 5*oneWay)
			defer cancel()
			if c, err := Dial(ctx, cfg); err == nil {
				c.Close()
				r.t.Fatal("the first has its keys")
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(oneWay)
				r := startRouter(t, w, nil)
				cfg := r.dialConfig(w.host(old.String()), "user1")
				tc.first(r, w, cfg)
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				cfg.Host = w.host("198.51.100.8")
				c, err := Dial(ctx, cfg)
				if err != nil {
					t.Fatalf("the second: %v", err)
				}
				defer c.Close()
				if took := time.Since(began); took > 4*oneWay {
					t.Errorf("the second has its keys after %v, want two round trips", took)
				}
				media(t, r, c)
				r.do(func(time.Time) {
					second := r.up[len(r.up)-1]
					for tr, why := range r.down {
						if why != ReasonAnew || tr == second {
							t.Errorf("a transport ended by %v, want the first by %v", why, ReasonAnew)
						}
					}
					if r.mux.Transport("user1") != second || len(r.down) != 1 || second.heir != nil || second.elder != nil {
						t.Error("the second is not what the credentials stand for, alone")
					}
				})
			})
		})
	}
}

// The goodbye of a peer connection may come between the check and the ClientHello of the next one.
func TestAGoodbyeLeavesTheNextPeerConnectionItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		_, conn := r.with(r.dialConfig(w.host("198.51.100.7"), "user1"))
		at := netip.MustParseAddrPort("198.51.100.8:5000")
		for range 3 { // as browsers do: who has said little is told little
			w.inject(at, routerAddr, checkOf("user1:second", password))
		}
		time.Sleep(2 * oneWay)
		conn.Close()
		time.Sleep(2 * oneWay)
		answered := false
		w.watch(func(_, to netip.AddrPort, b []byte) { answered = answered || to == at && b[0] == typeHandshake })
		w.inject(at, routerAddr, realHello(t))
		time.Sleep(3 * oneWay)
		r.do(func(time.Time) {
			if !answered {
				t.Error("its ClientHello is not answered")
			}
			if len(r.down) != 1 || r.down[r.up[0]] != ReasonPeerClosed {
				t.Errorf("down %v, want the first by its goodbye", r.down)
			}
		})
	})
}

// Whoever has a check of another peer connection of somebody's, and not her certificate, takes nothing over.
func TestAnothersCertificateTakesNothingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		first := r.join(w.host("198.51.100.7"), "user1")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if c, err := Dial(ctx, r.dialConfig(w.host("198.51.100.8"), "user1")); err == nil {
			c.Close()
		}
		media(t, r, first)
		time.Sleep(2 * checksLost) // a check that was under way when it was refused comes to nothing too
		media(t, r, first)
		r.do(func(time.Time) {
			if len(r.up) != 1 || r.mux.Transport("user1") != r.up[0] || r.up[0].heir != nil {
				t.Errorf("%d transports came up; want the first alone, and nothing beside it", len(r.up))
			}
		})
	})
}

// What begins anew is bounded like handshakes, and what comes to nothing leaves nothing.
func TestBeginningAnewIsBounded(t *testing.T) {
	b := newBare(t, nil)
	b.take("198.51.100.1:5000", checkOf("user1:a", password))
	first := b.Transport("user1")
	for i := range 3 * maxHandshakes {
		from := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(6000+i)).String()
		b.take(from, checkOf("user1:"+string(rune('b'+i)), password))
		b.take(from, helloOf(200))
	}
	if n := b.Counters().Handshakes; n != maxHandshakes {
		t.Errorf("%d handshakes began, want %d", n, maxHandshakes)
	}
	if b.inFlight > 1 {
		t.Errorf("%d handshakes are under way, want those left ended", b.inFlight)
	}
	if b.Transport("user1") != first {
		t.Error("something without keys has taken the first one's place")
	}
	b.now = b.now.Add(checksLost)
	b.Tick(b.now)
	if n := b.Counters().Transports; n != 0 || len(b.paths) != 0 {
		t.Errorf("%d transports and %d paths are left", n, len(b.paths))
	}
}

// A page may make its peer connection again as often as its network changes: only what comes to nothing is counted,
// and what comes at once.
func TestPeerConnectionsWithKeysMayBeManyInTime(t *testing.T) {
	for _, tc := range []struct {
		name  string
		apart time.Duration
		want  int
	}{{"in time", forgivenAfter, 3 * maxHandshakes}, {"at once", 0, maxHandshakes}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(oneWay)
				r := startRouter(t, w, nil)
				cfg := r.dialConfig(w.host("198.51.100.10"), "user1")
				up := 0
				for i := range 3 * maxHandshakes {
					cfg.Host = w.host(netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + i)}).String())
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					c, err := Dial(ctx, cfg)
					cancel()
					if err != nil {
						break
					}
					defer c.Close()
					up++
					time.Sleep(tc.apart)
				}
				if up != tc.want {
					t.Errorf("%d peer connections got their keys, want %d", up, tc.want)
				}
			})
		})
	}
}

// An heir is a transport too, whatever becomes of it.
func TestHeirsAreCounted(t *testing.T) {
	b := newBare(t, nil)
	b.take("198.51.100.1:5000", checkOf("user1:a", password))
	b.take("198.51.100.1:5001", checkOf("user1:b", password))
	if n := b.Counters().Transports; n != 2 {
		t.Errorf("%d transports, want the elder and its heir", n)
	}
}

// with is a raw client of a given configuration, with its keys.
func (r *router) with(cfg DialConfig) (*Conn, *dtls.Conn) {
	r.t.Helper()
	c, conn, err := r.tryRaw(cfg, dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
	if err != nil {
		r.t.Fatal(err)
	}
	return c, conn
}

// realHello is a ClientHello that a server answers.
func realHello(t *testing.T) []byte {
	t.Helper()
	var hello []byte
	p := newPipe(routerAddr, func(b []byte) {
		if hello == nil {
			hello = bytes.Clone(b)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	cert, err := NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if conn, _, err := connect(ctx, p, cert, ""); err == nil {
		t.Fatal("a handshake with nobody")
	} else if conn != nil {
		conn.Close()
	}
	p.Close()
	return hello
}
