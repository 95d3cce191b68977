package rtc

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// A router that has forgotten a way, as one does that has too many, learns of it again by whoever asks there.
func TestAWayTheRouterHasForgottenComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		c := Open(cfg)
		t.Cleanup(func() { c.Close() })
		var last link.PacketConn
		w.filter(func(from, _ netip.AddrPort, b []byte) bool {
			return b[0] >= 20 && last != nil && from == last.LocalAddr() // DTLS goes the other way
		})
		forgotten := c.Try(proto.UDP8801, cfg.Remote)
		c.mu.Lock()
		last = c.sockets[0]
		c.mu.Unlock()
		other := c.Try(proto.UDP8801, cfg.Remote)
		if err := c.Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := other.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.filter(nil)
		r.do(func(now time.Time) {
			for key := range r.mux.paths {
				if key.addr == last.LocalAddr() {
					r.mux.Unlink(now, key.via, key.addr)
				}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := forgotten.Wait(ctx); err != nil {
			t.Errorf("the way the router had forgotten: %v", err)
		}
	})
}

// Two ways of one transport, of which one dies: what comes over the other must not speak for it.
func TestEachWayIsHeardForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		cfg := r.dialConfig(w.host("198.51.100.7"), "user1")
		c := Open(cfg)
		t.Cleanup(func() { c.Close() })
		first := c.Try(proto.UDP8801, cfg.Remote)
		if err := c.Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := first.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		media(t, r, c)
		dies, old := time.Now(), c.LocalAddr()
		if first.HeardAt() != dies {
			t.Errorf("the first way was heard at %v, want now", first.HeardAt().Sub(dies))
		}
		w.filter(func(from, to netip.AddrPort, _ []byte) bool { return from == old || to == old })
		second := c.Try(proto.UDP8801, cfg.Remote)
		if !second.HeardAt().IsZero() {
			t.Error("a way is heard before anything came")
		}
		if err := second.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.sendTo(r.transport(), rtpPacket(8, 100))
		if _, _, err := c.Read(make([]byte, 1500)); err != nil {
			t.Fatal(err)
		}
		if got := second.HeardAt(); got != time.Now() {
			t.Errorf("the second way was heard %v ago, want now", time.Since(got))
		}
		if got := first.HeardAt(); got != dies {
			t.Errorf("the first way was heard %v after it had died", got.Sub(dies))
		}
	})
}
