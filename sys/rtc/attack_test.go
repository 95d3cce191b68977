package rtc

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/sys/link"
)

var third = netip.MustParseAddrPort("192.0.2.66:6666")

// tap records what crosses the wires.
type tap struct {
	mu    sync.Mutex
	up    [][]byte // to the router
	bytes map[netip.AddrPort]int
	in    map[netip.AddrPort]int // to the router, by source
}

func (w *wires) tap() *tap {
	t := &tap{bytes: map[netip.AddrPort]int{}, in: map[netip.AddrPort]int{}}
	w.watch(func(from, to netip.AddrPort, b []byte) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.bytes[to] += len(b)
		if to == routerAddr {
			t.in[from] += len(b)
			t.up = append(t.up, bytes.Clone(b))
		}
	})
	return t
}

// first is the first datagram to the router whose first byte is one of these.
func (t *tap) first(kinds ...byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.up {
		if slices.Contains(kinds, b[0]) {
			return b
		}
	}
	return nil
}

// of is the bytes sent to an address, and to the router in its name.
func (t *tap) of(a netip.AddrPort) (out, in int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes[a], t.in[a]
}

// last is the last datagram to the router with this first byte.
func (t *tap) last(kind byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range slices.Backward(t.up) {
		if b[0] == kind {
			return b
		}
	}
	return nil
}

func TestAReplayedCheckMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		seen := w.tap()
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		media(t, r, c)
		for range 20 {
			w.inject(third, routerAddr, seen.first(0))
		}
		time.Sleep(2 * oneWay)
		w.inject(third, routerAddr, seen.last(0x80)) // replayed media, too
		time.Sleep(2 * oneWay)
		r.do(func(time.Time) {
			if _, to, _, ok := r.up[0].Path(); !ok || to != c.LocalAddr() {
				t.Errorf("media goes to %v", to)
			}
		})
		media(t, r, c)
		if out, in := seen.of(third); out > 3*in {
			t.Errorf("%d bytes to the third address for %d", out, in)
		}
		if n := r.counters(); n.Moves != 0 || n.DroppedFor(ReasonReplay) != 1 {
			t.Errorf("%d moves, %d replays", n.Moves, n.DroppedFor(ReasonReplay))
		}
	})
}

func TestAVictimGetsAtMostThreeTimesWhatWasSentInItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		seen := w.tap()
		r := startRouter(t, w, nil)
		// The attacker sees check and ClientHello of a join, which never arrive, and sends them from the victim.
		w.filter(func(from, to netip.AddrPort, b []byte) bool { return from != third && to != third })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := Dial(ctx, r.dialConfig(w.host("198.51.100.7"), "user1")); err == nil {
			t.Fatal("dialled through nothing")
		}
		check, hello := seen.first(0), seen.first(22)
		w.inject(third, routerAddr, check)
		w.inject(third, routerAddr, hello)
		time.Sleep(handshakeTimeout + time.Minute)
		if out, in := seen.of(third); out == 0 || out > 3*in {
			t.Errorf("%d bytes to the victim for %d", out, in)
		}
		if n := r.counters(); n.Transports != 0 || n.Handshakes != 1 || n.DroppedFor(ReasonAmplify) == 0 {
			t.Errorf("counters %+v", n)
		}
	})
}

func TestThePathFollowsAuthenticMediaOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		seen := w.tap()
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		media(t, r, c)
		w.filter(func(from, to netip.AddrPort, b []byte) bool { return from == c.LocalAddr() && b[0] >= 128 })
		var sealed [3][]byte
		for i := range sealed {
			if err := c.WriteRTP(rtpPacket(7, uint16(100+i))); err != nil {
				t.Fatal(err)
			}
			sealed[i] = seen.last(0x80)
		}
		to := func() (to netip.AddrPort) {
			time.Sleep(oneWay + time.Millisecond)
			r.do(func(time.Time) { _, to, _, _ = r.up[0].Path() })
			return to
		}
		// Behind a NAT that has changed its mind, the client appears as another address.
		w.inject(third, routerAddr, sealed[1])
		if got := to(); got != c.LocalAddr() {
			t.Errorf("moved to an address never checked: %v", got)
		}
		w.inject(third, routerAddr, seen.first(0))
		if got := to(); got != c.LocalAddr() {
			t.Errorf("moved by a check: %v", got)
		}
		forged := bytes.Clone(sealed[1])
		forged[len(forged)-1] ^= 1
		w.inject(third, routerAddr, forged)
		if got := to(); got != c.LocalAddr() {
			t.Errorf("moved by a forgery: %v", got)
		}
		w.inject(third, routerAddr, sealed[1])
		if got := to(); got != third {
			t.Errorf("did not move with media: %v", got)
		}
		w.filter(nil)
		w.inject(c.LocalAddr(), routerAddr, sealed[0])
		if got := to(); got != third {
			t.Errorf("a late packet moved it back: %v", got)
		}
		w.inject(c.LocalAddr(), routerAddr, sealed[2])
		if got := to(); got != c.LocalAddr() {
			t.Errorf("did not move back: %v", got)
		}
	})
}

