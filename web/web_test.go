package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/sys/bus"
	"parley/sys/geo"
	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// testSite is a whole web infrastructure with a real store and a real bus, and a clock set by hand.
type testSite struct {
	*testing.T
	srv   *Server
	h     http.Handler
	store *store.Store
	site  *trust.Site
	bus   *bus.Bus

	mu    sync.Mutex
	clock time.Time // guarded by mu
}

const (
	testURL   = "https://meet.example.org"
	testToken = "api-token-of-the-tests"
)

func newTestSite(t *testing.T, change func(*Config)) *testSite {
	t.Helper()
	dir := t.TempDir()
	w := &testSite{T: t, clock: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	var err error
	if w.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "site.db")}); err != nil {
		t.Fatal(err)
	}
	if w.site, err = trust.OpenSite(dir, w.clock); err != nil {
		t.Fatal(err)
	}
	if w.bus, err = bus.Start(bus.Config{}); err != nil {
		t.Fatal(err)
	}
	err = w.store.CreateUser(t.Context(), store.User{ID: "admin-id", Email: "admin@example.org", FirstName: "Ada", Type: store.UserLicensed,
		Role: store.RoleAdmin, Status: store.UserActive, CreatedAt: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: testURL, Site: w.site, Store: w.store, Bus: w.bus, APIToken: testToken, Now: w.now,
		UI: fstest.MapFS{"index.html": {Data: []byte("<title>Parley</title>")}, "assets/app-1a2b.js": {Data: []byte("go()")}}}
	if change != nil {
		change(&cfg)
	}
	if w.srv, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	w.h = w.srv.Handler()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.bus.Close()
		w.store.Close()
	})
	return w
}

func (w *testSite) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *testSite) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into decodes the answer's body.
func into[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
	return v
}

// want fails the test unless the answer has this status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d; body %s", a.status, status, a.body)
	}
	return a
}

// ask makes a request as who holds the token ("" is nobody). body is text, or a value sent as JSON.
func (w *testSite) ask(token, method, path string, body any) answer {
	return w.askFrom("192.0.2.1:5000", token, method, path, body, nil)
}

func (w *testSite) askFrom(peer, token, method, path string, body any, header http.Header) answer {
	w.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			w.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(b))
	r.RemoteAddr = peer
	for k, v := range header {
		r.Header[k] = v
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Result().Header, rec.Body.Bytes()}
}

// member makes an account without rights and signs it in.
func (w *testSite) member(email string) (id, token string) {
	w.Helper()
	u := into[userBody](w.T, w.ask(testToken, "POST", "/v2/users", map[string]any{"action": "create",
		"user_info": map[string]any{"email": email, "type": 1, "password": "a good password"}}).want(w.T, 201))
	a := w.ask("", "POST", "/api/v1/session", map[string]string{"email": email, "password": "a good password"}).want(w.T, 200)
	return u.ID, into[sessionBody](w.T, a).Token
}

// meeting makes a meeting of the token's account.
func (w *testSite) meeting(token string, fields map[string]any) meetingBody {
	w.Helper()
	if fields == nil {
		fields = map[string]any{}
	}
	return into[meetingBody](w.T, w.ask(token, "POST", "/v2/users/me/meetings", fields).want(w.T, 201))
}

// zone announces a controller with its routers, each "id people/max", and waits until it is heard.
func (w *testSite) zone(id string, lat, lon float64, routers ...string) proto.ControllerAnnounce {
	w.Helper()
	a := proto.ControllerAnnounce{V: proto.Version, ID: "zc-" + id, Zone: id, Name: "Zone " + id, URL: "https://" + id + ".example.org/zone",
		Hosting: "cloud", Lat: lat, Lon: lon, Key: proto.SigningKey{ID: "zc-" + id, Key: "ed25519:" + strings.Repeat("A", 43)}}
	for _, text := range routers {
		r := proto.RouterAnnounce{V: proto.Version, Zone: id, Fingerprint: "sha-256 AB", Shards: 4}
		if _, err := fmt.Sscanf(text, "%s %d/%d", &r.ID, &r.People, &r.MaxPeople); err != nil {
			w.Fatal(err)
		}
		r.MaxMeetings = 100
		r.URL = "https://" + r.ID + ".example.org/mmr"
		r.Candidates = []proto.Candidate{{Rung: proto.UDP8801, Addr: "203.0.113.7:8801"}, {Rung: proto.TCP8801, Addr: "203.0.113.7:8801"}}
		a.Routers = append(a.Routers, r)
	}
	w.announce(a)
	return a
}

func (w *testSite) announce(a proto.ControllerAnnounce) {
	w.Helper()
	if err := w.bus.Publish(fmt.Sprintf(proto.SubjectController, a.Zone, a.ID), a); err != nil {
		w.Fatal(err)
	}
	w.heard()
}

