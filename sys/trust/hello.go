package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"

	"parley/wire/proto"
)

// HelloWindow is how far a hello's time may be from the router's, either way.
const HelloWindow = time.Minute

// The lengths a hello's nonce may have, in characters.
const (
	minNonceLen = 8
	maxNonceLen = 64
)

// Identity is a native client's key (Ed25519), made before lookup and never stored: it says that
// who holds a token is who asked for it. Immutable; safe for concurrent use.
type Identity struct {
	priv ed25519.PrivateKey
	text string
}

// NewIdentity makes a fresh key.
func NewIdentity() (*Identity, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a client key: %w", err)
	}
	return &Identity{priv: priv, text: ed25519Text(pub)}, nil
}

// Key is the public key as sent in lookup and hello.
func (i *Identity) Key() string { return i.text }

// SignHello is the Sig of a hello: over token, router, server time at in milliseconds, and a nonce of
// 8 to 64 characters (NewNonce) that is never used twice.
func (i *Identity) SignHello(token, router string, at int64, nonce string) string {
	text := proto.HelloText(sha256.Sum256([]byte(token)), router, at, nonce)
	return encode64(ed25519.Sign(i.priv, text))
}

// notNow says how far a hello's time is from that of a router, in seconds; positive: it is old. Whoever reads that after
// a new lookup knows whose clock to look at.
func notNow(router string, off int64) string {
	if off > 0 {
		return fmt.Sprintf("By the clock of meeting server %s this request is %d s old. That clock may be wrong.", router, off)
	}
	return fmt.Sprintf("By the clock of meeting server %s this request was made %d s from now. That clock may be wrong.", router, -off)
}

// CheckHello says whether a hello comes from the holder of the token whose verified claims are c, is
// meant for this router, and was made now. The caller has got c from Verifier.Claims(h.Token) and
// asks a Replay next. The error is a *proto.Error: too_old for the protocol version, token_invalid
// for key and signature, token_expired for a time more than HelloWindow away (a new lookup brings the
// server's time).
func CheckHello(h proto.Hello, c proto.Claims, router string, now time.Time) error {
	if !proto.Compatible(h.V) {
		return proto.NewError(proto.CodeTooOld, "this version of the client is too old for this site; update it")
	}
	if subtle.ConstantTimeCompare([]byte(KeyHash(h.Key)), []byte(c.Confirm.Key)) != 1 {
		return invalid("this token belongs to another key")
	}
	key, err := parseKey(h.Key)
	if err != nil {
		return invalid(err.Error())
	}
	if len(h.Nonce) < minNonceLen || len(h.Nonce) > maxNonceLen {
		return proto.NewError(proto.CodeBadRequest, "the hello's nonce must have 8 to 64 characters")
	}
	sig, err := decodeStrict(h.Sig)
	if err != nil {
		return invalid("the hello's signature is not base64url")
	}
	if !key.verify(proto.HelloText(sha256.Sum256([]byte(h.Token)), router, h.At, h.Nonce), sig) {
		return invalid("the hello's signature is wrong, or made for another router")
	}
	// Compared in milliseconds: a duration would overflow on a wild At.
	if off := now.UnixMilli() - h.At; off > HelloWindow.Milliseconds() || off < -HelloWindow.Milliseconds() {
		return proto.NewError(proto.CodeTokenExpired, notNow(router, off/1000))
	}
	return nil
}
