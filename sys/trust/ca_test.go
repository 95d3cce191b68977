package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	ca := openSite(t).CA()
	c, err := ca.Issue([]string{"zc.example"}, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name string
		host string
		at   time.Time
		ok   bool
	}{
		{"name", "zc.example", start, true},
		{"v4", "192.0.2.1", start, true},
		{"v6", "2001:db8::1", start, true},
		{"client's clock behind", "zc.example", start.Add(-23 * time.Hour), true},
		{"last day", "zc.example", start.Add(89 * 24 * time.Hour), true},
		{"too late", "zc.example", start.Add(91 * 24 * time.Hour), false},
		{"another name", "zd.example", start, false},
	} {
		_, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: v.host, Roots: ca.Pool(), CurrentTime: v.at})
		if (err == nil) != v.ok {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	if _, err := ca.Issue(nil, nil, start); err == nil {
		t.Error("a certificate for nobody")
	}
}

func TestKeepRenewsInTime(t *testing.T) {
	site := openSite(t)
	keep := func(at time.Time, names ...string) string {
		t.Helper()
		c, err := site.CA().Keep("https", names, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := keep(start, "a.example", "b.example")
	if got := keep(start.Add(24*time.Hour), "b.example"); got != first {
		t.Error("made anew after a day")
	}
	if got := keep(start.Add(24*time.Hour), "c.example"); got == first {
		t.Error("kept although a name is missing")
	}
	second := keep(start, "a.example")
	if got := keep(start.Add(59*24*time.Hour), "a.example"); got != second {
		t.Error("made anew with more than a third left")
	}
	if got := keep(start.Add(61*24*time.Hour), "a.example"); got == second {
		t.Error("kept with less than a third left")
	}
}

func TestEnrol(t *testing.T) {
	site := openSite(t)
	token, hash := NewEnrolToken()
	e := Enrolment{TokenHash: hash, Expires: start.Add(24 * time.Hour), ServerID: "zc1", Names: []string{"zc1.example"}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// The request asks for more than it gets.
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"site.example"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaCSR, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, rsaKey)
	if err != nil {
		t.Fatal(err)
	}

	out, err := site.Enrol(e, token, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), start)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(out)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject.CommonName != "zc1" || len(c.DNSNames) != 1 || c.DNSNames[0] != "zc1.example" {
		t.Errorf("subject %v, names %v", c.Subject, c.DNSNames)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if _, err := c.Verify(x509.VerifyOptions{Roots: site.CA().Pool(), CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
			t.Error(err)
		}
	}
	if got := c.NotAfter.Sub(start); got != 30*24*time.Hour {
		t.Errorf("good for %v", got)
	}

	if _, err := site.Enrol(e, token+"x", csr, start); !errors.Is(err, ErrEnrolToken) {
		t.Errorf("wrong token: %v", err)
	}
	if _, err := site.Enrol(Enrolment{}, "", csr, start); !errors.Is(err, ErrEnrolToken) {
		t.Errorf("no token: %v", err)
	}
	if _, err := site.Enrol(e, token, csr, start.Add(25*time.Hour)); !errors.Is(err, ErrEnrolExpired) {
		t.Errorf("late: %v", err)
	}
	if _, err := site.Enrol(e, token, rsaCSR, start); err == nil {
		t.Error("an RSA key was signed")
	}
	csr[len(csr)-1] ^= 1
	if _, err := site.Enrol(e, token, csr, start); err == nil {
		t.Error("a request with a broken signature was signed")
	}
}
