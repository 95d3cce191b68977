package forward

import (
	"bytes"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// What a receiver gets of the extensions a sender sent, in either form, and that Size foretells it
// (sc.write checks that).
func TestWrittenExtensions(t *testing.T) {
	structure := append([]byte{0x80, 0, 9, 0b10000_111, 0b100_00010, 0b01_00_10_11}, make([]byte, 14)...)
	for _, c := range []struct {
		name string
		in   []rtp.Ext
		want []uint8 // besides the transport-wide number
		form uint16
	}{
		{"none", nil, nil, 0xbede},
		{"what is for the router only", []rtp.Ext{{ID: proto.ExtMID, Data: []byte("uv")}, {ID: proto.ExtRID, Data: []byte("f")}, {ID: proto.ExtAllocation, Data: []byte{1, 2}}}, nil, 0xbede},
		{"short descriptor", []rtp.Ext{{ID: proto.ExtDependency, Data: []byte{0x80, 0, 9}}}, []uint8{proto.ExtDependency}, 0xbede},
		{"with capture time", []rtp.Ext{{ID: proto.ExtDependency, Data: []byte{0x80, 0, 9}}, {ID: proto.ExtCaptureTime, Data: make([]byte, 16)}}, []uint8{proto.ExtDependency, proto.ExtCaptureTime}, 0xbede},
		{"structure needs the two-byte form", []rtp.Ext{{ID: proto.ExtDependency, Data: structure}, {ID: proto.ExtCaptureTime, Data: make([]byte, 8)}}, []uint8{proto.ExtDependency, proto.ExtCaptureTime}, 0x1000},
		{"empty and malformed ones are left out", []rtp.Ext{{ID: proto.ExtDependency, Data: []byte{1}}, {ID: proto.ExtCaptureTime, Data: nil}}, nil, 0xbede},
		{"audio level on video is not for receivers", []rtp.Ext{{ID: proto.ExtAudioLevel, Data: []byte{3}}}, nil, 0xbede},
	} {
		for _, twcc := range []bool{true, false} {
			sc := newScene(t)
			cam := sc.camera(0x20, 0, 1)
			leg := sc.leg(proto.Video, 1)
			sc.s.SetTWCC(leg, twcc)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
			b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: 1, SSRC: 5}, c.in)
			b = append(b, 0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1)
			got := sc.admit(cam.id, b)
			if len(got) != 1 {
				t.Fatalf("%s: sent %d", c.name, len(got))
			}
			raw := got[0].Raw
			var h rtp.Header
			rtp.Parse(raw, &h)
			want := append([]uint8(nil), c.want...)
			if twcc {
				want = append([]uint8{proto.ExtTransportSeq}, want...)
			}
			var ids []uint8
			for it := h.Exts(raw); it.Next(); {
				ids = append(ids, it.ID)
				if it.ID == proto.ExtTransportSeq && !bytes.Equal(it.Value, []byte{0x12, 0x34}) {
					t.Errorf("%s: transport-wide number %x", c.name, it.Value)
				}
			}
			if !bytes.Equal(ids, want) {
				t.Errorf("%s, number %v: extensions %v, want %v", c.name, twcc, ids, want)
			}
			if len(want) > 0 && h.ExtProfile != c.form {
				t.Errorf("%s: form %#x, want %#x", c.name, h.ExtProfile, c.form)
			}
			if !bytes.Equal(h.Payload(raw), b[len(b)-11:]) {
				t.Errorf("%s: payload %x", c.name, h.Payload(raw))
			}
			// The same once more, as a retransmission.
			sc.wait(time.Millisecond)
			if again := sc.nack(leg, 1); len(again) != 1 || !bytes.Equal(again[0].Payload, got[0].Payload) {
				t.Errorf("%s: retransmission %+v", c.name, again)
			}
		}
	}
}

