package forward

import (
	"time"

	"parley/wire/rtp"
)

// Pipes: a source of one shard that receivers of another follow. The shard whose the sender is admits a
// packet once and lends its slab to every pipe of the row; the other admits the same bytes, without
// copying them, into a mirror of the stream, which decides for its own legs exactly as the original would:
// it is told numbers, times of arrival and state rather than finding them out again. When it no longer
// needs a slab it gives the loan back. Shards share nothing but the bytes, which nobody changes while a
// reference is held; how loans travel is the callers' affair.

// Loan is one packet lent to the pipes of its row. Each pipe holds a reference until Return.
type Loan struct {
	Stream   StreamID
	Slab     SlabRef
	Data     []byte // the packet, good until Return
	Pipes    uint64 // to whom, one bit each
	Repaired bool
	Audio    bool
	Placed   Placed
}

// Placed is what the lender knows of a packet's place.
type Placed struct {
	Ext  int64     // number without wrap
	Base int64     // first number since the stream's last restart
	At   time.Time // of arrival; zero: this packet was not lent
}

// Borrowed says where a packet's slab has to be given back.
type Borrowed struct {
	From uint32 // as Packet.From
	Slab SlabRef
}

// State is what a mirror begins with: of a stream as it is now.
type State struct {
	Config  StreamConfig
	started bool
	flowing bool
	hasKey  bool
	hasSR   bool
	room    int // of the history: what is lent to begin with must fit
	top     int64
	base    int64
	keyExt  int64
	lastAt  time.Time
	runAt   time.Time
	keyAt   time.Time
	keyOld  time.Time
	srAt    time.Time
	sr      rtp.SenderInfo

	anchor   anchor    // era 0: none
	anchorAt time.Time // on our clock
}

// State describes a stream for Mirror. ok is false for a stale handle.
func (s *Shard) State(id StreamID) (out State, ok bool) {
	st := s.stream(id)
	if st == nil {
		return out, false
	}
	when := func(d time.Duration) time.Time { return s.epoch.Add(d) }
	out = State{
		Config: st.cfg, started: st.started, flowing: st.flowing, hasKey: st.hasKey, hasSR: st.hasSR,
		room: len(st.history), top: st.top, base: st.base, keyExt: st.keyExt,
		lastAt: when(st.lastAt), runAt: when(st.runAt), keyAt: when(st.keyAt), keyOld: when(st.keyOld),
		srAt: when(st.srAt), sr: st.sr,
	}
	if _, ok := st.timeAt(0); ok {
		out.anchor, out.anchorAt = st.anchor, when(st.clock.place(st.anchor.ntp))
	}
	return out, true
}

// Mirror makes a stream that is another shard's, as AddStream does. Its packets are lent ones.
func (s *Shard) Mirror(of State) StreamID {
	id := s.AddStream(of.Config)
	st := s.stream(id)
	if st == nil {
		return 0
	}
	st.mirror = true
	if !of.started {
		return id
	}
	s.since(of.lastAt)
	st.history = newHistory(of.room)
	st.started, st.flowing, st.hasKey, st.hasSR = true, of.flowing, of.hasKey, of.hasSR
	st.top, st.base, st.first, st.oldest, st.keyExt = of.top, of.base, of.base, of.top+1, of.keyExt
	st.lastAt, st.runAt, st.srAt = s.since(of.lastAt), s.since(of.runAt), s.since(of.srAt)
	st.keyAt, st.keyOld = s.since(of.keyAt), s.since(of.keyOld)
	st.sr = of.sr
	if of.anchor.era != 0 { // as if it had come when the owner reckons that it was made
		st.anchored(s.since(of.anchorAt), rtp.SenderInfo{NTP: of.anchor.ntp, Time: of.anchor.time})
	}
	return id
}

// lendBack is how many of the newest packets a new pipe is lent in any case: the first packet of a key
// frame may still be on its way, overtaken by these.
const lendBack = 64

