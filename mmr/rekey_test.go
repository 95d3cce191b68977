package mmr

import (
	"fmt"
	"testing"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// play is some frames and sounds of everybody's, one after the other.
func (st *stage) play(frames int) {
	for range frames {
		for _, a := range st.actors {
			st.speak(a)
			st.show(a)
		}
		st.deliver(st.queue)
		st.queue = nil
		st.wait(20 * time.Millisecond)
	}
}

// watch has an actor see and hear another in given slots.
func (st *stage) watch(a, b *actor, slots ...int) {
	var wires []meeting.Wire
	for _, i := range slots {
		wires = append(wires, meeting.Wire{ID: a.id, Slot: i, Source: proto.Source(b.id, a.slots[i].Kind)})
	}
	st.plane.wire(st.room, wires)
	st.turn()
	st.wait(tableEvery + time.Millisecond)
	for _, w := range wires {
		st.ref.wire(a.slots[w.Slot].SSRC, uint32(w.Source), 0)
	}
}

// A receiver that comes with another peer connection has other keys, with which a slot goes on: near a wrap it
// could decrypt nothing more once the packets before it were lost.
func TestFreshKeysSurviveTheLossOfTheirFirstPackets(t *testing.T) {
	for _, one := range []bool{false, true} {
		t.Run(fmt.Sprintf("one group %v", one), func(t *testing.T) {
			st := newStage(t, 7, PlaneConfig{HoldFrom: -1})
			low, nearWrap := func() rtp.Seq { return 1000 }, func() rtp.Seq { return 65_500 }
			a, b := st.join(1, one, low, nearWrap), st.join(2, false, low, low)
			st.watch(a, b, 0, 2)
			st.play(5)
			before := st.media
			for _, sl := range a.slots[:3] {
				if st.ref.legs[sl.SSRC].top > 65_530 {
					t.Fatalf("at %d: the wrap has passed", st.ref.legs[sl.SSRC].top)
				}
			}
			st.reconnect(a)
			for _, tr := range a.all {
				tr.deaf = true
			}
			st.play(30)
			for _, tr := range a.all {
				tr.deaf = false
			}
			st.play(10)
			if got := st.media - before; !st.failed && got < 20 {
				t.Errorf("%d packets came after the loss", got)
			}
		})
	}
}

// A peer connection made again with the same credentials takes the place of the one before, which its browser may still
// have given keys to.
func TestThePeerConnectionMadeAgainIsTheOneInUse(t *testing.T) {
	for _, one := range []bool{false, true} {
		t.Run(fmt.Sprintf("one group %v", one), func(t *testing.T) {
			st := newStage(t, 10, PlaneConfig{HoldFrom: -1})
			st.now = st.now.Truncate(time.Second).Add(time.Second) // credentials have the second they lapse in
			low := func() rtp.Seq { return 1000 }
			b, a := st.join(2, false, low, low), st.join(1, one, low, low)
			st.watch(a, b, 0, 2)
			p := st.of(a.key).peers[a.key]
			st.play(10) // pictures are on their way
			asked := func() (n uint64) {
				for i := range p.slots {
					stats, _ := st.of(a.key).fwd.LegStats(p.slots[i].leg)
					n += stats.Pictures
				}
				return n
			}
			before, askedBefore := p.active, asked()
			st.nonce--
			st.reconnect(a)
			if asked() == askedBefore {
				t.Error("the second begins without a key frame, and none is asked for")
			}
			if len(p.conns) != 1 || p.active[proto.GroupAudio] == nil {
				t.Fatalf("%d peer connections, %v in use; want the second", len(p.conns), p.active)
			}
			for g, tr := range p.active {
				if tr != nil && (tr == before[g] || before[g].Released() || p.conns[0].transports[g] != tr) {
					t.Errorf("%v: the first is in use still", proto.Group(g))
				}
			}
			was := st.media
			st.play(10)
			if got := st.media - was; !st.failed && got < 20 {
				t.Errorf("%d packets came over the second", got)
			}
		})
	}
}

// What waits for a receiver when its peer connection is replaced leaves under the keys it had.
func TestWhatWaitsLeavesUnderItsOwnKeys(t *testing.T) {
	st := newStage(t, 8, PlaneConfig{HoldFrom: -1})
	low := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, low, low), st.join(2, false, low, low)
	st.watch(a, b, 0, 2)
	st.play(5)
	st.speak(b)
	st.deliver(st.queue)
	st.queue = nil
	if len(st.due[a.slots[0].SSRC]) == 0 {
		t.Fatal("no sound waits")
	}
	st.reconnect(a)
	if n := len(st.due[a.slots[0].SSRC]); n > 0 {
		t.Errorf("%d sounds did not come", n)
	}
	st.play(5)
}

