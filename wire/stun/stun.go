// Package stun reads and writes the STUN messages of RFC 8489 that ICE (RFC 8445) and the zone probes
// need, as views over bytes: parsing allocates nothing and building appends to the caller's buffer.
package stun

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
)

// HeaderLen is the length of a STUN header in bytes.
const HeaderLen = 20

// Cookie is the magic cookie of every RFC 8489 message.
const Cookie = 0x2112A442

const (
	integrityLen   = 20         // HMAC-SHA1
	fingerprintXOR = 0x5354554e // RFC 8489 §14.7
)

// Type is a message type: method and class (RFC 8489 §5).
type Type uint16

// The Binding messages.
const (
	BindingRequest    Type = 0x0001
	BindingIndication Type = 0x0011
	BindingSuccess    Type = 0x0101
	BindingError      Type = 0x0111
)

// Attr is an attribute type. Those below 0x8000 must be understood by the receiver.
type Attr uint16

// The attributes this package has names for.
const (
	AttrMappedAddress    Attr = 0x0001
	AttrUsername         Attr = 0x0006
	AttrMessageIntegrity Attr = 0x0008
	AttrErrorCode        Attr = 0x0009
	AttrUnknown          Attr = 0x000A
	AttrRealm            Attr = 0x0014
	AttrNonce            Attr = 0x0015
	AttrIntegritySHA256  Attr = 0x001C
	AttrXORMappedAddress Attr = 0x0020
	AttrPriority         Attr = 0x0024 // RFC 8445
	AttrUseCandidate     Attr = 0x0025 // RFC 8445
	AttrPadding          Attr = 0x0026 // RFC 5780
	AttrSoftware         Attr = 0x8022
	AttrFingerprint      Attr = 0x8028
	AttrControlled       Attr = 0x8029 // RFC 8445
	AttrControlling      Attr = 0x802A // RFC 8445
)

// Required reports whether a receiver that does not know the attribute must refuse the message.
func (a Attr) Required() bool { return a < 0x8000 }

// TxID is a transaction id.
type TxID [12]byte

// The errors of Parse.
var (
	ErrNotSTUN   = errors.New("stun: not a STUN message")
	ErrMalformed = errors.New("stun: malformed message")
)

// IsSTUN reports whether b looks like a STUN message: the first two bits (RFC 7983), the magic cookie and
// a length that fits.
func IsSTUN(b []byte) bool {
	return len(b) >= HeaderLen && b[0] < 4 && binary.BigEndian.Uint32(b[4:]) == Cookie
}

// Message is a view over one well-formed STUN message. It is valid as long as the bytes are.
type Message struct {
	raw []byte
	// offset of MESSAGE-INTEGRITY and of FINGERPRINT, 0 where absent
	integrity, fingerprint int
}

