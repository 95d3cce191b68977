package mmr

import (
	"sync"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
)

// openRoom gives a meeting its place in the shard.
func (s *shard) openRoom(r *room) {
	s.nextTopo++
	s.topos[r] = newTopology(s.nextTopo, r)
}

// closeRoom drops everything of a meeting that is over.
func (s *shard) closeRoom(now time.Time, r *room) {
	for key, p := range s.peers {
		if p.room == r {
			s.removePeer(now, key, time.Time{})
		}
	}
	if t := s.topos[r]; t != nil {
		delete(s.topos, r)
		if s.exchange != nil {
			s.exchange.forget(t)
		}
		clear(t.rows)
		s.fwd.Publish(t.id, t.build())
		for i, d := range s.dirty {
			if d == t {
				s.dirty = append(s.dirty[:i], s.dirty[i+1:]...)
				break
			}
		}
	}
}

// gate opens or shuts a source: what a muted, waiting or not permitted person sends goes no further.
func (s *shard) gate(now time.Time, key peerKey, k proto.Kind, open bool) {
	p := s.peers[key]
	if p == nil || k >= proto.NKinds {
		return
	}
	p.sources[k].open = open
	s.soon(now, p)
}

// takesTWCC notes on which groups a receiver accepted the transport-wide number. Never on audio, where
// it is not offered.
func (s *shard) takesTWCC(key peerKey, groups []proto.Group) {
	p := s.peers[key]
	if p == nil {
		return
	}
	p.twcc = [proto.NGroups]bool{}
	for _, g := range groups {
		if g == proto.GroupVideo || g == proto.GroupContent {
			p.twcc[g] = true
		}
	}
	for i := range p.slots {
		s.fwd.SetTWCC(p.slots[i].leg, p.twcc[p.slots[i].kind.Group()] && !p.slots[i].kind.IsAudio())
	}
}

// wire points slots of this shard's receivers at sources.
func (s *shard) wire(now time.Time, r *room, wires []meeting.Wire) {
	t := s.topos[r]
	if t == nil {
		return
	}
	for _, w := range wires {
		p := s.peers[r.key(w.ID)]
		if p == nil || !p.admitted || w.Slot < 0 || w.Slot >= len(p.slots) {
			continue
		}
		if w.Source != 0 {
			s.needLeg(p, w.Slot)
		}
		t.wire(p, w.Slot, w.Source, w.Layer)
	}
	s.markDirty(t, now)
}

// newsBox carries what became of paths and slots from the shards to a room. Hundreds who join within a second are
// more than a queue holds while the room greets them, and what is lost would never be told again: a slot without
// a name.
type newsBox struct {
	more chan struct{} // one place: there is something to take
	mu   sync.Mutex
	list []any // guarded by mu
}

// maxNews bounds what waits for a room that is stuck.
const maxNews = 1 << 16

// put adds an event. False: the room is stuck, and the event is lost.
func (b *newsBox) put(ev any) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == maxNews {
		return false
	}
	b.list = append(b.list, ev)
	select {
	case b.more <- struct{}{}:
	default:
	}
	return true
}

// take gives the room what waits, in the order it was put.
func (b *newsBox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}

// levelBox carries audio levels from the shard to a room: two lists that change places, so that a level,
// which comes with every audio packet, costs no allocation.
type levelBox struct {
	mu    sync.Mutex
	list  []meeting.Level // guarded by mu
	told  bool            // guarded by mu: an event is on its way
	next  time.Time       // guarded by mu: it is told again
	taken []meeting.Level // owned by the room
}

// levelsEvery is how often a room is told of levels at most: waking its goroutine for every packet of sound
// would cost more than forwarding them. Sources are mapped onto slots every 50 ms. All rooms are told in the same
// stretches of time, so that a thread which serves them is woken once for many of them.
const levelsEvery = 20 * time.Millisecond

// maxLevels bounds what waits for a room that is behind: 100 speakers for a second.
const maxLevels = 5000

// put adds a level and reports whether the room must be told.
func (b *levelBox) put(now time.Time, l meeting.Level) (tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) < maxLevels {
		b.list = append(b.list, l)
	}
	if tell = !b.told && !now.Before(b.next); tell {
		b.told, b.next = true, now.Add(levelsEvery-time.Duration(now.UnixNano()%int64(levelsEvery)))
	}
	return tell
}

// take gives the room what waits. The list is good until the next take.
func (b *levelBox) take() []meeting.Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list, b.taken = b.taken[:0], b.list
	b.told = false
	return b.taken
}

// untell takes back a telling that did not reach the room.
func (b *levelBox) untell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = false
}

// SeatInfo is the router's own record of one participant (S40): what is open, and over which rung each
// medium runs as the server sees it.
type SeatInfo struct {
	Participant proto.ParticipantID       `json:"participant"`
	Rungs       [proto.NGroups]proto.Rung `json:"rungs"` // "" where the transport is not up
	// HeardAt is when the first sound passed: how long joining really took. Zero before.
	HeardAt time.Time `json:"heard_at,omitzero"`
	// Stats are the client's own measurements, as last reported.
	Stats []proto.MediaStats `json:"stats,omitempty"`
}

// inspect lists the seats.
func (r *room) inspect() []SeatInfo {
	out := make([]SeatInfo, 0, len(r.seats))
	for id, s := range r.seats {
		out = append(out, SeatInfo{Participant: id, Rungs: s.rungs, HeardAt: s.heardAt, Stats: s.stats})
	}
	return out
}

// Seats is the router's record of a meeting's participants, nil for a meeting it does not host. Safe
// from any goroutine.
func (s *Server) Seats(id proto.MeetingID) []SeatInfo {
	s.mu.Lock()
	r := s.rooms[id]
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	answer := make(chan []SeatInfo, 1)
	if !r.post(inspect{answer}) {
		return nil
	}
	select {
	case seats := <-answer:
		return seats
	case <-r.ended:
		return nil
	}
}
