package forward

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// model is the packet path told plainly, with maps and without limits: what must come out on each leg.
// Which stream a leg is to have is taken from the shard (Target); everything else is its own.
type model struct {
	streams map[StreamID]*modelStream
	legs    map[LegID]*modelLeg
}

type modelStream struct {
	seen  map[int64]modelPacket
	top   int64
	any   bool
	key   int64
	keyed bool
	keyAt time.Time
	old   time.Time // when the first of what came from the key frame on did
	audio bool
	row   int
}

type modelPacket struct {
	ext   int64
	n     uint32
	time  rtp.Time
	key   bool
	empty bool
	at    time.Time // of its arrival
}

type modelLeg struct {
	cur      StreamID
	off      int64 // of the current stretch
	timeOff  rtp.Time
	high     int64 // highest source number handled in the stretch
	start    int64
	top      int64 // highest number out
	lastTime rtp.Time
	lastAt   time.Time
	sent     bool
	row      int                             // it follows
	numbers  map[StreamID]map[int64]modelOut // of every number a stretch covers
	used     map[int64]bool
	out      map[rtp.Seq]modelOut // by number on the wire, for retransmissions
	clock    uint32
}

type modelOut struct {
	seq     int64
	timeOff rtp.Time
	n       uint32
	time    rtp.Time
}

// arrive tells what leg l sends because of packet p of stream id.
func (m *model) arrive(now time.Time, id StreamID, st *modelStream, l *modelLeg, target StreamID, p modelPacket) []modelOut {
	if l.cur != id && target == id {
		begin := st.audio && !p.empty && p.ext == st.top || !st.audio && p.key && p.ext == st.key && now.Sub(st.old) <= replayFor
		for ext := range l.numbers[id] {
			if !st.audio && ext >= p.ext {
				begin = false
			}
		}
		cameAt := now
		if !begin && !st.audio && l.cur == 0 && st.keyed && now.Sub(st.old) <= replayFor {
			begin = true // a key frame that has just gone by
			for ext := range l.numbers[id] {
				begin = begin && ext < st.key
			}
			if begin {
				p, cameAt = st.seen[st.key], st.keyAt
			}
		}
		if begin {
			first := l.lastTime
			if l.sent {
				first += rtp.Time(max(rtp.Ticks(cameAt.Sub(l.lastAt), l.clock), 1))
			}
			l.cur, l.start, l.high = id, p.ext, p.ext-1
			l.off, l.timeOff = l.top+1-p.ext, first-p.time
			l.sent, l.lastTime, l.lastAt = true, first, cameAt
			var got []modelOut
			for ext := p.ext; ext <= st.top; ext++ {
				if q, ok := st.seen[ext]; ok {
					got = append(got, l.next(now, id, q)...)
				}
			}
			return got
		}
	}
	if l.cur == id && p.ext > l.high {
		return l.next(now, id, p)
	}
	if o, ok := l.numbers[id][p.ext]; ok && l.cur != 0 && l.row == st.row {
		return []modelOut{l.give(o, p)}
	}
	return nil
}

// next handles a packet ahead of all others of the stretch.
func (l *modelLeg) next(now time.Time, id StreamID, p modelPacket) []modelOut {
	if p.empty && p.ext == l.high+1 {
		l.high, l.off = p.ext, l.off-1
		return nil
	}
	if l.numbers[id] == nil {
		l.numbers[id] = map[int64]modelOut{}
	}
	for ext := l.high + 1; ext <= p.ext; ext++ {
		l.numbers[id][ext] = modelOut{seq: ext + l.off, timeOff: l.timeOff}
	}
	l.high, l.top = p.ext, p.ext+l.off
	o := l.give(l.numbers[id][p.ext], p)
	if l.lastTime.Less(o.time) {
		l.lastTime, l.lastAt = o.time, now
	}
	return []modelOut{o}
}

func (l *modelLeg) give(o modelOut, p modelPacket) modelOut {
	o.n, o.time = p.n, p.time+o.timeOff
	l.out[rtp.Seq(o.seq)] = o
	return o
}

// wire is a packet on its way to the router.
type wire struct {
	id StreamID
	b  []byte
	p  modelPacket
}

