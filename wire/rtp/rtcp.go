package rtp

import "encoding/binary"

// RTCP packet types (RFC 3550 section 12.1, RFC 4585 section 6.1), and the formats of the two feedback types.
const (
	TypeSR    = 200
	TypeRR    = 201
	TypeSDES  = 202
	TypeBye   = 203
	TypeApp   = 204
	TypeRTPFB = 205 // transport-layer feedback
	TypePSFB  = 206 // payload-specific feedback
	TypeXR    = 207

	FormatNack              = 1  // RTPFB, RFC 4585 section 6.2.1
	FormatTransportFeedback = 15 // RTPFB, draft-holmer-rmcat-transport-wide-cc-extensions-01
	FormatPLI               = 1  // PSFB, RFC 4585 section 6.3.1
	FormatFIR               = 4  // PSFB, RFC 5104 section 4.3.1
	FormatApp               = 15 // PSFB, application layer; REMB lives here and is not used
)

// RTCP is one packet of a compound: a view of the caller's bytes.
type RTCP struct {
	Type  uint8
	Count uint8  // report count, source count or feedback format: the low five bits of the first byte
	Body  []byte // what follows the first four bytes, without padding
}

// NextRTCP splits the first packet off a compound. ok is false at the end and at the first malformed
// packet: after that nothing of the compound can be trusted.
func NextRTCP(b []byte) (p RTCP, rest []byte, ok bool) {
	if len(b) < 4 || b[0]>>6 != 2 {
		return RTCP{}, nil, false
	}
	n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) {
		return RTCP{}, nil, false
	}
	p = RTCP{Type: b[1], Count: b[0] & 0x1f, Body: b[4:n:n]}
	if b[0]&0x20 != 0 {
		if len(p.Body) == 0 {
			return RTCP{}, nil, false
		}
		pad := int(p.Body[len(p.Body)-1])
		if pad == 0 || pad > len(p.Body) {
			return RTCP{}, nil, false
		}
		p.Body = p.Body[:len(p.Body)-pad]
	}
	return p, b[n:], true
}

// SenderInfo is the sender's part of a sender report (RFC 3550 section 6.4.1).
type SenderInfo struct {
	NTP     uint64 // wall clock of this report
	Time    Time   // the same instant in RTP ticks
	Packets uint32
	Octets  uint32 // payload bytes
}

// ReportBlock is one reception report (RFC 3550 section 6.4.1).
type ReportBlock struct {
	SSRC         uint32
	FractionLost uint8  // in 1/256, since the last report
	Lost         int32  // cumulative, 24 bits signed
	Highest      uint32 // extended highest sequence number
	Jitter       uint32 // in ticks
	LSR          uint32 // middle 32 bits of the last SR's NTP, 0 if none
	DLSR         uint32 // since then, in 1/65536 s
}

// blockLen is the length of a report block.
const blockLen = 24

// Blocks is the list of report blocks of an SR or RR, read on demand.
type Blocks []byte

// Len is how many there are.
func (b Blocks) Len() int { return len(b) / blockLen }

// At reads block i, which must be below Len.
func (b Blocks) At(i int) ReportBlock {
	p := b[i*blockLen : (i+1)*blockLen]
	return ReportBlock{
		SSRC:         binary.BigEndian.Uint32(p),
		FractionLost: p[4],
		Lost:         int32(binary.BigEndian.Uint32(p[4:])<<8) >> 8,
		Highest:      binary.BigEndian.Uint32(p[8:]),
		Jitter:       binary.BigEndian.Uint32(p[12:]),
		LSR:          binary.BigEndian.Uint32(p[16:]),
		DLSR:         binary.BigEndian.Uint32(p[20:]),
	}
}

// SenderReport reads an SR.
func (p RTCP) SenderReport() (ssrc uint32, info SenderInfo, blocks Blocks, ok bool) {
	n := 24 + blockLen*int(p.Count)
	if p.Type != TypeSR || len(p.Body) < n {
		return 0, SenderInfo{}, nil, false
	}
	info = SenderInfo{
		NTP:     binary.BigEndian.Uint64(p.Body[4:]),
		Time:    Time(binary.BigEndian.Uint32(p.Body[12:])),
		Packets: binary.BigEndian.Uint32(p.Body[16:]),
		Octets:  binary.BigEndian.Uint32(p.Body[20:]),
	}
	return binary.BigEndian.Uint32(p.Body), info, Blocks(p.Body[24:n]), true
}

