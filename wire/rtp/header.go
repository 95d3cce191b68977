package rtp

import (
	"encoding/binary"
	"errors"
)

// What is wrong with a packet that Parse refuses.
var (
	ErrShort     = errors.New("rtp: packet too short")
	ErrVersion   = errors.New("rtp: version is not 2")
	ErrPadding   = errors.New("rtp: padding longer than the payload")
	ErrExtension = errors.New("rtp: header extension longer than the packet")
)

// MinHeaderLen is the length of an RTP header without CSRCs and extensions.
const MinHeaderLen = 12

// The profiles of RFC 8285: the one-byte form, and the two-byte form whose last four bits are free.
const (
	profileOneByte = 0xBEDE
	profileTwoByte = 0x1000
)

// Header is a parsed RTP header (RFC 3550 section 5.1): the fields, and where the rest of the packet is.
type Header struct {
	Marker    bool
	Padding   bool // the P bit
	PT        uint8
	CSRCCount uint8
	PadLen    uint8 // bytes of padding at the end, with the count byte
	Seq       Seq
	Time      Time
	SSRC      uint32

	ExtProfile uint16 // 0 without an extension block
	ExtStart   int    // offset of the first extension element
	ExtLen     int    // bytes of extension elements, with their padding

	HeaderLen  int // offset of the payload
	PayloadLen int // without padding
}

// Parse reads the header of the packet b into h. It keeps nothing of b.
func Parse(b []byte, h *Header) error {
	if len(b) < MinHeaderLen {
		return ErrShort
	}
	if b[0]>>6 != 2 {
		return ErrVersion
	}
	*h = Header{
		Padding:   b[0]&0x20 != 0,
		CSRCCount: b[0] & 0x0f,
		Marker:    b[1]&0x80 != 0,
		PT:        b[1] & 0x7f,
		Seq:       Seq(binary.BigEndian.Uint16(b[2:])),
		Time:      Time(binary.BigEndian.Uint32(b[4:])),
		SSRC:      binary.BigEndian.Uint32(b[8:]),
	}
	at := MinHeaderLen + 4*int(h.CSRCCount)
	if len(b) < at {
		return ErrShort
	}
	if b[0]&0x10 != 0 {
		if len(b) < at+4 {
			return ErrExtension
		}
		h.ExtProfile = binary.BigEndian.Uint16(b[at:])
		h.ExtLen = 4 * int(binary.BigEndian.Uint16(b[at+2:]))
		h.ExtStart = at + 4
		at = h.ExtStart + h.ExtLen
		if len(b) < at {
			return ErrExtension
		}
	}
	h.HeaderLen = at
	if h.Padding {
		if len(b) == at {
			return ErrPadding
		}
		h.PadLen = b[len(b)-1]
		if h.PadLen == 0 || int(h.PadLen) > len(b)-at {
			return ErrPadding
		}
	}
	h.PayloadLen = len(b) - at - int(h.PadLen)
	return nil
}

// Payload is the payload of b, without padding. b is the packet h was parsed from.
func (h *Header) Payload(b []byte) []byte { return b[h.HeaderLen : h.HeaderLen+h.PayloadLen] }

// CSRC is contributing source i of b, or 0 when there are not so many.
func (h *Header) CSRC(b []byte, i int) uint32 {
	if i < 0 || i >= int(h.CSRCCount) {
		return 0
	}
	return binary.BigEndian.Uint32(b[MinHeaderLen+4*i:])
}

// Ext is the value of header extension id in b, in either form of RFC 8285, or nil when it is not
// there. An element of length 0 (two-byte form) gives an empty, non-nil slice.
func (h *Header) Ext(b []byte, id uint8) []byte {
	it := h.Exts(b)
	for it.Next() {
		if it.ID == id {
			return it.Value
		}
	}
	return nil
}

// Exts walks all extension elements of b in order.
func (h *Header) Exts(b []byte) ExtIter {
	it := ExtIter{end: h.ExtStart + h.ExtLen}
	switch {
	case h.ExtProfile == profileOneByte:
		it.rest = b[h.ExtStart : h.ExtStart+h.ExtLen]
	case h.ExtProfile&0xfff0 == profileTwoByte:
		it.rest, it.two = b[h.ExtStart:h.ExtStart+h.ExtLen], true
	}
	return it
}

// ExtIter walks extension elements: Next, then ID, Value, and At, the offset of Value in the packet.
type ExtIter struct {
	ID    uint8
	At    int
	Value []byte
	rest  []byte
	end   int
	two   bool
}

