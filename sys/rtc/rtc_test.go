package rtc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/sys/rtc/srtp"
	"parley/wire/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const oneWay = 50 * time.Millisecond

func TestKeysStandAfterTwoRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		began := time.Now()
		c := r.join(w.host("198.51.100.7"), "user1")
		if got, want := time.Since(began), 4*oneWay; got != want {
			t.Errorf("client's keys after %v, want %v", got, want)
		}
		r.do(func(time.Time) {
			if len(r.upAt) != 1 || r.upAt[0].Sub(began) != 3*oneWay {
				t.Errorf("router's keys at %v, want one after %v", r.upAt, 3*oneWay)
			}
			if r.up[0].Tag != "user1" || r.up[0].LocalUfrag() != "user1" || r.up[0].Rung() != proto.UDP8801 {
				t.Errorf("transport %+v", r.up[0])
			}
			if got, want := r.up[0].Fingerprint(), Fingerprint(c.cfg.Certificate); got != want {
				t.Errorf("fingerprint %q, want %q", got, want)
			}
		})
		if c.Profile() != srtp.GCM128 {
			t.Errorf("profile %v", c.Profile())
		}
		if c.RTT() != 2*oneWay {
			t.Errorf("RTT %v", c.RTT())
		}
		if c.MappedAddr() != c.LocalAddr() {
			t.Errorf("mapped %v, local %v", c.MappedAddr(), c.LocalAddr())
		}
		media(t, r, c)
	})
}

// media sends a packet each way.
func media(t *testing.T, r *router, c *Conn) {
	t.Helper()
	tr := r.transport()
	var n int
	r.do(func(time.Time) { n = len(r.got) })
	up := rtpPacket(7, uint16(1+n))
	if err := c.WriteRTP(up); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * oneWay)
	r.do(func(time.Time) {
		if len(r.got) != n+1 || !bytes.Equal(r.got[n].Data, up) || r.got[n].T != tr || r.got[n].RTCP {
			t.Errorf("router got %+v", r.got[n:])
		}
	})
	down := rtpPacket(8, uint16(1+n))
	r.sendTo(tr, down)
	buf := make([]byte, 1500)
	k, rtcp, err := c.Read(buf)
	if err != nil || rtcp || !bytes.Equal(buf[:k], down) {
		t.Errorf("client got %x rtcp %v: %v", buf[:k], rtcp, err)
	}
}

func TestLostFlightsAreRepeated(t *testing.T) {
	for _, c := range []struct {
		name  string
		first byte // of the datagrams to lose
		nth   int
	}{
		{"first check", 0, 1}, {"ClientHello", 22, 1}, {"ServerHello", 22, 2}, {"client's Finished", 22, 3}, {"server's Finished", 20, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWires(oneWay)
				r := startRouter(t, w, nil)
				n, lost := 0, false
				w.filter(func(from, to netip.AddrPort, b []byte) bool {
					if b[0] == c.first {
						n++
						if n == c.nth {
							lost = true
							return true
						}
					}
					return false
				})
				began := time.Now()
				conn := r.join(w.host("198.51.100.7"), "user1")
				took := time.Since(began)
				if !lost && c.first != 20 {
					t.Fatal("nothing was lost")
				}
				if took > time.Second {
					t.Errorf("took %v", took)
				}
				media(t, r, conn)
			})
		})
	}
}

func TestAHandshakeSurvivesHeavyLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		n := 0
		w.filter(func(netip.AddrPort, netip.AddrPort, []byte) bool { n++; return n%3 == 0 })
		conn := r.join(w.host("198.51.100.7"), "user1")
		w.filter(nil)
		media(t, r, conn)
	})
}

func TestCheckOvertakenByItsClientHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		var held []byte
		w.filter(func(from, to netip.AddrPort, b []byte) bool {
			if b[0] == 0 && to == routerAddr && held == nil {
				held = bytes.Clone(b)
				time.AfterFunc(20*time.Millisecond, func() { w.inject(from, to, held) })
				return true
			}
			return false
		})
		began := time.Now()
		r.join(w.host("198.51.100.7"), "user1")
		if got, want := time.Since(began), 4*oneWay+20*time.Millisecond; got != want {
			t.Errorf("took %v, want %v: the ClientHello was not held", got, want)
		}
	})
}

func TestAWrongFingerprintEndsTheDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		cfg.Fingerprint = Fingerprint(cfg.Certificate)
		if _, err := Dial(t.Context(), cfg); !errors.Is(err, ErrFingerprint) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		w.filter(func(netip.AddrPort, netip.AddrPort, []byte) bool { return true })
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := Dial(ctx, r.dialConfig(w.host("198.51.100.7"), "user1"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 700*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		cfg.Remote = cfg.Remote[:1]
		if _, err := Dial(t.Context(), cfg); !errors.Is(err, ErrNoCandidate) {
			t.Errorf("without a UDP candidate: %v", err)
		}
	})
}

func TestASilentFirstCandidateIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		cfg.Remote = append([]proto.Candidate{{Rung: proto.UDP8801, Addr: "203.0.113.99:8801"}}, cfg.Remote...)
		began := time.Now()
		c, err := Dial(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.RemoteAddr() != routerAddr {
			t.Errorf("remote %v", c.RemoteAddr())
		}
		if took := time.Since(began); took > 6*oneWay {
			t.Errorf("took %v", took)
		}
	})
}

// A router is told by several addresses, of which some answer nobody; over a satellite many checks are out at
// once, and the answer to each must be known for one.
func TestManyCandidatesOverALongPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const far = 6 * oneWay
		w := newWires(far)
		r := startRouter(t, w, nil)
		began := time.Now()
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		for i := range 5 {
			cfg.Remote = append([]proto.Candidate{{Rung: proto.UDP8801, Addr: fmt.Sprintf("203.0.113.%d:8801", 100+i)}}, cfg.Remote...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := Dial(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if took := time.Since(began); took > 8*far {
			t.Errorf("keys after %v, which is %.1f round trips, want at most 4", took, float64(took)/float64(2*far))
		}
	})
}

func TestAReboundTransportGoesOnWithoutAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		media(t, r, c)
		before := c.LocalAddr()
		began := time.Now()
		if err := c.Rebind(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(began); got != 2*oneWay {
			t.Errorf("rebinding took %v, want one round trip", got)
		}
		if c.LocalAddr() == before {
			t.Error("same socket")
		}
		time.Sleep(oneWay + time.Millisecond)
		r.do(func(time.Time) {
			if _, to, _, ok := r.up[0].Path(); !ok || to != c.LocalAddr() {
				t.Errorf("router sends to %v, want %v", to, c.LocalAddr())
			}
			if n := len(r.got); r.got[n-1].RTCP != true {
				t.Error("no report from the new socket")
			}
		})
		if n := r.counters().Handshakes; n != 1 {
			t.Errorf("%d handshakes", n)
		}
		r.do(func(time.Time) { r.got = r.got[:1] })
		media(t, r, c)
		time.Sleep(3 * time.Second)
		w.mu.Lock()
		if w.conns[before] != nil {
			t.Error("the old socket is still open")
		}
		w.mu.Unlock()
		// Nobody answers: the transport stays as it was.
		w.filter(func(from, to netip.AddrPort, b []byte) bool { return from != c.LocalAddr() && to != c.LocalAddr() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at := c.LocalAddr()
		if err := c.Rebind(ctx); err == nil || c.LocalAddr() != at {
			t.Errorf("rebinding into nothing: %v", err)
		}
		r.do(func(time.Time) { r.got = r.got[:2] })
		media(t, r, c)
	})
}

func TestAClientNoticesALostRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		time.Sleep(time.Minute) // consent alone keeps it
		r.do(func(time.Time) {
			if len(r.down) != 0 {
				t.Errorf("down while consent stood: %v", r.down)
			}
		})
		w.filter(func(netip.AddrPort, netip.AddrPort, []byte) bool { return true })
		began := time.Now()
		_, _, err := c.Read(make([]byte, 1500))
		if took := time.Since(began); err != ErrLost || took > clientLost+consentEvery {
			t.Errorf("%v after %v", err, took)
		}
		if err := c.WriteRTP(rtpPacket(1, 1)); err != ErrLost {
			t.Errorf("write: %v", err)
		}
		time.Sleep(checksLost)
		r.do(func(time.Time) {
			if r.down[r.up[0]] != ReasonLost {
				t.Errorf("router: %v", r.down)
			}
		})
		if n := r.counters().Transports; n != 0 {
			t.Errorf("%d transports left", n)
		}
	})
}

func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		h := w.host("198.51.100.7")
		for _, padded := range []bool{false, true} {
			sent, got := 0, 0
			w.watch(func(from, to netip.AddrPort, b []byte) {
				if to == routerAddr {
					sent = len(b)
				} else {
					got = len(b)
				}
			})
			rtt, mapped, err := Probe(t.Context(), h, routerAddr, padded)
			if err != nil || rtt != 2*oneWay || mapped.Addr() != h.addr {
				t.Errorf("padded %v: %v %v %v", padded, rtt, mapped, err)
			}
			if got != sent || padded && got != 1200 {
				t.Errorf("padded %v: sent %d bytes, got %d", padded, sent, got)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1700*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, _, err := Probe(ctx, h, netip.MustParseAddrPort("203.0.113.2:8801"), false); err != context.DeadlineExceeded {
			t.Errorf("nobody there: %v", err)
		}
		if got := time.Since(began); got != 1700*time.Millisecond {
			t.Errorf("gave up after %v", got)
		}
		if n := r.counters().Transports; n != 0 {
			t.Errorf("%d transports", n)
		}
	})
}