func TestModelAgreesOnRandomStreams(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 25
	}
	for seed := range rounds {
		if !runModel(t, uint64(seed)) {
			return
		}
	}
}

// FuzzModel searches for a random stream on which the two disagree.
func FuzzModel(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { runModel(t, seed) })
}

func runModel(t *testing.T, seed uint64) bool {
	rnd := rand.New(rand.NewPCG(seed, 1))
	sc := newScene(t)
	m := &model{streams: map[StreamID]*modelStream{}, legs: map[LegID]*modelLeg{}}
	audio := seed%3 == 2
	kind, clock := proto.Video, uint32(proto.ClockVideo)
	if audio {
		kind, clock = proto.Audio, proto.ClockAudio
	}
	const nSources = 3
	layers := 1 + int(seed%3)
	if audio {
		layers = 1
	}
	pick := func() rtp.Seq { return starts[rnd.IntN(len(starts))] + rtp.Seq(rnd.IntN(4)) }
	var cams [nSources][]*cam
	var mics [nSources]*mic
	ext := map[StreamID]*rtp.Unwrapper{}
	for i := range nSources {
		if audio {
			mics[i] = sc.microphone(uint32(8+i*8), pick())
			m.streams[mics[i].id] = &modelStream{seen: map[int64]modelPacket{}, audio: true, row: i}
			ext[mics[i].id] = &rtp.Unwrapper{}
			continue
		}
		for j := range layers {
			c := sc.camera(uint32(8+i*8), int8(j), pick())
			cams[i] = append(cams[i], c)
			m.streams[c.id] = &modelStream{seen: map[int64]modelPacket{}, row: i}
			ext[c.id] = &rtp.Unwrapper{}
		}
	}
	var legs []LegID
	for range 4 {
		seq := pick()
		id := sc.leg(kind, seq)
		legs = append(legs, id)
		cfg, _ := sc.s.Leg(id)
		m.legs[id] = &modelLeg{top: int64(seq) - 1, lastTime: cfg.FirstTime, clock: clock, numbers: map[StreamID]map[int64]modelOut{}, out: map[rtp.Seq]modelOut{}, used: map[int64]bool{}}
	}
	publish := func() {
		tb := &Table{Sources: make([]SourceRow, nSources)}
		for i := range tb.Sources {
			if audio {
				tb.Sources[i].Streams[0] = mics[i].id
			}
			for j, c := range cams[i] {
				tb.Sources[i].Streams[j] = c.id
			}
		}
		for _, id := range legs {
			i := rnd.IntN(nSources + 1)
			l := m.legs[id]
			l.row = i
			if i == nSources { // idle
				l.cur = 0
				continue
			}
			r := &tb.Sources[i]
			r.Legs = append(r.Legs, Want{Leg: id, Layer: int8(rnd.IntN(layers))})
			if !r.has(l.cur) {
				l.cur = 0
			}
		}
		sc.s.Publish(1, tb)
	}
	publish()

	var queue []wire
	for step := range 600 {
		if rnd.IntN(40) == 0 {
			publish()
		}
		sc.wait(time.Duration(rnd.IntN(20)) * time.Millisecond)
		// Senders.
		i := rnd.IntN(nSources)
		var made []wire
		if audio {
			c := mics[i]
			p := modelPacket{n: c.n, time: c.time, ext: ext[c.id].Unwrap(c.seq)}
			made = append(made, wire{c.id, c.packet(byte(rnd.IntN(127))), p})
		} else {
			for _, c := range cams[i] {
				key := rnd.IntN(12) == 0
				n := 1 + rnd.IntN(5)
				for k := range n {
					p := modelPacket{n: c.n, time: c.time, key: key && k == 0, ext: ext[c.id].Unwrap(c.seq)}
					made = append(made, wire{c.id, c.packet(p.key, k == 0, k == n-1), p})
				}
				c.endFrame()
				if rnd.IntN(6) == 0 {
					p := modelPacket{time: c.time, empty: true, ext: ext[c.id].Unwrap(c.seq)}
					made = append(made, wire{c.id, c.pad(), p})
				}
			}
		}
		// The network: loss, duplicates, reordering.
		for _, w := range made {
			r := rnd.IntN(100)
			if r < 5 {
				continue
			}
			queue = append(queue, w)
			if r < 10 {
				queue = append(queue, w)
			}
			if r < 25 && len(queue) > 1 {
				a, b := len(queue)-1, max(len(queue)-1-rnd.IntN(8), 0)
				queue[a], queue[b] = queue[b], queue[a]
			}
		}
		hold := rnd.IntN(4)
		for len(queue) > hold {
			w := queue[0]
			queue = queue[1:]
			if !deliver(sc, m, legs, w, fmt.Sprintf("seed %d step %d", seed, step)) {
				return false
			}
		}
		if !audio && rnd.IntN(5) == 0 {
			if !askAgain(sc, m, legs[rnd.IntN(len(legs))], rnd) {
				t.Errorf("seed %d step %d", seed, step)
				return false
			}
		}
	}
	for _, id := range legs {
		sc.s.RemoveLeg(id)
	}
	for id := range m.streams {
		sc.s.RemoveStream(id)
	}
	if sc.s.slabs.held != 0 {
		t.Errorf("seed %d: %d slabs leaked", seed, sc.s.slabs.held)
		return false
	}
	return true
}

