package client

import (
	"encoding/binary"

	"parley/sys/clip"
	"parley/wire/proto"
)

// maxPayload bounds an RTP payload in bytes, descriptor included. With header, extensions, the tag of
// AES-GCM, UDP and IPv6 it stays below the 1280 bytes that every IPv6 path carries.
const maxPayload = 1150

// payloadType is the number a codec travels under, 0 for one that does not.
func payloadType(c clip.Codec) uint8 {
	switch c {
	case clip.Opus:
		return proto.PTOpus
	case clip.VP8:
		return proto.PTVP8
	case clip.VP9:
		return proto.PTVP9
	case clip.H264:
		return proto.PTH264
	case clip.AV1:
		return proto.PTAV1
	}
	return 0
}

// codecOf is the reverse of payloadType.
func codecOf(pt uint8) clip.Codec {
	switch pt {
	case proto.PTOpus:
		return clip.Opus
	case proto.PTVP8:
		return clip.VP8
	case proto.PTVP9:
		return clip.VP9
	case proto.PTH264:
		return clip.H264
	case proto.PTAV1:
		return clip.AV1
	}
	return ""
}

// packetizer splits the frames of one stream into RTP payloads. Owned by the sender of the stream.
type packetizer struct {
	picture uint16 // id of the next frame, 15 bits
}

// split gives the payloads of one frame in order; the last one gets the marker. An empty result means
// that the frame holds nothing to send.
func (p *packetizer) split(f clip.Frame) [][]byte {
	switch f.Codec {
	case clip.Opus:
		if len(f.Data) > maxPayload {
			return nil
		}
		return [][]byte{f.Data}
	case clip.VP8:
		return p.vp8(f.Data)
	case clip.VP9:
		return p.vp9(f)
	case clip.H264:
		return splitH264(f.Data)
	case clip.AV1:
		return splitAV1(f)
	}
	return nil
}

// chunks cuts b into pieces of at most room bytes that differ by one byte at most: packets of equal
// length go out in one segmented send.
func chunks(b []byte, room int, f func(piece []byte, first, last bool)) {
	n := (len(b) + room - 1) / room
	for i := range n {
		from, to := i*len(b)/n, (i+1)*len(b)/n
		f(b[from:to], i == 0, i == n-1)
	}
}

// vp8 writes the descriptor of RFC 7741 §4.2 with a picture id of 15 bits.
func (p *packetizer) vp8(b []byte) (out [][]byte) {
	chunks(b, maxPayload-4, func(piece []byte, first, _ bool) {
		head := byte(0x80)
		if first {
			head |= 0x10
		}
		d := append(make([]byte, 0, 4+len(piece)), head, 0x80, 0x80|byte(p.picture>>8), byte(p.picture))
		out = append(out, append(d, piece...))
	})
	p.picture = (p.picture + 1) & 0x7fff
	return out
}

// vp9 writes the descriptor of RFC 9628 §4.2 in non-flexible mode with one layer; key frames state
// their size.
func (p *packetizer) vp9(f clip.Frame) (out [][]byte) {
	width, height, sized := clip.Size(clip.VP9, f.Data)
	chunks(f.Data, maxPayload-8, func(piece []byte, first, last bool) {
		head := byte(0x80) // I
		if !f.Key {
			head |= 0x40 // P
		}
		if first {
			head |= 0x08
		}
		if last {
			head |= 0x04
		}
		structure := first && f.Key && sized
		if structure {
			head |= 0x02
		}
		d := append(make([]byte, 0, 8+len(piece)), head, 0x80|byte(p.picture>>8), byte(p.picture))
		if structure {
			d = append(d, 0x10) // one spatial layer, its size follows
			d = binary.BigEndian.AppendUint16(d, uint16(width))
			d = binary.BigEndian.AppendUint16(d, uint16(height))
		}
		out = append(out, append(d, piece...))
	})
	p.picture = (p.picture + 1) & 0x7fff
	return out
}

// Types of RFC 6184 §5.2.
const (
	nalSTAPA = 24
	nalFUA   = 28
)

// splitH264 sends NAL units alone or in fragments (RFC 6184 §5.6, §5.8).
func splitH264(b []byte) (out [][]byte) {
	clip.EachNAL(b, func(nal []byte) {
		if nal[0]&0x1f == 9 { // access unit delimiter: the marker says the same
			return
		}
		if len(nal) <= maxPayload {
			out = append(out, append([]byte(nil), nal...))
			return
		}
		indicator, typ := nal[0]&0xe0|nalFUA, nal[0]&0x1f
		chunks(nal[1:], maxPayload-2, func(piece []byte, first, last bool) {
			head := typ
			if first {
				head |= 0x80
			}
			if last {
				head |= 0x40
			}
			d := append(make([]byte, 0, 2+len(piece)), indicator, head)
			out = append(out, append(d, piece...))
		})
	})
	return out
}

// splitAV1 fills packets with OBU elements, every one with its length (RTP Payload Format For AV1
// §4.3, §4.4: W = 0).
func splitAV1(f clip.Frame) (out [][]byte) {
	var cur []byte
	start := func(continued bool) {
		cur = append(make([]byte, 0, maxPayload), 0)
		if continued {
			cur[0] |= 0x80 // Z
		}
		if len(out) == 0 && f.Key {
			cur[0] |= 0x08 // N: a new coded video sequence
		}
	}
	start(false)
	clip.EachOBU(f.Data, func(_ uint8, obu, payload []byte) {
		head := obu[:1]
		if obu[0]&4 != 0 {
			head = obu[:2]
		}
		element := append(append(make([]byte, 0, len(head)+len(payload)), head...), payload...)
		element[0] &^= 2 // no size inside; the element has one
		for first := true; len(element) > 0; first = false {
			room := maxPayload - len(cur) - 2 // lengths up to 16383 take two bytes
			if room < 16 && len(cur) > 1 {
				if !first {
					cur[0] |= 0x40 // Y
				}
				out = append(out, cur)
				start(!first)
				continue
			}
			n := min(len(element), room)
			cur = clip.AppendLEB128(cur, uint64(n))
			cur = append(cur, element[:n]...)
			element = element[n:]
			if len(element) > 0 {
				cur[0] |= 0x40
				out = append(out, cur)
				start(true)
			}
		}
	})
	if len(cur) > 1 {
		out = append(out, cur)
	}
	return out
}
