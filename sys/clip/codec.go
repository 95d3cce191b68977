package clip

import (
	"encoding/binary"
	"time"
)

// IsKey reports whether an encoded frame can be decoded without earlier ones. H.264 is expected as an
// Annex B byte stream, AV1 as OBUs with sizes.
func IsKey(c Codec, b []byte) bool {
	switch c {
	case Opus:
		return len(b) > 0
	case VP8: // RFC 6386 §9.1: the lowest bit of the frame tag is 0 in a key frame
		return len(b) >= 10 && b[0]&1 == 0
	case VP9:
		return vp9Key(b)
	case H264:
		key := false
		EachNAL(b, func(nal []byte) {
			if nal[0]&0x1f == 5 {
				key = true
			}
		})
		return key
	case AV1: // a sequence header starts every random access point of a real-time stream
		key := false
		EachOBU(b, func(typ uint8, obu, payload []byte) {
			if typ == obuSequenceHeader {
				key = true
			}
		})
		return key
	}
	return false
}

// vp9Key reads the uncompressed header (VP9 bitstream specification §6.2).
func vp9Key(b []byte) bool {
	if len(b) == 0 || b[0]>>6 != 2 { // frame_marker
		return false
	}
	profile := b[0]>>5&1 | b[0]>>4&1<<1
	bits := b[0] << 4
	if profile == 3 {
		bits <<= 1 // reserved_zero
	}
	showExisting, frameType := bits&0x80 != 0, bits&0x40 != 0
	return !showExisting && !frameType
}

// Size is the picture size that a key frame states, in pixels; ok is false where this code can't tell.
func Size(c Codec, b []byte) (width, height int, ok bool) {
	switch c {
	case VP8: // RFC 6386 §9.1
		if len(b) < 10 || b[0]&1 != 0 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
			return 0, 0, false
		}
		return int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff), true
	case VP9:
		return vp9Size(b)
	case H264:
		EachNAL(b, func(nal []byte) {
			if nal[0]&0x1f == 7 && !ok {
				width, height, ok = spsSize(nal)
			}
		})
	case AV1:
		EachOBU(b, func(typ uint8, _, payload []byte) {
			if typ == obuSequenceHeader && !ok {
				var s av1Sequence
				if s, ok = parseAV1Sequence(payload); ok {
					width, height = s.width, s.height
				}
			}
		})
	}
	return width, height, ok
}

func vp9Size(b []byte) (width, height int, ok bool) {
	if !vp9Key(b) {
		return 0, 0, false
	}
	r := bits{b: b}
	r.n(2)
	profile := r.n(1) | r.n(1)<<1
	if profile == 3 {
		r.n(1)
	}
	r.n(4) // show_existing_frame, frame_type, show_frame, error_resilient_mode
	if r.n(24) != 0x498342 {
		return 0, 0, false
	}
	if profile >= 2 {
		r.n(1)
	}
	if space := r.n(3); space != 7 {
		r.n(1)
		if profile == 1 || profile == 3 {
			r.n(3)
		}
	} else if profile == 1 || profile == 3 {
		r.n(1)
	}
	w, h := r.n(16), r.n(16)
	return int(w) + 1, int(h) + 1, !r.short
}

// OpusDuration is how long the packet plays, from its first bytes (RFC 6716 §3.1); 0 where it is
// malformed.
func OpusDuration(b []byte) time.Duration {
	if len(b) == 0 {
		return 0
	}
	var frame time.Duration
	switch config := b[0] >> 3; {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		frame = [4]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid: 10, 20 ms
		frame = [2]time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT: 2.5, 5, 10, 20 ms
		frame = 2500 * time.Microsecond << (config & 3)
	}
	switch b[0] & 3 {
	case 0:
		return frame
	case 1, 2:
		return 2 * frame
	}
	if len(b) < 2 {
		return 0
	}
	if d := time.Duration(b[1]&0x3f) * frame; d <= 120*time.Millisecond {
		return d
	}
	return 0
}

// EachNAL calls f for every NAL unit of an Annex B byte stream, without start codes. No unit is empty.
func EachNAL(b []byte, f func(nal []byte)) {
	start := -1
	for i := 0; i+2 < len(b); i++ {
		if b[i] != 0 || b[i+1] != 0 || b[i+2] != 1 {
			continue
		}
		if start >= 0 {
			emitNAL(b[start:i], f)
		}
		start = i + 3
		i += 2
	}
	if start >= 0 {
		emitNAL(b[start:], f)
	}
}

// emitNAL takes off the zero bytes that belong to the next start code: a NAL unit ends in a stop bit.
func emitNAL(nal []byte, f func([]byte)) {
	for len(nal) > 0 && nal[len(nal)-1] == 0 {
		nal = nal[:len(nal)-1]
	}
	if len(nal) > 0 {
		f(nal)
	}
}

// AppendNAL appends one NAL unit with its start code.
func AppendNAL(dst, nal []byte) []byte {
	dst = append(dst, 0, 0, 0, 1)
	return append(dst, nal...)
}

// OBU types (AV1 specification §6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuTileList          = 8
	obuPadding           = 15
)

