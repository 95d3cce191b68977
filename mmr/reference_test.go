package mmr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/wire/rtp"
)

// reference is selective forwarding told plainly, with maps and without limits, in ignorance of package
// forward: what must arrive at each receiver, in which order, on each SSRC. Streams and legs are known by
// their SSRCs. What it leaves out is only when packets leave and in whose company.
type reference struct {
	streams map[uint32]*refStream
	legs    map[uint32]*refLeg
	epoch   time.Time // of the shards, who remember arrivals by the millisecond
}

type refStream struct {
	source uint32
	layer  int
	audio  bool
	seen   map[int64]*refPacket
	any    bool
	top    int64
	keyed  bool
	key    int64
	keyAt  time.Time
	old    time.Duration // when the first of what came from the key frame on did, since the epoch
}

// refPacket is a packet as its sender made it.
type refPacket struct {
	ext     int64 // number without wrap
	time    rtp.Time
	pt      uint8
	marker  bool
	key     bool // the first of a key frame
	end     bool // the last of a frame
	video   bool // payload has a VP8 descriptor, and there is a dependency descriptor
	pic     uint16
	tl0     uint8
	frame   uint16
	payload []byte // without padding
	exts    map[uint8][]byte
	at      time.Time // of its arrival
}

type refLeg struct {
	source uint32 // wired to, 0 nothing
	want   int    // layer
	cur    uint32 // stream forwarded

	high     int64 // highest source number handled since the leg began on cur
	off      int64 // added to source numbers
	timeOff  rtp.Time
	picOff   uint16
	tl0Off   uint8
	frameOff uint16

	top      int64 // highest number out
	sent     bool
	lastTime rtp.Time
	lastAt   time.Time
	pic      uint16
	tl0      uint8
	frame    uint16
	clock    uint32

	numbers  map[uint32]map[int64]refNumber // by stream and source number
	recent   []refStretch                   // newest last
	serial   int                            // of the newest stretch
	carries  map[rtp.Seq]refNumber          // by number on the wire
	firstOut rtp.Time
}

// refStretch is a stretch of a stream that a leg sent without a gap between the two numberings. A leg
// remembers eight; what lies before them is as if it had never been.
type refStretch struct {
	stream uint32
	last   int64 // source number
	empty  bool
}

const refRemembers = 8

// stretch begins a stretch behind source number last.
func (l *refLeg) stretch(ssrc uint32, last int64) {
	if n := len(l.recent); n > 0 && l.recent[n-1].empty {
		l.recent = l.recent[:n-1]
	} else {
		l.serial++
	}
	l.recent = append(l.recent, refStretch{ssrc, last, true})
	if len(l.recent) > refRemembers {
		l.recent = l.recent[1:]
	}
}

// passed reports whether a leg has been at a source number, or behind it.
func (l *refLeg) passed(ssrc uint32, ext int64) bool {
	return slices.ContainsFunc(l.recent, func(s refStretch) bool { return s.stream == ssrc && s.last >= ext })
}

// remembers reports whether a number is of a stretch not forgotten.
func (l *refLeg) remembers(n refNumber) bool { return n.stretch > l.serial-refRemembers }

// refNumber is the number one source packet has on a leg, whether it came or not.
type refNumber struct {
	stream   uint32
	ext      int64
	seq      int64
	timeOff  rtp.Time
	picOff   uint16
	tl0Off   uint8
	frameOff uint16
	stretch  int
}

func newReference(epoch time.Time) *reference {
	return &reference{epoch: epoch, streams: map[uint32]*refStream{}, legs: map[uint32]*refLeg{}}
}

func (r *reference) addStream(ssrc, source uint32, layer int, audio bool) {
	r.streams[ssrc] = &refStream{source: source, layer: layer, audio: audio, seen: map[int64]*refPacket{}}
}

func (r *reference) addLeg(ssrc uint32, first rtp.Seq, at rtp.Time, clock uint32) {
	r.legs[ssrc] = &refLeg{
		top: int64(first) - 1, firstOut: at, clock: clock,
		numbers: map[uint32]map[int64]refNumber{}, carries: map[rtp.Seq]refNumber{},
	}
}

