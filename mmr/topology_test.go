package mmr

import (
	"parley/sys/rtc"
	"testing"
	"time"

	"parley/core/forward"
	"parley/wire/proto"
)

// testPeer has n video slots with legs numbered from first.
func testPeer(id proto.ParticipantID, n int, first forward.LegID) *peer {
	p := &peer{key: peerKey{id: id}}
	for g := range p.active {
		p.active[g] = &rtc.Transport{}
	}
	for i := range n {
		p.slots = append(p.slots, slotLeg{kind: proto.Video, leg: first + forward.LegID(i)})
	}
	return p
}

// rowOf finds a source's row in a table by its first stream.
func rowOf(t *forward.Table, first forward.StreamID) *forward.SourceRow {
	for i := range t.Sources {
		if t.Sources[i].Streams[0] == first {
			return &t.Sources[i]
		}
	}
	return nil
}

func TestASlotCarriesOneSourceAtATime(t *testing.T) {
	topo := newTopology(1, nil)
	p := testPeer(7, 2, 100)
	a, b := proto.Source(1, proto.Video), proto.Source(2, proto.Video)
	topo.streams(a, [3]forward.StreamID{11})
	topo.streams(b, [3]forward.StreamID{22})

	topo.wire(p, 0, a, 0)
	topo.wire(p, 0, b, 2)
	table := topo.build()
	if got := len(rowOf(table, 11).Legs); got != 0 {
		t.Errorf("the source the slot left still has %d legs", got)
	}
	legs := rowOf(table, 22).Legs
	if len(legs) != 1 || legs[0] != (forward.Want{Leg: 100, Layer: 2}) {
		t.Errorf("legs of the new source: %v, want leg 100 at layer 2", legs)
	}

	topo.wire(p, 0, b, 1)
	if legs = rowOf(topo.build(), 22).Legs; len(legs) != 1 || legs[0].Layer != 1 {
		t.Errorf("after a change of layer: %v, want one leg at layer 1", legs)
	}
	topo.wire(p, 0, 0, 0)
	if legs = rowOf(topo.build(), 22).Legs; len(legs) != 0 {
		t.Errorf("after unmapping: %v, want none", legs)
	}
}

func TestTablesShareTheRowsNobodyTouched(t *testing.T) {
	topo := newTopology(1, nil)
	p := testPeer(7, 2, 100)
	a, b := proto.Source(1, proto.Video), proto.Source(2, proto.Video)
	topo.streams(a, [3]forward.StreamID{11})
	topo.streams(b, [3]forward.StreamID{22})
	topo.wire(p, 0, a, 0)
	topo.wire(p, 1, b, 0)
	before := topo.build()
	clear(topo.touched) // as publishing does

	topo.wire(p, 1, b, 1)
	after := topo.build()
	if &rowOf(before, 11).Legs[0] != &rowOf(after, 11).Legs[0] {
		t.Error("the untouched row was copied")
	}
	if got := rowOf(before, 22).Legs[0].Layer; got != 0 {
		t.Errorf("a published table changed: layer %d, want 0", got)
	}
	if got := rowOf(after, 22).Legs[0].Layer; got != 1 {
		t.Errorf("layer %d in the new table, want 1", got)
	}
}

func TestWhoLeavesIsInNoRow(t *testing.T) {
	topo := newTopology(1, nil)
	viewer, sender := testPeer(7, 1, 100), testPeer(1, 1, 200)
	a := proto.Source(1, proto.Video)
	topo.streams(a, [3]forward.StreamID{11})
	topo.wire(viewer, 0, a, 0)

	topo.forget(viewer)
	if legs := rowOf(topo.build(), 11).Legs; len(legs) != 0 {
		t.Errorf("a viewer who left still has legs %v", legs)
	}
	topo.forget(sender)
	if row := rowOf(topo.build(), 11); row != nil {
		t.Errorf("a sender who left still has the row %v", *row)
	}
}

func TestChangesWithinTenMillisecondsArePublishedOnce(t *testing.T) {
	s := &shard{fwd: forward.New(forward.Config{})}
	topo := newTopology(1, nil)
	now := time.Unix(1000, 0)
	s.markDirty(topo, now)
	s.markDirty(topo, now.Add(3*time.Millisecond))
	if len(s.dirty) != 1 {
		t.Fatalf("%d entries wait, want 1", len(s.dirty))
	}
	s.publishTables(now.Add(tableEvery - 1))
	if !topo.dirty {
		t.Error("published before its time")
	}
	s.publishTables(now.Add(tableEvery))
	if topo.dirty || len(s.dirty) != 0 {
		t.Error("not published when due")
	}

	// A new stream begins with a key frame: its table does not wait.
	s.markDirty(topo, now)
	s.publishNow(topo, now)
	s.publishTables(now)
	if topo.dirty {
		t.Error("a new stream's table waited")
	}
}
