package rtp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseHeader(t *testing.T) {
	for _, c := range []struct {
		name    string
		hex     string
		want    Header
		payload string
		err     error
	}{
		{name: "plain", hex: "80 e0 fffe 00000010 11223344 aabb",
			want:    Header{Marker: true, PT: 96, Seq: 0xfffe, Time: 16, SSRC: 0x11223344, HeaderLen: 12, PayloadLen: 2},
			payload: "aabb"},
		{name: "one-byte extensions and a CSRC", hex: "91 6f 0001 00000002 00000003 00000040 bede0002 10b1 310102 000000 cc",
			want:    Header{PT: 111, CSRCCount: 1, Seq: 1, Time: 2, SSRC: 3, ExtProfile: 0xbede, ExtStart: 20, ExtLen: 8, HeaderLen: 28, PayloadLen: 1},
			payload: "cc"},
		{name: "padding", hex: "a0 60 0001 00000002 00000003 aabb 000003",
			want:    Header{Padding: true, PadLen: 3, PT: 96, Seq: 1, Time: 2, SSRC: 3, HeaderLen: 12, PayloadLen: 2},
			payload: "aabb"},
		{name: "padding only", hex: "a0 60 0001 00000002 00000003 0002",
			want: Header{Padding: true, PadLen: 2, PT: 96, Seq: 1, Time: 2, SSRC: 3, HeaderLen: 12}},
		{name: "no payload", hex: "80 60 0001 00000002 00000003",
			want: Header{PT: 96, Seq: 1, Time: 2, SSRC: 3, HeaderLen: 12}},
		{name: "empty", hex: "", err: ErrShort},
		{name: "version 1", hex: "40 60 0001 00000002 00000003", err: ErrVersion},
		{name: "CSRCs cut off", hex: "82 60 0001 00000002 00000003 00000004", err: ErrShort},
		{name: "extension head cut off", hex: "90 60 0001 00000002 00000003 bede", err: ErrExtension},
		{name: "extension cut off", hex: "90 60 0001 00000002 00000003 bede0002 00000000", err: ErrExtension},
		{name: "padding of 0", hex: "a0 60 0001 00000002 00000003 aa00", err: ErrPadding},
		{name: "padding into the header", hex: "a0 60 0001 00000002 00000003 aa03", err: ErrPadding},
		{name: "padding of nothing", hex: "a0 60 0001 00000002 00000003", err: ErrPadding},
	} {
		b := unhex(t, c.hex)
		var h Header
		err := Parse(b, &h)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		if h != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, h, c.want)
		}
		if got := hex.EncodeToString(h.Payload(b)); got != c.payload {
			t.Errorf("%s: payload %s, want %s", c.name, got, c.payload)
		}
	}
}

func TestExtensionsInBothForms(t *testing.T) {
	for _, c := range []struct {
		name string
		hex  string // extension block
		want map[uint8]string
		none []uint8
	}{
		{"one-byte", "bede0003 10 b1 00 51 0102 72 aabbcc 000000", map[uint8]string{1: "b1", 5: "0102", 7: "aabbcc"}, []uint8{2, 15, 0}},
		{"one-byte ends at 15", "bede0002 10 b1 f0 00 20 cc 0000", map[uint8]string{1: "b1"}, []uint8{2}},
		{"one-byte, id 0 with data is skipped", "bede0002 01 aabb 10 b1 000000", map[uint8]string{1: "b1"}, nil},
		{"one-byte past the end", "bede0001 10 b1 2f 00", map[uint8]string{1: "b1"}, []uint8{2}},
		{"two-byte", "10000003 01 01 b1 00 08 03 aabbcc 09 00 00", map[uint8]string{1: "b1", 8: "aabbcc", 9: ""}, []uint8{2}},
		{"two-byte with application bits", "100f0001 01 01 b1 00", map[uint8]string{1: "b1"}, nil},
		{"two-byte past the end", "10000001 01 01 b1 02", map[uint8]string{1: "b1"}, []uint8{2}},
		{"unknown profile", "abcd0001 10 b1 0000", nil, []uint8{1}},
	} {
		b := append(unhex(t, "90 60 0001 00000002 00000003"), unhex(t, c.hex)...)
		var h Header
		if err := Parse(b, &h); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for id, want := range c.want {
			got := h.Ext(b, id)
			if got == nil || hex.EncodeToString(got) != want {
				t.Errorf("%s: extension %d is %x, want %s", c.name, id, got, want)
			}
		}
		for _, id := range c.none {
			if got := h.Ext(b, id); got != nil {
				t.Errorf("%s: extension %d is %x, want none", c.name, id, got)
			}
		}
		for it := h.Exts(b); it.Next(); {
			if !bytes.Equal(b[it.At:it.At+len(it.Value)], it.Value) {
				t.Errorf("%s: At of %d points elsewhere", c.name, it.ID)
			}
		}
	}
}