// heard waits until the site has taken in what was published before. Announcements and reports are
// handled one at a time in order, so a marker of each kind that has its effect comes after all others.
func (w *testSite) heard() {
	w.Helper()
	mark := proto.ControllerAnnounce{V: proto.Version, ID: fmt.Sprintf("mark-%d", time.Now().UnixNano()), Zone: "mark", Hosting: "connector:none"}
	if err := w.bus.Publish(fmt.Sprintf(proto.SubjectController, mark.Zone, mark.ID), mark); err != nil {
		w.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		for _, c := range w.srv.zones.fresh(w.srv.now()) {
			if c.ID == mark.ID {
				return
			}
		}
		if time.Now().After(deadline) {
			w.Fatal("announcement not heard")
		}
		runtime.Gosched()
	}
}

func TestNewRefuses(t *testing.T) {
	w := newTestSite(t, nil)
	for name, cfg := range map[string]Config{
		"nothing":   {},
		"no bus":    {Site: w.site, Store: w.store},
		"url path":  {Site: w.site, Store: w.store, Bus: w.bus, URL: "https://a/b"},
		"no scheme": {Site: w.site, Store: w.store, Bus: w.bus, URL: "meet.example.org"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRunEndsAllItStarted(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("site", func(t *testing.T) {
		w := newTestSite(t, nil)
		w.zone("par", 0, 0, "par-1 0/200")
		w.joined("", newPerson(t, "Ann").request(w.meeting(testToken, nil)))
	})
}

// The laboratory runs whole sites in bubbles of simulated time.
func TestLivesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestSite(t, func(c *Config) { c.Now = nil })
		m := w.meeting(testToken, nil)
		a := w.zone("par", 0, 0, "par-1 0/200")
		time.Sleep(4 * time.Second)
		w.announce(a)
		w.lookup("", newPerson(t, "Ann").request(m)).want(t, 200)
		time.Sleep(3 * time.Hour) // past a few purges
		w.lookup("", newPerson(t, "Bob").request(m)).want(t, 503)
	})
}

func TestEnsureAdminMakesOneAccountOnce(t *testing.T) {
	st, err := store.Open(t.Context(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	password, err := EnsureAdmin(t.Context(), st, "root@example.org", now)
	if err != nil || len(password) < 12 {
		t.Fatalf("password %q, %v", password, err)
	}
	u, err := st.UserByEmail(t.Context(), "root@example.org")
	if err != nil || u.Role != store.RoleAdmin {
		t.Fatalf("%v, %v", u, err)
	}
	if ok, _, err := trust.NewHasher(1).CheckPassword(t.Context(), u.Password, password); !ok || err != nil {
		t.Errorf("the password does not fit: %v, %v", ok, err)
	}
	if password, err = EnsureAdmin(t.Context(), st, "other@example.org", now); password != "" || err != nil {
		t.Errorf("second admin: %q, %v", password, err)
	}
}

func TestPages(t *testing.T) {
	w := newTestSite(t, nil)
	for _, c := range []struct {
		path   string
		status int
		want   string
		cache  string
	}{
		{"/", 200, "<title>", "no-cache"},
		{"/j/12345678901?pwd=x", 200, "<title>", "no-cache"},
		{"/portal/meetings", 200, "<title>", "no-cache"},
		{"/assets/app-1a2b.js", 200, "go()", "public, max-age=31536000, immutable"},
		{"/assets/gone.js", 404, "", ""},
		{"/index.html", 200, "<title>", "no-cache"},
		{"/healthz", 200, "ok", ""},
	} {
		a := w.ask("", "GET", c.path, nil)
		if a.status != c.status || !strings.Contains(string(a.body), c.want) {
			t.Errorf("%s: %d %q", c.path, a.status, a.body)
		}
		if c.cache != "" && a.header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: cache %q, want %q", c.path, a.header.Get("Cache-Control"), c.cache)
		}
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy"} {
			if a.header.Get(h) == "" {
				t.Errorf("%s: no %s", c.path, h)
			}
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: open to other origins", c.path)
		}
	}
	bare := newTestSite(t, func(c *Config) { c.UI = fs.FS(nil) })
	bare.ask("", "GET", "/", nil).want(t, 404)
}

func TestLinksWithoutAConfiguredURL(t *testing.T) {
	w := newTestSite(t, func(c *Config) { c.URL = "" })
	m := w.meeting(testToken, nil)
	if !strings.HasPrefix(m.JoinURL, "http://example.com/j/") { // httptest's host
		t.Errorf("join url %q", m.JoinURL)
	}
}

func TestJWKS(t *testing.T) {
	w := newTestSite(t, nil)
	a := w.ask("", "GET", "/.well-known/jwks.json", nil).want(t, 200)
	var set struct {
		Keys []struct{ Kty, Crv, X, Kid, Alg string }
	}
	if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("%s: %v", a.body, err)
	}
	own := w.site.Keys()[0]
	if k := set.Keys[0]; k.Kty != "OKP" || k.Crv != "Ed25519" || "ed25519:"+k.X != own.Key || k.Kid != own.ID {
		t.Errorf("key %+v, want %+v", k, own)
	}
}

func testRanges(t *testing.T, prefix, zone string) *geo.Map {
	t.Helper()
	m, err := geo.NewMap([]geo.Range{{Prefix: netip.MustParsePrefix(prefix), Zone: zone}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
