package client

import (
	"encoding/binary"

	"parley/sys/clip"
	"parley/wire/rtp"
)

// maxFrame bounds a frame under assembly, in bytes.
const maxFrame = 4 << 20

// assembler makes frames out of the packets of one stream, which come in order of sequence number.
// What is lost is told by Lost; then frames are withheld until one that needs nothing before it.
// Owned by the receiver of the stream.
type assembler struct {
	codec   clip.Codec
	time    rtp.Time // of the frame under assembly
	open    bool     // a frame is under assembly
	broken  bool     // it misses a packet
	buf     []byte
	obu     []byte // AV1: element that goes on in the next packet
	part    bool
	needKey bool
}

// assembled is one whole frame.
type assembled struct {
	codec clip.Codec
	time  rtp.Time
	key   bool
	data  []byte
}

// reset starts over, at the beginning of a stream or when another source takes the slot.
func (a *assembler) reset() {
	*a = assembler{needKey: true}
}

// lost says that packets before the next one are gone for good.
func (a *assembler) lost() {
	if a.codec == clip.Opus {
		return
	}
	a.broken, a.part, a.needKey = true, false, true
}

// push takes the next packet. It returns at most two frames: one that a new time stamp shows to have
// ended, and one that the marker ends.
func (a *assembler) push(codec clip.Codec, t rtp.Time, marker bool, payload []byte) (out []assembled) {
	if codec != a.codec {
		a.codec, a.needKey, a.open = codec, codec != clip.Opus, false
	}
	if len(payload) == 0 {
		return nil
	}
	if codec == clip.Opus {
		return []assembled{{codec, t, true, append([]byte(nil), payload...)}}
	}
	if a.open && a.time != t {
		out = a.finish(out)
	}
	if !a.open {
		a.open, a.time, a.part, a.buf = true, t, false, nil
		a.broken = !startsFrame(codec, payload, a.needKey)
	}
	if !a.broken && !a.add(payload) {
		a.broken = true
	}
	if len(a.buf) > maxFrame {
		a.broken, a.buf = true, nil
	}
	if marker {
		out = a.finish(out)
	}
	return out
}

// finish ends the frame under assembly.
func (a *assembler) finish(out []assembled) []assembled {
	a.open = false
	if a.broken || a.part || len(a.buf) == 0 {
		a.needKey, a.broken = true, false
		return out
	}
	f := assembled{a.codec, a.time, clip.IsKey(a.codec, a.buf), a.buf}
	a.buf = nil
	if f.key {
		a.needKey = false
	}
	if a.needKey {
		return out
	}
	return append(out, f)
}

// startsFrame reports whether a payload can be the first of a frame. H.264 and AV1 do not mark the
// first packet; after a loss only what begins a key frame is sure to be one.
func startsFrame(codec clip.Codec, p []byte, needKey bool) bool {
	switch codec {
	case clip.VP8:
		v, ok := rtp.ParseVP8(p)
		return ok && v.Start
	case clip.VP9:
		return p[0]&0x08 != 0
	case clip.H264:
		typ := p[0] & 0x1f
		if needKey { // parameter sets, alone or aggregated, or the information before them
			return typ == 7 || typ == nalSTAPA || typ == 6
		}
		return typ != nalFUA || len(p) > 1 && p[1]&0x80 != 0
	case clip.AV1:
		return p[0]&0x80 == 0 && (!needKey || p[0]&0x08 != 0)
	}
	return false
}

// add puts one payload into the frame; false where it does not fit in.
func (a *assembler) add(p []byte) bool {
	switch a.codec {
	case clip.VP8:
		v, ok := rtp.ParseVP8(p)
		if !ok {
			return false
		}
		a.buf = append(a.buf, p[v.Len:]...)
		return true
	case clip.VP9:
		n, ok := vp9DescriptorLen(p)
		if !ok {
			return false
		}
		a.buf = append(a.buf, p[n:]...)
		return true
	case clip.H264:
		return a.addH264(p)
	case clip.AV1:
		return a.addAV1(p)
	}
	return false
}