// Next moves to the next element. It ends at the end of the block, at id 15 of the one-byte form
// (RFC 8285 section 4.2), and at an element that reaches past the block.
func (it *ExtIter) Next() bool {
	for len(it.rest) > 0 {
		if it.rest[0] == 0 { // padding byte in both forms
			it.rest = it.rest[1:]
			continue
		}
		head, n := 1, 0
		if it.two {
			if len(it.rest) < 2 {
				break
			}
			it.ID, n, head = it.rest[0], int(it.rest[1]), 2
		} else {
			it.ID, n = it.rest[0]>>4, int(it.rest[0]&0x0f)+1
			if it.ID == 15 {
				break
			}
			if it.ID == 0 { // id 0 with a length: reserved, skipped like padding with its data
				if len(it.rest) < 1+n {
					break
				}
				it.rest = it.rest[1+n:]
				continue
			}
		}
		if len(it.rest) < head+n {
			break
		}
		it.Value = it.rest[head : head+n : head+n]
		it.At = it.end - len(it.rest) + head
		it.rest = it.rest[head+n:]
		return true
	}
	it.rest = nil
	return false
}

// Fields are what AppendHeader writes.
type Fields struct {
	Marker bool
	PT     uint8
	Seq    Seq
	Time   Time
	SSRC   uint32
	CSRC   uint32 // 0: none
}

// Ext is one header extension to write. At most 255 bytes; id 1 to 255, not 15 in the one-byte form.
type Ext struct {
	ID   uint8
	Data []byte
}

// AppendHeader adds a header with the extensions in order, in the one-byte form of RFC 8285 unless one
// of them needs the two-byte form (longer than 16 bytes, empty, or an id above 14). An element with id
// 0 or more than 255 bytes cannot be written and is left out.
func AppendHeader(dst []byte, f Fields, exts []Ext) []byte {
	two, any := false, false
	for i := range exts {
		e := &exts[i]
		if e.ID == 0 || len(e.Data) > 255 {
			continue
		}
		any = true
		if e.ID > 14 || len(e.Data) == 0 || len(e.Data) > 16 {
			two = true
		}
	}
	b0, b1 := byte(2<<6), f.PT&0x7f
	if f.CSRC != 0 {
		b0 |= 1
	}
	if any {
		b0 |= 0x10
	}
	if f.Marker {
		b1 |= 0x80
	}
	dst = append(dst, b0, b1)
	dst = binary.BigEndian.AppendUint16(dst, uint16(f.Seq))
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Time))
	dst = binary.BigEndian.AppendUint32(dst, f.SSRC)
	if f.CSRC != 0 {
		dst = binary.BigEndian.AppendUint32(dst, f.CSRC)
	}
	if !any {
		return dst
	}
	profile := uint16(profileOneByte)
	if two {
		profile = profileTwoByte
	}
	dst = binary.BigEndian.AppendUint16(dst, profile)
	dst = append(dst, 0, 0)
	start := len(dst)
	for i := range exts {
		e := &exts[i]
		switch {
		case e.ID == 0 || len(e.Data) > 255:
			continue
		case two:
			dst = append(dst, e.ID, byte(len(e.Data)))
		default:
			dst = append(dst, e.ID<<4|byte(len(e.Data)-1))
		}
		dst = append(dst, e.Data...)
	}
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint16(dst[start-2:], uint16((len(dst)-start)/4))
	return dst
}

// AppendPadding adds n bytes of RTP padding (1 to 255) to the packet that starts at dst[start] and sets
// its P bit. The packet must have none yet.
func AppendPadding(dst []byte, start int, n uint8) []byte {
	if n == 0 {
		return dst
	}
	dst[start] |= 0x20
	for range n - 1 {
		dst = append(dst, 0)
	}
	return append(dst, n)
}

// IsRTCP tells RTCP from RTP on a shared transport: payload types 64 to 95 are not used for RTP
// (RFC 5761 section 4). It looks at the first two bytes only.
func IsRTCP(b []byte) bool { return len(b) >= 2 && b[1] >= 192 && b[1] <= 223 }

// AudioLevel is the value of the client-to-mixer audio level extension (RFC 6464): level in -dBov, 0
// loudest to 127 silence, and whether the sender thinks it is speech. ok is false for an empty value.
func AudioLevel(ext []byte) (level uint8, voice, ok bool) {
	if len(ext) == 0 {
		return 0, false, false
	}
	return ext[0] & 0x7f, ext[0]&0x80 != 0, true
}
