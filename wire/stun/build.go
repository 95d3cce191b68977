package stun

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Builder appends one message to a buffer. Add attributes in order, Integrity and Fingerprint last.
type Builder struct {
	b     []byte
	start int // of the message in b
}

// Build starts a message behind dst.
func Build(dst []byte, t Type, id TxID) Builder {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(t))
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, Cookie)
	return Builder{append(dst, id[:]...), start}
}

// Bytes is the buffer with the message at its end.
func (b *Builder) Bytes() []byte { return b.b }

// Len is the length of the message so far in bytes.
func (b *Builder) Len() int { return len(b.b) - b.start }

// head appends an attribute's header and accounts for its padded length.
func (b *Builder) head(a Attr, n int) {
	b.b = binary.BigEndian.AppendUint16(b.b, uint16(a))
	b.b = binary.BigEndian.AppendUint16(b.b, uint16(n))
	binary.BigEndian.PutUint16(b.b[b.start+2:], uint16(b.Len()-HeaderLen+padded(n)))
}

func (b *Builder) pad() {
	for b.Len()%4 != 0 {
		b.b = append(b.b, 0)
	}
}

// Attr appends an attribute with any value.
func (b *Builder) Attr(a Attr, value []byte) {
	b.head(a, len(value))
	b.b = append(b.b, value...)
	b.pad()
}

// Username appends USERNAME.
func (b *Builder) Username(s string) {
	b.head(AttrUsername, len(s))
	b.b = append(b.b, s...)
	b.pad()
}

// Priority appends PRIORITY.
func (b *Builder) Priority(p uint32) {
	b.head(AttrPriority, 4)
	b.b = binary.BigEndian.AppendUint32(b.b, p)
}

// UseCandidate appends USE-CANDIDATE.
func (b *Builder) UseCandidate() { b.head(AttrUseCandidate, 0) }

// Controlling appends ICE-CONTROLLING.
func (b *Builder) Controlling(tieBreaker uint64) {
	b.head(AttrControlling, 8)
	b.b = binary.BigEndian.AppendUint64(b.b, tieBreaker)
}

// Controlled appends ICE-CONTROLLED.
func (b *Builder) Controlled(tieBreaker uint64) {
	b.head(AttrControlled, 8)
	b.b = binary.BigEndian.AppendUint64(b.b, tieBreaker)
}

// XORMappedAddress appends XOR-MAPPED-ADDRESS; v4-mapped addresses are written as v4.
func (b *Builder) XORMappedAddress(ap netip.AddrPort) {
	addr := ap.Addr().Unmap()
	n, family := 20, byte(2)
	if addr.Is4() {
		n, family = 8, 1
	}
	b.head(AttrXORMappedAddress, n)
	b.b = append(b.b, 0, family)
	b.b = binary.BigEndian.AppendUint16(b.b, ap.Port()^Cookie>>16)
	at := len(b.b)
	if addr.Is4() {
		a := addr.As4()
		b.b = append(b.b, a[:]...)
	} else {
		a := addr.As16()
		b.b = append(b.b, a[:]...)
	}
	xor(b.b[at:], b.b[b.start+4:])
}

// ErrorCode appends ERROR-CODE; code is 300 to 699.
func (b *Builder) ErrorCode(code int, reason string) {
	b.head(AttrErrorCode, 4+len(reason))
	b.b = append(b.b, 0, 0, byte(code/100), byte(code%100))
	b.b = append(b.b, reason...)
	b.pad()
}

// Unknown appends UNKNOWN-ATTRIBUTES, the list that goes with error 420.
func (b *Builder) Unknown(list []Attr) {
	b.head(AttrUnknown, 2*len(list))
	for _, a := range list {
		b.b = binary.BigEndian.AppendUint16(b.b, uint16(a))
	}
	b.pad()
}

// Padding appends a PADDING of n zero bytes (RFC 5780 §7.6), which must be a multiple of four.
func (b *Builder) Padding(n int) {
	b.head(AttrPadding, n)
	b.b = append(b.b, make([]byte, n)...)
}

// Integrity appends MESSAGE-INTEGRITY over everything so far.
func (b *Builder) Integrity(key []byte) {
	var sum [integrityLen]byte
	appendIntegrity(sum[:0], b.b[b.start:], key)
	b.Attr(AttrMessageIntegrity, sum[:])
}

// Fingerprint appends FINGERPRINT over everything so far; nothing may follow.
func (b *Builder) Fingerprint() {
	b.head(AttrFingerprint, 4)
	sum := crc32.ChecksumIEEE(b.b[b.start : len(b.b)-4])
	b.b = binary.BigEndian.AppendUint32(b.b, sum^fingerprintXOR)
}