func TestAChangedPortOfTheSameHostIsFollowedByItsMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		seen := w.tap()
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		media(t, r, c)
		w.filter(func(from, to netip.AddrPort, b []byte) bool { return from == c.LocalAddr() && b[0] >= 128 })
		seal := func(ssrc uint32, seq uint16) []byte {
			if err := c.WriteRTP(rtpPacket(ssrc, seq)); err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(seen.last(0x80))
		}
		to := func() (to netip.AddrPort) {
			time.Sleep(oneWay + time.Millisecond)
			r.do(func(time.Time) { _, to, _, _ = r.up[0].Path() })
			return to
		}
		port := func(p uint16) netip.AddrPort { return netip.AddrPortFrom(c.LocalAddr().Addr(), p) }
		late, next := seal(7, 200), seal(7, 201)
		strange := seal(1234, 1)

		forged := bytes.Clone(next)
		forged[len(forged)-1] ^= 1
		w.inject(port(4001), routerAddr, forged)
		if got := to(); got != c.LocalAddr() {
			t.Errorf("moved by a forgery: %v", got)
		}
		w.inject(port(4002), routerAddr, strange)
		if got := to(); got != c.LocalAddr() {
			t.Errorf("moved by an SSRC never seen: %v", got)
		}
		got := r.counters().Packets
		w.inject(port(4003), routerAddr, next)
		if got := to(); got != port(4003) {
			t.Errorf("sends to %v, want the new port", got)
		}
		if n := r.counters().Packets - got; n != 1 {
			t.Errorf("%d packets handed up, want the one that moved it", n)
		}
		w.inject(port(4004), routerAddr, next)
		w.inject(port(4005), routerAddr, late)
		if got := to(); got != port(4003) {
			t.Errorf("moved by a repeated or late packet: %v", got)
		}
	})
}

// portHost always binds one port.
type portHost struct {
	*memHost
	port uint16
}

func (h portHost) ListenPacket(a netip.AddrPort) (link.PacketConn, error) {
	return h.memHost.ListenPacket(netip.AddrPortFrom(a.Addr(), h.port))
}

func TestAPortUsedAgainBelongsToTheNextTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		h := portHost{w.host("198.51.100.7"), 5000}
		c := r.join(h, "user1")
		media(t, r, c)
		c.Close()
		began := time.Now()
		c2 := r.join(h, "user2")
		if took := time.Since(began); took > rebindQuiet+500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		r.do(func(time.Time) { r.got = nil })
		media(t, r, c2)
		if tr := r.transport(); tr.LocalUfrag() != "user2" {
			t.Errorf("transport %q", tr.LocalUfrag())
		}
		r.do(func(time.Time) {
			if _, _, _, ok := r.up[0].Path(); ok {
				t.Error("the first transport still has a path")
			}
		})
	})
}

func TestAnotherUsersCheckDoesNotCutOffLiveMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		media(t, r, c)
		w.inject(c.LocalAddr(), routerAddr, checkOf("user2:x", password))
		time.Sleep(oneWay + time.Millisecond)
		media(t, r, c)
		if n := r.counters(); n.DroppedFor(ReasonBusyAddress) != 1 || n.Transports != 1 {
			t.Errorf("counters %+v", n)
		}
	})
}

func TestManyClientsAtOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, func(c *MuxConfig) { c.MaxHandshakes = 2 })
		h := w.host("198.51.100.7")
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				c := r.join(h, fmt.Sprint("user", i))
				if err := c.WriteRTP(rtpPacket(uint32(i), 1)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * oneWay)
		r.do(func(time.Time) {
			from := map[any]bool{}
			for _, in := range r.got {
				if in.T.Tag != fmt.Sprint("user", in.Data[11]) {
					t.Errorf("packet of SSRC %d from %v", in.Data[11], in.T.Tag)
				}
				from[in.T.Tag] = true
			}
			if len(from) != 8 {
				t.Errorf("media of %d transports", len(from))
			}
		})
		if n := r.counters(); n.DroppedFor(ReasonHandshakes) == 0 || n.Transports != 8 {
			t.Errorf("the bound on handshakes was not met: %+v", n)
		}
	})
}

func TestMediaWaitsForRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		r.release = false
		c := r.join(w.host("198.51.100.7"), "user1")
		tr := r.transport()
		// The sequence number wraps before the release: the roll-over counter must have been followed.
		for _, seq := range []uint16{65000, 65535, 3} {
			if err := c.WriteRTP(rtpPacket(1, seq)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * oneWay)
		r.do(func(time.Time) {
			if len(r.got) != 0 {
				t.Error("media before Release")
			}
			if _, err := tr.SealRTP(nil, rtpPacket(1, 1)); err != ErrNotReleased {
				t.Errorf("sealing before Release: %v", err)
			}
			tr.Release()
		})
		c.WriteRTP(rtpPacket(1, 4))
		time.Sleep(time.Millisecond)
		c.WriteRTCP(hello())
		time.Sleep(2 * oneWay)
		r.do(func(time.Time) {
			if len(r.got) != 2 || r.got[0].RTCP || !r.got[1].RTCP || !bytes.Equal(r.got[0].Data, rtpPacket(1, 4)) {
				t.Errorf("got %+v", r.got)
			}
		})
		if n := r.counters(); n.DroppedFor(ReasonUnreleased) != 3 {
			t.Errorf("%d dropped", n.DroppedFor(ReasonUnreleased))
		}
	})
}

func TestMediaThatOvertakesTheHandshakeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, func(c *MuxConfig) {
			up := c.Up
			c.Up = func(now time.Time, tr *Transport, fp string) {
				up(now, tr, fp)
				b, err := tr.SealRTP(nil, rtpPacket(8, 1))
				via, to, _, ok := tr.Path()
				if err != nil || !ok {
					t.Errorf("sealing at once: %v, path %v", err, ok)
					return
				}
				via.WriteBatch([]link.Message{{Buf: b, N: len(b), Addr: to}})
			}
		})
		w.filter(func(from, to netip.AddrPort, b []byte) bool {
			if from == routerAddr && b[0] == 20 { // the Finished is lost, and repeated later
				w.lose = nil
				return true
			}
			return false
		})
		c := r.join(w.host("198.51.100.7"), "user1")
		buf := make([]byte, 100)
		if n, _, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], rtpPacket(8, 1)) {
			t.Errorf("got %x: %v", buf[:n], err)
		}
	})
}

func TestOwnerAndShutdownEndTransports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, nil)
		r.join(w.host("198.51.100.7"), "user1")
		one := r.transport()
		r.join(w.host("198.51.100.8"), "user2")
		r.do(func(now time.Time) {
			one.Close(now)
			one.Close(now)
			if r.down[one] != ReasonClosed || r.mux.Transport("user1") != nil {
				t.Errorf("down %v", r.down)
			}
			if _, err := one.SealRTP(nil, rtpPacket(1, 1)); err == nil {
				t.Error("a closed transport seals")
			}
			if _, _, _, ok := one.Path(); ok {
				t.Error("a closed transport has a path")
			}
		})
		// One more is in the middle of its handshake when the router stops.
		cfg := r.dialConfig(w.host("198.51.100.9"), "user3")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := Dial(ctx, cfg); err == nil {
				t.Error("dialled a router that has stopped")
			}
		})
		time.Sleep(oneWay + time.Millisecond)
		r.stop()
		wg.Wait()
		if len(r.down) != 3 {
			t.Errorf("down %v", r.down)
		}
	})
}

func TestPostMayDropEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		r := startRouter(t, w, func(c *MuxConfig) { c.Post = func(func(time.Time)) {} })
		media(t, r, r.join(w.host("198.51.100.7"), "user1"))
	})
}

func TestATrainOfDatagramsIsTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWires(oneWay)
		seen := w.tap()
		r := startRouter(t, w, nil)
		c := r.join(w.host("198.51.100.7"), "user1")
		w.filter(func(from, to netip.AddrPort, b []byte) bool { return b[0] >= 128 })
		var train []byte
		size := 0
		for i := range 3 {
			c.WriteRTP(rtpPacket(7, uint16(i)))
			size = len(seen.last(0x80))
			train = append(train, seen.last(0x80)...)
		}
		r.do(func(now time.Time) {
			r.got = r.mux.Receive(now, r.pc, &link.Message{Buf: train, N: len(train), Addr: c.LocalAddr(), Segment: size}, r.got)
			if len(r.got) != 3 || r.got[2].Data[3] != 2 {
				t.Errorf("got %+v", r.got)
			}
		})
	})
}
