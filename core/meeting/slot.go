package meeting

import (
	"strconv"
	"time"

	"parley/wire/proto"
)

// receiver is the receiving side of a person: the slot table and what is in it.
//
// The table is laid out by kind: paired audio a0…, floating audio f0…, video v0…, content c0…, content
// audio ca0. A slot's id is its index.
type receiver struct {
	caps proto.Caps
	seed uint32

	float0   int // index of f0; a0 is 0
	video0   int
	content0 int
	sound0   int // content audio

	wires   []wire // by slot; nil while there is no table
	pairs   []pair // by video slot
	changes []proto.Mapping
	seq     uint64 // of the last Slots message; goes on over a resume
	resumed bool   // the Welcome to come is for a seat that was kept

	laidOut       bool // a layout was sent
	layoutVersion int
	tiles         []proto.Tile
	dirty         bool // to be mapped anew
	queued        bool // in mapping.slotted
}

// wire is what one slot carries.
type wire struct {
	source proto.SourceID // 0: nothing
	layer  int8
}

// pair is a video slot and its audio slot. They keep their owner until somebody else needs them.
type pair struct {
	owner  *person
	usedAt time.Time // when either slot was last emptied
	want   int       // scratch of mapVideo: index of the wish it serves, or -1
}

// SlotTable makes a participant's table. SSRCs follow from the seed, are never 0 and never equal. Clients make
// the same table (Caps.SlotSeed): how is part of the protocol.
func SlotTable(seed uint32, nVideo, nFloat, nContent int) []proto.Slot {
	nSound := min(nContent, 1)
	table := make([]proto.Slot, 0, 2*nVideo+nFloat+nContent+nSound)
	ssrc := func() uint32 {
		for {
			// A counter of full period through a mixer that loses nothing (SplitMix32): all values differ.
			seed += 0x9e3779b9
			z := seed
			z = (z ^ z>>16) * 0x85ebca6b
			z = (z ^ z>>13) * 0xc2b2ae35
			z ^= z >> 16
			if z != 0 {
				return z
			}
		}
	}
	add := func(mid string, n int, k proto.Kind, msid string) {
		s := proto.Slot{ID: len(table), Mid: mid + strconv.Itoa(n), Kind: k, SSRC: ssrc(), Msid: msid + strconv.Itoa(n)}
		if !k.IsAudio() {
			s.RTX = ssrc()
		}
		table = append(table, s)
	}
	for i := range nVideo {
		add("a", i, proto.Audio, "s")
	}
	for i := range nFloat {
		add("f", i, proto.Audio, "f")
	}
	for i := range nVideo {
		add("v", i, proto.Video, "s")
	}
	for i := range nContent {
		add("c", i, proto.Content, "c")
	}
	for i := range nSound {
		add("ca", i, proto.ContentAudio, "c")
	}
	return table
}

// videoSlots is how many a client gets: what it asks for within 1…49, else the meeting's default.
func videoSlots(cfg Config, caps proto.Caps) int {
	if cfg.VideoSlots == 0 || caps.VideoSlots <= 0 {
		return cfg.VideoSlots
	}
	return min(caps.VideoSlots, maxVideoSlots)
}

// table is the slot table. It follows from the seed, so nobody keeps its four kilobytes.
func (r *receiver) table() []proto.Slot {
	return SlotTable(r.seed, len(r.pairs), r.video0-r.float0, r.sound0-r.content0)
}

// build makes the table anew, with nothing in it.
func (r *receiver) build(cfg Config) {
	n := videoSlots(cfg, r.caps)
	r.float0 = n
	r.video0 = r.float0 + cfg.FloatingAudio
	r.content0 = r.video0 + n
	r.sound0 = r.content0 + cfg.ContentSlots
	r.wires = make([]wire, r.sound0+min(cfg.ContentSlots, 1))
	r.pairs = make([]pair, n)
	r.changes = nil
}

// change notes a mapping to tell the client, the last one per slot.
func (r *receiver) change(c proto.Mapping) {
	for i := range r.changes {
		if r.changes[i].Slot == c.Slot {
			r.changes[i] = c
			return
		}
	}
	r.changes = append(r.changes, c)
}

// resize fits a resumed seat's table to what its client asks for now. The same size and seed keep table and
// contents, so that transports which outlived the control channel go on undisturbed.
func (m *Meeting) resize(p *person, e Join) {
	r := &p.recv
	r.caps = e.Caps
	known := e.Caps.SlotSeed == 0 || e.Caps.SlotSeed == r.seed
	if r.wires != nil && known && len(r.pairs) == videoSlots(m.cfg, e.Caps) {
		return
	}
	r.seed = e.Seed
	m.emptySlots(p)
	r.build(m.cfg)
}

