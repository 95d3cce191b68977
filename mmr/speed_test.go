package mmr

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// edges are first sequence numbers worth testing: the middle, and every edge of the circle.
var edges = []rtp.Seq{0, 1, 1000, 0x7ffd, 0x7fff, 0x8000, 0xff00, 0xfff0, 0xfffc, 0xffff}

// The whole way through a shard, transports, choice, outboxes and runs, against the reference: nothing
// lost, added, changed or out of order on any SSRC of any receiver, under loss, reordering, duplicates,
// wraps, switches of source and layer, retransmissions both ways, people who leave in the middle of a
// burst, and ports that move. PARLEY_SOAK=1 does it on millions of packets.
func TestEveryPacketArrivesAsTheReferenceSays(t *testing.T) {
	seeds, steps := 4, 120
	if os.Getenv("PARLEY_SOAK") != "" {
		seeds, steps = 100, 400
	}
	media, repairs, runs := 0, 0, 0
	first, _ := strconv.Atoi(os.Getenv("PARLEY_SEED")) // 0 unless asked otherwise
	for seed := range seeds {
		st := perform(t, uint64(first+seed), steps)
		media, repairs, runs = media+st.media, repairs+st.repairs, runs+st.runs
		if st.failed {
			return
		}
	}
	t.Logf("%d packets, %d retransmissions, %d runs", media, repairs, runs)
	if media < seeds*steps*20 || repairs < seeds*steps/10 || runs < seeds*steps/10 {
		t.Errorf("%d packets, %d retransmissions and %d runs were compared: too few to show anything", media, repairs, runs)
	}
}

// perform has a few actors do everything that actors do.
func perform(t *testing.T, seed uint64, steps int) *stage {
	t.Helper()
	cfg := PlaneConfig{HoldFrom: []int{-1, -1, 1 << 30, -1}[seed%4]}
	if seed%4 == 3 {
		cfg.HoldVideo = -1
	}
	return performWith(t, seed, steps, cfg)
}

func performWith(t *testing.T, seed uint64, steps int, cfg PlaneConfig) *stage {
	t.Helper()
	return newStage(t, seed, cfg).perform(t, seed, steps)
}

func (st *stage) perform(t *testing.T, seed uint64, steps int) *stage {
	t.Helper()
	st.where = fmt.Sprintf("seed %d", seed)
	st.wait(time.Second) // until the load was judged
	number := func() rtp.Seq { return edges[st.rnd.IntN(len(edges))] - rtp.Seq(st.rnd.IntN(40)) }
	// SRTP does not say how often the number has wrapped: a sender's first packets must not be lost or
	// overtaken around a wrap (RFC 3711 §3.3.1).
	far := func() rtp.Seq { return number() - 60 }
	next := proto.ParticipantID(1)
	enter := func() {
		st.join(next, next%4 == 3, far, number)
		next++
	}
	for range 4 {
		enter()
	}
	st.wire()
	for step := 0; step < steps && !st.failed; step++ {
		st.where = fmt.Sprintf("seed %d step %d", seed, step)
		if st.rnd.IntN(12) == 0 {
			st.wire()
		}
		had := len(st.queue)
		for _, a := range st.actors {
			st.speak(a)
			st.show(a)
		}
		event := st.rnd.IntN(60)
		if step > steps-5 && event < 5 {
			event = -1 // everybody is to be sent to where they are in the end
		}
		switch event {
		case 0, 1, 2:
			a := st.actors[st.rnd.IntN(len(st.actors))]
			st.move(a.all[st.rnd.IntN(len(a.all))])
		case 3:
			if len(st.actors) > 3 {
				n := st.rnd.IntN(len(st.queue))
				st.deliver(st.queue[:n:n])
				st.queue, had = append([]parcel(nil), st.queue[n:]...), 0
				st.leave(st.actors[st.rnd.IntN(len(st.actors))])
			} else {
				enter()
				st.wire()
			}
		case 4:
			a := st.actors[st.rnd.IntN(len(st.actors))]
			if slices.ContainsFunc(append(a.cam, a.mic), func(c *actorStream) bool { return c.seq > 0xfc00 }) {
				break // its own first packets must not be lost around a wrap either
			}
			st.deliver(st.queue)
			st.queue, had = nil, 0
			st.reconnect(a)
		}
		st.network(len(st.queue) - had)
		for range st.rnd.IntN(3) {
			a := st.actors[st.rnd.IntN(len(st.actors))]
			slot := 2 + st.rnd.IntN(3)
			var seqs []rtp.Seq
			for range 1 + st.rnd.IntN(4) {
				seqs = append(seqs, rtp.Seq(st.ref.legs[a.slots[slot].SSRC].top)-rtp.Seq(st.rnd.IntN(40)))
			}
			st.nack(a, slot, seqs)
		}
		st.wait(time.Duration(st.rnd.IntN(20)) * time.Millisecond)
	}
	st.wait(time.Second)
	if st.failed {
		return st
	}
	for ssrc, list := range st.due {
		if len(list) > 0 {
			st.fail("on %x %d packets did not come, the first is %v", ssrc, len(list), list[0].refArrival)
		}
	}
	for _, a := range st.actors {
		for _, tr := range a.all {
			if tr.lastTo != tr.addr {
				st.fail("%d is sent to at %v, though it moved to %v", a.id, tr.lastTo, tr.addr)
			}
		}
	}
	for _, r := range []Drop{DropSeal, DropWrite, DropMalformed, DropUnknownStream, DropNoPath, DropLane} {
		for _, s := range st.plane.shards {
			if n := s.drops[r]; n > 0 {
				st.fail("%d packets dropped: %v", n, r)
			}
		}
	}
	st.empty()
	return st
}