// Lend appends to out what a new pipe must have to let receivers begin at once: the packets since the
// last key frame, while a leg may still begin with it (see Publish), and the newest.
func (s *Shard) Lend(now time.Time, id StreamID, pipe uint64, out *Out) {
	st := s.stream(id)
	if st == nil || !st.started {
		return
	}
	at := s.since(now)
	from := st.top - lendBack
	if st.whole(at) {
		from = min(from, st.keyExt)
	}
	for ext := max(from, st.base, st.top-int64(len(st.history))+1); ext <= st.top; ext++ {
		if k := st.find(ext); k != nil && k.slab != 0 {
			age := time.Duration(int32(uint32(at/time.Millisecond) - k.at)) // they wrap
			s.lend(st, id, k.slab, s.slabs.at(k.slab), at.Truncate(time.Millisecond)-age*time.Millisecond, pipe, false, out)
		}
	}
}

func (s *Shard) lend(st *stream, id StreamID, slab SlabRef, m *meta, at time.Duration, pipes uint64, repaired bool, out *Out) {
	for p := pipes; p != 0; p &= p - 1 {
		m.refs++
	}
	out.Loans = append(out.Loans, Loan{
		Stream: id, Slab: slab, Data: s.slabs.bytes(slab), Pipes: pipes, Repaired: repaired, Audio: m.flags&flagAudio != 0,
		Placed: Placed{Ext: m.ext, Base: st.base, At: s.epoch.Add(at)},
	})
}

// Return takes one reference of a loan back.
func (s *Shard) Return(slab SlabRef) { s.slabs.drop(slab) }

// Borrowed appends what is no longer needed of other shards' slabs since the last call: each must be
// given to Return of the shard that lent it.
func (s *Shard) Borrowed(dst []Borrowed) []Borrowed {
	dst = append(dst, s.slabs.unneeded...)
	s.slabs.unneeded = s.slabs.unneeded[:0]
	return dst
}

// KeyFrameWanted notes that another shard waits for a key frame of a stream newer than number known, which
// it has; hasKey false: it has none.
func (s *Shard) KeyFrameWanted(id StreamID, known int64, hasKey bool) {
	st := s.stream(id)
	if st == nil || st.cfg.Kind.IsAudio() || hasKey && st.hasKey && st.keyExt > known {
		return
	}
	st.wantKey, st.piped = true, true
}

// NewestKeyFrame is the number of a stream's newest key frame, without wrap.
func (s *Shard) NewestKeyFrame(id StreamID) (ext int64, ok bool) {
	if st := s.stream(id); st != nil && st.hasKey {
		return st.keyExt, true
	}
	return 0, false
}

// placed is place for a lent packet, whose place is known.
func (s *Shard) placed(st *stream, p *Packet, out *Out) bool {
	ext, base := p.Placed.Ext, p.Placed.Base
	switch {
	case !st.started:
		st.history = newHistory(min(s.historyLen(st), historyFirst))
		st.base, st.first, st.oldest, st.top = base, base, ext, ext-1
	case base > st.base && ext > st.top: // the sender began anew
		st.top, st.hasKey = ext-1, false
		st.lost = st.lost[:0]
		out.Notes = append(out.Notes, Note{Kind: NoteRestarted, Stream: p.Stream, Source: st.cfg.Source})
		st.wantKey = !st.cfg.Kind.IsAudio()
	case ext <= st.top-int64(len(st.history)):
		s.drops[DropOld]++
		return false
	case st.find(ext) != nil:
		s.drops[DropDuplicate]++ // lent once to begin with, and once again as the newest
		return false
	}
	st.base = base
	return true
}

func (s *Shard) historyLen(st *stream) int {
	if st.cfg.Kind.IsAudio() {
		return s.cfg.HistoryAudio
	}
	return s.cfg.HistoryVideo
}
