package load

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// pub is one encoding a participant sends. Owned by the loop.
type pub struct {
	person *person
	kind   proto.Kind
	rid    string
	ssrc   uint32
	rtx    uint32
	layer  Layer
	period int64 // between frames, ns
	due    int64 // of the next packet
	frame  int64 // when the current frame was due

	active bool
	queued bool
	key    bool // the next frame is to be a key frame
	left   int  // packets of the frame not sent yet
	count  int  // packets of the frame
	small  int  // of them, how many are a byte shorter: they come first
	size   int
	isKey  bool

	seq     rtp.Seq
	base    rtp.Time
	clock   uint32
	picture uint16
	tl0     uint8
	packets uint32
	octets  uint32
}

// pubHeap orders encodings by due time.
type pubHeap []*pub

func (h pubHeap) Len() int           { return len(h) }
func (h pubHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h pubHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *pubHeap) Push(x any) { *h = append(*h, x.(*pub)) }

// Pop implements heap.Interface.
func (h *pubHeap) Pop() any {
	old := *h
	p := old[len(old)-1]
	*h = old[:len(old)-1]
	return p
}

// Audio as measured from Chromium: 86–165 bytes on the wire, 5/50/95 percentiles 100/110/130.
const (
	audioLeast = 64 // payload bytes; header, level and tag make 38 more
	audioRange = 31
	keyFactor  = 3 // a key frame has so many times the packets of another
)

// makePubs makes the encodings of a member and announces them.
func (p *person) makePubs() {
	m := p.member
	var say []proto.Message
	if m.Audio {
		a := &pub{person: p, kind: proto.Audio, ssrc: p.ssrc(0), clock: proto.ClockAudio, period: int64(20 * time.Millisecond), layer: Layer{Packets: 1}}
		p.pubs = append(p.pubs, a)
		say = append(say, proto.Publish{Kind: proto.Audio, Active: true, Codec: "opus", Streams: []proto.Stream{{Kind: proto.Audio, SSRC: a.ssrc}}})
	}
	if len(m.Video) > 0 {
		msg := proto.Publish{Kind: proto.Video, Active: true, Codec: "VP8"}
		for i, l := range m.Video {
			fps := cmp.Or(l.FPS, 30)
			v := &pub{
				person: p, kind: proto.Video, ssrc: p.ssrc(2 + 2*i), rtx: p.ssrc(3 + 2*i), clock: proto.ClockVideo,
				period: int64(time.Second) / int64(fps), layer: l, key: true, picture: uint16(random(1 << 15)),
			}
			if len(m.Video) > 1 {
				v.rid = proto.RIDs[i]
			}
			p.pubs = append(p.pubs, v)
			msg.Layers = append(msg.Layers, proto.Layer{RID: v.rid, Width: l.Height * 16 / 9, Height: l.Height})
			msg.Streams = append(msg.Streams, proto.Stream{Kind: proto.Video, RID: v.rid, SSRC: v.ssrc, RTX: v.rtx})
		}
		say = append(say, msg)
	}
	for _, x := range p.pubs {
		x.active, x.seq, x.base = true, rtp.Seq(random(1<<15)), rtp.Time(random(1<<30))
	}
	if len(say) > 0 {
		p.sayLater(say...)
	}
}

// ssrc is a number no other member of the run uses.
func (p *person) ssrc(n int) uint32 { return 0x1000_0000 + uint32(p.number)*16 + uint32(n) }

// startPublishing lets everybody send, each at a phase of its own.
func (g *generator) startPublishing() {
	for _, p := range g.people {
		p.startPubs()
	}
}

func (p *person) startPubs() {
	phase := int64(random(1 << 20))
	for _, x := range p.pubs {
		at := phase * x.period >> 20
		if x.kind.IsAudio() {
			at = int64(random(int(x.period)))
		}
		x.due = p.g.now + at
		x.enqueue()
	}
}

func (x *pub) enqueue() {
	if x.active && !x.queued && x.due != 0 {
		x.queued = true
		heap.Push(&x.person.g.pubs, x)
	}
}

// wanted starts and stops layers of the camera.
func (p *person) wanted(m proto.Wanted) {
	for _, x := range p.pubs {
		if x.kind != m.Kind {
			continue
		}
		on := slices.Contains(m.RIDs, x.rid) || x.rid == "" && len(m.RIDs) > 0
		if on && !x.active {
			x.key, x.active = true, true
			if x.due != 0 {
				x.due = max(x.due, p.g.now)
			}
			x.enqueue()
		}
		x.active = on
	}
}

func (p *person) wantKey(ssrc uint32) {
	for _, x := range p.pubs {
		if x.ssrc == ssrc {
			x.key = true
		}
	}
}