// The same seed with another number of slots gives some SSRCs again, in other places. Under the same keys their
// numbers go on: one that was sealed before is never sealed again, and is not what a slot begins with.
func TestSSRCsInAnotherTableGoOn(t *testing.T) {
	const seed = 77
	st := newStage(t, 9, PlaneConfig{HoldFrom: -1})
	st.lax = true
	low := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, low, low), st.join(2, false, low, low)
	s := st.of(a.key)
	sent := map[uint32]rtp.Seq{} // next number of an SSRC
	for _, n := range []int{1, 4, 1, 3, 2} {
		for _, sl := range a.slots { // as its meeting has it: everything is taken out of the slots first
			delete(st.ref.legs, sl.SSRC)
		}
		a.slots = meeting.SlotTable(seed, n, 2, 1)
		s.admitPeer(st.now, a.key, a.slots, false, 1)
		s.gate(st.now, a.key, proto.Audio, true)
		s.gate(st.now, a.key, proto.Video, true)
		st.turn()
		var wires []meeting.Wire
		for i, sl := range a.slots {
			if sl.Kind == proto.Audio || sl.Kind == proto.Video {
				wires = append(wires, meeting.Wire{ID: a.id, Slot: i, Source: proto.Source(b.id, sl.Kind)})
			}
		}
		st.plane.wire(st.room, wires)
		st.turn()
		st.wait(tableEvery + time.Millisecond)
		p := s.peers[a.key]
		for _, w := range wires {
			sl := a.slots[w.Slot]
			cfg, _ := s.fwd.Leg(p.slots[w.Slot].leg)
			next, _, ok := s.fwd.Numbers(p.slots[w.Slot].leg)
			if !ok {
				next = cfg.FirstSeq
			}
			if was, ok := sent[sl.SSRC]; ok && next != was {
				t.Errorf("%d slots: SSRC %x goes on with %d, want %d", n, sl.SSRC, next, was)
			}
		}
		before := s.sent.packets
		st.play(8)
		if s.sent.packets == before || s.drops[DropSeal] > 0 {
			t.Fatalf("%d slots: %d packets sent, %d not sealed", n, s.sent.packets-before, s.drops[DropSeal])
		}
		for i, sl := range a.slots {
			if next, rtx, ok := s.fwd.Numbers(p.slots[i].leg); ok {
				sent[sl.SSRC] = next
				if sl.RTX != 0 {
					sent[sl.RTX] = rtx
				}
			}
		}
	}
	if len(sent) < 8 {
		t.Errorf("%d SSRCs were used: too few to show anything", len(sent))
	}
}

// Under the same keys a jump of half of all numbers or more would look like one back, to whoever seals and to whoever
// opens.
func TestSSRCsInAnotherTableGoOnFromAnywhere(t *testing.T) {
	const seed = 78
	for from := rtp.Seq(1<<15 - 14); from <= 1<<15+4; from++ {
		st := newStage(t, 12, PlaneConfig{HoldFrom: -1})
		st.lax = true
		low := func() rtp.Seq { return 1000 }
		a, b := st.join(1, true, low, low), st.join(2, false, low, low)
		s := st.of(a.key)
		p := s.peers[a.key]
		for i, n := range []int{1, 2} {
			for _, sl := range a.slots { // as its meeting has it: everything is taken out of the slots first
				delete(st.ref.legs, sl.SSRC)
			}
			a.slots = meeting.SlotTable(seed, n, 2, 1)
			s.admitPeer(st.now, a.key, a.slots, true, 1)
			if i == 0 {
				p.spent = map[uint32]rtp.Seq{}
				for _, sl := range a.slots {
					p.spent[sl.SSRC], p.spent[sl.RTX] = from, from
				}
			}
			st.turn()
			var wires []meeting.Wire
			for i, sl := range a.slots {
				if sl.Kind == proto.Audio || sl.Kind == proto.Video {
					wires = append(wires, meeting.Wire{ID: a.id, Slot: i, Source: proto.Source(b.id, sl.Kind)})
				}
			}
			st.plane.wire(st.room, wires)
			st.turn()
			st.wait(tableEvery + time.Millisecond)
			before := s.sent.packets
			st.play(8)
			if s.sent.packets == before || s.drops[DropSeal] > 0 {
				t.Fatalf("from %d, %d slots: %d packets sent, %d not sealed", from, n, s.sent.packets-before, s.drops[DropSeal])
			}
		}
	}
}

// A transport on which nothing is said stands beside the one in use until that has been silent for long enough.
func TestASilentTransportTakesOverFromASilentOne(t *testing.T) {
	st := newStage(t, 10, PlaneConfig{HoldFrom: -1})
	low := func() rtp.Seq { return 1000 }
	a := st.join(1, false, low, low)
	p := st.of(a.key).peers[a.key]
	was := p.active
	a.any = false
	st.connect(a)
	if p.active != was || len(p.conns) != 2 {
		t.Fatalf("of %d peer connections the second is in use before anything came on it", len(p.conns))
	}
	st.wait(successionAfter + lifeEvery + 100*time.Millisecond)
	if p.active == was || p.active != p.conns[len(p.conns)-1].transports {
		t.Errorf("the second is not in use though the first is silent")
	}
	st.wait(farewellFor + lifeEvery + 100*time.Millisecond)
	if len(p.conns) != 1 {
		t.Errorf("%d peer connections stand, want the one in use", len(p.conns))
	}
}
