package mmr

import (
	"time"

	"parley/core/forward"
	"parley/wire/proto"
)

// tableEvery coalesces changes of a meeting's table: one publication per meeting and interval.
const tableEvery = 10 * time.Millisecond

// topology is who receives what in one meeting, as the shard keeps it between tables. A forward.Table
// is made from it, copying only the rows of sources that were touched. Owned by the shard.
type topology struct {
	id      uint32 // the meeting's number in forward
	room    *room
	rows    map[proto.SourceID]*row
	table   *forward.Table // last one published; immutable
	index   map[proto.SourceID]int
	touched map[proto.SourceID]bool
	dirty   bool      // waits in shard.dirty
	due     time.Time // when the next table goes out
}

// row is one source: its streams by layer, and the legs that want it.
type row struct {
	streams [3]forward.StreamID
	wants   []want

	// Across shards, see mirror.go. Of a source of this shard's: who follows it.
	pipes uint64
	fresh uint64 // of pipes: those who do not know the streams yet
	told  [3]forward.StreamID
	// Of a source of another shard's: its owner knows that it is wanted here. The owner's place may be forgotten before
	// that is taken back, where the process stands still for long.
	following bool
	owner     int
	lingers   bool // but no more: see exchange.follow
}

type want struct {
	peer  *peer
	leg   forward.LegID
	layer int8
}

func newTopology(id uint32, r *room) *topology {
	return &topology{
		id: id, room: r, rows: make(map[proto.SourceID]*row), index: make(map[proto.SourceID]int),
		touched: make(map[proto.SourceID]bool), table: &forward.Table{},
	}
}

func (t *topology) row(src proto.SourceID) *row {
	r := t.rows[src]
	if r == nil {
		r = &row{}
		t.rows[src] = r
	}
	t.touched[src] = true
	return r
}

// streams notes which streams a source has now.
func (t *topology) streams(src proto.SourceID, ids [3]forward.StreamID) { t.row(src).streams = ids }

// wire points a receiver's slot at a source and layer; source 0 unmaps.
func (t *topology) wire(p *peer, slot int, src proto.SourceID, layer int8) {
	sl := &p.slots[slot]
	if r := t.rows[sl.source]; sl.source != 0 && r != nil {
		for i, w := range r.wants {
			if w.leg != sl.leg {
				continue
			}
			if sl.source == src {
				r.wants[i].layer = layer
				t.touched[src] = true
				return
			}
			r.wants = append(r.wants[:i], r.wants[i+1:]...)
			t.touched[sl.source] = true
			break
		}
	}
	sl.source = src
	if src != 0 {
		r := t.row(src)
		r.wants = append(r.wants, want{p, sl.leg, layer})
	}
}

// forget drops everything of a peer that leaves.
func (t *topology) forget(p *peer) {
	for src, r := range t.rows {
		if src.Participant() == p.key.id {
			delete(t.rows, src)
			t.touched[src] = true
			continue
		}
		kept := r.wants[:0]
		for _, w := range r.wants {
			if w.peer != p {
				kept = append(kept, w)
			}
		}
		if len(kept) != len(r.wants) {
			r.wants = kept
			t.touched[src] = true
		}
	}
}

// build makes the next table, sharing the rows that did not change.
func (t *topology) build() *forward.Table {
	next := &forward.Table{Sources: make([]forward.SourceRow, 0, len(t.rows))}
	index := make(map[proto.SourceID]int, len(t.rows))
	for src, r := range t.rows {
		index[src] = len(next.Sources)
		if old, ok := t.index[src]; ok && !t.touched[src] {
			next.Sources = append(next.Sources, t.table.Sources[old])
			continue
		}
		fresh := forward.SourceRow{Streams: r.streams, Pipes: r.pipes, Legs: make([]forward.Want, 0, len(r.wants))}
		for _, w := range r.wants {
			// A leg begins when its packets have a way to go: what it began with would be lost, a key frame.
			if w.peer.active[w.peer.group(src.Kind())] != nil {
				fresh.Legs = append(fresh.Legs, forward.Want{Leg: w.leg, Layer: w.layer})
			}
		}
		next.Sources = append(next.Sources, fresh)
	}
	t.table, t.index = next, index
	return next
}

// markDirty schedules a publication; changes until then go out together.
func (s *shard) markDirty(t *topology, now time.Time) {
	if !t.dirty {
		t.dirty = true
		t.due = now.Add(tableEvery)
		s.dirty = append(s.dirty, t)
	}
}

// publishNow publishes at the end of this turn: a new stream begins with a key frame, and its receivers
// should have it.
func (s *shard) publishNow(t *topology, now time.Time) {
	s.markDirty(t, now)
	t.due = now
}

// publishTables hands the due tables to forward.
func (s *shard) publishTables(now time.Time) {
	kept := s.dirty[:0]
	for _, t := range s.dirty {
		if now.Before(t.due) {
			kept = append(kept, t)
			continue
		}
		t.dirty = false
		s.fwd.Publish(t.id, t.build())
		for src := range t.touched {
			if x := s.exchange; x != nil {
				x.tableOut(now, t, src)
			}
			if r := t.rows[src]; r != nil && !src.Kind().IsAudio() {
				for _, id := range r.streams {
					s.askSenderOf(now, id)
				}
			}
		}
		clear(t.touched)
	}
	clear(s.dirty[len(kept):])
	s.dirty = kept
}