func TestAppendHeaderChoosesTheForm(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 17)
	for _, c := range []struct {
		name string
		csrc uint32
		exts []Ext
		want string
	}{
		{"bare", 0, nil, "80e0fffe0000001011223344"},
		{"source", 0x50, nil, "81e0fffe000000101122334400000050"},
		{"one-byte", 0, []Ext{{1, []byte{0xb1}}, {3, []byte{1, 2}}}, "90e0fffe0000001011223344 bede0002 10b1 310102 000000"},
		{"sixteen bytes still fit", 0, []Ext{{1, long[:16]}}, "90e0fffe0000001011223344 bede0005 1f 07070707070707070707070707070707 000000"},
		{"too long", 0, []Ext{{1, []byte{9}}, {8, long}}, "90e0fffe0000001011223344 10000006 010109 0811 0707070707070707070707070707070707 0000"},
		{"empty", 0, []Ext{{1, nil}}, "90e0fffe0000001011223344 10000001 0100 0000"},
		{"high id", 0, []Ext{{15, []byte{1}}}, "90e0fffe0000001011223344 10000001 0f0101 00"},
		{"cannot be written", 0, []Ext{{0, []byte{1}}, {1, make([]byte, 256)}}, "80e0fffe0000001011223344"},
	} {
		f := Fields{Marker: true, PT: 96, Seq: 0xfffe, Time: 16, SSRC: 0x11223344, CSRC: c.csrc}
		got := AppendHeader([]byte{1, 2, 3}, f, c.exts)[3:]
		if want := unhex(t, c.want); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, got, want)
		}
		var h Header
		if err := Parse(got, &h); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if h.CSRC(got, 0) != c.csrc || h.CSRC(got, 1) != 0 || h.CSRC(got, -1) != 0 {
			t.Errorf("%s: CSRC %#x", c.name, h.CSRC(got, 0))
		}
	}
}

func TestAppendPadding(t *testing.T) {
	b := AppendHeader([]byte{0xff}, Fields{PT: 96}, nil)
	b = append(b, 1, 2, 3)
	b = AppendPadding(b, 1, 5)
	b = AppendPadding(b, 1, 0)
	var h Header
	if err := Parse(b[1:], &h); err != nil || h.PadLen != 5 || h.PayloadLen != 3 {
		t.Errorf("%v, %+v", err, h)
	}
}

func TestIsRTCP(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want bool
	}{
		{[]byte{0x80, 200}, true}, {[]byte{0x81, 206}, true}, {[]byte{0x80, 192}, true}, {[]byte{0x80, 223}, true},
		{[]byte{0x80, 111}, false}, {[]byte{0x80, 0x80 | 111}, false}, {[]byte{0x80, 0x80 | 45}, false}, {[]byte{0x80, 0x80 | 96}, false},
		{[]byte{0x80}, false}, {nil, false},
	} {
		if got := IsRTCP(c.b); got != c.want {
			t.Errorf("IsRTCP(%x) = %v", c.b, got)
		}
	}
}

func TestAudioLevel(t *testing.T) {
	if l, v, ok := AudioLevel([]byte{0x80 | 30}); l != 30 || !v || !ok {
		t.Error(l, v, ok)
	}
	if _, _, ok := AudioLevel(nil); ok {
		t.Error("level from nothing")
	}
}

// Every packet cut anywhere must be refused or read, never panic, and never be read past its end.
func TestTruncationAtEveryByte(t *testing.T) {
	for _, p := range seedPackets(t) {
		for n := range len(p) + 1 {
			touch(p[:n:n])
		}
	}
}

// touch runs every parser over b.
func touch(b []byte) {
	var h Header
	if Parse(b, &h) == nil {
		h.Payload(b)
		for it := h.Exts(b); it.Next(); {
			_ = b[it.At : it.At+len(it.Value)]
		}
		for i := range 16 {
			h.CSRC(b, i)
		}
	}
	for rest := b; ; {
		p, r, ok := NextRTCP(rest)
		if !ok {
			break
		}
		touchRTCP(p)
		rest = r
	}
	touchPayload(b)
}