// ReceiverReport reads an RR.
func (p RTCP) ReceiverReport() (ssrc uint32, blocks Blocks, ok bool) {
	n := 4 + blockLen*int(p.Count)
	if p.Type != TypeRR || len(p.Body) < n {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(p.Body), Blocks(p.Body[4:n]), true
}

// CNAME reads the canonical name of the first chunk of an SDES (RFC 3550 section 6.5).
func (p RTCP) CNAME() (ssrc uint32, name []byte, ok bool) {
	if p.Type != TypeSDES || p.Count == 0 || len(p.Body) < 4 {
		return 0, nil, false
	}
	ssrc = binary.BigEndian.Uint32(p.Body)
	for b := p.Body[4:]; len(b) >= 2 && b[0] != 0; {
		n := 2 + int(b[1])
		if n > len(b) {
			break
		}
		if b[0] == 1 {
			return ssrc, b[2:n:n], true
		}
		b = b[n:]
	}
	return 0, nil, false
}

// Bye reads source i of a BYE (RFC 3550 section 6.6).
func (p RTCP) Bye(i int) (ssrc uint32, ok bool) {
	if p.Type != TypeBye || i < 0 || i >= int(p.Count) || len(p.Body) < 4*(i+1) {
		return 0, false
	}
	return binary.BigEndian.Uint32(p.Body[4*i:]), true
}

// AppendSR adds a sender report. At most 31 blocks fit; the rest is left out.
func AppendSR(dst []byte, ssrc uint32, info SenderInfo, blocks ...ReportBlock) []byte {
	blocks = blocks[:min(len(blocks), 31)]
	dst = appendRTCPHeader(dst, uint8(len(blocks)), TypeSR, 24+blockLen*len(blocks))
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	dst = binary.BigEndian.AppendUint64(dst, info.NTP)
	dst = binary.BigEndian.AppendUint32(dst, uint32(info.Time))
	dst = binary.BigEndian.AppendUint32(dst, info.Packets)
	dst = binary.BigEndian.AppendUint32(dst, info.Octets)
	return appendBlocks(dst, blocks)
}

// AppendRR adds a receiver report. At most 31 blocks fit; the rest is left out.
func AppendRR(dst []byte, ssrc uint32, blocks ...ReportBlock) []byte {
	blocks = blocks[:min(len(blocks), 31)]
	dst = appendRTCPHeader(dst, uint8(len(blocks)), TypeRR, 4+blockLen*len(blocks))
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	return appendBlocks(dst, blocks)
}

func appendBlocks(dst []byte, blocks []ReportBlock) []byte {
	for i := range blocks {
		b := &blocks[i]
		lost := max(min(b.Lost, 1<<23-1), -1<<23)
		dst = binary.BigEndian.AppendUint32(dst, b.SSRC)
		dst = binary.BigEndian.AppendUint32(dst, uint32(b.FractionLost)<<24|uint32(lost)&0xffffff)
		dst = binary.BigEndian.AppendUint32(dst, b.Highest)
		dst = binary.BigEndian.AppendUint32(dst, b.Jitter)
		dst = binary.BigEndian.AppendUint32(dst, b.LSR)
		dst = binary.BigEndian.AppendUint32(dst, b.DLSR)
	}
	return dst
}

// AppendCNAME adds an SDES with one chunk and its canonical name, cut at 255 bytes. A compound that
// begins with a report must carry one (RFC 3550 section 6.1).
func AppendCNAME(dst []byte, ssrc uint32, name string) []byte {
	name = name[:min(len(name), 255)]
	n := 4 + 2 + len(name)
	pad := 4 - n%4 // at least one zero byte ends the item list
	dst = appendRTCPHeader(dst, 1, TypeSDES, n+pad)
	dst = binary.BigEndian.AppendUint32(dst, ssrc)
	dst = append(dst, 1, byte(len(name)))
	dst = append(dst, name...)
	for range pad {
		dst = append(dst, 0)
	}
	return dst
}

// AppendBye adds a BYE for one source.
func AppendBye(dst []byte, ssrc uint32) []byte {
	dst = appendRTCPHeader(dst, 1, TypeBye, 4)
	return binary.BigEndian.AppendUint32(dst, ssrc)
}

// appendRTCPHeader adds the common header of a packet whose body has bodyLen bytes, a multiple of 4.
func appendRTCPHeader(dst []byte, count, typ uint8, bodyLen int) []byte {
	dst = append(dst, 2<<6|count&0x1f, typ)
	return binary.BigEndian.AppendUint16(dst, uint16(bodyLen/4))
}