// at is the RTP time stamp of a moment.
func (x *pub) at(now int64) rtp.Time {
	return x.base + rtp.Time(rtp.Ticks(time.Duration(now), x.clock))
}

// publishDue sends what is due.
func (g *generator) publishDue() {
	for len(g.pubs) > 0 && g.pubs[0].due <= g.now {
		x := g.pubs[0]
		if !x.active && x.left == 0 || x.person.gone.Load() {
			heap.Pop(&g.pubs)
			x.queued = false
			continue
		}
		g.send(x)
		heap.Fix(&g.pubs, 0)
	}
}

// send sends a frame, or the next packet of one.
func (g *generator) send(x *pub) {
	if x.left == 0 {
		x.begin(g.now)
	}
	for x.left > 0 {
		n := g.packet(x)
		x.left--
		if g.cfg.Uplink > 0 && x.left > 0 {
			x.due += int64(n) * 8 * 1000 / int64(g.cfg.Uplink)
			return
		}
	}
	x.due = x.frame + x.period
}

// begin makes up the next frame: its packets are as long as each other, or some are a byte shorter,
// which come first, as libwebrtc splits frames (gso notes §1).
func (x *pub) begin(now int64) {
	if x.frame = x.due; now-x.due > int64(200*time.Millisecond) {
		if g := x.person.g; g.phase == Measuring {
			g.res.Skipped++
		}
		x.frame = now
	}
	x.count, x.isKey = x.layer.Packets, false
	if x.kind.IsAudio() {
		x.size, x.small, x.left = audioLeast+random(audioRange), 0, 1
		return
	}
	if x.key {
		x.count, x.isKey, x.key = x.count*keyFactor, true, false
	}
	x.size = x.layer.Size - x.layer.Size/16 + random(x.layer.Size/8+1)
	x.small = 0
	if x.count > 1 && random(100) < 85 {
		x.small = 1 + random(x.count-1)
	}
	x.left = x.count
	x.picture = (x.picture + 1) & 0x7fff
	x.tl0++
}

// vp8Head is a descriptor with picture id, TL0PICIDX and temporal layer (RFC 7741 §4.2), then the frame
// tag of a key frame.
var vp8Key = []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02} // 1280×720

// packet sends one packet and returns its length.
func (g *generator) packet(x *pub) int {
	t := x.person.transports[x.kind.Group()]
	if t == nil || t.out == nil {
		return 0
	}
	index := x.count - x.left
	var value [2]byte
	exts := [1]rtp.Ext{{ID: proto.ExtAudioLevel, Data: value[:1]}}
	f := rtp.Fields{PT: proto.PTOpus, Seq: x.seq, Time: x.at(x.frame), SSRC: x.ssrc}
	size := x.size
	if x.kind.IsAudio() {
		level := x.person.member.Loud
		if level == 0 {
			level = 30
		}
		value[0] = 0x80 | uint8(level)
	} else {
		f.PT, f.Marker = proto.PTVP8, x.left == 1
		binary.BigEndian.PutUint16(value[:], x.person.number16())
		exts[0] = rtp.Ext{ID: proto.ExtTransportSeq, Data: value[:2]}
		if index < x.small {
			size--
		}
	}
	x.seq = x.seq.Next()
	b := rtp.AppendHeader(g.scratch[:0], f, exts[:])
	at := len(b)
	b = append(b, g.noise[:size-stampLen]...)
	if !x.kind.IsAudio() {
		p := b[at:]
		p[0], p[1], p[4], p[5] = 0x80, 0xe0, x.tl0, 0
		binary.BigEndian.PutUint16(p[2:], 0x8000|x.picture)
		if index == 0 {
			p[0] |= 0x10
			p[6] = 0x11 // an inter frame that is shown
			if x.isKey {
				copy(p[6:], vp8Key)
			}
		}
	}
	b = append(b, g.run[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(g.began.UnixNano()+g.clock()))
	g.scratch = b
	sealed, err := t.out.SealRTP(g.sealed[:0], b)
	if err != nil {
		return 0
	}
	g.sealed = sealed
	x.packets++
	x.octets += uint32(size)
	if g.phase == Measuring {
		g.res.Published++
	}
	// One call for each: browsers do not send segmented, and the server must not be given what they
	// would not give it.
	g.one[0] = link.Message{Buf: sealed, N: len(sealed), Addr: t.remote, Local: t.local}
	g.net.list[t.socket].conn.WriteBatch(g.one[:])
	return len(sealed)
}

// number16 is the next transport-wide number of a person.
func (p *person) number16() uint16 {
	p.sentSeq++
	return p.sentSeq
}
