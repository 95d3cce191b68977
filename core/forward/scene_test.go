package forward

import (
	"encoding/binary"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// starts are first sequence numbers worth testing: the middle, and every edge of the circle.
var starts = []rtp.Seq{0, 1, 5, 1000, 0x7ffd, 0x7fff, 0x8000, 0xfff0, 0xfffc, 0xffff}

// scene is one shard with a clock, and helpers that read as a story.
type scene struct {
	t   *testing.T
	s   *Shard
	now time.Time
	out Out
}

func newScene(t *testing.T) *scene {
	return &scene{t: t, s: New(Config{}), now: time.Unix(1_800_000_000, 0)}
}

func (sc *scene) wait(d time.Duration) { sc.now = sc.now.Add(d) }

// cam is one video stream as its sender makes it.
type cam struct {
	id     StreamID
	ssrc   uint32
	source uint32
	layer  int8
	seq    rtp.Seq
	time   rtp.Time
	pic    uint16
	tl0    uint8
	dd     uint16
	n      uint32 // identity of the next packet
}

func (sc *scene) camera(source uint32, layer int8, seq rtp.Seq) *cam {
	c := &cam{ssrc: source<<4 | uint32(layer), source: source, layer: layer, seq: seq, time: rtp.Time(seq) * 7919, pic: uint16(seq) & 0x7fff, tl0: uint8(seq), dd: uint16(seq) + 5}
	c.id = sc.s.AddStream(StreamConfig{Source: source, Layer: layer, Kind: proto.Video, SSRC: c.ssrc, RTX: c.ssrc | 8})
	return c
}

// frame makes n packets of one picture.
func (c *cam) frame(key bool, n int) [][]byte {
	var ps [][]byte
	for i := range n {
		ps = append(ps, c.packet(key && i == 0, i == 0, i == n-1))
	}
	c.endFrame()
	return ps
}

func (c *cam) endFrame() {
	c.time += 3000
	c.pic = (c.pic + 1) & 0x7fff
	c.tl0++
	c.dd++
}

// packet makes the next packet of the current picture: a VP8 descriptor with 15-bit picture id and
// TL0PICIDX, and the packet's identity in the last four bytes.
func (c *cam) packet(key, start, end bool) []byte {
	dd := []byte{0, byte(c.dd >> 8), byte(c.dd)}
	if start {
		dd[0] |= 0x80
	}
	if end {
		dd[0] |= 0x40
	}
	b := rtp.AppendHeader(nil, rtp.Fields{Marker: end, PT: proto.PTVP8, Seq: c.seq, Time: c.time, SSRC: c.ssrc}, []rtp.Ext{
		{ID: proto.ExtMID, Data: []byte("uv")},
		{ID: proto.ExtTransportSeq, Data: []byte{9, 9}},
		{ID: proto.ExtDependency, Data: dd},
	})
	first := byte(0x80)
	if start {
		first |= 0x10
	}
	b = append(b, first, 0x80|0x40|0x20, 0x80|byte(c.pic>>8), byte(c.pic), c.tl0, 0)
	if key {
		b = append(b, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01) // 640 × 360
	} else {
		b = append(b, 0x11, 0, 0)
	}
	b = binary.BigEndian.AppendUint32(b, c.n)
	c.n++
	c.seq++
	return b
}

// pad makes a packet of padding only.
func (c *cam) pad() []byte {
	b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: c.seq, Time: c.time, SSRC: c.ssrc}, nil)
	c.seq++
	return rtp.AppendPadding(b, 0, 200)
}

// mic makes an audio packet of 20 ms.
type mic struct {
	id   StreamID
	ssrc uint32
	seq  rtp.Seq
	time rtp.Time
	n    uint32
}

func (sc *scene) microphone(source uint32, seq rtp.Seq) *mic {
	m := &mic{ssrc: source << 4, seq: seq, time: rtp.Time(seq) * 31}
	m.id = sc.s.AddStream(StreamConfig{Source: source, Kind: proto.Audio, SSRC: m.ssrc})
	return m
}

