package forward

import (
	"time"

	"parley/wire/rtp"
)

// What becomes of a leg's packets:
//
//	 idle ──Publish names it──▶ waiting ──key frame of target (audio: any packet)──▶ forwarding
//	  ▲                           ▲                                                    │   │
//	  │                           └──────────── Publish: another source ───────────────┘   │
//	  └── Publish no longer names it            another layer: forwarding cur, target set ◀┘
//
// cur is the stream forwarded now, target the one to be forwarded; they differ while a switch waits.

// choose decides for one leg what becomes of the packet in slab, and does it.
func (s *Shard) choose(at time.Duration, id StreamID, st *stream, legID LegID, l *leg, slab SlabRef, m *meta, out *Out) {
	if l.cur == id {
		iv := &l.iv[l.now]
		if iv.first >= st.base {
			s.follow(at, st, legID, l, slab, m, out)
			return
		}
		// The stream restarted under the leg: it has to begin anew like on a new one.
		l.cur = 0
	}
	if l.target == id {
		if st.mayStart(at, l, id, m) {
			s.begin(at, at, id, st, legID, l, slab, m, out)
			return
		}
		if k := st.replay(at, l, id); k != nil {
			s.begin(at, st.keyAt, id, st, legID, l, k.slab, s.slabs.at(k.slab), out)
			return
		}
	}
	if m.ext < st.top && l.cur != 0 {
		s.late(at, id, legID, l, slab, m, out)
	}
}

// follow sends the next, or a late, packet of the leg's current stream.
func (s *Shard) follow(at time.Duration, st *stream, legID LegID, l *leg, slab SlabRef, m *meta, out *Out) {
	iv := &l.iv[l.now]
	switch {
	case m.ext <= iv.last:
		s.late(at, iv.stream, legID, l, slab, m, out)
	case m.payload == 0 && m.ext == iv.last+1:
		l.close(m.ext)
		s.drops[DropPadding]++
	default:
		iv.last = m.ext
		s.emit(at, legID, l, iv, slab, m, true, out)
	}
}

// late sends a packet under the number that one of the leg's intervals has for it. There is at most one
// that does, and the packet comes here only once: the history has dropped every other copy.
func (s *Shard) late(at time.Duration, id StreamID, legID LegID, l *leg, slab SlabRef, m *meta, out *Out) {
	for i := range l.nIv {
		iv := &l.iv[(l.now+nIntervals-i)%nIntervals]
		if iv.stream == id && iv.first <= m.ext && m.ext <= iv.last {
			s.emit(at, legID, l, iv, slab, m, false, out)
			l.stats.Late++
			return
		}
	}
	s.drops[DropClosed]++
}

// close leaves out ext, the number right behind the current interval: what follows moves up by one.
func (l *leg) close(ext int64) {
	old := l.iv[l.now]
	if old.last >= old.first {
		l.push()
	}
	next := &l.iv[l.now]
	*next = old
	next.first, next.last, next.off = ext+1, ext, old.off-1
}

// push moves to a fresh interval, forgetting the oldest.
func (l *leg) push() {
	if l.nIv > 0 {
		l.now = (l.now + 1) % nIntervals
	}
	l.nIv = min(l.nIv+1, nIntervals)
}

// begin switches the leg to the stream at packet m, which arrived at cameAt, and sends what the history
// has after it: a key frame's first packet may come late, or the leg after it.
func (s *Shard) begin(at, cameAt time.Duration, id StreamID, st *stream, legID LegID, l *leg, slab SlabRef, m *meta, out *Out) {
	s.start(cameAt, id, st, legID, l, m, out)
	s.emit(at, legID, l, &l.iv[l.now], slab, m, true, out)
	for ext := m.ext + 1; ext <= st.top; ext++ {
		if k := st.find(ext); k != nil && k.slab != 0 {
			s.follow(at, st, legID, l, k.slab, s.slabs.at(k.slab), out)
		}
	}
}

// whole reports whether all that came of the newest key frame, and behind it, is still there to begin with.
func (st *stream) whole(at time.Duration) bool { return st.hasKey && at-st.keyOld <= replayFor }

// replay is the newest key frame's first packet where a leg that shows nothing may begin with it
// though it has passed by. A leg that shows another layer of the source waits for the next one: it
// would be thrown back in time.
func (st *stream) replay(at time.Duration, l *leg, id StreamID) *kept {
	if l.cur != 0 || !st.whole(at) || l.passed(id, st.keyExt) {
		return nil
	}
	if k := st.find(st.keyExt); k != nil && k.slab != 0 {
		return k
	}
	return nil
}