// deliver gives one packet to both and compares what they send.
func deliver(sc *scene, m *model, legs []LegID, w wire, where string) bool {
	sc.t.Helper()
	got := map[LegID][]sent{}
	for _, p := range sc.admit(w.id, w.b) {
		got[p.Leg] = append(got[p.Leg], p)
	}
	st := m.streams[w.id]
	if _, dup := st.seen[w.p.ext]; dup {
		if len(got) != 0 {
			sc.t.Errorf("%s: a duplicate was sent", where)
			return false
		}
		return true
	}
	w.p.at = sc.now
	st.seen[w.p.ext] = w.p
	if !st.any || w.p.ext > st.top {
		st.any, st.top = true, w.p.ext
	}
	if w.p.key && (!st.keyed || w.p.ext > st.key) {
		st.key, st.keyed, st.keyAt, st.old = w.p.ext, true, sc.now, sc.now
		for ext, q := range st.seen {
			if ext > w.p.ext && q.at.Before(st.old) {
				st.old = q.at
			}
		}
	}
	for _, id := range legs {
		ls, _ := sc.s.LegStats(id)
		l := m.legs[id]
		want := m.arrive(sc.now, w.id, st, l, ls.Target, w.p)
		var a, b []string
		for _, p := range got[id] {
			a = append(a, fmt.Sprintf("%d@%d:%d", p.Seq, p.Time, p.N))
		}
		for _, o := range want {
			b = append(b, fmt.Sprintf("%d@%d:%d", rtp.Seq(o.seq), o.time, o.n))
			if l.used[o.seq] {
				sc.t.Errorf("%s: the model used %d twice", where, o.seq)
				return false
			}
			l.used[o.seq] = true
		}
		if !slices.Equal(a, b) {
			sc.t.Errorf("%s: leg %x, packet %+v of %x: got %v, want %v", where, id, w.p, w.id, a, b)
			return false
		}
	}
	return true
}

// askAgain sends a NACK for recent numbers and checks what comes back against what was sent.
func askAgain(sc *scene, m *model, id LegID, rnd *rand.Rand) bool {
	sc.t.Helper()
	l := m.legs[id]
	var seqs []rtp.Seq
	for range 1 + rnd.IntN(4) {
		seqs = append(seqs, rtp.Seq(l.top)-rtp.Seq(rnd.IntN(60)))
	}
	for _, p := range sc.nack(id, seqs...) {
		o, ok := l.out[p.OSN]
		for id, st := range m.streams { // came late, when the leg had left: its number stands all the same
			for ext, q := range l.numbers[id] {
				if r, seen := st.seen[ext]; !ok && seen && rtp.Seq(q.seq) == p.OSN {
					o, ok = l.give(q, r), true
				}
			}
		}
		if !ok || !slices.Contains(seqs, p.OSN) || p.N != o.n || p.Time != o.time {
			sc.t.Errorf("retransmission of %d carries packet %d at %d, want %+v", p.OSN, p.N, p.Time, o)
			return false
		}
	}
	return true
}
