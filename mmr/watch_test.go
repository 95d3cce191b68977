package mmr

import (
	"encoding/binary"
	"slices"

	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// What leaves a stage is held against the reference, packet by packet, and every index against all that were sealed.

// take looks at one message the shard sends.
func (st *stage) take(m *link.Message) {
	b := m.Buf[:m.N]
	tr := st.at[m.Addr]
	if tr == nil {
		st.fail("sent to %v, which is nobody's", m.Addr)
		return
	}
	if b[0] < 128 {
		if b[0] >= 20 && tr.bare != nil && tr.in == nil {
			tr.bare.Push(slices.Clone(b))
		}
		return
	}
	size := m.Segment
	if size <= 0 {
		size = len(b)
	} else if st.runs++; size >= len(b) || len(b) > 65_507 || (len(b)+size-1)/size > 64 {
		st.fail("a message of %d bytes in parts of %d", len(b), size)
	}
	for len(b) > 0 {
		n := min(size, len(b))
		st.datagram(tr, slices.Clone(b[:n]), m)
		b = b[n:]
	}
}

func (st *stage) datagram(tr *actorTransport, b []byte, m *link.Message) {
	a := tr.a
	if a.gone {
		st.fail("sent to %d, who has left", a.id)
		return
	}
	tr.lastTo = m.Addr
	if tr.deaf { // lost on the way
		if ssrc := binary.BigEndian.Uint32(b[8:]); !rtp.IsRTCP(b) && len(st.due[ssrc]) > 0 {
			st.due[ssrc] = st.due[ssrc][1:]
		}
		a.any = false
		return
	}
	if want := st.plane.cfg.DSCP[tr.group]; m.DSCP != want {
		st.fail("marked %d, want %d", m.DSCP, want)
	}
	if rtp.IsRTCP(b) {
		tr.used(st, binary.BigEndian.Uint32(b[4:])).rtcpIndex(st, b)
		plain, _, err := tr.in.OpenRTCP(b)
		if err != nil {
			st.fail("RTCP does not open: %v", err)
			return
		}
		st.feedback(a, plain)
		return
	}
	tr.used(st, binary.BigEndian.Uint32(b[8:])).rtpIndex(st, rtp.Seq(binary.BigEndian.Uint16(b[2:])))
	plain, _, err := tr.in.OpenRTP(b)
	if err != nil {
		st.fail("a packet does not open: %v", err)
		return
	}
	if !st.lax {
		st.compare(tr, plain)
	}
}

func (tr *actorTransport) used(st *stage, ssrc uint32) *usedIndices {
	u := tr.sealed[ssrc]
	if u == nil {
		u = &usedIndices{rtp: map[int64]bool{}, rtcp: map[uint32]bool{}}
		tr.sealed[ssrc] = u
	}
	return u
}

func (u *usedIndices) rtpIndex(st *stage, seq rtp.Seq) {
	i := u.order.Unwrap(seq)
	if u.rtp[i] {
		st.fail("index %d was sealed twice", i)
	}
	u.rtp[i] = true
}

func (u *usedIndices) rtcpIndex(st *stage, b []byte) {
	i := binary.BigEndian.Uint32(b[len(b)-4:]) // GCM: the index comes last
	if u.rtcp[i] {
		st.fail("RTCP index %x was sealed twice", i)
	}
	u.rtcp[i] = true
}

// compare holds one packet that left against what must come on its SSRC.
func (st *stage) compare(tr *actorTransport, b []byte) {
	a := tr.a
	var h rtp.Header
	if err := rtp.Parse(b, &h); err != nil || h.CSRCCount != 1 || h.PadLen > maxPad {
		st.fail("header %+v: %v", h, err)
		return
	}
	got := refArrival{seq: h.Seq, time: h.Time, source: h.CSRC(b, 0), pt: h.PT, marker: h.Marker, payload: string(h.Payload(b))}
	exts := map[uint8][]byte{}
	for it := h.Exts(b); it.Next(); {
		exts[it.ID] = it.Value
	}
	slot := slices.IndexFunc(a.slots, func(s proto.Slot) bool { return s.SSRC == h.SSRC || s.RTX == h.SSRC })
	if slot < 0 {
		st.fail("SSRC %x is none of %d's slots", h.SSRC, a.id)
		return
	}
	sl := a.slots[slot]
	if g := sl.Kind.Group(); g != tr.group && !a.one {
		st.fail("a packet of %v on the transport of %v", g, tr.group)
	}
	number, has := exts[proto.ExtTransportSeq]
	if has == sl.Kind.IsAudio() {
		st.fail("transport-wide number on %v: %v", sl.Kind, has)
	}
	if has {
		n := binary.BigEndian.Uint16(number)
		if a.any && n != a.twcc {
			st.fail("transport-wide number %d, want %d", n, a.twcc)
		}
		a.any, a.twcc = true, n+1
	}
	delete(exts, proto.ExtTransportSeq)
	got.exts = extText(exts)
	if len(exts) > 3 {
		st.fail("extensions %v", exts)
	}
	if h.SSRC == sl.RTX {
		st.compareRepair(sl, got)
		return
	}
	st.media++
	due := st.due[h.SSRC]
	if len(due) == 0 {
		st.fail("on %x nothing was to come, got %v", h.SSRC, got)
		return
	}
	want := due[0]
	st.due[h.SSRC] = due[1:]
	if got != want.refArrival {
		st.fail("on %x got %v\nwant %v", h.SSRC, got, want.refArrival)
	}
	waited := st.now.Sub(want.at)
	st.longest = max(st.longest, waited)
	if waited > max(want.hold, 0) {
		st.fail("on %x number %d waited %v, at most %v is its hold", h.SSRC, got.seq, waited, want.hold)
	}
}

func (st *stage) compareRepair(sl proto.Slot, got refArrival) {
	st.repairs++
	if got.seq != st.resent[sl.RTX] {
		st.fail("retransmission number %d, want %d", got.seq, st.resent[sl.RTX])
	}
	st.resent[sl.RTX] = got.seq + 1
	if len(got.payload) < 2 {
		st.fail("empty retransmission")
		return
	}
	osn := rtp.Seq(binary.BigEndian.Uint16([]byte(got.payload)))
	n, ok := st.ref.legs[sl.SSRC].carries[osn]
	s := st.ref.streams[n.stream]
	if !ok || s == nil || s.seen[n.ext] == nil || !st.asked[sl.SSRC][osn] {
		st.fail("retransmission of %d, which was not sent or not asked for", osn)
		return
	}
	want := n.as(s.seen[n.ext], s.source)
	want.seq, want.pt, want.payload = got.seq, proto.RTXOf(want.pt), got.payload[:2]+want.payload
	if got != want {
		st.fail("retransmission of %d: got %v\nwant %v", osn, got, want)
	}
	delete(st.owed[sl.SSRC], osn)
}

// feedback does what the router asks of a sender: key frames, and packets again with the next step.
func (st *stage) feedback(a *actor, b []byte) {
	for len(b) > 0 {
		pkt, rest, ok := rtp.NextRTCP(b)
		if !ok {
			st.fail("malformed RTCP from the router")
			return
		}
		b = rest
		for _, c := range a.cam {
			if _, media, ok := pkt.PLI(); ok && media == c.ssrc {
				c.wantKey = true
			}
			if _, media, pairs, ok := pkt.Nack(); ok && media == c.ssrc {
				for _, seq := range pairs.AppendSeqs(nil, 100) {
					if p, ok := c.kept[seq]; ok && st.rnd.IntN(4) > 0 {
						st.repair(p, c)
					}
				}
			}
		}
	}
}
