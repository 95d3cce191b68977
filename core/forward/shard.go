package forward

import (
	"math"
	"math/bits"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// Config sizes a shard. The zero value is good.
type Config struct {
	HistoryVideo int    // packets kept of a video stream, rounded up to a power of two; 0: 1024
	HistoryAudio int    // the same of an audio stream; 0: 64
	Memory       Memory // of kept packets; nil: the collector's heap
}

// The history is bounded in time as well, for it is most of what a participant costs: three layers at
// 2.5 Mbit/s hold 115 KiB in 300 ms. A packet that is asked for is a round-trip time old, and one more
// each time that its repair is lost too; so the farthest receiver says how long packets are kept.
const (
	historyAge     = 300 * time.Millisecond // at least: three requests over 80 ms, and room for reordering
	historyAgeMost = 900 * time.Millisecond // later than that a repair is useless
	historyTries   = 3
	historySlack   = 60 * time.Millisecond
	// farFor is how long a receiver's distance counts without being told again: reports come each second.
	farFor = 5 * time.Second
	// historyFirst is how long a ring is at first. It doubles when what is to be kept does not fit.
	historyFirst = 256
)

// StreamID is a handle of one incoming RTP stream: one layer of one source. The zero value is no
// stream; a handle whose stream was removed is stale and every use of it does nothing.
type StreamID uint32

// LegID is a handle of one outgoing slot of one receiver. The zero value is no leg; a handle whose
// leg was removed is stale and every use of it does nothing.
type LegID uint32

// A handle is index | generation << indexBits; generations start at 1.
const (
	indexBits = 20
	indexMask = 1<<indexBits - 1
	maxGen    = 1<<(32-indexBits) - 1
)

// StreamConfig describes an incoming stream.
type StreamConfig struct {
	Source uint32 // CSRC to write: the proto.SourceID
	Layer  int8   // 0 lowest
	Kind   proto.Kind
	SSRC   uint32
	RTX    uint32 // SSRC of retransmissions, 0 if none
	Clock  uint32 // Hz; 0: by kind
	Sender uint64 // whose wall clock its reports are on, the same for all streams of one sender; 0: nobody else's
}

// LegConfig describes an outgoing slot.
type LegConfig struct {
	Receiver    uint32 // opaque, copied into descriptors
	Slot        uint16 // opaque, copied into descriptors
	Kind        proto.Kind
	SSRC        uint32
	RTX         uint32 // SSRC of retransmissions; 0: NACKs are not answered
	FirstSeq    rtp.Seq
	FirstRTXSeq rtp.Seq
	FirstTime   rtp.Time
	TWCC        bool // the receiver accepted the transport-wide number on this slot; never for audio
}

// Shard is the packet path of the participants one goroutine owns. Owned by that goroutine.
type Shard struct {
	cfg     Config
	epoch   time.Time // of the first call; instants are kept as time since then
	slabs   arena
	streams []stream
	legs    []leg
	freeS   []uint32
	freeL   []uint32
	again   [][nAgain]resent // of legs that were asked to repeat something
	freeA   []uint32         // places in again, plus one
	tables  map[uint32]*Table
	clocks  map[uint64]*senderClock
	round   uint32 // of Publish, to find legs a table no longer names
	rows    uint32 // serial number of the last row published
	turn    uint32 // serial number of the packet being admitted
	drops   [NReasons]uint64
}

// New makes an empty shard.
func New(cfg Config) *Shard {
	if cfg.HistoryVideo <= 0 {
		cfg.HistoryVideo = 1024
	}
	if cfg.HistoryAudio <= 0 {
		cfg.HistoryAudio = 64
	}
	cfg.HistoryVideo = 1 << bits.Len(uint(cfg.HistoryVideo-1))
	cfg.HistoryAudio = 1 << bits.Len(uint(cfg.HistoryAudio-1))
	if cfg.Memory == nil {
		cfg.Memory = collected{}
	}
	return &Shard{cfg: cfg, slabs: arena{memory: cfg.Memory}, tables: map[uint32]*Table{}, clocks: map[uint64]*senderClock{}}
}

// stream is the state of one incoming stream.
type stream struct {
	gen  uint16
	live bool
	cfg  StreamConfig
	row  *SourceRow // of the table that names it; nil when none does
	rowN uint32     // serial number of that row, which its legs have too

	// Sequence numbers (RFC 3550 appendix A.1), unwrapped.
	started bool
	mirror  bool  // another shard's: see pipe.go
	top     int64 // highest seen
	base    int64 // first since the start or the last restart: intervals do not reach across it
	bad     rtp.Seq
	hasBad  bool

	history []kept           // ring by unwrapped number; nil until the first packet
	oldest  int64            // no kept slab is before this number
	far     [2]time.Duration // largest round-trip time to a receiver, in this stretch of farFor and the one before
	farAt   time.Duration    // since when this stretch is
	lost    []hole           // rising; what has not come yet

	flowing bool          // packets came within flowTimeout
	lastAt  time.Duration // arrival of the newest packet
	runAt   time.Duration // since when they have come without a pause of flowTimeout

	keyExt  int64 // first packet of the newest key frame
	hasKey  bool
	keyAt   time.Duration
	keyOld  time.Duration // when the first of the packets from keyExt on came: they are kept for historyAge at least
	wantKey bool          // a leg waits, or a receiver asked
	picture bool          // a receiver asked
	piped   bool          // another shard asked
	askedAt time.Duration
	asked   bool

	rtt time.Duration // to the sender; 0 unknown

	// Reception statistics (RFC 3550 appendix A.3, A.8), since first.
	first         int64
	received      uint64 // not counting repaired ones
	expectedPrior int64
	receivedPrior uint64
	restarted     int64 // numbers skipped by restarts, neither expected nor lost
	jitter        float64
	transit       int64
	transitTime   rtp.Time
	hasTransit    bool
	sr            rtp.SenderInfo
	srAt          time.Duration
	hasSR         bool
	clock         *senderClock
	anchor        anchor

	stats StreamStats
}

// kept is one entry of a history ring. The number stays when the slab has gone, so that a duplicate is
// still known.
type kept struct {
	ext  int64
	slab SlabRef
	at   uint32 // milliseconds
}

// nIntervals is how many stretches a leg remembers for late packets and NACKs.
const nIntervals = 8

// interval is a stretch of a leg: numbers first to last of one stream went out with off added.
type interval struct {
	stream  StreamID
	timeOff rtp.Time
	first   int64
	last    int64 // below first: empty
	off     int64
	pic     uint16
	frame   uint16
	tl0     uint8
}

// leg is the state of one outgoing slot. No pointers; what each packet touches comes first, for it is in no
// processor's cache when the next frame comes.
type leg struct {
	gen     uint16
	live    bool
	want    int8 // layer
	cfg     LegConfig
	round   uint32 // Publish that last named it
	rowN    uint32 // serial number of the row that names it
	meeting uint32

	turn   uint32   // last packet chosen for: a leg named twice must not send it twice
	cur    StreamID // forwarded now
	target StreamID // to be forwarded as soon as it may

	top      int64 // highest number used; FirstSeq-1 before the first packet
	now      uint8 // current interval
	nIv      uint8 // intervals in use
	rtxSeq   rtp.Seq
	sent     bool // anything at all
	lastTime rtp.Time
	lastAt   time.Duration
	pic      uint16
	frame    uint16
	tl0      uint8

	rtt      time.Duration // to the receiver; 0 unknown
	reports  [nReports]legReport
	reported uint8 // where the next goes
	packets  uint32
	octets   uint32

	wishAt    time.Duration // of the last wish for a key frame that was passed on; 0: none
	wishEvery time.Duration // until the next may be
	owed      uint32        // packets sent again beyond those sent, see maxOwed
	owedSince uint32        // packets when owed was reckoned

	again uint32 // place in Shard.again plus one; 0: nothing was asked for yet
	stats LegStats
	iv    [nIntervals]interval
}

// legReport is a report that may still be answered.
type legReport struct {
	ntp uint32        // the middle of its NTP
	at  time.Duration // 0: none
}

// since turns an instant into time since the shard's first call, which keeps the monotonic clock and
// makes state free of pointers.
func (s *Shard) since(now time.Time) time.Duration {
	if s.epoch.IsZero() {
		// A second back, so that "never" can be 0.
		s.epoch = now.Add(-time.Second)
	}
	return now.Sub(s.epoch)
}

func (s *Shard) stream(id StreamID) *stream {
	i := int(id & indexMask)
	if i >= len(s.streams) {
		return nil
	}
	if st := &s.streams[i]; st.live && st.gen == uint16(id>>indexBits) {
		return st
	}
	return nil
}

func (s *Shard) leg(id LegID) *leg {
	i := int(id & indexMask)
	if i >= len(s.legs) {
		return nil
	}
	if l := &s.legs[i]; l.live && l.gen == uint16(id>>indexBits) {
		return l
	}
	return nil
}

// AddStream makes room for an incoming stream. It is followed by nobody until a table names it.
// The zero handle means that the shard is full (a million streams).
func (s *Shard) AddStream(cfg StreamConfig) StreamID {
	if cfg.Clock == 0 {
		cfg.Clock = proto.ClockVideo
		if cfg.Kind.IsAudio() {
			cfg.Clock = proto.ClockAudio
		}
	}
	var i uint32
	switch n := len(s.freeS); {
	case n > 0:
		i, s.freeS = s.freeS[n-1], s.freeS[:n-1]
	case len(s.streams) > indexMask:
		return 0
	default:
		i = uint32(len(s.streams))
		s.streams = append(s.streams, stream{})
	}
	st := &s.streams[i]
	*st = stream{gen: nextGen(st.gen), live: true, cfg: cfg, clock: s.clockOf(cfg.Sender)}
	return StreamID(uint32(st.gen)<<indexBits | i)
}

// RemoveStream forgets a stream and lets its packets go. Descriptors already made stay valid.
func (s *Shard) RemoveStream(id StreamID) {
	st := s.stream(id)
	if st == nil {
		return
	}
	s.release(st)
	s.leaveClock(st)
	*st = stream{gen: st.gen}
	s.freeS = append(s.freeS, uint32(id)&indexMask)
}

// AddLeg makes an outgoing slot, idle until a table names it. The zero handle means that the shard is
// full (a million legs). A leg's SSRCs must be fresh under the receiver's keys, or FirstSeq behind all
// that was ever sent on them.
func (s *Shard) AddLeg(cfg LegConfig) LegID {
	var i uint32
	switch n := len(s.freeL); {
	case n > 0:
		i, s.freeL = s.freeL[n-1], s.freeL[:n-1]
	case len(s.legs) > indexMask:
		return 0
	default:
		i = uint32(len(s.legs))
		s.legs = append(s.legs, leg{})
	}
	if cfg.Kind.IsAudio() {
		cfg.TWCC = false
	}
	l := &s.legs[i]
	*l = leg{gen: nextGen(l.gen), live: true, cfg: cfg, top: int64(cfg.FirstSeq) - 1, rtxSeq: cfg.FirstRTXSeq}
	return LegID(uint32(l.gen)<<indexBits | i)
}

// RemoveLeg forgets a slot. Its descriptors can no longer be written, but must still be given to Done.
func (s *Shard) RemoveLeg(id LegID) {
	l := s.leg(id)
	if l == nil {
		return
	}
	if l.again != 0 {
		s.again[l.again-1] = [nAgain]resent{}
		s.freeA = append(s.freeA, l.again)
	}
	*l = leg{gen: l.gen}
	s.freeL = append(s.freeL, uint32(id)&indexMask)
}

// SetTWCC says whether the receiver accepted the transport-wide number on this leg; it is often known
// only after the leg was made. Audio never has it.
func (s *Shard) SetTWCC(id LegID, on bool) {
	if l := s.leg(id); l != nil {
		l.cfg.TWCC = on && !l.cfg.Kind.IsAudio()
	}
}

// StreamRTT tells the round-trip time to a stream's sender, which spaces NACKs. 0: unknown.
func (s *Shard) StreamRTT(id StreamID, rtt time.Duration) {
	if st := s.stream(id); st != nil {
		st.rtt = rtt
	}
}

// LegRTT tells the round-trip time to a leg's receiver, which spaces retransmissions. 0: unknown.
// RoundTrip sets it too.
func (s *Shard) LegRTT(id LegID, rtt time.Duration) {
	if l := s.leg(id); l != nil {
		l.rtt = rtt
	}
}

// Stream is what AddStream was given. ok is false for a stale handle.
func (s *Shard) Stream(id StreamID) (cfg StreamConfig, ok bool) {
	if st := s.stream(id); st != nil {
		return st.cfg, true
	}
	return cfg, false
}

// Leg is what AddLeg was given. ok is false for a stale handle.
func (s *Shard) Leg(id LegID) (cfg LegConfig, ok bool) {
	if l := s.leg(id); l != nil {
		return l.cfg, true
	}
	return cfg, false
}

func nextGen(g uint16) uint16 {
	if g == maxGen {
		return 1
	}
	return g + 1
}

// farther notes the round-trip time to a receiver of the stream.
func (st *stream) farther(at, rtt time.Duration) {
	if at-st.farAt >= farFor {
		st.far[0], st.far[1], st.farAt = 0, st.far[0], at
	}
	st.far[0] = max(st.far[0], rtt)
}

// keepFor is how long the stream's packets are kept.
func (st *stream) keepFor() time.Duration {
	return min(max(historyTries*max(st.far[0], st.far[1])+historySlack, historyAge), historyAgeMost)
}

// widen doubles the ring, up to most, until it reaches from the oldest packet kept to number ext.
func (st *stream) widen(ext int64, most int) {
	n := len(st.history)
	for int64(n) <= ext-st.oldest && n < most {
		n *= 2
	}
	if n == len(st.history) {
		return
	}
	wide := newHistory(n)
	for _, k := range st.history {
		if k.ext != math.MinInt64 {
			wide[k.ext&int64(n-1)] = k
		}
	}
	st.history = wide
}

// newHistory makes an empty ring.
func newHistory(n int) []kept {
	h := make([]kept, n)
	for i := range h {
		h[i].ext = math.MinInt64
	}
	return h
}

// find is the history entry of a number, or nil.
func (st *stream) find(ext int64) *kept {
	if len(st.history) == 0 {
		return nil
	}
	if k := &st.history[ext&int64(len(st.history)-1)]; k.ext == ext {
		return k
	}
	return nil
}