// EachOBU calls f for every OBU of a low-overhead stream: its type, the whole unit and its payload.
// It stops at the first malformed one.
func EachOBU(b []byte, f func(typ uint8, obu, payload []byte)) {
	for len(b) > 0 {
		if b[0]&0x80 != 0 { // forbidden bit
			return
		}
		head := 1
		if b[0]&4 != 0 { // extension
			head = 2
		}
		if len(b) < head {
			return
		}
		size := len(b) - head
		if b[0]&2 != 0 { // has_size
			v, n := LEB128(b[head:])
			if n == 0 || v > uint64(len(b)-head-n) {
				return
			}
			head += n
			size = int(v)
		}
		f(b[0]>>3&15, b[:head+size], b[head:head+size])
		b = b[head+size:]
	}
}

// LEB128 reads one leb128 number (AV1 specification §4.10.5): value and bytes used, 0 where malformed.
func LEB128(b []byte) (v uint64, n int) {
	for i := 0; i < len(b) && i < 8; i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

// AppendLEB128 appends v in the shortest form.
func AppendLEB128(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// bits reads a bit string; past its end it gives zeros and remembers that it was short.
type bits struct {
	b     []byte
	at    int // in bits
	short bool
}

func (r *bits) n(count int) uint32 {
	var v uint32
	for range count {
		v <<= 1
		if r.at>>3 < len(r.b) {
			v |= uint32(r.b[r.at>>3]>>(7-r.at&7)) & 1
		} else {
			r.short = true
		}
		r.at++
	}
	return v
}

// ue reads an Exp-Golomb number (H.264 §9.1).
func (r *bits) ue() uint32 {
	zeros := 0
	for r.n(1) == 0 {
		if zeros++; zeros > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.n(zeros)
}

// spsSize reads the picture size of a sequence parameter set (H.264 §7.3.2.1.1).
func spsSize(nal []byte) (width, height int, ok bool) {
	clean := make([]byte, 0, len(nal)) // without emulation prevention bytes
	for i, c := range nal {
		if i >= 2 && c == 3 && nal[i-1] == 0 && nal[i-2] == 0 {
			continue
		}
		clean = append(clean, c)
	}
	if len(clean) < 4 {
		return 0, 0, false
	}
	r := bits{b: clean, at: 8}
	profile := r.n(8)
	r.n(16)
	r.ue()
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128:
		if chroma = r.ue(); chroma == 3 {
			r.n(1)
		}
		r.ue()
		r.ue()
		r.n(1)
		if r.n(1) == 1 {
			return 0, 0, false // scaling matrices: no real-time encoder sends them
		}
	}
	r.ue()
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.n(1)
		r.ue()
		r.ue()
		n := r.ue()
		for i := uint32(0); i < n && !r.short; i++ {
			r.ue()
		}
	}
	r.ue()
	r.n(1)
	w := (r.ue() + 1) * 16
	hUnits := r.ue() + 1
	frameOnly := r.n(1)
	h := hUnits * 16 * (2 - frameOnly)
	if frameOnly == 0 {
		r.n(1)
	}
	r.n(1)
	if r.n(1) == 1 {
		left, right, top, bottom := r.ue(), r.ue(), r.ue(), r.ue()
		cx, cy := uint32(2), uint32(2)
		if chroma == 3 || chroma == 0 {
			cx, cy = 1, 1
		} else if chroma == 2 {
			cy = 1
		}
		w -= (left + right) * cx
		h -= (top + bottom) * cy * (2 - frameOnly)
	}
	if r.short || w == 0 || h == 0 || w > 1<<14 || h > 1<<14 {
		return 0, 0, false
	}
	return int(w), int(h), true
}

// av1Sequence is what a recorder needs of a sequence header.
type av1Sequence struct {
	profile, level, tier uint32
	width, height        int
}

// parseAV1Sequence reads a sequence header OBU's payload (AV1 specification §5.5).
func parseAV1Sequence(b []byte) (s av1Sequence, ok bool) {
	r := bits{b: b}
	s.profile = r.n(3)
	r.n(1)
	if r.n(1) == 1 { // reduced_still_picture_header
		s.level = r.n(5)
	} else {
		decoderModel, delayBits := uint32(0), 0
		if r.n(1) == 1 { // timing_info_present_flag
			r.n(32)
			r.n(32)
			if r.n(1) == 1 {
				r.uvlc()
			}
			if decoderModel = r.n(1); decoderModel == 1 {
				delayBits = int(r.n(5)) + 1
				r.n(32)
				r.n(10)
			}
		}
		initialDelay := r.n(1)
		points := int(r.n(5)) + 1
		for i := range points {
			r.n(12)
			level, tier := r.n(5), uint32(0)
			if level > 7 {
				tier = r.n(1)
			}
			if decoderModel == 1 && r.n(1) == 1 {
				r.n(delayBits)
				r.n(delayBits)
				r.n(1)
			}
			if initialDelay == 1 && r.n(1) == 1 {
				r.n(4)
			}
			if i == 0 {
				s.level, s.tier = level, tier
			}
		}
	}
	wBits, hBits := int(r.n(4))+1, int(r.n(4))+1
	s.width, s.height = int(r.n(wBits))+1, int(r.n(hBits))+1
	return s, !r.short
}

func (r *bits) uvlc() {
	zeros := 0
	for r.n(1) == 0 {
		if zeros++; zeros > 32 || r.short {
			return
		}
	}
	r.n(zeros)
}
