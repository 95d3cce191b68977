package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestAServerRenewsItsOwnCertificateAlone(t *testing.T) {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	site, err := OpenSite(t.TempDir(), start)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenSite(t.TempDir(), start)
	if err != nil {
		t.Fatal(err)
	}
	request := func(key *ecdsa.PrivateKey) []byte {
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			t.Fatal(err)
		}
		return csr
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(s *Site, role string) []byte {
		c, err := s.CA().Sign(request(key), "par-1", role, "par", []string{"par-1.example"}, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, start)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	enrolled := sign(site, "zone")
	front, err := site.CA().Issue([]string{"meet.example"}, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	days := func(n int) time.Time { return start.Add(time.Duration(n) * 24 * time.Hour) }
	for _, c := range []struct {
		name    string
		current []byte
		key     *ecdsa.PrivateKey
		at      time.Time
		ok      bool
	}{
		{"in time", enrolled, key, days(20), true},
		{"too late", enrolled, key, days(31), false},
		{"another key", enrolled, thief, days(20), false},
		{"another site's", sign(other, "zone"), key, days(20), false},
		{"no server's", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate[0]}), key, days(20), false},
		{"of no role", sign(site, ""), key, days(20), false},
		{"nothing", nil, key, days(20), false},
	} {
		got, err := site.Renew(c.current, request(c.key), c.at)
		if !c.ok {
			if !errors.Is(err, ErrRenewal) {
				t.Errorf("%s: %v, want a refusal", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		block, _ := pem.Decode(got)
		fresh, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		role, zone := ServerOf(fresh)
		if fresh.Subject.CommonName != "par-1" || role != "zone" || zone != "par" || !slices.Equal(fresh.DNSNames, []string{"par-1.example"}) ||
			len(fresh.IPAddresses) != 1 || !fresh.NotAfter.Equal(c.at.Add(serverLife)) || !key.PublicKey.Equal(fresh.PublicKey) {
			t.Errorf("%s: %+v", c.name, fresh.Subject)
		}
	}
	if _, err := site.Renew(enrolled, []byte("junk"), days(20)); !errors.Is(err, ErrRenewal) {
		t.Errorf("no request: %v", err)
	}
}
