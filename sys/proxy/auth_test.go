package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The example of RFC 7616 §3.9.1.
func TestDigestVectors(t *testing.T) {
	const nonce, cnonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	for algorithm, want := range map[string]string{
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		c := parseChallenges(fmt.Sprintf(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, nonce=%q, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`, algorithm, nonce))
		if len(c) != 1 {
			t.Fatalf("challenges %v", c)
		}
		d := newDigest(c[0])
		if d == nil {
			t.Fatalf("%s: not read", algorithm)
		}
		got := d.respond(Login{"Mufasa", "Circle of Life"}, "GET", "/dir/index.html", cnonce)
		for _, part := range []string{`response="` + want + `"`, "nc=00000001", "qop=auth", "algorithm=" + algorithm, `username="Mufasa"`} {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %s lacks %s", algorithm, got, part)
			}
		}
	}
}

func TestChallengesAreReadAndTheStrongestTaken(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lines   []string
		scheme  string // as %T
		schemes string
	}{
		{"basic", []string{`Basic realm="a, b=c"`}, "proxy.basic", "[basic]"},
		{"two on a line", []string{`Basic realm="x", Digest nonce="n", realm="x"`}, "*proxy.digest", "[basic digest]"},
		{"SHA-256 over MD5", []string{`Digest nonce="n", realm="x", algorithm=MD5`, `Digest nonce="n", realm="x", algorithm=SHA-256`}, "*proxy.digest", "[digest]"},
		{"token68", []string{"Negotiate", "NTLM TlRMTVNTUAACAAAA==", `Basic realm=x`}, "proxy.basic", "[negotiate ntlm basic]"},
		{"unknown algorithm", []string{`Digest nonce="n", realm="x", algorithm=SHA-512-256`}, "<nil>", "[digest]"},
		{"auth-int alone", []string{`Digest nonce="n", realm="x", qop="auth-int"`}, "<nil>", "[digest]"},
		{"no nonce", []string{`Digest realm="x"`}, "<nil>", "[digest]"},
		{"garbage", []string{`="x", ,,`, `Basic realm="never ends`}, "proxy.basic", "[basic]"},
		{"nothing", nil, "<nil>", "[]"},
	} {
		h := http.Header{"Proxy-Authenticate": tt.lines}
		s, schemes := choose(h)
		if got := fmt.Sprintf("%T", s); got != tt.scheme || fmt.Sprint(schemes) != tt.schemes {
			t.Errorf("%s: %s of %v, want %s of %s", tt.name, got, schemes, tt.scheme, tt.schemes)
		}
		if d, ok := s.(*digest); ok && tt.name == "SHA-256 over MD5" && !d.sha256 {
			t.Errorf("%s: took MD5", tt.name)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="x", Digest nonce="n", a=b`, `NTLM abc==`, `="`, `a b c,d="\`, `x y=`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s2, _ := choose(http.Header{"Proxy-Authenticate": {s}})
		if s2 != nil {
			if header, err := s2.authorize(Login{"u", "p"}, "CONNECT", "h:443"); err == nil && strings.ContainsAny(header, "\r\n") {
				t.Errorf("%q makes a header with a line end: %q", s, header)
			}
		}
	})
}
