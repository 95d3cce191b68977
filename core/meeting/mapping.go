package meeting

import (
	"cmp"
	"slices"
	"time"

	"parley/wire/proto"
)

const (
	pairIdle  = 10 * time.Second // a pair idle this long is taken before one that was just in use
	trimAfter = time.Second      // a layer nobody watches is taken back from its sender after this
)

// mappingState is what is to be mapped anew, and when.
type mappingState struct {
	at    time.Time // zero: nothing to do
	last  time.Time
	all   bool      // everybody's slots
	some  bool      // those marked dirty
	gen   uint64    // of the marks on persons
	cams  []*person // open cameras, the one to show first in front
	wants []want    // scratch

	camsDirty bool
	slotted   []*person // with slot changes to tell
	wanted    []wantRef // sources whose watched layers changed
	trims     []wantRef // sources with a layer to take back
	trimAt    time.Time
}

// want is one camera a receiver is to see.
type want struct {
	p     *person
	layer int8
}

type wantRef struct {
	p *person
	k proto.Kind
}

func (m *Meeting) mapAll(now time.Time) {
	m.mapping.all = true
	m.mapSoon(now)
}

func (m *Meeting) mapOne(now time.Time, p *person) {
	p.recv.dirty, m.mapping.some = true, true
	m.mapSoon(now)
}

// mapSoon has the mapping done at the end of this event, or when the last one is mapEvery ago.
func (m *Meeting) mapSoon(now time.Time) {
	if m.mapping.at.IsZero() {
		m.mapping.at = later(now, m.mapping.last.Add(mapEvery))
	}
}

// remap decides what is in the slots of all receivers concerned.
func (m *Meeting) remap(now time.Time) {
	all := m.mapping.all
	m.mapping.at, m.mapping.last = time.Time{}, now
	m.mapping.all, m.mapping.some = false, false
	if m.mapping.camsDirty {
		m.sortCams()
	}
	for _, p := range m.list {
		if p.waiting || !all && !p.recv.dirty || p.recv.wires == nil {
			continue
		}
		p.recv.dirty = false
		m.mapVideo(now, p)
		m.mapAudio(now, p)
		m.mapContent(p)
	}
}

// sortCams orders the open cameras for those who never sent a layout: who spoke last, then who came
// first.
func (m *Meeting) sortCams() {
	m.mapping.camsDirty = false
	m.mapping.cams = m.mapping.cams[:0]
	for _, p := range m.list {
		if p.src[proto.Video].open {
			m.mapping.cams = append(m.mapping.cams, p)
		}
	}
	slices.SortStableFunc(m.mapping.cams, func(a, b *person) int { return cmp.Compare(b.spoke, a.spoke) })
}

// wishes lists the cameras a receiver is to see, most important first, at most n.
func (m *Meeting) wishes(p *person, n int) []want {
	out := m.mapping.wants[:0]
	if !p.recv.laidOut {
		for _, q := range m.mapping.cams {
			if len(out) == n {
				break
			}
			if q != p {
				out = append(out, want{q, q.src[proto.Video].layerFor(0)})
			}
		}
		m.mapping.wants = out
		return out
	}
	m.mapping.gen++
	for _, t := range p.recv.tiles {
		q := m.people[t.Source.Participant()]
		if q == nil || q == p || !q.src[proto.Video].open {
			continue
		}
		l := q.src[proto.Video].layerFor(t.Height)
		if q.markGen == m.mapping.gen { // shown twice: one slot, as large as the larger needs
			out[q.mark].layer = max(out[q.mark].layer, l)
			continue
		}
		if len(out) == n {
			continue
		}
		q.mark, q.markGen = len(out), m.mapping.gen
		out = append(out, want{q, l})
	}
	m.mapping.wants = out
	return out
}

