package rtp

import "encoding/binary"

// Nack reads a generic NACK (RFC 4585 section 6.2.1): media is the stream that has holes.
func (p RTCP) Nack() (sender, media uint32, pairs NackPairs, ok bool) {
	if p.Type != TypeRTPFB || p.Count != FormatNack || len(p.Body) < 12 {
		return 0, 0, nil, false
	}
	return binary.BigEndian.Uint32(p.Body), binary.BigEndian.Uint32(p.Body[4:]), NackPairs(p.Body[8:]), true
}

// NackPairs are the packet-id-and-bitmask pairs of a NACK.
type NackPairs []byte

// AppendSeqs adds the sequence numbers asked for, at most max of them: a small NACK can name thousands.
func (n NackPairs) AppendSeqs(dst []Seq, max int) []Seq {
	for ; len(n) >= 4 && max > 0; n = n[4:] {
		id, mask := Seq(binary.BigEndian.Uint16(n)), binary.BigEndian.Uint16(n[2:])
		dst = append(dst, id)
		max--
		for i := Seq(1); mask != 0 && max > 0; i++ {
			if mask&1 != 0 {
				dst = append(dst, id+i)
				max--
			}
			mask >>= 1
		}
	}
	return dst
}

// AppendNack adds a generic NACK for seqs, which are best in rising order: numbers within 16 of each
// other share a pair. Nothing is added for an empty list.
func AppendNack(dst []byte, sender, media uint32, seqs []Seq) []byte {
	if len(seqs) == 0 {
		return dst
	}
	start := len(dst)
	dst = appendRTCPHeader(dst, FormatNack, TypeRTPFB, 0)
	dst = binary.BigEndian.AppendUint32(dst, sender)
	dst = binary.BigEndian.AppendUint32(dst, media)
	for i := 0; i < len(seqs); {
		id, mask := seqs[i], uint16(0)
		for i++; i < len(seqs); i++ {
			d := seqs[i] - id
			if d == 0 {
				continue
			}
			if d > 16 {
				break
			}
			mask |= 1 << (d - 1)
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(id))
		dst = binary.BigEndian.AppendUint16(dst, mask)
	}
	return endRTCP(dst, start)
}

// PLI reads a picture loss indication (RFC 4585 section 6.3.1).
func (p RTCP) PLI() (sender, media uint32, ok bool) {
	if p.Type != TypePSFB || p.Count != FormatPLI || len(p.Body) < 8 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(p.Body), binary.BigEndian.Uint32(p.Body[4:]), true
}

// AppendPLI adds a picture loss indication.
func AppendPLI(dst []byte, sender, media uint32) []byte {
	dst = appendRTCPHeader(dst, FormatPLI, TypePSFB, 8)
	dst = binary.BigEndian.AppendUint32(dst, sender)
	return binary.BigEndian.AppendUint32(dst, media)
}

// FIR reads entry i of a full intra request (RFC 5104 section 4.3.1): the stream and the request number.
func (p RTCP) FIR(i int) (media uint32, number uint8, ok bool) {
	if p.Type != TypePSFB || p.Count != FormatFIR || i < 0 || len(p.Body) < 16+8*i {
		return 0, 0, false
	}
	e := p.Body[8+8*i:]
	return binary.BigEndian.Uint32(e), e[4], true
}

// AppendFIR adds a full intra request with one entry; number rises with each new request.
func AppendFIR(dst []byte, sender, media uint32, number uint8) []byte {
	dst = appendRTCPHeader(dst, FormatFIR, TypePSFB, 16)
	dst = binary.BigEndian.AppendUint32(dst, sender)
	dst = binary.BigEndian.AppendUint32(dst, 0) // media source is unused, RFC 5104 section 4.3.1.2
	dst = binary.BigEndian.AppendUint32(dst, media)
	return append(dst, number, 0, 0, 0)
}

// endRTCP writes the length of the packet that starts at dst[start], padding it to 32 bits (RFC 3550
// section 6.4.1: the P bit, and the count in the last byte) where it needs it.
func endRTCP(dst []byte, start int) []byte {
	if pad := -(len(dst) - start) & 3; pad != 0 {
		dst[start] |= 0x20
		for range pad - 1 {
			dst = append(dst, 0)
		}
		dst = append(dst, byte(pad))
	}
	binary.BigEndian.PutUint16(dst[start+2:], uint16((len(dst)-start)/4-1))
	return dst
}