// wire points a leg at a source.
func (r *reference) wire(leg, source uint32, layer int) {
	l := r.legs[leg]
	if l.source != source {
		l.cur = 0
	}
	l.source, l.want = source, layer
}

// rekey is a leg under fresh keys: a number of the upper half would wrap soon, and goes on behind the wrap.
// What was sent before is not sent again.
func (r *reference) rekey(leg uint32) {
	l := r.legs[leg]
	next := (l.top + 1) & 0xffff
	if next < 0x8000 {
		return
	}
	l.top, l.off = l.top+0x10000-next, l.off+0x10000-next
	l.serial, l.recent = l.serial+refRemembers, nil
	if l.cur != 0 {
		l.stretch(l.cur, l.high)
	}
}

// leave takes a source with its streams away.
func (r *reference) leave(source uint32) {
	for ssrc, st := range r.streams {
		if st.source == source {
			delete(r.streams, ssrc)
		}
	}
	for _, l := range r.legs {
		if l.source == source {
			l.source, l.cur = 0, 0
		}
	}
}

// target is the stream a leg should have: of those that flow the wanted layer or the nearest to it, the
// lower of two.
func (r *reference) target(l *refLeg) (best uint32) {
	far := 100
	for ssrc, st := range r.streams {
		if st.source != l.source || !st.any {
			continue
		}
		d := 2 * (st.layer - l.want)
		if d < 0 {
			d = -d - 1
		}
		if d < far {
			best, far = ssrc, d
		}
	}
	return best
}

// arrive tells what packet p of a stream makes each leg send.
func (r *reference) arrive(now time.Time, ssrc uint32, p *refPacket) map[uint32][]refNumber {
	st := r.streams[ssrc]
	if st == nil || st.seen[p.ext] != nil {
		return nil
	}
	p.at = now
	st.seen[p.ext] = p
	if !st.any || p.ext > st.top {
		st.any, st.top = true, p.ext
	}
	if p.key && (!st.keyed || p.ext > st.key) {
		st.keyed, st.key, st.keyAt, st.old = true, p.ext, now, now.Sub(r.epoch)
		for ext, q := range st.seen {
			if ext > p.ext {
				st.old = min(st.old, q.at.Sub(r.epoch).Truncate(time.Millisecond))
			}
		}
	}
	out := map[uint32][]refNumber{}
	for leg, l := range r.legs {
		if l.source != st.source {
			continue
		}
		if got := r.arriveAt(now, ssrc, st, l, p); len(got) > 0 {
			out[leg] = got
		}
	}
	return out
}

// refReplay is how old what came from a key frame on may be for a leg to begin with it: later some has been let go.
const refReplay = 300 * time.Millisecond

func (r *reference) arriveAt(now time.Time, ssrc uint32, st *refStream, l *refLeg, p *refPacket) []refNumber {
	if l.cur != ssrc && r.target(l) == ssrc {
		begin, first, cameAt := false, p, now
		if st.audio {
			begin = len(p.payload) > 0 && p.ext == st.top
		} else {
			whole := st.keyed && now.Sub(r.epoch)-st.old <= refReplay
			begin = p.key && p.ext == st.key && whole && !l.passed(ssrc, p.ext)
			if !begin && l.cur == 0 && whole && !l.passed(ssrc, st.key) {
				begin, first, cameAt = true, st.seen[st.key], st.keyAt
			}
		}
		if begin {
			l.begin(cameAt, ssrc, first)
			var got []refNumber
			for ext := first.ext; ext <= st.top; ext++ {
				if q := st.seen[ext]; q != nil {
					got = append(got, l.next(now, ssrc, q)...)
				}
			}
			return got
		}
	}
	if l.cur == ssrc && p.ext > l.high {
		return l.next(now, ssrc, p)
	}
	if n, ok := l.numbers[ssrc][p.ext]; ok && l.cur != 0 && l.remembers(n) {
		return []refNumber{n} // late, on the number kept for it
	}
	return nil
}

