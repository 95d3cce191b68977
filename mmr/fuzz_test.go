package mmr

import (
	"testing"
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// FuzzShard feeds what a participant with keys may send, any bytes, to the shard: as RTP and as RTCP, on
// each group, with others following. A transport lets nothing else through to it.
func FuzzShard(f *testing.F) {
	video := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: 0xffff, SSRC: 12, Marker: true}, []rtp.Ext{
		{ID: proto.ExtMID, Data: []byte("uv")}, {ID: proto.ExtRID, Data: []byte("h")},
		{ID: proto.ExtTransportSeq, Data: []byte{0xff, 0xff}}, {ID: proto.ExtDependency, Data: []byte{0xc0, 0, 1}},
	})
	f.Add(append(video, 0x90, 0xe0, 0x80, 1, 2, 0, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1), uint16(1))
	f.Add(append(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8RTX, Seq: 5, SSRC: 13}, nil), 0, 9, 0x90, 0x80, 0x80, 1, 0x10), uint16(3))
	f.Add(append(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTOpus, SSRC: 11}, []rtp.Ext{{ID: proto.ExtAudioLevel, Data: []byte{3}}}), 1, 2, 3), uint16(1))
	f.Add(rtp.AppendNack(nil, 1, 0x100, []rtp.Seq{1, 2, 30, 0xffff}), uint16(0))
	f.Add(rtp.AppendPLI(rtp.AppendRR(nil, 1, rtp.ReportBlock{SSRC: 0x100}), 1, 0x100), uint16(0))
	f.Add(rtp.AppendFIR(rtp.AppendSR(nil, 12, rtp.SenderInfo{}), 1, 0x100, 7), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, jump uint16) {
		st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
		s := st.s
		var conns []*conn
		for id := proto.ParticipantID(1); id <= 2; id++ {
			key := st.room.key(id)
			s.attach(st.now, st.room, key, "")
			s.admitPeer(st.now, key, []proto.Slot{
				{Kind: proto.Video, SSRC: 0x100, RTX: 0x101}, {ID: 1, Kind: proto.Audio, SSRC: 0x102},
			}, false, 1)
			for k := range proto.Kind(proto.NKinds) {
				s.gate(st.now, key, k, true)
			}
			s.announce(st.now, key, []proto.Stream{{Kind: proto.Audio, SSRC: 11}, {Kind: proto.Video, SSRC: 12, RTX: 13, RID: "q"}})
			conns = append(conns, &conn{peer: s.peers[key]})
		}
		s.wire(st.now, st.room, []meeting.Wire{
			{ID: 2, Source: proto.Source(1, proto.Video), Layer: 2}, {ID: 2, Slot: 1, Source: proto.Source(1, proto.Audio)},
		})
		st.wait(20 * time.Millisecond)
		for range 4 {
			for g := range proto.Group(proto.NGroups) {
				tr := &rtc.Transport{Tag: &association{group: g}}
				for _, c := range conns {
					s.unwrap = s.unwrap[:0]
					in := s.media(st.now, c, tr, append([]byte(nil), data...), nil)
					for _, p := range in {
						if len(p.Data) > len(data) {
							t.Fatalf("%d bytes out of %d", len(p.Data), len(data))
						}
					}
					s.fwd.Admit(st.now, in, &s.out)
					s.feedback(st.now, c, append([]byte(nil), data...))
					s.emit(st.now)
				}
			}
			st.wait(time.Duration(jump) * time.Millisecond / 16)
			if len(data) >= 4 {
				data = append([]byte(nil), data...)
				q := uint16(data[2])<<8 | uint16(data[3]) + jump
				data[2], data[3] = byte(q>>8), byte(q)
			}
		}
		if n := len(s.owners); n > 2*maxStreams {
			t.Fatalf("%d streams", n)
		}
		for id := proto.ParticipantID(1); id <= 2; id++ {
			s.removePeer(st.now, st.room.key(id), time.Time{})
		}
		st.turn()
		if n := len(s.peers) + len(s.owners); n > 0 {
			t.Fatalf("%d seats and streams are left", n)
		}
	})
}

// FuzzUnwrapRTX takes any bytes for a retransmission: what comes out is never longer, and is a packet of
// the stream it repairs.
func FuzzUnwrapRTX(f *testing.F) {
	f.Add(append(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8RTX, Seq: 5, SSRC: 13}, nil), 0, 9, 1))
	f.Add(rtp.AppendPadding(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8RTX, CSRC: 7}, []rtp.Ext{{ID: 4, Data: []byte("uv")}}), 0, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h, fixed rtp.Header
		if rtp.Parse(data, &h) != nil {
			return
		}
		out, ok := forward.UnwrapRTX([]byte("head"), data, &h, 99, proto.PTVP8)
		if !ok {
			return
		}
		if err := rtp.Parse(out[4:], &fixed); err != nil || string(out[:4]) != "head" {
			t.Fatalf("%x: %v", out, err)
		}
		if len(out)-4 != h.HeaderLen+h.PayloadLen-2 || fixed.SSRC != 99 || fixed.PT != proto.PTVP8 || fixed.PayloadLen != h.PayloadLen-2 {
			t.Fatalf("%+v out of %+v", fixed, h)
		}
	})
}
