package trust

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrRenewal is why a certificate is not renewed: it is none that this site enrolled a server with, its time is
// over, or the request is of another key.
var ErrRenewal = errors.New("this certificate can't be renewed; enrol the server again")

// Renew answers a server that shows the certificate it was enrolled with, and a request for the same key, which only
// that server can have signed. The new certificate says what the old one says, and is good for 30 days. Both are PEM.
func (s *Site) Renew(current, csr []byte, now time.Time) ([]byte, error) {
	block, _ := pem.Decode(current)
	if block == nil {
		return nil, fmt.Errorf("%w: no certificate", ErrRenewal)
	}
	old, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRenewal, err)
	}
	if _, err := old.Verify(x509.VerifyOptions{
		Roots: s.ca.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRenewal, err)
	}
	role, zone := ServerOf(old)
	if role == "" {
		return nil, fmt.Errorf("%w: not an enrolled server", ErrRenewal)
	}
	r, err := parseRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRenewal, err)
	}
	if k, ok := old.PublicKey.(*ecdsa.PublicKey); !ok || !k.Equal(r.PublicKey) {
		return nil, fmt.Errorf("%w: another key", ErrRenewal)
	}
	var ips []netip.Addr
	for _, ip := range old.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			ips = append(ips, a)
		}
	}
	return s.ca.Sign(csr, old.Subject.CommonName, role, zone, old.DNSNames, ips, now)
}