// passed reports whether the leg has sent, or given up, number ext of the stream.
func (l *leg) passed(id StreamID, ext int64) bool {
	for i := range l.nIv {
		if iv := &l.iv[i]; iv.stream == id && iv.last >= ext {
			return true
		}
	}
	return false
}

// mayStart reports whether the leg may begin on the stream with this packet. Audio: with the newest
// one. Video: with the newest key frame, unless the leg had gone past it on this stream before, or it came after what
// follows it was let go.
func (st *stream) mayStart(at time.Duration, l *leg, id StreamID, m *meta) bool {
	if m.payload == 0 {
		return false
	}
	if m.flags&flagAudio != 0 {
		return m.ext == st.top
	}
	return m.flags&flagKey != 0 && st.whole(at) && m.ext == st.keyExt && !l.passed(id, m.ext)
}

// start begins an interval of the stream at packet m: the next number, and a time stamp that has
// advanced by the time since the leg's last frame.
func (s *Shard) start(at time.Duration, id StreamID, st *stream, legID LegID, l *leg, m *meta, out *Out) {
	first := l.cfg.FirstTime
	pic, frame, tl0 := m.pic, m.frame, m.tl0 // offsets 0: the first source of a leg passes unchanged
	if l.sent {
		first = l.lastTime + rtp.Time(max(rtp.Ticks(at-l.lastAt, st.cfg.Clock), 1))
		pic, frame, tl0 = l.pic+1, l.frame+1, l.tl0+1
		l.stats.Switches++
	}
	if l.nIv == 0 || l.iv[l.now].last >= l.iv[l.now].first {
		l.push()
	}
	l.iv[l.now] = interval{
		stream: id, first: m.ext, last: m.ext, off: l.top + 1 - m.ext, timeOff: first - m.time,
		pic: pic - m.pic, frame: frame - m.frame, tl0: tl0 - m.tl0,
	}
	l.cur, l.sent, l.lastTime, l.lastAt = id, true, first, at
	out.Notes = append(out.Notes, Note{
		Kind: NoteSwitched, Stream: id, Source: st.cfg.Source, Layer: st.cfg.Layer, Time: first,
		Leg: legID, Receiver: l.cfg.Receiver, Slot: l.cfg.Slot,
	})
}

// emit appends the descriptor of a packet in an interval. newest: no later one was sent on the leg.
func (s *Shard) emit(at time.Duration, legID LegID, l *leg, iv *interval, slab SlabRef, m *meta, newest bool, out *Out) {
	n := m.ext + iv.off
	t := m.time + iv.timeOff
	d := l.desc(legID, iv, m)
	d.Slab, d.Seq, d.Time, d.Size, d.Late = slab, rtp.Seq(n), t, int(m.size), !newest
	if l.cfg.TWCC {
		d.Size = int(m.sizeTW)
	}
	m.refs++
	out.Descs = append(out.Descs, d)
	if newest {
		l.top = n
		if l.lastTime.Less(t) {
			l.lastTime, l.lastAt = t, at
		}
		if m.flags&flagVP8 != 0 {
			l.pic, l.tl0 = d.Pic, d.TL0
		}
		if m.ddLen > 0 {
			l.frame = d.Frame
		}
	}
	l.packets++
	l.octets += uint32(m.payload)
	l.stats.Packets++
	l.stats.Bytes += uint64(d.Size)
}

// desc is what media packet and retransmission have in common.
func (l *leg) desc(id LegID, iv *interval, m *meta) Desc {
	return Desc{
		Leg: id, Receiver: l.cfg.Receiver, Slot: l.cfg.Slot,
		Marker: m.flags&flagMarker != 0, End: m.flags&flagEnd != 0, Key: m.flags&flagKey != 0, Audio: m.flags&flagAudio != 0, TWCC: l.cfg.TWCC,
		Pic: (m.pic + iv.pic) & 0x7fff, TL0: m.tl0 + iv.tl0, Frame: m.frame + iv.frame,
	}
}

// Done releases the slab references of descriptors that were written, or will not be. A descriptor's
// Slab is zero afterwards.
func (s *Shard) Done(d []Desc) {
	for i := range d {
		if d[i].Slab != 0 {
			s.slabs.drop(d[i].Slab)
			d[i].Slab = 0
		}
	}
}