// emptySlots takes everything out of a person's slots without a word to the router: the slots
// themselves go.
func (m *Meeting) emptySlots(p *person) {
	for i := range p.recv.wires {
		m.uncount(p.recv.wires[i])
		p.recv.wires[i] = wire{}
	}
	p.recv.changes = nil
}

// forgetReceiver ends a person's receiving, and frees the pairs it owned at others.
func (m *Meeting) forgetReceiver(p *person) {
	m.emptySlots(p)
	p.recv.wires = nil
	for _, q := range m.list {
		for i := range q.recv.pairs {
			if q.recv.pairs[i].owner == p {
				q.recv.pairs[i] = pair{}
			}
		}
	}
}

// sourceOf finds a wired source, or nil.
func (m *Meeting) sourceOf(id proto.SourceID) (*person, *source) {
	p := m.people[id.Participant()]
	if p == nil || id.Kind() >= proto.NKinds {
		return nil, nil
	}
	return p, &p.src[id.Kind()]
}

func (m *Meeting) uncount(w wire) {
	if w.source == 0 {
		return
	}
	if p, s := m.sourceOf(w.source); s != nil {
		s.uses[w.layer]--
		if s.uses[w.layer] == 0 {
			m.wantChanged(p, w.source.Kind())
		}
	}
}

// setWire puts a source into a slot, or with 0 empties it; the router hears of it if it is a change.
func (m *Meeting) setWire(p *person, slot int, id proto.SourceID, layer int8) {
	old := p.recv.wires[slot]
	now := wire{id, layer}
	if old == now {
		return
	}
	if id != 0 {
		if q, s := m.sourceOf(id); s != nil {
			s.uses[layer]++
			if s.uses[layer] == 1 {
				m.wantChanged(q, id.Kind())
			}
		}
	}
	m.uncount(old)
	p.recv.wires[slot] = now
	m.do(Wire{ID: p.id, Slot: slot, Source: id, Layer: layer})
	if old.source != id {
		m.tellSlot(p, proto.Mapping{Slot: slot, Source: id})
	}
}

func (m *Meeting) tellSlot(p *person, c proto.Mapping) {
	p.recv.change(c)
	if !p.recv.queued {
		p.recv.queued = true
		m.mapping.slotted = append(m.mapping.slotted, p)
	}
}

// rewire repeats all of a person's wires, after an Admit that emptied its slots.
func (m *Meeting) rewire(p *person) {
	p.recv.changes = nil
	for i, w := range p.recv.wires {
		if w.source != 0 {
			m.do(Wire{ID: p.id, Slot: i, Source: w.source, Layer: w.layer})
			m.tellSlot(p, proto.Mapping{Slot: i, Source: w.source})
		}
	}
}

// unwire takes a source out of every slot.
func (m *Meeting) unwire(now time.Time, id proto.SourceID, s *source) {
	if !s.used() {
		return
	}
	for _, p := range m.list {
		r := &p.recv
		from, to := 0, len(r.wires)
		switch id.Kind() {
		case proto.Audio:
			to = min(to, r.video0)
		case proto.Video:
			from = min(to, r.video0)
		}
		for i := from; i < to; i++ {
			if r.wires[i].source == id {
				m.setWire(p, i, 0, 0)
				m.pairUsed(now, r, i)
			}
		}
	}
}

// pairUsed notes that a slot of a pair was in use until now.
func (m *Meeting) pairUsed(now time.Time, r *receiver, slot int) {
	switch {
	case slot < r.float0:
		r.pairs[slot].usedAt = now
	case slot >= r.video0 && slot < r.content0:
		r.pairs[slot-r.video0].usedAt = now
	}
}

// mapped passes on where in a slot's stream a new source starts.
func (m *Meeting) mapped(e Mapped) {
	p := m.admitted(e.ID)
	if p == nil || e.Slot < 0 || e.Slot >= len(p.recv.wires) || e.Source == 0 || p.recv.wires[e.Slot].source != e.Source {
		return // the slot has moved on
	}
	m.tellSlot(p, proto.Mapping{Slot: e.Slot, Source: e.Source, Time: e.Time})
}

// flushSlots tells clients what their slots carry now.
func (m *Meeting) flushSlots() {
	for i, p := range m.mapping.slotted {
		m.mapping.slotted[i] = nil
		r := &p.recv
		r.queued = false
		if p.viewing && len(r.changes) > 0 {
			r.seq++
			m.send(p, proto.Slots{Seq: r.seq, Changes: r.changes})
		}
		r.changes = nil // handed out; one who is away is told everything on return
	}
	m.mapping.slotted = m.mapping.slotted[:0]
}