// empty has everybody leave, and holds the shards to having let go of every packet.
func (st *stage) empty() {
	st.t.Helper()
	for len(st.actors) > 0 {
		st.leave(st.actors[0])
	}
	st.wait(lingerFor + time.Second)
	for _, s := range st.plane.shards {
		if n := s.fwd.Held(); n > 0 {
			st.fail("shard %d: %d packets are held though nobody is left", s.index, n)
		}
	}
}

// What can't go where it should is let go of: for a receiver without a transport, and for a shard that has no room.
func TestWhatGoesNowhereIsNotHeld(t *testing.T) {
	far := func() rtp.Seq { return 1000 }
	send := func(st *stage, b *actor, frames int) { // past the reference
		for range frames {
			st.speak(b)
			st.show(b)
			for _, p := range st.queue {
				m := link.Message{Buf: p.data, N: len(p.data), Addr: p.from, Local: stageAddr.Addr()}
				st.of(b.key).receive(st.now, st.conn, []link.Message{m})
				st.turn()
			}
			st.queue = nil
			st.wait(20 * time.Millisecond)
		}
	}
	watched := func(t *testing.T, shards int) (st *stage, a, b *actor) {
		st = newStage(t, 1, PlaneConfig{Shards: shards, Together: 1})
		st.lax = true
		a, b = st.join(1, false, far, far), st.join(2, false, far, far)
		st.watch(a, b, 0, 2)
		send(st, b, 5)
		return st, a, b
	}
	t.Run("no transport", func(t *testing.T) {
		st, a, b := watched(t, 1)
		p := st.s.peers[a.key]
		was := p.active
		p.active = [proto.NGroups]*rtc.Transport{}
		send(st, b, 20)
		p.active = was
		if n := st.s.drops[DropNoTransport]; n < 20 {
			t.Errorf("%d packets had no transport: nothing is shown", n)
		}
		st.empty()
	})
	t.Run("no room in the lane", func(t *testing.T) {
		st, a, b := watched(t, 2)
		s := st.of(b.key)
		l := s.exchange.out[st.of(a.key).index]
		if l == nil {
			t.Fatal("both are on one shard")
		}
		was := l.lent
		l.lent = len(l.returns.slots)
		send(st, b, 20)
		l.lent = was
		if n := s.drops[DropLane]; n < 20 {
			t.Errorf("%d packets found no room: nothing is shown", n)
		}
		st.empty()
	})
}