// vp9DescriptorLen is the length of the descriptor of RFC 9628 §4.2.
func vp9DescriptorLen(p []byte) (int, bool) {
	head, at := p[0], 1
	need := func(n int) bool { at += n; return at <= len(p) }
	if head&0x80 != 0 { // I
		if !need(1) {
			return 0, false
		}
		if p[at-1]&0x80 != 0 && !need(1) {
			return 0, false
		}
	}
	if head&0x20 != 0 { // L
		if !need(1) || head&0x10 == 0 && !need(1) {
			return 0, false
		}
	}
	if head&0x50 == 0x50 { // F and P: up to three reference indices
		for range 3 {
			if !need(1) {
				return 0, false
			}
			if p[at-1]&1 == 0 {
				break
			}
		}
	}
	if head&0x02 != 0 { // V
		if !need(1) {
			return 0, false
		}
		ss := p[at-1]
		if ss&0x10 != 0 && !need(4*(int(ss>>5)+1)) {
			return 0, false
		}
		if ss&0x08 != 0 {
			if !need(1) {
				return 0, false
			}
			for range int(p[at-1]) {
				if !need(1) || !need(int(p[at-1]>>2&3)) {
					return 0, false
				}
			}
		}
	}
	return at, at <= len(p)
}

func (a *assembler) addH264(p []byte) bool {
	switch typ := p[0] & 0x1f; {
	case typ >= 1 && typ <= 23:
		a.buf = clip.AppendNAL(a.buf, p)
	case typ == nalSTAPA:
		for p = p[1:]; len(p) > 2; {
			n := int(binary.BigEndian.Uint16(p))
			if n == 0 || n > len(p)-2 {
				return false
			}
			a.buf = clip.AppendNAL(a.buf, p[2:2+n])
			p = p[2+n:]
		}
	case typ == nalFUA:
		if len(p) < 3 {
			return false
		}
		if p[1]&0x80 != 0 {
			a.buf = clip.AppendNAL(a.buf, []byte{p[0]&0xe0 | p[1]&0x1f})
			a.part = true
		} else if !a.part {
			return false
		}
		a.buf = append(a.buf, p[2:]...)
		if p[1]&0x40 != 0 {
			a.part = false
		}
	default:
		return false
	}
	return true
}

// addAV1 reads the aggregation header and the elements behind it (RTP Payload Format For AV1 §4.4).
func (a *assembler) addAV1(p []byte) bool {
	head, rest := p[0], p[1:]
	continued, goesOn, count := head&0x80 != 0, head&0x40 != 0, int(head>>4&3)
	if continued != a.part {
		return false
	}
	for i := 0; len(rest) > 0; i++ {
		var element []byte
		if count > 0 && i == count-1 {
			element, rest = rest, nil
		} else {
			n, used := clip.LEB128(rest)
			if used == 0 || n > uint64(len(rest)-used) {
				return false
			}
			element, rest = rest[used:used+int(n)], rest[used+int(n):]
		}
		if !a.part {
			a.obu = a.obu[:0]
		}
		a.obu = append(a.obu, element...)
		if len(a.obu) > maxFrame {
			return false
		}
		a.part = len(rest) == 0 && goesOn
		if !a.part {
			a.buf = appendOBU(a.buf, a.obu)
		}
	}
	return true
}

// appendOBU appends an OBU with its size, which it had not in the packet.
func appendOBU(dst, obu []byte) []byte {
	if len(obu) == 0 || obu[0]&0x80 != 0 {
		return dst
	}
	if typ := obu[0] >> 3 & 15; typ == 2 || typ == 15 { // temporal delimiter, padding
		return dst
	}
	if obu[0]&2 != 0 {
		return append(dst, obu...)
	}
	n := 1
	if obu[0]&4 != 0 {
		n = 2
	}
	if len(obu) < n {
		return dst
	}
	dst = append(dst, obu[0]|2)
	dst = append(dst, obu[1:n]...)
	dst = clip.AppendLEB128(dst, uint64(len(obu)-n))
	return append(dst, obu[n:]...)
}