func (m *mic) packet(level byte) []byte {
	b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTOpus, Seq: m.seq, Time: m.time, SSRC: m.ssrc}, []rtp.Ext{
		{ID: proto.ExtAudioLevel, Data: []byte{level}},
		{ID: proto.ExtCaptureTime, Data: []byte("capturet")},
	})
	b = binary.BigEndian.AppendUint32(b, m.n)
	m.n++
	m.seq++
	m.time += 960
	return b
}

// leg makes a video leg of receiver 7 that begins at seq.
func (sc *scene) leg(kind proto.Kind, seq rtp.Seq) LegID {
	cfg := LegConfig{Receiver: 7, Slot: 3, Kind: kind, SSRC: 0xaaaa, FirstSeq: seq, FirstRTXSeq: seq + 100, FirstTime: rtp.Time(seq) << 15, TWCC: true}
	if !kind.IsAudio() {
		cfg.RTX = 0xbbbb
	}
	return sc.s.AddLeg(cfg)
}

func row(legs []Want, ids ...StreamID) SourceRow {
	r := SourceRow{Legs: legs}
	copy(r.Streams[:], ids)
	return r
}

// sent is a packet as it would go on the wire.
type sent struct {
	Leg     LegID
	RTX     bool
	SSRC    uint32
	Seq     rtp.Seq
	OSN     rtp.Seq
	Time    rtp.Time
	CSRC    uint32
	PT      uint8
	Marker  bool
	N       uint32 // identity
	Pic     uint16
	TL0     uint8
	Frame   uint16
	Empty   bool
	TWCC    bool
	Raw     []byte
	Payload []byte
}

// admit gives packets of one stream to the shard and returns what it sends, written and parsed.
func (sc *scene) admit(id StreamID, ps ...[]byte) []sent {
	sc.t.Helper()
	sc.out.Reset()
	var in []Packet
	for _, p := range ps {
		in = append(in, Packet{Stream: id, Data: p})
	}
	sc.s.Admit(sc.now, in, &sc.out)
	return sc.flush()
}

func (sc *scene) flush() []sent {
	sc.t.Helper()
	var got []sent
	for i := range sc.out.Descs {
		got = append(got, sc.write(&sc.out.Descs[i]))
	}
	sc.s.Done(sc.out.Descs)
	return got
}

func (sc *scene) write(d *Desc) sent {
	sc.t.Helper()
	prefix := []byte("xyz")
	b := sc.s.Write(prefix, d, 0x1234, d.TWCC)[len(prefix):]
	if len(b) != d.Size {
		sc.t.Fatalf("descriptor says %d bytes, Write made %d", d.Size, len(b))
	}
	var h rtp.Header
	if err := rtp.Parse(b, &h); err != nil {
		sc.t.Fatalf("written packet does not parse: %v", err)
	}
	w := sent{Leg: d.Leg, RTX: d.RTX, SSRC: h.SSRC, Seq: h.Seq, Time: h.Time, CSRC: h.CSRC(b, 0), PT: h.PT, Marker: h.Marker, Raw: b}
	w.TWCC = h.Ext(b, proto.ExtTransportSeq) != nil
	p := h.Payload(b)
	if d.RTX {
		w.OSN = rtp.Seq(binary.BigEndian.Uint16(p))
		p = p[2:]
	}
	w.Payload = p
	w.Empty = len(p) == 0
	if len(p) >= 4 {
		w.N = binary.BigEndian.Uint32(p[len(p)-4:])
	}
	if v, ok := rtp.ParseVP8(p); ok && h.PT != proto.PTOpus {
		w.Pic, w.TL0 = v.PictureID, v.TL0
	}
	if dd := h.Ext(b, proto.ExtDependency); dd != nil {
		w.Frame = binary.BigEndian.Uint16(dd[1:])
	}
	return w
}

// notes lists the notes of a kind from the last call.
func (sc *scene) notes(k NoteKind) []Note {
	var got []Note
	for _, n := range sc.out.Notes {
		if n.Kind == k {
			got = append(got, n)
		}
	}
	return got
}

func (sc *scene) nack(id LegID, seqs ...rtp.Seq) []sent {
	sc.t.Helper()
	sc.out.Reset()
	sc.s.Nack(sc.now, id, seqs, &sc.out)
	return sc.flush()
}
