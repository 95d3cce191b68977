package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// request makes a certificate request as a server does; it asks for a name it has no right to.
func request(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"evil.example.org"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))
}

// enrolToken asks for a token as the administrator.
func (w *testSite) enrolToken() string {
	w.Helper()
	a := w.ask(testToken, "POST", "/api/v1/enroll/tokens",
		map[string]any{"server": "par-1", "role": "mmr", "zone": "par", "names": []string{"par-1.example.org", "192.0.2.7"}})
	return into[enrolTokenBody](w.T, a.want(w.T, 201)).Token
}

func TestServerEnrolsOnce(t *testing.T) {
	w := newTestSite(t, nil)
	csr := request(t, elliptic.P256())
	token := w.enrolToken()
	body := into[enrollBody](t, w.ask("", "POST", "/api/v1/enroll", map[string]string{"token": token + "\n", "csr": csr}).want(t, 200))

	block, _ := pem.Decode([]byte(body.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(body.CA)) {
		t.Fatal("no CA in the answer")
	}
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for _, name := range []string{"par-1.example.org", "192.0.2.7"} {
		_, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if cert.VerifyHostname("evil.example.org") == nil {
		t.Error("the server chose its own name")
	}
	if body.Server != "par-1" || cert.Subject.CommonName != "par-1" {
		t.Errorf("server %q, certificate of %q", body.Server, cert.Subject.CommonName)
	}
	again := w.ask("", "POST", "/api/v1/enroll", map[string]string{"token": token, "csr": csr}).want(t, 401)
	if e := refused(t, again); !strings.Contains(e.Message, "used before") {
		t.Errorf("again: %q", e.Message)
	}
}

func TestEnrolmentRefusals(t *testing.T) {
	w := newTestSite(t, nil)
	good := request(t, elliptic.P256())
	token := w.enrolToken()
	for _, tc := range []struct {
		name, token, csr string
		want             int
	}{
		{"no request", token, "", 400},
		{"garbage", token, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", 400},
		{"another curve", token, request(t, elliptic.P384()), 400},
		{"unknown token", "enrol-aaaaa", good, 401},
		{"no token", "", good, 401},
		{"right at last", token, good, 200}, // the faults above did not spend it
	} {
		if got := w.ask("", "POST", "/api/v1/enroll", map[string]string{"token": tc.token, "csr": tc.csr}).status; got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	late := w.enrolToken()
	w.pass(enrolFor)
	w.ask("", "POST", "/api/v1/enroll", map[string]string{"token": late, "csr": good}).want(t, 401)
}

func TestEnrolTokensAreTheAdministrators(t *testing.T) {
	w := newTestSite(t, nil)
	_, member := w.member("mia@example.org")
	w.ask("", "POST", "/api/v1/enroll/tokens", `{"server":"x"}`).want(t, 401)
	w.ask(member, "POST", "/api/v1/enroll/tokens", `{"server":"x"}`).want(t, 403)
	for _, tc := range []struct{ body, field string }{
		{`{"zone":"par"}`, "server"},
		{`{"zone":"par","server":"Par 1"}`, "server"},
		{`{"server":"par-1"}`, "zone"},
		{`{"server":"par-1","role":"mmr","zone":"P A"}`, "zone"},
		{`{"zone":"par","server":"par-1","role":"king"}`, "role"},
		{`{"zone":"par","server":"par-1","names":"x"}`, "names"},
		{`{"zone":"par","server":"par-1","names":["a b"]}`, "names"},
		{`{"zone":"par","server":"par-1","names":["-x.example.org"]}`, "names"},
	} {
		e := refused(t, w.ask(testToken, "POST", "/api/v1/enroll/tokens", tc.body).want(t, 400))
		if len(e.Errors) != 1 || e.Errors[0].Field != tc.field {
			t.Errorf("%s: %+v, want a fault of %s", tc.body, e, tc.field)
		}
	}
}
