package forward

import (
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// Packet is one decrypted RTP packet of a stream.
type Packet struct {
	Stream   StreamID
	Data     []byte // header and payload; copied
	Repaired bool   // came as a retransmission (UnwrapRTX): not counted as received

	// Of a packet lent by another shard (Loan), whose bytes are not copied but given back: see Borrowed.
	Placed Placed
	From   uint32
	Slab   SlabRef
}

const (
	// maxDropout and the confirmation by a second packet are those of RFC 3550 appendix A.1.
	maxDropout = 3000
	// flowTimeout is how long a layer may be silent before its legs look for another.
	flowTimeout = 500 * time.Millisecond
)

// Admit takes a batch of packets in, and appends to out what is to be sent because of them and what
// control should know. Whatever cannot be used is dropped and counted (Drops).
func (s *Shard) Admit(now time.Time, in []Packet, out *Out) {
	at := s.since(now)
	for i := range in {
		p := &in[i]
		lent := !p.Placed.At.IsZero()
		taken := false
		if st := s.stream(p.Stream); st == nil || st.mirror != lent {
			s.drops[DropStale]++
		} else if lent {
			taken = s.admit(s.since(p.Placed.At), p, st, out)
		} else {
			s.admit(at, p, st, out)
		}
		if lent && !taken {
			s.slabs.unneeded = append(s.slabs.unneeded, Borrowed{p.From, p.Slab})
		}
	}
}

// admit takes one packet in, unless it can't be used.
func (s *Shard) admit(at time.Duration, p *Packet, st *stream, out *Out) (taken bool) {
	var h rtp.Header
	if err := rtp.Parse(p.Data, &h); err != nil {
		s.drops[DropMalformed]++
		return false
	}
	if len(p.Data) > MaxPacket {
		s.drops[DropTooBig]++
		return false
	}
	if !proto.PayloadFits(h.PT, st.cfg.Kind) || proto.OriginalOf(h.PT) != 0 {
		s.drops[DropPayload]++
		return false
	}
	var slab SlabRef
	var m *meta
	ext := p.Placed.Ext
	if st.mirror {
		if !s.placed(st, p, out) {
			return false
		}
		slab, m = s.slabs.borrow(p.Data, Borrowed{p.From, p.Slab})
	} else {
		var ok bool
		if ext, ok = s.place(st, p, &h, out); !ok {
			return false
		}
		slab, m = s.slabs.take(p.Data, st.keepFor())
	}
	m.ext, m.source = ext, st.cfg.Source
	s.describe(st, p.Data, &h, m)
	s.keep(st, ext, slab, at)

	newest := ext > st.top || !st.started
	if newest {
		s.advance(at, p.Stream, st, ext, out)
	} else {
		st.heal(ext)
	}
	st.count(at, p, &h, m, newest)
	s.flow(at, p.Stream, st, out)
	if m.flags&flagLevel != 0 && !st.mirror {
		out.Notes = append(out.Notes, Note{
			Kind: NoteLevel, Stream: p.Stream, Source: st.cfg.Source,
			Level: m.level & 0x7f, Voice: m.level&0x80 != 0,
		})
	}
	if m.flags&flagKey != 0 {
		s.keyFrame(at, p, &h, st, ext, out)
	}
	if st.row != nil {
		s.turn++
		for i := range st.row.Legs {
			id := st.row.Legs[i].Leg
			if l := s.leg(id); l != nil && l.turn != s.turn {
				l.turn = s.turn
				s.choose(at, p.Stream, st, id, l, slab, m, out)
			}
		}
		if m.flags&flagKey != 0 && s.awaited(at, p.Stream, st) {
			st.wantKey = true // that one was of no use to everybody
		}
		if st.row.Pipes != 0 {
			s.lend(st, p.Stream, slab, m, at, st.row.Pipes, p.Repaired, out)
		}
	}
	return true
}

// place unwraps the packet's number and says whether it is new. A number far ahead of or behind all
// others is believed when the next one follows it: then the stream restarts on fresh numbers above all
// it had, so that no unwrapped number is ever used twice.
func (s *Shard) place(st *stream, p *Packet, h *rtp.Header, out *Out) (ext int64, ok bool) {
	if !st.started {
		st.history = newHistory(min(s.historyLen(st), historyFirst))
		ext = int64(h.Seq)
		st.base, st.first, st.oldest, st.top = ext, ext, ext, ext-1
		return ext, true
	}
	d := int64(h.Seq.Diff(rtp.Seq(st.top)))
	ext = st.top + d
	switch {
	case d > maxDropout, d <= -int64(len(st.history)) && d < -maxDropout:
		if p.Repaired {
			s.drops[DropOld]++
			return 0, false
		}
		if !st.hasBad || h.Seq != st.bad {
			st.bad, st.hasBad = h.Seq.Next(), true
			s.drops[DropJump]++
			return 0, false
		}
		ext = st.top + 1 + int64(h.Seq-rtp.Seq(st.top)-1)
		st.restarted += ext - st.top - 1
		st.base, st.top, st.hasBad, st.hasKey = ext, ext-1, false, false
		st.lost = st.lost[:0]
		st.hasTransit = false
		out.Notes = append(out.Notes, Note{Kind: NoteRestarted, Stream: p.Stream, Source: st.cfg.Source})
		st.wantKey = !st.cfg.Kind.IsAudio()
		return ext, true
	case d <= -int64(len(st.history)), ext < st.base && st.base != st.first:
		s.drops[DropOld]++
		return 0, false
	}
	if k := st.find(ext); k != nil {
		s.drops[DropDuplicate]++
		st.stats.Duplicates++
		return 0, false
	}
	st.hasBad = false
	if ext < st.base { // overtaken by the very first packet
		st.base, st.first = ext, ext
	}
	return ext, true
}

// describe notes in m what later steps need of the packet.
func (s *Shard) describe(st *stream, b []byte, h *rtp.Header, m *meta) {
	m.head, m.payload, m.pt, m.time = uint16(h.HeaderLen), uint16(h.PayloadLen), h.PT, h.Time
	if h.Marker {
		m.flags |= flagMarker | flagEnd
	}
	if st.cfg.Kind.IsAudio() {
		m.flags |= flagAudio
	}
	extLen, long := 0, false
	for it := h.Exts(b); it.Next(); {
		n := len(it.Value)
		if n == 0 {
			continue
		}
		switch it.ID {
		case proto.ExtAudioLevel:
			if m.flags&(flagAudio|flagLevel) == flagAudio {
				m.level = it.Value[0]
				m.flags |= flagLevel
				extLen += 2
			}
		case proto.ExtDependency:
			var d rtp.Dependency
			if m.ddLen == 0 && m.flags&flagAudio == 0 && rtp.ParseDependency(it.Value, &d, nil) {
				m.ddAt, m.ddLen, m.frame = uint16(it.At), uint8(n), d.Frame
				extLen += 1 + n
				long = long || n > 16
				if d.End {
					m.flags |= flagEnd
				}
				if d.HasStructure && d.Start {
					m.flags |= flagKey
				}
			}
		case proto.ExtCaptureTime:
			if m.capLen == 0 && n <= 16 {
				m.capAt, m.capLen = uint16(it.At), uint8(n)
				extLen += 1 + n
			}
		}
	}
	if m.flags&flagAudio == 0 && h.PayloadLen > 0 {
		s.describeVideo(h.Payload(b), m)
	}
	m.size = uint16(wireLen(extLen, m, long))
	m.sizeTW = uint16(wireLen(extLen+3, m, long))
}

// describeVideo looks into the payload. What the descriptor of dependencies said already stands.
func (s *Shard) describeVideo(payload []byte, m *meta) {
	key := false
	switch m.pt {
	case proto.PTVP8:
		v, ok := rtp.ParseVP8(payload)
		if !ok {
			return
		}
		key = v.KeyFrame
		if v.PicBits != 0 || v.HasTL0 {
			m.flags |= flagVP8
			m.pic, m.tl0 = v.PictureID, v.TL0
		}
	case proto.PTVP9:
		key = rtp.VP9KeyFrame(payload)
		if rtp.VP9FrameEnd(payload) {
			m.flags |= flagEnd
		}
	case proto.PTH264:
		key = rtp.H264KeyFrame(payload)
	case proto.PTAV1:
		key = rtp.AV1KeyFrame(payload)
	}
	if key {
		m.flags |= flagKey
	}
}

// wireLen is the length of the packet Write makes with extensions of extLen bytes in the one-byte form.
func wireLen(extLen int, m *meta, long bool) int {
	n := rtp.MinHeaderLen + 4 + int(m.payload)
	if m.source == 0 {
		n -= 4
	}
	if extLen == 0 {
		return n
	}
	if long { // one byte more for each of at most four elements
		extLen += elements(extLen, m)
	}
	return n + 4 + (extLen+3)&^3
}

// elements is how many extensions the packet will have; extLen tells whether the transport-wide one is
// among them.
func elements(extLen int, m *meta) int {
	n := 0
	if m.flags&flagLevel != 0 {
		n, extLen = n+1, extLen-2
	}
	if m.ddLen > 0 {
		n, extLen = n+1, extLen-1-int(m.ddLen)
	}
	if m.capLen > 0 {
		n, extLen = n+1, extLen-1-int(m.capLen)
	}
	if extLen > 0 {
		n++
	}
	return n
}

// keep puts the packet into the history, in place of the one that was there a whole ring ago, and lets
// go of what has become too old.
func (s *Shard) keep(st *stream, ext int64, slab SlabRef, at time.Duration) {
	if ext-st.oldest >= int64(len(st.history)) {
		st.widen(ext, s.historyLen(st))
	}
	mask := int64(len(st.history) - 1)
	k := &st.history[ext&mask]
	if k.slab != 0 {
		s.slabs.drop(k.slab)
	}
	*k = kept{ext: ext, slab: slab, at: uint32(at / time.Millisecond)}
	if st.oldest > ext {
		st.oldest = ext
	}
	if low := ext - mask; st.oldest < low && ext > st.top {
		st.oldest = low
	}
	// At most a few for each packet: the cost stays even, and it still gets ahead.
	age := uint32(st.keepFor() / time.Millisecond)
	for range 4 {
		if st.oldest >= ext {
			break
		}
		old := &st.history[st.oldest&mask]
		if old.ext == st.oldest && old.slab != 0 {
			if int32(k.at-old.at) < int32(age) { // less than none: what is lent comes in order of its numbers
				break
			}
			s.slabs.drop(old.slab)
			old.slab = 0
		}
		st.oldest++
	}
}

// advance moves the highest number forward and notes what was skipped.
func (s *Shard) advance(at time.Duration, id StreamID, st *stream, ext int64, out *Out) {
	if st.started && ext > st.top+1 {
		n := ext - st.top - 1
		if !st.cfg.Kind.IsAudio() {
			st.miss(st.top+1, ext, at)
		}
		out.Notes = append(out.Notes, Note{
			Kind: NoteGap, Stream: id, Source: st.cfg.Source, Count: uint16(min(n, 1<<16-1)),
		})
	}
	if at-st.lastAt > flowTimeout {
		st.runAt = at
	}
	st.started, st.top, st.lastAt = true, ext, at
}

// flow keeps track of which layers of a source are being sent. A layer has stopped when it was silent
// while this one was not: a pause of the whole sender says nothing of its layers.
func (s *Shard) flow(at time.Duration, id StreamID, st *stream, out *Out) {
	change := false
	if !st.flowing {
		st.flowing, change = true, true
		out.Notes = append(out.Notes, Note{Kind: NoteFlowing, Stream: id, Source: st.cfg.Source, Layer: st.cfg.Layer})
	}
	if st.row == nil {
		return
	}
	for _, other := range st.row.Streams {
		if other == 0 || other == id {
			continue
		}
		if o := s.stream(other); o != nil && o.flowing && at-max(o.lastAt, st.runAt) > flowTimeout {
			o.flowing, change = false, true
			out.Notes = append(out.Notes, Note{Kind: NoteStopped, Stream: other, Source: o.cfg.Source, Layer: o.cfg.Layer})
		}
	}
	if change {
		s.retargetRow(st.row, st.rowN, out)
	}
}

// retargetRow looks again which layer each follower of a source should have.
func (s *Shard) retargetRow(row *SourceRow, rowN uint32, out *Out) {
	for _, w := range row.Legs {
		l := s.leg(w.Leg)
		if l == nil || l.rowN != rowN || !s.retarget(row, l) || l.target == 0 {
			continue
		}
		t := s.stream(l.target)
		if t.cfg.Layer < l.want {
			out.Notes = append(out.Notes, Note{
				Kind: NoteFallback, Stream: l.target, Source: t.cfg.Source, Leg: w.Leg,
				Receiver: l.cfg.Receiver, Slot: l.cfg.Slot, Layer: t.cfg.Layer,
			})
		}
		if t.wantKey {
			out.Notes = append(out.Notes, Note{Kind: NoteWantsKeyFrame, Stream: l.target, Source: t.cfg.Source})
		}
	}
}

// cameFirst is when the first of the packets behind number ext came, at if that is not known: ext may have been lost and
// repaired.
func (st *stream) cameFirst(ext int64, at time.Duration) time.Duration {
	oldest := at
	for ext++; ext <= st.top; ext++ {
		if k := st.find(ext); k != nil {
			age := time.Duration(int32(uint32(at/time.Millisecond) - k.at)) // they wrap
			oldest = min(oldest, at.Truncate(time.Millisecond)-age*time.Millisecond)
		}
	}
	return oldest
}

func (s *Shard) keyFrame(at time.Duration, p *Packet, h *rtp.Header, st *stream, ext int64, out *Out) {
	if st.hasKey && ext <= st.keyExt {
		return
	}
	if k := st.find(st.keyExt); st.hasKey && k != nil && k.slab != 0 && s.slabs.at(k.slab).time == h.Time {
		return // H.264: parameter sets and picture look like a key frame each; it begins with the former
	}
	st.hasKey, st.keyExt, st.keyAt, st.keyOld = true, ext, at, st.cameFirst(ext, at)
	st.wantKey, st.picture, st.piped = false, false, false
	st.forget(ext)
	st.stats.KeyFrames++
	n := Note{Kind: NoteKeyFrame, Stream: p.Stream, Source: st.cfg.Source, Layer: st.cfg.Layer}
	if h.PT == proto.PTVP8 {
		if v, ok := rtp.ParseVP8(h.Payload(p.Data)); ok {
			n.Width, n.Height = uint16(v.Width), uint16(v.Height)
			st.stats.Width, st.stats.Height = n.Width, n.Height
		}
	}
	out.Notes = append(out.Notes, n)
}
