package trust

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"parley/wire/proto"
)

// ZoneKey makes and checks the ICE credentials of one zone: its controllers make them, its routers
// check them, and neither keeps anything in between.
type ZoneKey [32]byte

// Ticket is what an ICE user name fragment carries: who may reach which router, with which medium,
// until when.
//
// The ufrag is the standard base64 (whose alphabet is exactly the ice-char of RFC 8839 section 5.4)
// of 36 bytes, so 48 characters without padding; numbers are big-endian:
//
//	 0      1  version, 1
//	 1      4  router tag, RouterTag
//	 5      8  meeting tag, MeetingTag
//	13      4  participant id << 3 | group
//	17      4  expiry in seconds since 1970 (good until 2106)
//	21      4  nonce
//	25     11  the first bytes of HMAC-SHA256(zone key, "parley ufrag 1" and bytes 0 to 24)
//
// The password is the base64 of the first 18 bytes of HMAC-SHA256(zone key, "parley pwd 1" and the
// ufrag): 24 characters, 144 bits (RFC 8445 section 5.3 asks for 22 characters and 128 bits).
type Ticket struct {
	Router      uint32 // RouterTag of the MMR
	Meeting     uint64 // MeetingTag
	Participant proto.ParticipantID
	Group       proto.Group
	Expires     time.Time // whole seconds; bounds a group's first check
	Nonce       uint32    // the same for the groups of one grant, and new with every grant
}

const (
	ticketVersion = 1
	ticketBodyLen = 25
	ticketMACLen  = 11
	ticketLen     = ticketBodyLen + ticketMACLen
	ufragLen      = ticketLen / 3 * 4
	labelUfrag    = "parley ufrag 1"
	labelPassword = "parley pwd 1"
	passwordBytes = 18
)

// RouterTag is what a ticket says of its router: the first four bytes of the id's SHA-256.
func RouterTag(id string) uint32 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint32(sum[:])
}

// MeetingTag is what a ticket says of its meeting: the first eight bytes of the id's SHA-256.
func MeetingTag(id proto.MeetingID) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// Credentials makes the ICE credentials of one group. Deterministic: the same ticket gives the same
// credentials.
func (k ZoneKey) Credentials(t Ticket) proto.Credentials {
	var b [ticketLen]byte
	b[0] = ticketVersion
	binary.BigEndian.PutUint32(b[1:], t.Router)
	binary.BigEndian.PutUint64(b[5:], t.Meeting)
	binary.BigEndian.PutUint32(b[13:], uint32(t.Participant)<<3|uint32(t.Group)&7)
	binary.BigEndian.PutUint32(b[17:], uint32(t.Expires.Unix()))
	binary.BigEndian.PutUint32(b[21:], t.Nonce)
	mac := k.mac(labelUfrag, b[:ticketBodyLen])
	copy(b[ticketBodyLen:], mac[:])
	ufrag := base64.StdEncoding.EncodeToString(b[:])
	return proto.Credentials{Group: t.Group, Ufrag: ufrag, Password: k.password(ufrag)}
}

// Open reads a ufrag and checks its MAC in constant time. Expiry, router and meeting are the
// caller's to check: an expired ticket is still good for a transport that exists.
func (k ZoneKey) Open(ufrag string) (t Ticket, password string, ok bool) {
	b, ok := decodeTicket([]byte(ufrag))
	if !ok {
		return Ticket{}, "", false
	}
	mac := k.mac(labelUfrag, b[:ticketBodyLen])
	if !hmac.Equal(mac[:ticketMACLen], b[ticketBodyLen:]) {
		return Ticket{}, "", false
	}
	t = readTicket(&b)
	if t.Participant == 0 || t.Group >= proto.NGroups {
		return Ticket{}, "", false
	}
	return t, k.password(ufrag), true
}

// PeekTicket reads a ufrag without a key, for sockets that several routers or shards share. Nothing is verified:
// Open with that router's key must follow. It makes no garbage.
func PeekTicket(ufrag []byte) (t Ticket, ok bool) {
	b, ok := decodeTicket(ufrag)
	if !ok {
		return Ticket{}, false
	}
	return readTicket(&b), true
}

func decodeTicket(ufrag []byte) (b [ticketLen]byte, ok bool) {
	// Any of the 64 characters is canonical at this length (no padding bits), except that the
	// decoder skips line ends.
	if len(ufrag) != ufragLen || bytes.ContainsAny(ufrag, "\r\n") {
		return b, false
	}
	n, err := base64.StdEncoding.Decode(b[:], ufrag)
	return b, err == nil && n == ticketLen && b[0] == ticketVersion
}

func readTicket(b *[ticketLen]byte) Ticket {
	who := binary.BigEndian.Uint32(b[13:])
	return Ticket{
		Router:      binary.BigEndian.Uint32(b[1:]),
		Meeting:     binary.BigEndian.Uint64(b[5:]),
		Participant: proto.ParticipantID(who >> 3),
		Group:       proto.Group(who & 7),
		Expires:     time.Unix(int64(binary.BigEndian.Uint32(b[17:])), 0),
		Nonce:       binary.BigEndian.Uint32(b[21:]),
	}
}

func (k ZoneKey) password(ufrag string) string {
	mac := k.mac(labelPassword, []byte(ufrag))
	return base64.StdEncoding.EncodeToString(mac[:passwordBytes])
}

func (k ZoneKey) mac(label string, b []byte) [32]byte {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(label))
	h.Write(b)
	var out [32]byte
	h.Sum(out[:0])
	return out
}
