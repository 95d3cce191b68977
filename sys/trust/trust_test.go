package trust

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openSite(t *testing.T) *Site {
	t.Helper()
	s, err := OpenSite(t.TempDir(), start)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newVerifier(t *testing.T, keys ...proto.SigningKey) *Verifier {
	t.Helper()
	v, err := NewVerifier(keys)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func someClaims(key string) proto.Claims {
	return proto.Claims{
		Audience: []string{"zone:fra", "zone:par"}, Meeting: "AAAAAAAAAAAAAAAAAAAAAA", Number: "12345678901",
		Participant: 7, Name: "Ada", Role: proto.RoleHost, Hosting: "cloud",
		Expires: start.Add(time.Hour).Unix(), Issued: start.Unix(),
		Confirm: proto.Confirm{Key: KeyHash(key), Fingerprint: "sha-256 00"},
	}
}

func codeOf(err error) proto.Code {
	if e, ok := errors.AsType[*proto.Error](err); ok {
		return e.Code
	}
	if err != nil {
		return proto.Code("untyped: " + err.Error())
	}
	return ""
}

func TestSiteIsTheSameAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	a, err := OpenSite(dir, start)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenSite(dir, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if a.ID() != b.ID() || a.ID() == "" {
		t.Errorf("ids %q and %q", a.ID(), b.ID())
	}
	if a.ZoneKey("fra") != b.ZoneKey("fra") || a.ZoneKey("fra") == a.ZoneKey("par") {
		t.Error("zone keys must survive a restart and differ by zone")
	}
	if !slices.Equal(a.Keys(), b.Keys()) || a.GrantSigner().Key() != b.GrantSigner().Key() {
		t.Error("signing keys differ after a restart")
	}
	if string(a.CA().PEM()) != string(b.CA().PEM()) {
		t.Error("CA differs after a restart")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("%d files, want 4 and no left-overs: %v", len(entries), entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode().Perm())
		}
	}
}

func TestReplicasThatStartTogetherAgree(t *testing.T) {
	dir := t.TempDir()
	ids := make(chan string, 4)
	for range 4 {
		go func() {
			s, err := OpenSite(dir, start)
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- s.ID() + s.Keys()[0].Key + string(s.CA().PEM())
		}()
	}
	first := <-ids
	for range 3 {
		if got := <-ids; got != first {
			t.Fatalf("replicas differ:\n%s\n%s", got, first)
		}
	}
}

func TestOpenSiteRefusesDamagedFiles(t *testing.T) {
	for _, name := range []string{fileSecret, fileTokenKey, fileCAKey, fileCA} {
		dir := t.TempDir()
		if _, err := OpenSite(dir, start); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenSite(dir, start); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s damaged: error %v, want one that names it", name, err)
		}
	}
}

