package client

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"parley/sys/clip"
	"parley/wire/rtp"
)

// frames of each codec, of sizes around every packet boundary. The bytes are noise behind a head that
// is right.
func testFrame(c clip.Codec, key bool, size int, rng *rand.Rand) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.IntN(254) + 1) // no zeros: no accidental start codes
	}
	switch c {
	case clip.VP8:
		copy(b, []byte{0x11, 0, 0, 0x9d, 1, 0x2a, 160, 0, 120, 0})
		if key {
			b[0] = 0x10
		}
	case clip.VP9:
		b[0] = 0x86
		if key {
			copy(b, []byte{0x82, 0x49, 0x83, 0x42, 0, 0x09, 0xf0, 0x07, 0x70})
		}
	case clip.H264:
		var out []byte
		if key {
			out = clip.AppendNAL(out, []byte{0x67, 1, 2, 3})
			out = clip.AppendNAL(out, []byte{0x68, 1, 2})
		}
		b[0] = 0x41
		if key {
			b[0] = 0x65
		}
		return clip.AppendNAL(out, b)
	case clip.AV1:
		var out []byte
		if key {
			out = append(out, 0x0a, 3, 1, 2, 3)
		}
		out = append(out, 0x32) // frame
		out = clip.AppendLEB128(out, uint64(size))
		return append(out, b...)
	}
	return b
}

var videoCodecs = []clip.Codec{clip.VP8, clip.VP9, clip.H264, clip.AV1}

func TestFramesSurvivePackets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range append(videoCodecs, clip.Opus) {
		sizes := []int{12, 100, 1100, 1140, 1145, 1146, 1147, 1148, 1149, 1150, 1151, 2296, 2300, 5000, 40000}
		if c == clip.Opus {
			sizes = []int{1, 3, 160, 1150}
		}
		var p packetizer
		var a assembler
		a.reset()
		for i, size := range sizes {
			data := testFrame(c, i%4 == 0, size, rng)
			payloads := p.split(clip.Frame{Codec: c, Key: i%4 == 0, Data: data})
			var got []assembled
			for j, b := range payloads {
				if len(b) > maxPayload {
					t.Fatalf("%s %d bytes: payload of %d bytes", c, size, len(b))
				}
				got = append(got, a.push(c, rtp.Time(i*3000), j == len(payloads)-1, b)...)
			}
			if len(got) != 1 || !bytes.Equal(got[0].data, data) {
				t.Fatalf("%s %d bytes in %d packets: %d frames back, or not the same", c, size, len(payloads), len(got))
			}
			if want := i%4 == 0 || c == clip.Opus; got[0].key != want {
				t.Errorf("%s %d bytes: key %v, want %v", c, size, got[0].key, want)
			}
		}
	}
}

// TestLossWithholdsFramesUntilAKeyFrame drops each packet in turn.
func TestLossWithholdsFramesUntilAKeyFrame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range videoCodecs {
		var p packetizer
		type packet struct {
			frame  int
			marker bool
			b      []byte
		}
		var packets []packet
		var frames [][]byte
		for i := range 6 {
			data := testFrame(c, i%3 == 0, 3000, rng)
			frames = append(frames, data)
			payloads := p.split(clip.Frame{Codec: c, Key: i%3 == 0, Data: data})
			for j, b := range payloads {
				packets = append(packets, packet{i, j == len(payloads)-1, b})
			}
		}
		for drop := range packets {
			var a assembler
			a.reset()
			var got []int
			for i, pk := range packets {
				if i == drop {
					a.lost()
					continue
				}
				for _, f := range a.push(c, rtp.Time(pk.frame*3000), pk.marker, pk.b) {
					n := int(f.time) / 3000
					if !bytes.Equal(f.data, frames[n]) {
						t.Fatalf("%s without packet %d: frame %d is damaged", c, drop, n)
					}
					got = append(got, n)
				}
			}
			hit := packets[drop].frame
			for _, n := range got {
				if n >= hit && n < (hit/3+1)*3 {
					t.Errorf("%s without packet %d (frame %d): frame %d came out", c, drop, hit, n)
				}
			}
			for n := range 6 {
				if (n < hit || n >= (hit/3+1)*3) && !contains(got, n) {
					t.Errorf("%s without packet %d (frame %d): frame %d is missing", c, drop, hit, n)
				}
			}
		}
	}
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

func TestReadsSTAPA(t *testing.T) {
	var a assembler
	a.reset()
	got := a.push(clip.H264, 1, true, []byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2, 0, 2, 0x65, 3})
	want := []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3}
	if len(got) != 1 || !got[0].key || !bytes.Equal(got[0].data, want) {
		t.Errorf("got %+v", got)
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add(uint8(0), []byte{0x90, 0x80, 0x80, 1, 0x10, 0, 0, 0x9d, 1, 0x2a, 1, 0, 1, 0})
	f.Add(uint8(1), []byte{0x8f, 0x80, 0, 0x10, 0, 1, 0, 1})
	f.Add(uint8(2), []byte{0x7c, 0x85, 1})
	f.Add(uint8(3), []byte{0x50, 3, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, c uint8, b []byte) {
		var a assembler
		a.reset()
		codec := videoCodecs[int(c)%len(videoCodecs)]
		for i := 0; len(b) > 0; i++ {
			n := min(len(b), 1+int(b[0]))
			a.push(codec, rtp.Time(i/3), i%2 == 0, b[:n])
			b = b[n:]
		}
	})
}
