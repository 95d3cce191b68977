package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"

	"parley/wire/proto"
)

// All names and secrets below are drawn from the system's generator, which does not fail.

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// pick draws n characters of alphabet, each equally likely.
func pick(alphabet string, n int) string {
	out := make([]byte, n)
	size := big.NewInt(int64(len(alphabet)))
	for i := range out {
		k, err := rand.Int(rand.Reader, size)
		if err != nil {
			panic("trust: the system's random generator failed: " + err.Error())
		}
		out[i] = alphabet[k.Int64()]
	}
	return string(out)
}

// NewMeetingID makes a meeting's identity: 16 random bytes in base64url.
func NewMeetingID() proto.MeetingID { return proto.MeetingID(encode64(randomBytes(16))) }

// ValidMeetingID reports whether id has the form of NewMeetingID.
func ValidMeetingID(id proto.MeetingID) bool {
	if len(id) != 22 {
		return false
	}
	b, err := decodeStrict(string(id))
	return err == nil && len(b) == 16
}

// NewParticipantID draws a seat: 29 bits, never 0. The caller sees to it that it is free.
func NewParticipantID() proto.ParticipantID {
	for {
		p := proto.ParticipantID(binary.BigEndian.Uint32(randomBytes(4))) & proto.MaxParticipantID
		if p != 0 {
			return p
		}
	}
}

// NewMeetingNumber makes a meeting number of 11 digits, the first 1 to 9 (S37). The caller sees to
// it that it is free.
func NewMeetingNumber() string { return pick("123456789", 1) + pick("0123456789", 10) }

// NewPasscode makes a passcode of six digits, which a telephone can type (S37).
func NewPasscode() string { return pick("0123456789", 6) }

// readable leaves out what is mistaken for something else: 0 and o, 1, i and l.
const readable = "abcdefghjkmnpqrstuvwxyz23456789"

// NewPassword makes a password for a person to type once: four groups of four characters without
// look-alikes, 79 bits.
func NewPassword() string {
	return strings.Join([]string{pick(readable, 4), pick(readable, 4), pick(readable, 4), pick(readable, 4)}, "-")
}

// NewNonce makes a hello's nonce: 128 bits in base64url.
func NewNonce() string { return encode64(randomBytes(16)) }

// NewAPIToken makes a bearer token of 256 bits with a prefix by which scanners of source code know
// it. Only HashToken of it is stored.
func NewAPIToken() string { return "parley_" + encode64(randomBytes(32)) }

// NewSessionToken makes the secret of a browser session, 256 bits. Only HashToken of it is stored.
func NewSessionToken() string { return encode64(randomBytes(32)) }

// HashToken is what is stored of a random token: hexadecimal SHA-256. (A token is random enough that
// nothing slower is needed; passwords are not, see Hasher.)
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
