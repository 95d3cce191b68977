package rtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// NewCertificate makes a self-signed ECDSA P-256 certificate for DTLS, valid for a month around now. Peers
// know it by its fingerprint alone, so it names nobody.
func NewCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"}, // what browsers write: short, and says nothing
		NotBefore:    now.Add(-24 * time.Hour),        // clocks are wrong in the field
		NotAfter:     now.Add(30 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der) // else each handshake does
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a DTLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// Fingerprint is the SHA-256 of the first certificate as RFC 8122 writes it: "sha-256 AB:CD:…". It is
// empty for an empty chain.
func Fingerprint(cert tls.Certificate) string {
	if len(cert.Certificate) == 0 {
		return ""
	}
	return fingerprint(cert.Certificate[0])
}

func fingerprint(der []byte) string {
	const digits = "0123456789ABCDEF"
	sum := sha256.Sum256(der)
	b := make([]byte, 0, len("sha-256 ")+3*len(sum))
	b = append(b, "sha-256"...)
	sep := byte(' ')
	for _, x := range sum {
		b = append(b, sep, digits[x>>4], digits[x&15])
		sep = ':'
	}
	return string(b)
}

// sameFingerprint compares two fingerprints; RFC 8122 leaves the case of the digits open.
func sameFingerprint(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