// Parse checks the header and the framing of all attributes. It reports ErrNotSTUN for other traffic and
// ErrMalformed for a STUN message whose lengths do not add up.
func Parse(b []byte) (Message, error) {
	if !IsSTUN(b) {
		return Message{}, ErrNotSTUN
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n%4 != 0 || HeaderLen+n != len(b) {
		return Message{}, ErrMalformed
	}
	m := Message{raw: b}
	for at := HeaderLen; at < len(b); {
		if len(b)-at < 4 {
			return Message{}, ErrMalformed
		}
		typ, n := Attr(binary.BigEndian.Uint16(b[at:])), int(binary.BigEndian.Uint16(b[at+2:]))
		end := at + 4 + padded(n)
		if end > len(b) || m.fingerprint != 0 {
			return Message{}, ErrMalformed // FINGERPRINT must be the last (RFC 8489 §14.7)
		}
		switch {
		case typ == AttrMessageIntegrity && m.integrity == 0:
			if n != integrityLen {
				return Message{}, ErrMalformed
			}
			m.integrity = at
		case typ == AttrFingerprint:
			if n != 4 {
				return Message{}, ErrMalformed
			}
			m.fingerprint = at
		}
		at = end
	}
	return m, nil
}

func padded(n int) int { return (n + 3) &^ 3 }

// Type is the message type.
func (m Message) Type() Type { return Type(binary.BigEndian.Uint16(m.raw)) }

// TxID is the transaction id.
func (m Message) TxID() TxID { return TxID(m.raw[8:20]) }

// Len is the length of the message in bytes.
func (m Message) Len() int { return len(m.raw) }

// Next walks the attributes: start with at 0 and go on with next until ok is false. Attributes behind
// MESSAGE-INTEGRITY, which anyone could have added, are left out (RFC 8489 §14.5); FINGERPRINT is not.
func (m Message) Next(at int) (a Attr, value []byte, next int, ok bool) {
	if at == 0 {
		at = HeaderLen
	}
	if m.integrity != 0 && at > m.integrity {
		if at > m.fingerprint {
			return 0, nil, at, false
		}
		at = m.fingerprint
	}
	if at >= len(m.raw) {
		return 0, nil, at, false
	}
	n := int(binary.BigEndian.Uint16(m.raw[at+2:]))
	return Attr(binary.BigEndian.Uint16(m.raw[at:])), m.raw[at+4 : at+4+n], at + 4 + padded(n), true
}

// Get is the value of the first attribute of a type, which is the one that counts (RFC 8489 §14).
func (m Message) Get(want Attr) ([]byte, bool) {
	for at := 0; ; {
		a, v, next, ok := m.Next(at)
		if !ok {
			return nil, false
		}
		if a == want {
			return v, true
		}
		at = next
	}
}

// Has reports whether an attribute is there.
func (m Message) Has(a Attr) bool {
	_, ok := m.Get(a)
	return ok
}

// Username is the value of USERNAME: "recipient's ufrag:sender's ufrag" in ICE.
func (m Message) Username() ([]byte, bool) { return m.Get(AttrUsername) }

// Priority is the value of PRIORITY.
func (m Message) Priority() (uint32, bool) {
	v, ok := m.Get(AttrPriority)
	if !ok || len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// Controlling is the tie breaker of ICE-CONTROLLING.
func (m Message) Controlling() (uint64, bool) { return m.tieBreaker(AttrControlling) }

// Controlled is the tie breaker of ICE-CONTROLLED.
func (m Message) Controlled() (uint64, bool) { return m.tieBreaker(AttrControlled) }

func (m Message) tieBreaker(a Attr) (uint64, bool) {
	v, ok := m.Get(a)
	if !ok || len(v) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(v), true
}

// ErrorCode is the number and the reason of ERROR-CODE.
func (m Message) ErrorCode() (code int, reason []byte, ok bool) {
	v, ok := m.Get(AttrErrorCode)
	if !ok || len(v) < 4 || v[2]&7 < 3 || v[2]&7 > 6 || v[3] > 99 {
		return 0, nil, false
	}
	return int(v[2]&7)*100 + int(v[3]), v[4:], true
}

// XORMappedAddress is the address the peer saw (RFC 8489 §14.2), unmapped.
func (m Message) XORMappedAddress() (netip.AddrPort, bool) {
	v, ok := m.Get(AttrXORMappedAddress)
	if !ok || len(v) < 4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ Cookie>>16
	switch {
	case v[1] == 1 && len(v) == 8:
		var a [4]byte
		copy(a[:], v[4:])
		xor(a[:], m.raw[4:])
		return netip.AddrPortFrom(netip.AddrFrom4(a), port), true
	case v[1] == 2 && len(v) == 20:
		var a [16]byte
		copy(a[:], v[4:])
		xor(a[:], m.raw[4:])
		return netip.AddrPortFrom(netip.AddrFrom16(a).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}

func xor(a, key []byte) {
	for i := range a {
		a[i] ^= key[i]
	}
}

// AppendUnknown appends the comprehension-required attributes that this package has no name for. A request
// that has any is answered with error 420 and this list (RFC 8489 §6.3.1).
func (m Message) AppendUnknown(dst []Attr) []Attr {
	for at := 0; ; {
		a, _, next, ok := m.Next(at)
		if !ok {
			return dst
		}
		if a.Required() && !known(a) {
			dst = append(dst, a)
		}
		at = next
	}
}

func known(a Attr) bool {
	switch a {
	case AttrMappedAddress, AttrUsername, AttrMessageIntegrity, AttrErrorCode, AttrUnknown, AttrRealm, AttrNonce,
		AttrIntegritySHA256, AttrXORMappedAddress, AttrPriority, AttrUseCandidate, AttrPadding:
		return true
	}
	return false
}

// HasIntegrity reports whether MESSAGE-INTEGRITY is there, whatever its value.
func (m Message) HasIntegrity() bool { return m.integrity != 0 }

// CheckIntegrity reports whether MESSAGE-INTEGRITY is there and was made with key (RFC 8489 §14.5), which
// in ICE is the password of the recipient of a request. The comparison takes constant time.
func (m Message) CheckIntegrity(key []byte) bool {
	if m.integrity == 0 {
		return false
	}
	var sum [integrityLen]byte
	appendIntegrity(sum[:0], m.raw[:m.integrity], key)
	at := m.integrity + 4
	return hmac.Equal(sum[:], m.raw[at:at+integrityLen])
}

// appendIntegrity appends the HMAC-SHA1 (RFC 2104) over b with the length that a header has once
// MESSAGE-INTEGRITY follows. Written out, because crypto/hmac allocates for each key, and a check comes for
// every transport every two seconds.
func appendIntegrity(dst, b, key []byte) []byte {
	var inner [sha1.BlockSize + 1280]byte // longer messages than any of ICE go to the heap
	var outer [sha1.BlockSize + sha1.Size]byte
	if len(key) > sha1.BlockSize {
		sum := sha1.Sum(key)
		key = sum[:]
	}
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha1.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	msg := append(inner[:sha1.BlockSize], b...)
	binary.BigEndian.PutUint16(msg[sha1.BlockSize+2:], uint16(len(b)-HeaderLen+4+integrityLen))
	sum := sha1.Sum(msg)
	copy(outer[sha1.BlockSize:], sum[:])
	sum = sha1.Sum(outer[:])
	return append(dst, sum[:]...)
}

// CheckFingerprint reports whether FINGERPRINT is right; present says whether there is one.
func (m Message) CheckFingerprint() (present, ok bool) {
	if m.fingerprint == 0 {
		return false, false
	}
	sum := crc32.ChecksumIEEE(m.raw[:m.fingerprint]) ^ fingerprintXOR
	return true, binary.BigEndian.Uint32(m.raw[m.fingerprint+4:]) == sum
}