// begin moves a leg to a stream: the next number, the time that has gone by, the next picture.
func (l *refLeg) begin(at time.Time, ssrc uint32, p *refPacket) {
	time0, pic, tl0, frame := l.firstOut, p.pic, p.tl0, p.frame
	if l.sent {
		time0 = l.lastTime + rtp.Time(max(rtp.Ticks(at.Sub(l.lastAt), l.clock), 1))
		pic, tl0, frame = l.pic+1, l.tl0+1, l.frame+1
	}
	l.cur, l.high, l.off = ssrc, p.ext-1, l.top+1-p.ext
	l.stretch(ssrc, p.ext-1)
	l.timeOff, l.picOff, l.tl0Off, l.frameOff = time0-p.time, pic-p.pic, tl0-p.tl0, frame-p.frame
	l.sent, l.lastTime, l.lastAt = true, time0, at
}

// next sends a packet ahead of all others of its stream.
func (l *refLeg) next(now time.Time, ssrc uint32, p *refPacket) []refNumber {
	if len(p.payload) == 0 && p.ext == l.high+1 {
		l.high, l.off = p.ext, l.off-1 // padding is left out, and the gap closed
		l.stretch(ssrc, p.ext)
		return nil
	}
	if l.numbers[ssrc] == nil {
		l.numbers[ssrc] = map[int64]refNumber{}
	}
	for ext := l.high + 1; ext <= p.ext; ext++ {
		n := refNumber{ssrc, ext, ext + l.off, l.timeOff, l.picOff, l.tl0Off, l.frameOff, l.serial}
		l.numbers[ssrc][ext], l.carries[rtp.Seq(n.seq)] = n, n
	}
	l.high, l.top = p.ext, p.ext+l.off
	newest := &l.recent[len(l.recent)-1]
	newest.last, newest.empty = p.ext, false
	if t := p.time + l.timeOff; l.lastTime.Less(t) {
		l.lastTime, l.lastAt = t, now
	}
	if p.video {
		l.pic, l.tl0, l.frame = (p.pic+l.picOff)&0x7fff, p.tl0+l.tl0Off, p.frame+l.frameOff
	}
	return []refNumber{l.numbers[ssrc][p.ext]}
}

// arrival of a packet at its receiver, without what the reference does not foresee: the transport-wide
// number and padding.
type refArrival struct {
	seq     rtp.Seq
	time    rtp.Time
	source  uint32
	pt      uint8
	marker  bool
	exts    string
	payload string
}

func (a refArrival) String() string {
	p := a.payload
	if len(p) > 16 {
		p = p[:10] + "…" + p[len(p)-6:]
	}
	return fmt.Sprintf("number %d, time %d, source %d, type %d, marker %v, extensions %s, %d bytes %x", a.seq, a.time, a.source, a.pt, a.marker, a.exts, len(a.payload), p)
}

// as is packet p as it must arrive under a number.
func (n refNumber) as(p *refPacket, source uint32) refArrival {
	a := refArrival{seq: rtp.Seq(n.seq), time: p.time + n.timeOff, source: source, pt: p.pt, marker: p.marker}
	payload := slices.Clone(p.payload)
	exts := map[uint8][]byte{}
	for id, v := range p.exts {
		exts[id] = slices.Clone(v)
	}
	if p.video {
		pic, frame := (p.pic+n.picOff)&0x7fff, p.frame+n.frameOff
		payload[2], payload[3], payload[4] = 0x80|byte(pic>>8), byte(pic), p.tl0+n.tl0Off
		exts[refDependency][1], exts[refDependency][2] = byte(frame>>8), byte(frame)
	}
	a.payload, a.exts = string(payload), extText(exts)
	return a
}

// The extensions a receiver gets beside the transport-wide number (design §4).
const (
	refLevel      = 1
	refCapture    = 7
	refDependency = 8
)

func extText(exts map[uint8][]byte) string {
	var all []string
	for _, id := range []uint8{refLevel, refCapture, refDependency} {
		if v, ok := exts[id]; ok {
			all = append(all, fmt.Sprintf("%d:%x", id, v))
		}
	}
	return strings.Join(all, " ")
}