// mapVideo maps the cameras a receiver is to see. Who has a pair stays on it; others get a free pair,
// else the one longest unused among those not needed now, idle ones first. A pair whose audio is
// playing is taken last; its speaker moves to a floating slot.
func (m *Meeting) mapVideo(now time.Time, p *person) {
	r := &p.recv
	wants := m.wishes(p, len(r.pairs))
	m.markPairs(r)
	missing := 0
	for i, w := range wants {
		if w.p.markGen == m.mapping.gen {
			r.pairs[w.p.mark].want = i
		} else {
			missing++
		}
	}
	if missing > 0 {
		for i, w := range wants {
			if w.p.markGen == m.mapping.gen {
				continue
			}
			n := m.choosePair(now, r)
			if n < 0 {
				break
			}
			// Another's audio leaves the pair with mapAudio, which runs next.
			r.pairs[n] = pair{owner: w.p, usedAt: now, want: i}
			w.p.mark, w.p.markGen = n, m.mapping.gen
		}
	}
	for i := range r.pairs {
		pr := &r.pairs[i]
		if pr.want >= 0 {
			w := wants[pr.want]
			m.setWire(p, r.video0+i, proto.Source(w.p.id, proto.Video), w.layer)
		} else if r.wires[r.video0+i].source != 0 {
			m.setWire(p, r.video0+i, 0, 0)
			pr.usedAt = now
		}
	}
}

// markPairs marks at each person which pair of this receiver it owns.
func (m *Meeting) markPairs(r *receiver) {
	m.mapping.gen++
	for i := range r.pairs {
		r.pairs[i].want = -1
		if o := r.pairs[i].owner; o != nil {
			o.mark, o.markGen = i, m.mapping.gen
		}
	}
}

// choosePair picks a pair for a new owner among those no wish is served by, or -1.
func (m *Meeting) choosePair(now time.Time, r *receiver) int {
	best, bestClass := -1, 0
	for i := range r.pairs {
		pr := &r.pairs[i]
		if pr.want >= 0 {
			continue
		}
		if pr.owner == nil {
			return i
		}
		class := 0 // idle
		switch {
		case r.wires[i].source != 0:
			class = 2 // its audio is playing
		case now.Sub(pr.usedAt) < pairIdle:
			class = 1
		}
		if best < 0 || class < bestClass || class == bestClass && pr.usedAt.Before(r.pairs[best].usedAt) {
			best, bestClass = i, class
		}
	}
	return best
}

// mapAudio maps the loudest: each onto the audio slot of its pair, where it has one at this receiver,
// so that lips and voice stay in sync; else onto a floating slot.
func (m *Meeting) mapAudio(now time.Time, p *person) {
	r := &p.recv
	m.mapping.gen++
	for i := range r.pairs {
		o := r.pairs[i].owner
		if o != nil {
			o.mark, o.markGen = i, m.mapping.gen
		}
		if id := r.wires[i].source; id != 0 {
			if q := m.people[id.Participant()]; q == nil || q != o || !q.voice.placed {
				m.setWire(p, i, 0, 0)
				if q == o {
					r.pairs[i].usedAt = now
				}
			}
		}
	}
	for i := r.float0; i < r.video0; i++ {
		if id := r.wires[i].source; id != 0 {
			if q := m.people[id.Participant()]; q == nil || !q.voice.placed || q.markGen == m.mapping.gen {
				m.setWire(p, i, 0, 0)
			}
		}
	}
	for _, q := range m.speech.places {
		if q == p {
			continue
		}
		id := proto.Source(q.id, proto.Audio)
		if q.markGen == m.mapping.gen {
			m.setWire(p, q.mark, id, 0)
			continue
		}
		free := -1
		for i := r.float0; i < r.video0; i++ {
			if r.wires[i].source == id {
				free = -1
				break
			}
			if r.wires[i].source == 0 && free < 0 {
				free = i
			}
		}
		if free >= 0 {
			m.setWire(p, free, id, 0)
		}
	}
}

// mapContent maps every share onto the content slot of its number, but nobody's own; the sound is that
// of the first share that has one.
func (m *Meeting) mapContent(p *person) {
	r := &p.recv
	var sound proto.SourceID
	for i, q := range m.sharers {
		var id proto.SourceID
		if q != nil && q != p {
			id = proto.Source(q.id, proto.Content)
			if sound == 0 && q.src[proto.ContentAudio].open {
				sound = proto.Source(q.id, proto.ContentAudio)
			}
		}
		m.setWire(p, r.content0+i, id, 0)
	}
	if r.sound0 < len(r.wires) {
		m.setWire(p, r.sound0, sound, 0)
	}
}

