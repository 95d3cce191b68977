package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// The prefixes of a public key in text form (proto.LookupRequest.Key, proto.SigningKey.Key).
const (
	prefixEd25519 = "ed25519:"
	prefixP256    = "p256:"
)

// maxKeyLen bounds the text form: the longer of the two is "p256:" and 87 characters.
const maxKeyLen = 96

// base64url without padding, refusing encodings whose unused bits are set: one key has one spelling,
// so that its hash in a token names it and nothing else.
func decodeStrict(s string) ([]byte, error) {
	// The decoder of the standard library skips line ends.
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line end in base64")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}

func encode64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// publicKey is a client's or a signer's key, of one of two kinds. Immutable once made.
type publicKey struct {
	ed   ed25519.PublicKey // nil for p256
	p256 *ecdsa.PublicKey  // nil for ed25519
}

func parseKey(text string) (publicKey, error) {
	if len(text) > maxKeyLen {
		return publicKey{}, errors.New("public key too long")
	}
	if rest, ok := strings.CutPrefix(text, prefixEd25519); ok {
		raw, err := decodeStrict(rest)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return publicKey{}, errors.New("ed25519 public key is not 32 bytes of base64url")
		}
		return publicKey{ed: raw}, nil
	}
	if rest, ok := strings.CutPrefix(text, prefixP256); ok {
		raw, err := decodeStrict(rest)
		if err != nil || len(raw) != 65 {
			return publicKey{}, errors.New("p256 public key is not 65 bytes of base64url")
		}
		k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
		if err != nil {
			return publicKey{}, fmt.Errorf("p256 public key: %w", err)
		}
		return publicKey{p256: k}, nil
	}
	return publicKey{}, errors.New("public key is neither ed25519 nor p256")
}

// verify checks a signature over text: Ed25519, or ECDSA over SHA-256 as r || s of 32 bytes each
// (the form WebCrypto makes).
func (k publicKey) verify(text, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	if k.ed != nil {
		return ed25519.Verify(k.ed, text, sig)
	}
	if k.p256 == nil {
		return false
	}
	sum := sha256.Sum256(text)
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return ecdsa.Verify(k.p256, sum[:], r, s)
}

// CheckKey reports whether text is a well-formed client key, "ed25519:…" or "p256:…" in strict
// base64url without padding.
func CheckKey(text string) error {
	_, err := parseKey(text)
	return err
}

// KeyHash is what a meeting token says of its holder's key (proto.Confirm.Key): base64url of the
// SHA-256 of the key as written.
func KeyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return encode64(sum[:])
}

func ed25519Text(k ed25519.PublicKey) string { return prefixEd25519 + encode64(k) }

// keyID names a signing key: its owner and the start of its hash, so that a server that made itself
// a new key is not mistaken for its former self.
func keyID(owner string, k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return owner + "." + hex.EncodeToString(sum[:6])
}
