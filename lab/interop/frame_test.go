package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// A frame looks like what its codec makes as far as anybody on the way may look, and says who sent it
// and which one it is. The rest is noise that follows from that, so a receiver knows every byte of it.

// label is what a frame says of itself.
type label struct {
	who   byte   // letter of the sender
	layer byte   // 'q', 'h', 'f' of a simulcast camera; 'v' one layer, 'c' screen, 'a' and 's' sound
	n     uint32 // counted from 1
	key   bool
}

const (
	magic    = 'P'
	labelLen = 7
	vp8Head  = 10 // bytes of a VP8 key frame before its first partition (RFC 6386 §9.1)
)

func (l label) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(append(b, magic, l.who, l.layer), l.n)
}

func (l label) noise(b []byte, size int) []byte {
	r := rand.NewPCG(uint64(l.who)<<8|uint64(l.layer), uint64(l.n))
	for len(b) < size {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:size]
}

// picture makes a VP8 frame of the given size.
func picture(l label, size int) []byte {
	b := make([]byte, vp8Head, size+8)
	b[0] = 0x11 // shown, not a key frame
	if l.key {
		copy(b, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a})
		binary.LittleEndian.PutUint16(b[6:], 640)
		binary.LittleEndian.PutUint16(b[8:], 360)
	}
	return l.noise(l.append(b), size)
}

// sound makes an Opus packet of 20 ms: a configuration byte and one frame (RFC 6716 §3.1).
func sound(l label) []byte {
	return l.noise(l.append([]byte{0xfc}), 40+int(l.n%40))
}

// readPicture reads a frame's label and checks every byte of it.
func readPicture(b []byte) (l label, ok bool) {
	if len(b) < vp8Head+labelLen || b[vp8Head] != magic {
		return l, false
	}
	at := b[vp8Head:]
	l = label{who: at[1], layer: at[2], n: binary.BigEndian.Uint32(at[3:]), key: b[0]&1 == 0}
	return l, bytes.Equal(b, picture(l, len(b)))
}

// readSound is readPicture for Opus packets.
func readSound(b []byte) (l label, ok bool) {
	if len(b) < 1+labelLen || b[1] != magic {
		return l, false
	}
	l = label{who: b[2], layer: b[3], n: binary.BigEndian.Uint32(b[4:])}
	return l, bytes.Equal(b, sound(l))
}

func TestFramesSayWhatTheyAre(t *testing.T) {
	for _, l := range []label{{'A', 'v', 1, true}, {'B', 'f', 70000, false}} {
		b := picture(l, 2500)
		if got, ok := readPicture(b); !ok || got != l || len(b) != 2500 {
			t.Errorf("picture %+v reads as %+v, %v", l, got, ok)
		}
		b[2000] ^= 1
		if _, ok := readPicture(b); ok {
			t.Errorf("picture %+v with a wrong bit passes", l)
		}
	}
	l := label{'C', 'a', 9, false}
	if got, ok := readSound(sound(l)); !ok || got != l {
		t.Errorf("sound %+v reads as %+v, %v", l, got, ok)
	}
}

// reception is what came of one source. Guarded by the person's mu.
type reception struct {
	slot      int
	packets   int
	recovered int // by RTX
	bad       int // frames that are not what their label says
	frames    map[uint32]int
	first     uint32
	last      uint32
	keys      []uint32 // numbers of key frames, in order of arrival
	layers    map[byte]int
	lastLayer byte
	who       map[byte]int
	levels    map[uint8]int     // audio levels as sent, −dBov
	times     map[uint32]uint32 // frame -> RTP time in the slot
	numbered  int               // packets with a transport-wide number
	latest    uint32            // the frame that came last
	outOfTurn int               // frames that were neither the next nor a key frame
}

func newReception(slot int) *reception {
	return &reception{
		slot: slot, frames: map[uint32]int{}, layers: map[byte]int{}, who: map[byte]int{},
		levels: map[uint8]int{}, times: map[uint32]uint32{},
	}
}

// frame takes one whole frame.
func (r *reception) frame(l label, ok bool, time uint32) {
	if !ok {
		r.bad++
		return
	}
	if len(r.frames) == 0 {
		r.first = l.n
	}
	if len(r.frames) > 0 && l.n != r.latest+1 && !l.key {
		r.outOfTurn++
	}
	r.latest = l.n
	r.frames[l.n]++
	r.last = max(r.last, l.n)
	r.layers[l.layer]++
	r.lastLayer = l.layer
	r.who[l.who]++
	r.times[l.n] = time
	if l.key {
		r.keys = append(r.keys, l.n)
	}
}

// missing are the frames that did not come between the first and number to.
func (r *reception) missing(to uint32) (out []uint32) {
	for n := r.first; n <= to; n++ {
		if r.frames[n] == 0 {
			out = append(out, n)
		}
	}
	return out
}

func (r *reception) String() string {
	return fmt.Sprintf("slot %d, %d packets, %d recovered, %d frames (%d bad) %d..%d, keys %v, layers %v, levels %v",
		r.slot, r.packets, r.recovered, len(r.frames), r.bad, r.first, r.last, r.keys, r.layers, r.levels)
}

// slotLog is what came on one slot's SSRC, whoever sent it. Guarded by the person's mu.
type slotLog struct {
	seqs    map[int64]int // extended sequence numbers
	highest int64
	reports int    // sender reports
	ntp     uint64 // of the last one
	rtp     uint32
}

func newSlotLog() *slotLog { return &slotLog{seqs: map[int64]int{}, highest: -1} }

// add takes a sequence number.
func (s *slotLog) add(seq uint16) {
	if s.highest < 0 {
		s.highest = 1<<16 | int64(seq)
	}
	x := s.highest + int64(int16(seq-uint16(s.highest)))
	s.highest = max(s.highest, x)
	s.seqs[x]++
}

// wallclock is when a packet with an RTP time was sampled, in seconds since 1900, by the last report.
func (s *slotLog) wallclock(rtp uint32, clock float64) float64 {
	return float64(s.ntp)/(1<<32) + float64(int32(rtp-s.rtp))/clock
}
