package mmr

import (
	"encoding/binary"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// transport is the one an actor sends a kind on.
func (a *actor) transport(k proto.Kind) *actorTransport {
	if k.IsAudio() || a.one {
		return a.all[0]
	}
	return a.all[1]
}

// post seals a packet and puts it on its way.
func (st *stage) post(a *actor, c *actorStream, plain []byte, p *refPacket) parcel {
	tr := a.transport(c.kind)
	b, err := tr.out.SealRTP(nil, plain)
	if err != nil {
		st.t.Fatal(err)
	}
	parcel := parcel{a: a, from: tr.addr, data: b, ssrc: c.ssrc, plain: plain, p: p}
	st.queue = append(st.queue, parcel)
	return parcel
}

// speak sends 20 ms of sound.
func (st *stage) speak(a *actor) {
	c := a.mic
	level, capture := []byte{byte(st.rnd.Uint32())}, []byte("capturet")
	p := &refPacket{
		ext: c.ext, time: c.time, pt: proto.PTOpus, marker: st.rnd.IntN(10) == 0,
		exts:    map[uint8][]byte{proto.ExtAudioLevel: level, proto.ExtCaptureTime: capture},
		payload: c.body(nil, 60+st.rnd.IntN(80)),
	}
	p.end = p.marker
	f := rtp.Fields{Marker: p.marker, PT: p.pt, Seq: c.seq, Time: p.time, SSRC: c.ssrc}
	plain := rtp.AppendHeader(nil, f, []rtp.Ext{
		{ID: proto.ExtMID, Data: []byte("ua")}, {ID: proto.ExtAudioLevel, Data: level}, {ID: proto.ExtCaptureTime, Data: capture},
	})
	plain = append(plain, p.payload...)
	if st.rnd.IntN(8) == 0 {
		plain = rtp.AppendPadding(plain, 0, 20) // a sender's own is left out
	}
	st.post(a, c, plain, p)
	c.seq, c.ext, c.time = c.seq+1, c.ext+1, c.time+960
}

// body is a payload of n bytes that begins with head and ends in the packet's identity.
func (c *actorStream) body(head []byte, n int) []byte {
	b := make([]byte, max(n, len(head)))
	copy(b, head)
	c.n++
	return binary.BigEndian.AppendUint32(b, c.n)
}

// show sends one picture of each layer: packets of nearly the same size as encoders split it, and now and
// then one of padding behind it.
func (st *stage) show(a *actor) {
	for _, c := range a.cam {
		key := c.wantKey || st.rnd.IntN(20) == 0
		c.wantKey = false
		n := 1 + st.rnd.IntN(5)
		size := 40 + st.rnd.IntN(900)
		for i := range n {
			st.picture(a, c, key && i == 0, i == 0, i == n-1, size+st.rnd.IntN(2))
		}
		if st.rnd.IntN(6) == 0 {
			st.padding(a, c)
		}
		c.time += 3000
		c.pic, c.tl0, c.dd = (c.pic+1)&0x7fff, c.tl0+1, c.dd+1
	}
}

func (st *stage) picture(a *actor, c *actorStream, key, first, last bool, size int) {
	dd := []byte{0, byte(c.dd >> 8), byte(c.dd)}
	head := []byte{0x80, 0xe0, 0x80 | byte(c.pic>>8), byte(c.pic), c.tl0, 0, 0x11, 0, 0}
	if first {
		head[0], dd[0] = 0x90, 0x80
	}
	if last {
		dd[0] |= 0x40
	}
	if key {
		head = append(head[:6], 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01)
	}
	if st.rnd.IntN(15) == 0 {
		size = 40 + st.rnd.IntN(1000)
	}
	p := &refPacket{
		ext: c.ext, time: c.time, pt: proto.PTVP8, marker: last && st.rnd.IntN(5) > 0, end: last, key: key, video: true,
		pic: c.pic, tl0: c.tl0, frame: c.dd, exts: map[uint8][]byte{proto.ExtDependency: dd},
		payload: c.body(head, size),
	}
	if st.rnd.IntN(4) == 0 {
		p.exts[proto.ExtCaptureTime] = []byte("0123456789abcdef")[:8+8*st.rnd.IntN(2)]
	}
	parcel := st.post(a, c, c.packet(p, c.seq), p)
	c.kept[c.seq] = parcel
	delete(c.kept, c.seq-200)
	c.seq, c.ext = c.seq+1, c.ext+1
}

// packet is what goes on the wire of a picture's part.
func (c *actorStream) packet(p *refPacket, seq rtp.Seq) []byte {
	exts := []rtp.Ext{
		{ID: proto.ExtMID, Data: []byte("uv")}, {ID: proto.ExtTransportSeq, Data: []byte{9, 9}},
		{ID: proto.ExtRID, Data: []byte(proto.RIDs[c.layer])}, {ID: proto.ExtDependency, Data: p.exts[proto.ExtDependency]},
	}
	if v := p.exts[proto.ExtCaptureTime]; v != nil {
		exts = append(exts, rtp.Ext{ID: proto.ExtCaptureTime, Data: v})
	}
	b := rtp.AppendHeader(nil, rtp.Fields{Marker: p.marker, PT: p.pt, Seq: seq, Time: p.time, SSRC: c.ssrc}, exts)
	return append(b, p.payload...)
}

func (st *stage) padding(a *actor, c *actorStream) {
	plain := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: c.seq, Time: c.time, SSRC: c.ssrc}, nil)
	p := &refPacket{ext: c.ext, time: c.time, pt: proto.PTVP8}
	st.post(a, c, rtp.AppendPadding(plain, 0, 200), p)
	c.seq, c.ext = c.seq+1, c.ext+1
}

// repair sends a packet again, as RFC 4588 has it.
func (st *stage) repair(was parcel, c *actorStream) {
	p := was.p
	plain := c.packet(p, c.again)
	var h rtp.Header
	if err := rtp.Parse(plain, &h); err != nil {
		st.t.Fatal(err)
	}
	plain[1] = plain[1]&0x80 | proto.RTXOf(p.pt)
	binary.BigEndian.PutUint32(plain[8:], c.rtx)
	body := binary.BigEndian.AppendUint16(plain[:h.HeaderLen:h.HeaderLen], uint16(p.ext))
	st.post(was.a, c, append(body, p.payload...), p)
	c.again++
}

// network loses, repeats and reorders what is on its way, and hands it over in batches, a moment apart.
func (st *stage) network(made int) {
	var kept []parcel
	fresh := len(st.queue) - made
	for i, p := range st.queue {
		r := st.rnd.IntN(100)
		if i >= fresh && r < 4 {
			continue
		}
		kept = append(kept, p)
		if r < 7 {
			kept = append(kept, p)
		}
		if r < 20 && len(kept) > 1 {
			a, b := len(kept)-1, max(len(kept)-1-st.rnd.IntN(12), 0)
			kept[a], kept[b] = kept[b], kept[a]
		}
	}
	st.queue = kept
	for hold := st.rnd.IntN(6); len(st.queue) > hold && !st.failed; {
		n := min(1+st.rnd.IntN(16), len(st.queue)-hold)
		ps := append([]parcel(nil), st.queue[:n]...)
		st.queue = append(st.queue[:0], st.queue[n:]...)
		st.deliver(ps)
		if st.rnd.IntN(4) == 0 {
			st.wait(time.Duration(st.rnd.IntN(2500)) * time.Microsecond)
		}
	}
}