// A slot takes sources of different codecs one after another.
func TestEveryCodecStartsAtItsKeyFrame(t *testing.T) {
	sc := newScene(t)
	leg := sc.leg(proto.Video, 0xfffe)
	seq := rtp.Seq(0xfffe)
	for _, c := range []struct {
		pt         uint8
		key, delta []byte
	}{
		{proto.PTVP8, []byte{0x10, 0x10, 0, 0}, []byte{0x10, 0x11, 0, 0}},
		{proto.PTVP9, []byte{0x88, 0x81, 0x23}, []byte{0xc8, 0x81, 0x24}},
		{proto.PTH264, []byte{0x67, 0x42}, []byte{0x41, 0x9a}},
		{proto.PTAV1, []byte{0x18, 0x0a}, []byte{0x10, 0x32}},
	} {
		cam := sc.camera(uint32(c.pt), 0, 1)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
		packet := func(n rtp.Seq, payload []byte) []byte {
			return append(rtp.AppendHeader(nil, rtp.Fields{PT: c.pt, Seq: n, SSRC: 5}, nil), payload...)
		}
		if got := sc.admit(cam.id, packet(1, c.delta)); len(got) != 0 {
			t.Errorf("%s began without a key frame", proto.CodecName(c.pt))
		}
		got := sc.admit(cam.id, packet(2, c.key), packet(3, c.delta))
		if len(got) != 2 || got[0].Seq != seq || got[1].Seq != seq+1 || got[0].PT != c.pt {
			t.Errorf("%s: %v", proto.CodecName(c.pt), seqsOf(got))
		}
		seq += 2
	}
}

// With end-to-end encryption the payload says nothing: the descriptor of dependencies has to do.
func TestStructureMarksAKeyFrame(t *testing.T) {
	sc := newScene(t)
	leg := sc.leg(proto.Video, 1)
	cam := sc.camera(0x20, 0, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
	packet := func(n rtp.Seq, dd []byte) []byte {
		b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTAV1, Seq: n, SSRC: 5}, []rtp.Ext{{ID: proto.ExtDependency, Data: dd}})
		return append(b, 0x10, 0xde, 0xad)
	}
	if got := sc.admit(cam.id, packet(1, []byte{0x80, 0, 1})); len(got) != 0 {
		t.Error("began without a key frame")
	}
	if got := sc.admit(cam.id, packet(2, []byte{0x80, 0, 2, 0b10000_111, 0b100_00010, 0b01_00_10_11})); len(got) != 1 {
		t.Error("key frame not seen")
	}
}

func TestFrameEndIsSeen(t *testing.T) {
	sc := newScene(t)
	leg := sc.leg(proto.Video, 1)
	cam := sc.camera(0x20, 0, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
	for i, c := range []struct {
		marker bool
		dd     byte
		vp9    byte
		want   bool
	}{
		{false, 0x80, 0x88, false}, // a key frame begins
		{true, 0, 0xc0, true},
		{false, 0x40, 0xc0, true}, // a spatial layer below the last
		{false, 0, 0xc4, true},
		{false, 0, 0xc0, false},
	} {
		b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP9, Seq: rtp.Seq(i), SSRC: 5, Marker: c.marker}, []rtp.Ext{{ID: proto.ExtDependency, Data: []byte{c.dd, 0, 1}}})
		sc.out.Reset()
		sc.s.Admit(sc.now, []Packet{{Stream: cam.id, Data: append(b, c.vp9, 0x81, 0x23)}}, &sc.out)
		if len(sc.out.Descs) != 1 || sc.out.Descs[0].End != c.want || sc.out.Descs[0].Marker != c.marker {
			t.Errorf("packet %d: %+v", i, sc.out.Descs)
		}
	}
}

func TestNamesOfNotesAndReasons(t *testing.T) {
	seen := map[string]bool{}
	for r := range NReasons {
		if r.String() == "" || r.String() == "unknown" || seen[r.String()] {
			t.Errorf("reason %d is %q", r, r)
		}
		seen[r.String()] = true
	}
	for k := NoteLevel; k <= NoteRestarted; k++ {
		if k.String() == "unknown" || k.String() == "none" || seen[k.String()] {
			t.Errorf("note %d is %q", k, k)
		}
		seen[k.String()] = true
	}
	if NReasons.String() != "unknown" || (NoteRestarted+1).String() != "unknown" {
		t.Error("a name beyond the last")
	}
}