func touchRTCP(p RTCP) {
	if _, _, bl, ok := p.SenderReport(); ok {
		for i := range bl.Len() {
			bl.At(i)
		}
	}
	if _, bl, ok := p.ReceiverReport(); ok {
		for i := range bl.Len() {
			bl.At(i)
		}
	}
	p.CNAME()
	for i := range 32 {
		p.Bye(i)
		p.FIR(i)
	}
	if _, _, pairs, ok := p.Nack(); ok {
		if got := pairs.AppendSeqs(nil, 50); len(got) > 50 {
			panic("more numbers than asked for")
		}
	}
	p.PLI()
	if f, ok := p.TransportFeedback(); ok {
		n := 0
		for _, more := f.Next(); more; _, more = f.Next() {
			n++
		}
		if n > f.Count {
			panic("more packets than counted")
		}
	}
}

func touchPayload(b []byte) {
	if v, ok := ParseVP8(b); ok {
		v.Rewrite(bytes.Clone(b), 0x1234, 0x56)
		if v.Len > len(b) {
			panic("descriptor longer than the payload")
		}
	}
	VP8KeyFrame(b)
	VP9KeyFrame(b)
	VP9FrameEnd(b)
	H264KeyFrame(b)
	AV1KeyFrame(b)
	AudioLevel(b)
	var d Dependency
	var s Structure
	if ParseDependency(b, &d, &s) {
		s.Layer(d.Template)
	}
}

// seedPackets is one well-formed example of everything, for truncation and fuzzing.
func seedPackets(t testing.TB) [][]byte {
	return [][]byte{
		unhex(t, "91 6f 0001 00000002 00000003 00000040 bede0002 10b1 310102 000000 cc"),
		unhex(t, "b0 60 0001 00000002 00000003 10000003 01 01 b1 00 08 03 aabbcc 09 00 00 aabb 0002"),
		AppendCNAME(AppendSR(nil, 1, SenderInfo{NTP: 2, Time: 3}, ReportBlock{SSRC: 4}, ReportBlock{SSRC: 5}), 1, "name"),
		AppendBye(AppendRR(nil, 1, ReportBlock{SSRC: 4, Lost: -1}), 1),
		AppendNack(nil, 1, 2, []Seq{1, 2, 17, 18, 65535}),
		AppendPLI(AppendFIR(nil, 1, 2, 3), 1, 2),
		unhex(t, "8fcd0005 00000001 00000002 00010007 00000100 2007 1020 3040 50607080"),
		unhex(t, "90 f0 8102 05 60 50 01 00 9d012a 8002 6801"),
		unhex(t, "80 0001 80 0018 0801 8200 55 00"),
		unhex(t, "c1 0001 80 00 50 14 3a 0408"),
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range seedPackets(f) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, b []byte) { touch(b) })
}

// FuzzHeader checks that what is read can be written again and reads the same.
func FuzzHeader(f *testing.F) {
	for _, p := range seedPackets(f) {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		if Parse(b, &h) != nil {
			return
		}
		if h.HeaderLen+h.PayloadLen+int(h.PadLen) != len(b) {
			t.Fatalf("%+v does not add up to %d", h, len(b))
		}
		var exts []Ext
		for it := h.Exts(b); it.Next(); {
			exts = append(exts, Ext{it.ID, it.Value})
		}
		fields := Fields{Marker: h.Marker, PT: h.PT, Seq: h.Seq, Time: h.Time, SSRC: h.SSRC, CSRC: h.CSRC(b, 0)}
		w := AppendHeader(nil, fields, exts)
		n := len(w)
		w = append(w, h.Payload(b)...)
		w = AppendPadding(w, 0, h.PadLen)
		var g Header
		if err := Parse(w, &g); err != nil || g.HeaderLen != n || g.PayloadLen != h.PayloadLen || g.PadLen != h.PadLen {
			t.Fatalf("%v: %+v from %+v", err, g, h)
		}
		i := 0
		for it := g.Exts(w); it.Next(); i++ {
			if i >= len(exts) || it.ID != exts[i].ID || !bytes.Equal(it.Value, exts[i].Data) {
				t.Fatalf("extension %d differs", i)
			}
		}
		if i != len(exts) {
			t.Fatalf("%d extensions of %d", i, len(exts))
		}
	})
}

func TestParsingAllocatesNothing(t *testing.T) {
	seeds := seedPackets(t)
	var h Header
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range seeds {
			if Parse(p, &h) == nil {
				h.Ext(p, 3)
			}
			for rest := p; ; {
				q, r, ok := NextRTCP(rest)
				if !ok {
					break
				}
				q.SenderReport()
				if f, ok := q.TransportFeedback(); ok {
					for _, more := f.Next(); more; _, more = f.Next() {
					}
				}
				rest = r
			}
			ParseVP8(p)
		}
	}); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
}