// Wanted layers. Whenever a source starts, or announces other layers, its sender is told anew: at once
// if anybody watches, else after a second. From then on a layer that is newly watched is asked for at
// once; one nobody watches any more is taken back after a second, so that moving tiles about does not
// make encoders stop and start.

func (s *source) allLayers() uint8 {
	if len(s.layers) == 0 {
		return 1
	}
	var bits uint8
	for _, l := range s.layers {
		bits |= 1 << l.index
	}
	return bits
}

func (s *source) watched() uint8 {
	var bits uint8
	for i, n := range s.uses {
		if n > 0 {
			bits |= 1 << i
		}
	}
	return bits
}

func (m *Meeting) wantChanged(p *person, k proto.Kind) {
	if s := &p.src[k]; !k.IsAudio() && !s.wantDirty {
		s.wantDirty = true
		m.mapping.wanted = append(m.mapping.wanted, wantRef{p, k})
	}
}

// resetWanted has the sender told anew.
func (m *Meeting) resetWanted(p *person, k proto.Kind) {
	s := &p.src[k]
	s.told, s.sent, s.trimAt = false, s.allLayers(), time.Time{}
	m.wantChanged(p, k)
}

func (m *Meeting) flushWanted(now time.Time) {
	st := &m.mapping
	for i, ref := range st.wanted {
		st.wanted[i] = wantRef{}
		s := &ref.p.src[ref.k]
		s.wantDirty = false
		if !s.active {
			s.trimAt = time.Time{}
			continue
		}
		cur := s.watched()
		switch {
		case !s.told && cur != 0:
			s.told, s.sent = true, cur
			m.tellWanted(ref)
		case cur&^s.sent != 0:
			s.sent |= cur
			m.tellWanted(ref)
		}
		switch {
		case s.told && cur == s.sent:
			s.trimAt = time.Time{}
		case s.trimAt.IsZero():
			s.trimAt = now.Add(trimAfter)
			if !s.trimming {
				s.trimming = true
				st.trims = append(st.trims, ref)
			}
			if st.trimAt.IsZero() || s.trimAt.Before(st.trimAt) {
				st.trimAt = s.trimAt
			}
		}
	}
	st.wanted = st.wanted[:0]

	if st.trimAt.IsZero() || now.Before(st.trimAt) {
		return
	}
	st.trimAt = time.Time{}
	kept := st.trims[:0]
	for _, ref := range st.trims {
		s := &ref.p.src[ref.k]
		switch {
		case s.trimAt.IsZero():
			s.trimming = false
		case now.Before(s.trimAt):
			kept = append(kept, ref)
			if st.trimAt.IsZero() || s.trimAt.Before(st.trimAt) {
				st.trimAt = s.trimAt
			}
		default:
			s.trimming, s.trimAt = false, time.Time{}
			if cur := s.watched(); cur != s.sent || !s.told {
				s.told, s.sent = true, cur
				m.tellWanted(ref)
			}
		}
	}
	clear(st.trims[len(kept):])
	st.trims = kept
}

// tellWanted sends a source's sender the layers it believes wanted from now on. A source of one
// encoding has the RID "".
func (m *Meeting) tellWanted(ref wantRef) {
	if !ref.p.viewing || m.people[ref.p.id] != ref.p {
		return // told anew when it resumes
	}
	s := &ref.p.src[ref.k]
	rids := []string{}
	if len(s.layers) == 0 {
		if s.sent != 0 {
			rids = append(rids, "")
		}
	} else {
		for i, rid := range proto.RIDs {
			if s.sent&(1<<i) != 0 {
				rids = append(rids, rid)
			}
		}
	}
	m.send(ref.p, proto.Wanted{Kind: ref.k, RIDs: rids})
}
