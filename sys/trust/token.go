package trust

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"parley/wire/proto"
)

// The JWS types (RFC 8725 section 3.11): what is signed as one thing is never taken for the other.
const (
	typToken = "meeting+jwt"
	typGrant = "grant+jwt"

	typTunnel = "tunnel+jwt"
)

// Leeway is added to a token's expiry: clocks are wrong in the field. A tombstone must outlive the
// tokens it stops by as much.
const Leeway = 2 * time.Minute

// maxTokenLen bounds a token and a grant in characters before anything is parsed. Measured: a token
// for twenty zones is 1.3 kB, a grant with eight candidates 1.6 kB.
const maxTokenLen = 8 << 10

// signer makes compact JWS of one type with one key. Immutable; safe for concurrent use.
type signer struct {
	jws jose.Signer
	key proto.SigningKey
}

func newSigner(owner string, priv ed25519.PrivateKey, typ string) (*signer, error) {
	pub := priv.Public().(ed25519.PublicKey)
	id := keyID(owner, pub)
	j, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: priv, KeyID: id}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return nil, fmt.Errorf("making a signer: %w", err)
	}
	return &signer{jws: j, key: proto.SigningKey{ID: id, Key: ed25519Text(pub)}}, nil
}

func (s *signer) sign(payload any) (string, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	j, err := s.jws.Sign(body)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return j.CompactSerialize()
}

// Verifier checks signatures by a fixed set of keys. A verifier of meeting tokens is made with the
// site's keys, one of grants with the keys of those who may sign grants; never mix the two sets.
// Immutable; safe for concurrent use; a new set of keys is a new Verifier.
type Verifier struct {
	keys map[string]ed25519.PublicKey // by key id
}

// NewVerifier makes a verifier. Keys must be Ed25519, with an id each; two different keys of one id
// are an error. Without any key it refuses everything.
func NewVerifier(keys []proto.SigningKey) (*Verifier, error) {
	v := &Verifier{keys: make(map[string]ed25519.PublicKey, len(keys))}
	for _, k := range keys {
		p, err := parseKey(k.Key)
		if err != nil {
			return nil, fmt.Errorf("verification key %q: %w", k.ID, err)
		}
		if p.ed == nil || k.ID == "" {
			return nil, fmt.Errorf("verification key %q: must be Ed25519 and have an id", k.ID)
		}
		if old, ok := v.keys[k.ID]; ok && !old.Equal(p.ed) {
			return nil, fmt.Errorf("verification key %q: two keys of one id", k.ID)
		}
		v.keys[k.ID] = p.ed
	}
	return v, nil
}

var errForged = errors.New("not signed by a known key")

// open checks form, algorithm, type and signature, and returns the payload.
func (v *Verifier) open(compact, typ string) ([]byte, error) {
	j, err := parseJWS(compact, typ)
	if err != nil {
		return nil, err
	}
	key, ok := v.keys[j.Signatures[0].Protected.KeyID]
	if !ok {
		return nil, errForged
	}
	body, err := j.Verify(key)
	if err != nil {
		return nil, errForged
	}
	return body, nil
}

// parseJWS takes EdDSA only: "none" and everything else is refused before a key is looked at
// (RFC 8725 section 3.1).
func parseJWS(compact, typ string) (*jose.JSONWebSignature, error) {
	if len(compact) > maxTokenLen {
		return nil, errors.New("too long")
	}
	j, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	if len(j.Signatures) != 1 {
		return nil, errors.New("not one signature")
	}
	if got, _ := j.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, fmt.Errorf("type %q instead of %q", got, typ)
	}
	return j, nil
}

// Claims checks a meeting token: signature, form, expiry (with Leeway), and that audience ("zone:x",
// or "" for any) is among those it is made for. The error is a *proto.Error, token_invalid or
// token_expired; an expired token's claims come along with its error.
func (v *Verifier) Claims(token string, now time.Time, audience string) (proto.Claims, error) {
	body, err := v.open(token, typToken)
	if err != nil {
		return proto.Claims{}, invalid("this meeting token is not valid: " + err.Error())
	}
	var c proto.Claims
	if err := json.Unmarshal(body, &c); err != nil {
		return proto.Claims{}, invalid("this meeting token is malformed")
	}
	if err := checkClaims(c); err != nil {
		return proto.Claims{}, invalid("this meeting token is not valid: " + err.Error())
	}
	if audience != "" && !slices.Contains(c.Audience, audience) {
		return proto.Claims{}, invalid("this meeting token is made for other zones")
	}
	if now.After(time.Unix(c.Expires, 0).Add(Leeway)) {
		return c, proto.NewError(proto.CodeTokenExpired, "this meeting token has expired; look the meeting up again")
	}
	return c, nil
}

// checkClaims holds for every token, whoever looks at it: without these nothing can be decided.
func checkClaims(c proto.Claims) error {
	switch {
	case !ValidMeetingID(c.Meeting):
		return errors.New("no meeting")
	case c.Participant == 0 || c.Participant > proto.MaxParticipantID:
		return errors.New("no participant")
	case c.Confirm.Key == "":
		return errors.New("no key")
	case c.Expires <= 0:
		return errors.New("no expiry")
	case c.Role != proto.RoleHost && c.Role != proto.RoleCohost && c.Role != proto.RoleParticipant:
		return errors.New("unknown role")
	}
	return nil
}

func invalid(text string) *proto.Error { return proto.NewError(proto.CodeTokenInvalid, text) }