func TestClaims(t *testing.T) {
	site, other := openSite(t), openSite(t)
	v := newVerifier(t, site.Keys()...)
	good, err := site.SignClaims(someClaims("ed25519:x"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.SignClaims(someClaims("ed25519:x"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	none := enc([]byte(`{"alg":"none","typ":"meeting+jwt"}`)) + "." + parts[1] + "."
	// HMAC with the public key as secret: the classic confusion of algorithms.
	hs := enc([]byte(`{"alg":"HS256","typ":"meeting+jwt","kid":"`+site.Keys()[0].ID+`"}`)) + "." + parts[1]
	mac := hmac.New(sha256.New, []byte(site.Keys()[0].Key))
	mac.Write([]byte(hs))
	hs += "." + enc(mac.Sum(nil))
	richer := parts[0] + "." + enc([]byte(strings.Replace(string(payload), `"pid":7`, `"pid":8`, 1))) + "." + parts[2]
	asGrant, err := newSigner(site.id, mustKey(t, site), typGrant)
	if err != nil {
		t.Fatal(err)
	}
	wrongType, err := asGrant.sign(someClaims("ed25519:x"))
	if err != nil {
		t.Fatal(err)
	}
	sign := func(change func(*proto.Claims)) string {
		c := someClaims("ed25519:x")
		change(&c)
		tok, err := site.tokens.sign(c) // past SignClaims' own checks
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}

	for _, c := range []struct {
		name, token, audience string
		at                    time.Duration
		want                  proto.Code
	}{
		{"good", good, "zone:fra", 0, ""},
		{"any audience", good, "", 0, ""},
		{"signed in the future", good, "zone:fra", -48 * time.Hour, ""}, // clocks are wrong in the field; no nbf
		{"just within leeway", good, "zone:fra", time.Hour + Leeway, ""},
		{"expired", good, "zone:fra", time.Hour + Leeway + time.Second, proto.CodeTokenExpired},
		{"other audience", good, "zone:nyc", 0, proto.CodeTokenInvalid},
		{"audience by prefix", good, "zone:f", 0, proto.CodeTokenInvalid},
		{"another site's", foreign, "zone:fra", 0, proto.CodeTokenInvalid},
		{"algorithm none", none, "zone:fra", 0, proto.CodeTokenInvalid},
		{"HMAC with the public key", hs, "zone:fra", 0, proto.CodeTokenInvalid},
		{"payload changed", richer, "zone:fra", 0, proto.CodeTokenInvalid},
		{"signed as a grant", wrongType, "zone:fra", 0, proto.CodeTokenInvalid},
		{"empty", "", "", 0, proto.CodeTokenInvalid},
		{"two parts", parts[0] + "." + parts[1], "", 0, proto.CodeTokenInvalid},
		{"too long", good + strings.Repeat("A", maxTokenLen), "", 0, proto.CodeTokenInvalid},
		{"no seat", sign(func(c *proto.Claims) { c.Participant = 0 }), "", 0, proto.CodeTokenInvalid},
		{"seat of 30 bits", sign(func(c *proto.Claims) { c.Participant = 1 << 29 }), "", 0, proto.CodeTokenInvalid},
		{"no expiry", sign(func(c *proto.Claims) { c.Expires = 0 }), "", 0, proto.CodeTokenInvalid},
		{"no key", sign(func(c *proto.Claims) { c.Confirm.Key = "" }), "", 0, proto.CodeTokenInvalid},
		{"odd meeting id", sign(func(c *proto.Claims) { c.Meeting = "a.b" }), "", 0, proto.CodeTokenInvalid},
		{"unknown role", sign(func(c *proto.Claims) { c.Role = "god" }), "", 0, proto.CodeTokenInvalid},
	} {
		got, err := v.Claims(c.token, start.Add(c.at), c.audience)
		if codeOf(err) != c.want {
			t.Errorf("%s: code %q, want %q (%v)", c.name, codeOf(err), c.want, err)
		}
		if c.want == "" && (got.Participant != 7 || got.Issuer != site.ID()) {
			t.Errorf("%s: claims %+v", c.name, got)
		}
	}
	for i := range good {
		if _, err := v.Claims(good[:i], start, ""); err == nil {
			t.Fatalf("a token cut at %d is taken", i)
		}
	}
}

func mustKey(t *testing.T, s *Site) (k []byte) {
	t.Helper()
	raw, err := readOrMake(filepath.Join(s.dir, fileTokenKey), "PRIVATE KEY", nil)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := parseEd25519(raw)
	if err != nil {
		t.Fatal(err)
	}
	return priv
}

func TestSignClaimsRefusesTheUndecidable(t *testing.T) {
	if _, err := openSite(t).SignClaims(proto.Claims{}); err == nil {
		t.Error("empty claims were signed")
	}
}

func TestGrant(t *testing.T) {
	g, err := NewGrantSigner("zc1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewGrantSigner("zc1")
	if err != nil {
		t.Fatal(err)
	}
	if g.Key().ID == again.Key().ID {
		t.Error("a new key under the old id")
	}
	want := proto.Grant{Router: "mmr1", Zone: "fra", Meeting: NewMeetingID(), Participant: 3, URL: "/mmr/1",
		Candidates: []proto.Candidate{{Rung: proto.UDP8801, Addr: "[2001:db8::1]:8801"}}, Expires: 5, Home: true, Epoch: 2}
	signed, err := g.Sign(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newVerifier(t, g.Key(), again.Key()).Grant(signed)
	if err != nil || !sameJSON(got, want) {
		t.Errorf("grant %+v, %v; want %+v", got, err, want)
	}
	if got, err = ReadGrant(signed); err != nil || !sameJSON(got, want) {
		t.Errorf("ReadGrant %+v, %v", got, err)
	}
	if _, err = newVerifier(t, again.Key()).Grant(signed); codeOf(err) != proto.CodeTokenInvalid {
		t.Errorf("another controller's key: %v", err)
	}
	site := openSite(t)
	token, err := site.SignClaims(someClaims("k"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = newVerifier(t, site.Keys()...).Grant(proto.SignedGrant(token)); codeOf(err) != proto.CodeTokenInvalid {
		t.Errorf("a meeting token as a grant: %v", err)
	}
	if _, err = ReadGrant("x.y.z"); codeOf(err) != proto.CodeTokenInvalid {
		t.Errorf("ReadGrant of rubbish: %v", err)
	}
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func TestNewVerifierRefusesBadKeys(t *testing.T) {
	a, _ := NewGrantSigner("a")
	b, _ := NewGrantSigner("b")
	for _, c := range []struct {
		name string
		keys []proto.SigningKey
	}{
		{"not a key", []proto.SigningKey{{ID: "x", Key: "ed25519:AAAA"}}},
		{"no id", []proto.SigningKey{{Key: a.Key().Key}}},
		{"one id, two keys", []proto.SigningKey{{ID: "x", Key: a.Key().Key}, {ID: "x", Key: b.Key().Key}}},
		{"rsa", []proto.SigningKey{{ID: "x", Key: "rsa:AAAA"}}},
	} {
		if _, err := NewVerifier(c.keys); err == nil {
			t.Errorf("%s: taken", c.name)
		}
	}
	if _, err := NewVerifier([]proto.SigningKey{a.Key(), a.Key()}); err != nil {
		t.Errorf("the same key twice: %v", err)
	}
}

func FuzzClaims(f *testing.F) {
	g, err := NewGrantSigner("zc1")
	if err != nil {
		f.Fatal(err)
	}
	v, err := NewVerifier([]proto.SigningKey{g.Key()})
	if err != nil {
		f.Fatal(err)
	}
	signed, err := g.Sign(proto.Grant{Router: "m"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(signed))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Claims(token, start, ""); err == nil {
			t.Errorf("%q is taken for a meeting token", token)
		}
		_, _ = ReadGrant(proto.SignedGrant(token))
	})
}
