package trust

import (
	"crypto/subtle"
	"errors"
	"net/netip"
	"time"
)

// Enrolment is what the site stored when it gave out an enrolment token (S28): the token's hash, how
// long it is good for, and for which server. A token is used once; the caller deletes the row in the
// same transaction in which it keeps the certificate's serial.
type Enrolment struct {
	TokenHash string       // HashToken of the token
	Expires   time.Time    // 24 h after it was made, by convention
	ServerID  string       // the certificate's common name
	Role      string       // what the server may be on the bus, see ServerOf
	Zone      string       // the zone it belongs to
	Names     []string     // DNS names the server may bear
	IPs       []netip.Addr // and addresses
}

// The ways an enrolment is refused.
var (
	ErrEnrolToken   = errors.New("this enrolment token is not the one that was given out")
	ErrEnrolExpired = errors.New("this enrolment token has expired; make a new one")
)

// NewEnrolToken makes a token for one enrolment, and the hash of it to store: 160 bits in groups of
// five, to be pasted or typed into a server's console.
func NewEnrolToken() (token, hash string) {
	token = "enrol"
	for range 7 {
		token += "-" + pick(readable, 5)
	}
	return token, HashToken(token)
}

// CheckRequest finds what Enrol would not sign, so that a request with a fault does not spend a token.
func CheckRequest(csr []byte) error {
	_, err := parseRequest(csr)
	return err
}

// Enrol checks a token against its enrolment and answers the server's certificate request (PKCS #10,
// PEM or DER) with a certificate in PEM, good for 30 days.
func (s *Site) Enrol(e Enrolment, token string, csr []byte, now time.Time) ([]byte, error) {
	if e.TokenHash == "" || subtle.ConstantTimeCompare([]byte(HashToken(token)), []byte(e.TokenHash)) != 1 {
		return nil, ErrEnrolToken
	}
	if now.After(e.Expires) {
		return nil, ErrEnrolExpired
	}
	return s.ca.Sign(csr, e.ServerID, e.Role, e.Zone, e.Names, e.IPs, now)
}
