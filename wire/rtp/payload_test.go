package rtp

import (
	"bytes"
	"testing"
)

func TestVP8Descriptor(t *testing.T) {
	for _, c := range []struct {
		name string
		hex  string
		want VP8
	}{
		{"bare, start of a key frame", "10 50 01 00 9d012a 8002 6801",
			VP8{Len: 1, Start: true, KeyFrame: true, Width: 640, Height: 360}},
		{"bare, inter frame", "10 51 01 00", VP8{Len: 1, Start: true}},
		{"continuation never is a key frame", "00 50 01 00", VP8{Len: 1}},
		{"second partition is not a start", "11 50 01 00", VP8{Len: 1}},
		{"discardable", "30 51", VP8{Len: 1, Start: true, Discard: true}},
		{"7-bit picture id", "90 80 7f 51", VP8{Len: 3, Start: true, PicBits: 7, PictureID: 127}},
		{"15-bit picture id", "90 80 ffff 51", VP8{Len: 4, Start: true, PicBits: 15, PictureID: 0x7fff}},
		{"everything", "90 f0 8102 05 7f 51",
			VP8{Len: 6, Start: true, PicBits: 15, PictureID: 0x102, HasTL0: true, TL0: 5, HasTID: true, TID: 1, Sync: true, HasKeyIdx: true, KeyIdx: 31}},
		{"key index only", "90 10 05 51", VP8{Len: 3, Start: true, HasKeyIdx: true, KeyIdx: 5}},
		{"key frame without its sizes", "10 50 01", VP8{Len: 1, Start: true, KeyFrame: true}},
		{"descriptor only", "10", VP8{Len: 1, Start: true}},
	} {
		got, ok := ParseVP8(unhex(t, c.hex))
		got.picAt, got.tl0At = 0, 0
		if !ok || got != c.want {
			t.Errorf("%s:\n got %+v %v\nwant %+v", c.name, got, ok, c.want)
		}
	}
	for _, bad := range []string{"", "90", "9080", "908081", "90c07f", "90e07f05"} {
		if v, ok := ParseVP8(unhex(t, bad)); ok {
			t.Errorf("%q read as %+v", bad, v)
		}
	}
}

func TestVP8Rewrite(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"90 f0 8102 05 7f 51", "90 f0 f345 99 7f 51"},
		{"90 c0 02 05 51", "90 c0 45 99 51"}, // seven bits stay seven
		{"90 80 02 51", "90 80 45 51"},
		{"90 40 05 51", "90 40 99 51"},
		{"10 51", "10 51"},
	} {
		b := unhex(t, c.in)
		v, _ := ParseVP8(b)
		v.Rewrite(b, 0xf345, 0x99)
		if want := unhex(t, c.want); !bytes.Equal(b, want) {
			t.Errorf("%s: got %x, want %x", c.in, b, want)
		}
	}
}

func TestKeyFrameStart(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func([]byte) bool
		hex  string
		want bool
	}{
		{"VP8 key", VP8KeyFrame, "10 50 01 00", true},
		{"VP8 delta", VP8KeyFrame, "10 51 01 00", false},
		{"VP9 flexible key, 15-bit id, SID 0", VP9KeyFrame, "a8 8123 00 00", true},
		{"VP9 upper spatial layer", VP9KeyFrame, "a8 8123 03 00", false},
		{"VP9 without layers", VP9KeyFrame, "88 8123", true},
		{"VP9 layers, no picture id", VP9KeyFrame, "28 00", true},
		{"VP9 inter-predicted", VP9KeyFrame, "e8 8123 00 00", false},
		{"VP9 not the beginning", VP9KeyFrame, "a0 8123 00 00", false},
		{"VP9 cut off", VP9KeyFrame, "a8", false},
		{"VP9 end", VP9FrameEnd, "84", true},
		{"H264 IDR", H264KeyFrame, "65 88", true},
		{"H264 SPS", H264KeyFrame, "67 42", true},
		{"H264 slice", H264KeyFrame, "41 9a", false},
		{"H264 PPS alone", H264KeyFrame, "68 ce", false},
		{"H264 STAP-A with SPS and PPS", H264KeyFrame, "78 0002 6742 0002 68ce", true},
		{"H264 STAP-A, IDR second", H264KeyFrame, "78 0002 68ce 0002 6588", true},
		{"H264 STAP-A without", H264KeyFrame, "78 0002 68ce 0002 4188", false},
		{"H264 STAP-A of length 0", H264KeyFrame, "78 0000 65", false},
		{"H264 FU-A, first of an IDR", H264KeyFrame, "7c 85 00", true},
		{"H264 FU-A, later of an IDR", H264KeyFrame, "7c 05 00", false},
		{"H264 FU-A, first of a slice", H264KeyFrame, "7c 81 00", false},
		{"AV1 new sequence", AV1KeyFrame, "18 0a", true},
		{"AV1 delta", AV1KeyFrame, "10 32", false},
		{"AV1 continuation", AV1KeyFrame, "98 32", false},
		{"nothing", H264KeyFrame, "", false},
	} {
		if got := c.f(unhex(t, c.hex)); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestDependencyDescriptor(t *testing.T) {
	var s Structure
	var d Dependency
	if !ParseDependency(unhex(t, "c5 fffe"), &d, &s) || d != (Dependency{Start: true, End: true, Template: 5, Frame: 0xfffe}) {
		t.Errorf("mandatory fields: %+v", d)
	}
	if _, _, ok := s.Layer(5); ok {
		t.Error("layer without a structure")
	}
	// Flags 10000, offset 60, three targets less one, then S0T0, S0T1 (next temporal), again S0T1
	// (same), S1T0 (next spatial), end:
	// 10000 111100 00010 01 00 10 11
	b := unhex(t, "80 0001")
	b = append(b, 0b10000_111, 0b100_00010, 0b01_00_10_11)
	if !ParseDependency(b, &d, &s) || !d.HasStructure || d.End || s.Targets != 3 {
		t.Fatalf("%+v %d targets", d, s.Targets)
	}
	for _, c := range []struct {
		template, spatial, temporal uint8
		ok                          bool
	}{
		{60, 0, 0, true}, {61, 0, 1, true}, {62, 0, 1, true}, {63, 1, 0, true}, {0, 0, 0, false}, {59, 0, 0, false},
	} {
		if sp, te, ok := s.Layer(c.template); sp != c.spatial || te != c.temporal || ok != c.ok {
			t.Errorf("template %d: S%d T%d %v, want %+v", c.template, sp, te, ok, c)
		}
	}
	// Extended, but without a structure: the one at hand stays.
	if !ParseDependency(unhex(t, "3d 0002 00"), &d, &s) || d.HasStructure {
		t.Errorf("%+v", d)
	}
	if sp, te, ok := s.Layer(d.Template); sp != 0 || te != 1 || !ok {
		t.Error("structure lost")
	}
	// A structure that never ends is refused, and the one at hand stays.
	bad := append(unhex(t, "80 0001 80"), make([]byte, 64)...)
	if ParseDependency(bad, &d, &s) || ParseDependency(b[:5], &d, &s) || ParseDependency(b[:2], &d, &s) {
		t.Error("malformed descriptor taken")
	}
	if _, _, ok := s.Layer(63); !ok {
		t.Error("structure lost to a malformed one")
	}
}
