package stun

import "encoding/binary"

// What zone probes have beyond RFC 8489 to tell a network's manners: MARK, and a dress.

// AttrMark is Parley's own: with which DSCP code points (S12) a zone probe and its answer travelled. Who does not
// know it leaves it unanswered.
const AttrMark Attr = 0xC0D5

// MarkUnknown stands for a code point that the receiver's system does not tell.
const MarkUnknown = 255

// MarkLen is what MARK takes of a message, bytes.
const MarkLen = 8

// Mark appends MARK: two code points, 0 to 63 or MarkUnknown. In a request the first is the one wished for the
// answer; in the answer they are the one that the request arrived with, and the one the answer is sent with.
func (b *Builder) Mark(first, second uint8) { b.Attr(AttrMark, []byte{first, second, 0, 0}) }

// Mark is the value of MARK.
func (m Message) Mark() (first, second uint8, ok bool) {
	v, ok := m.Get(AttrMark)
	if !ok || len(v) != 4 {
		return 0, 0, false
	}
	return v[0], v[1], true
}

// DressLen is the length of a dress in bytes.
const DressLen = 12

// AppendDress appends what a probe wears that looks like media: an RTP header (RFC 3550 §5.1) with the magic cookie
// for its source. A firewall that knows STUN alone does not let it through.
func AppendDress(dst []byte) []byte {
	dst = append(dst, 0x80, 127, 0, 0, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, Cookie)
}

// Undress gives the STUN message in a dress; false where b is none.
func Undress(b []byte) ([]byte, bool) {
	if len(b) < DressLen+HeaderLen || b[0] != 0x80 || b[1] != 127 || binary.BigEndian.Uint32(b[8:]) != Cookie || !IsSTUN(b[DressLen:]) {
		return nil, false
	}
	return b[DressLen:], true
}
