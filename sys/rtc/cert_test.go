package rtc

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func TestFingerprintIsWrittenAsRFC8122Says(t *testing.T) {
	sum := sha256.Sum256([]byte("a certificate"))
	got := fingerprint([]byte("a certificate"))
	algorithm, digits, _ := strings.Cut(got, " ")
	pairs := strings.Split(digits, ":")
	if algorithm != "sha-256" || len(pairs) != 32 {
		t.Fatalf("%q, want sha-256 and 32 pairs of digits", got)
	}
	if want := strings.ToUpper(hex.EncodeToString(sum[:])); strings.Join(pairs, "") != want {
		t.Errorf("%q, want the digits %s", got, want)
	}
}

func TestACertificateIsParsedOnce(t *testing.T) {
	c, err := NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if c.Leaf == nil || string(c.Leaf.Raw) != string(c.Certificate[0]) {
		t.Error("the certificate comes without its parsed form, which each handshake would make anew")
	}
}
