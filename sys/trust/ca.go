package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How long certificates live. Each is made as if a day ago: clocks are wrong in the field.
const (
	rootLife   = 10 * 365 * 24 * time.Hour
	leafLife   = 90 * 24 * time.Hour // of what serves browsers and native clients; renewed at start
	serverLife = 30 * 24 * time.Hour // of an enrolled server
	backdate   = 24 * time.Hour
)

// CA is the site's own certificate authority: ECDSA P-256, one level. It serves the bus, native
// clients and the dev set-up; browsers that do not know it need a public certificate. Immutable; safe
// for concurrent use.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

func openCA(dir, site string, now time.Time) (*CA, error) {
	raw, err := readOrMake(filepath.Join(dir, fileCAKey), "PRIVATE KEY", newP256)
	if err != nil {
		return nil, err
	}
	key, err := parseP256(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileCAKey, err)
	}
	raw, err = readOrMake(filepath.Join(dir, fileCA), "CERTIFICATE", func() ([]byte, error) {
		t := &x509.Certificate{
			SerialNumber:          serial(),
			Subject:               pkix.Name{CommonName: "Parley CA " + site, Organization: []string{"Parley"}},
			NotBefore:             now.Add(-backdate),
			NotAfter:              now.Add(rootLife),
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
			MaxPathLenZero:        true,
		}
		return x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	})
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileCA, err)
	}
	if pub, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(key.Public()) {
		return nil, fmt.Errorf("%s and %s do not belong together", fileCA, fileCAKey)
	}
	return &CA{dir: dir, cert: cert, key: key,
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}, nil
}

// PEM is the CA's certificate, for others to trust.
func (a *CA) PEM() []byte { return slices.Clone(a.pem) }

// Pool holds the CA's certificate alone.
func (a *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Issue makes a key and a certificate for a server's names and addresses, good for 90 days.
func (a *CA) Issue(names []string, ips []netip.Addr, now time.Time) (tls.Certificate, error) {
	if len(names)+len(ips) == 0 {
		return tls.Certificate{}, errors.New("issuing a certificate: no name and no address")
	}
	raw, err := newP256()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing a certificate: %w", err)
	}
	key, err := parseP256(raw)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing a certificate: %w", err)
	}
	cn := ""
	if len(names) > 0 {
		cn = names[0]
	}
	der, err := a.sign(cn, nil, names, ips, key.Public(), leafLife, now,
		[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// Keep is Issue with a memory: the certificate lies as <label>.pem in the site's directory and is
// used again while more than a third of its life is left and it has every name and address asked.
func (a *CA) Keep(label string, names []string, ips []netip.Addr, now time.Time) (tls.Certificate, error) {
	path := filepath.Join(a.dir, label+".pem")
	if raw, err := os.ReadFile(path); err == nil {
		if c, err := tls.X509KeyPair(raw, raw); err == nil && a.stillGood(c.Leaf, names, ips, now) {
			return c, nil
		}
	}
	c, err := a.Issue(names, ips, now)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("keeping a certificate: %w", err)
	}
	var body []byte
	for _, der := range c.Certificate {
		body = append(body, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	body = append(body, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	return c, replaceFile(path, body)
}

func (a *CA) stillGood(c *x509.Certificate, names []string, ips []netip.Addr, now time.Time) bool {
	if c == nil || c.CheckSignatureFrom(a.cert) != nil || now.Before(c.NotBefore) || NeedsRenewal(c, now) {
		return false
	}
	for _, n := range names {
		if !slices.Contains(c.DNSNames, n) {
			return false
		}
	}
	for _, ip := range ips {
		if !slices.ContainsFunc(c.IPAddresses, func(have net.IP) bool { return have.Equal(ip.AsSlice()) }) {
			return false
		}
	}
	return true
}

// NeedsRenewal reports whether less than a third of a certificate's life is left.
func NeedsRenewal(c *x509.Certificate, now time.Time) bool {
	return now.After(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3))
}

// Sign answers a PKCS #10 request (PEM or DER) with a certificate in PEM for the server id, good for
// 30 days, as server and as client of other servers. Only the request's key is used: id, names and
// addresses are what the caller says, never what the request asks for. role and zone are what the server
// is enrolled as, for ServerOf.
func (a *CA) Sign(csr []byte, id, role, zone string, names []string, ips []netip.Addr, now time.Time) ([]byte, error) {
	r, err := parseRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate request: %w", err)
	}
	var units []string
	if role != "" {
		units = []string{unitRole + role, unitZone + zone}
	}
	der, err := a.sign(id, units, names, ips, r.PublicKey, serverLife, now,
		[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth})
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// parseRequest reads a PKCS #10 request, PEM or DER, whose sender holds its key.
func parseRequest(csr []byte) (*x509.CertificateRequest, error) {
	if block, _ := pem.Decode(csr); block != nil {
		csr = block.Bytes
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	if err := r.CheckSignature(); err != nil {
		return nil, err
	}
	if k, ok := r.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return nil, errors.New("the key must be ECDSA P-256")
	}
	return r, nil
}

// How an enrolled server's role and zone stand in its certificate, as organisational units.
const (
	unitRole = "role:"
	unitZone = "zone:"
)

// ServerOf is what the server with this certificate was enrolled as; empty for a certificate without it.
// The certificate must have been verified.
func ServerOf(c *x509.Certificate) (role, zone string) {
	for _, u := range c.Subject.OrganizationalUnit {
		if r, ok := strings.CutPrefix(u, unitRole); ok {
			role = r
		}
		if z, ok := strings.CutPrefix(u, unitZone); ok {
			zone = z
		}
	}
	return role, zone
}

func (a *CA) sign(cn string, units, names []string, ips []netip.Addr, pub crypto.PublicKey, life time.Duration,
	now time.Time, usage []x509.ExtKeyUsage) ([]byte, error) {
	t := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: cn, Organization: []string{"Parley"}, OrganizationalUnit: units},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           usage,
		BasicConstraintsValid: true,
		DNSNames:              names,
	}
	for _, ip := range ips {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.Unmap().AsSlice()))
	}
	// A leaf never outlives its root: some verifiers refuse such a chain long before either expires.
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	return x509.CreateCertificate(rand.Reader, t, a.cert, pub, a.key)
}

// serial is 127 random bits, positive (RFC 5280 section 4.1.2.2).
func serial() *big.Int {
	b := randomBytes(16)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func newP256() ([]byte, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(k)
}

func parseP256(raw []byte) (*ecdsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, err
	}
	ec, ok := k.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("not an ECDSA P-256 key")
	}
	return ec, nil
}
