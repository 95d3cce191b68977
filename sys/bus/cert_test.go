package bus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"parley/sys/trust"
)

// enrol makes a certificate as an enrolled server has it.
func enrol(t *testing.T, site *trust.Site) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := site.CA().Sign(csr, "zc1", "zone", "par", nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(out)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}
