package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley/wire/proto"
)

// page makes a request as a browser does for a page of ours, or of another site.
func (w *testSite) page(scheme, method, path, body, cookies, origin string) *http.Response {
	w.Helper()
	r := httptest.NewRequest(method, scheme+"://meet.example.org"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:5000"
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec.Result()
}

const signInBody = `{"email":"person@example.org","password":"a good password"}`

func TestAPageSignsInWithACookieOfThisHostAlone(t *testing.T) {
	w := newTestSite(t, nil)
	w.member("person@example.org")
	for _, c := range []struct {
		scheme, name string
		secure       bool
	}{
		{"https", "__Host-parley", true},
		{"http", "parley-local", false}, // the plain listener, for this machine alone
	} {
		a := w.page(c.scheme, "POST", "/api/v1/session", signInBody, "", c.scheme+"://meet.example.org")
		if a.StatusCode != 200 || len(a.Cookies()) != 1 {
			t.Fatalf("%s: status %d, cookies %v", c.scheme, a.StatusCode, a.Cookies())
		}
		got := a.Cookies()[0]
		if got.Name != c.name || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
			t.Errorf("%s: cookie %v", c.scheme, got)
		}
		own := got.Name + "=" + got.Value
		if a := w.page(c.scheme, "GET", "/v2/users/me", "", own, ""); a.StatusCode != 200 {
			t.Errorf("%s: with the cookie: status %d", c.scheme, a.StatusCode)
		}

		// Signing out takes the cookie away, and the session with it.
		a = w.page(c.scheme, "DELETE", "/api/v1/session", "", own, c.scheme+"://meet.example.org")
		if a.StatusCode != 204 || len(a.Cookies()) != 1 || a.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%s: signing out: status %d, cookies %v", c.scheme, a.StatusCode, a.Cookies())
		}
		if a := w.page(c.scheme, "GET", "/v2/users/me", "", own, ""); a.StatusCode != 401 {
			t.Errorf("%s: after signing out: status %d, want 401", c.scheme, a.StatusCode)
		}
	}
}

// A guest is no fault: a page that asks who is signed in shows none in its console.
func TestAPageMayAskWhoIsSignedIn(t *testing.T) {
	w := newTestSite(t, nil)
	w.member("person@example.org")
	a := w.page("https", "POST", "/api/v1/session", signInBody, "", "")
	own := "__Host-parley=" + a.Cookies()[0].Value
	read := func(cookies string) string {
		t.Helper()
		a := w.page("https", "GET", "/api/v1/session", "", cookies, "")
		body, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != 200 {
			t.Fatalf("cookies %q: status %d, %v", cookies, a.StatusCode, err)
		}
		return strings.TrimSpace(string(body))
	}
	const nobody = `{"user":null}`
	if got := read(""); got != nobody {
		t.Errorf("a guest: %s", got)
	}
	if got := read(own); !strings.Contains(got, "person@example.org") {
		t.Errorf("signed in: %s", got)
	}
	w.pass(sessionFor)
	if got := read(own); got != nobody {
		t.Errorf("after the session: %s", got)
	}
	w.ask("not a token", "GET", "/api/v1/session", nil).want(t, 401) // a program is told
}

func TestAnotherSitesPageCannotUseTheCookie(t *testing.T) {
	w := newTestSite(t, nil)
	w.member("person@example.org")
	a := w.page("https", "POST", "/api/v1/session", signInBody, "", "")
	own := "__Host-parley=" + a.Cookies()[0].Value
	const evil = "https://evil.example"
	meeting := `{"topic":"not mine","type":1}`
	for _, c := range []struct {
		name, method, path, body, cookies, origin string
		want                                      int
	}{
		{"its own page creates", "POST", "/v2/users/me/meetings", meeting, own, "https://meet.example.org", 201},
		{"another creates", "POST", "/v2/users/me/meetings", meeting, own, evil, 403},
		{"another signs out", "DELETE", "/api/v1/session", "", own, evil, 403},
		{"another signs in", "POST", "/api/v1/session", signInBody, "", evil, 403},
		{"no page at all", "POST", "/v2/users/me/meetings", meeting, own, "", 201},
		{"the plain name is nothing over HTTPS", "GET", "/v2/users/me", "", "parley-local=" + a.Cookies()[0].Value, "", 401},
	} {
		if got := w.page("https", c.method, c.path, c.body, c.cookies, c.origin).StatusCode; got != c.want {
			t.Errorf("%s: status %d, want %d", c.name, got, c.want)
		}
	}
}

func TestPagesAllowNothingInlineAndOnlyAnnouncedServers(t *testing.T) {
	w := newTestSite(t, nil)
	w.srv.zones.hear(w.now(), proto.ControllerAnnounce{ID: "zc", Zone: "z", URL: "https://zc.example.net:8802",
		Routers: []proto.RouterAnnounce{{ID: "m", Zone: "z", URL: "https://198.51.100.7"}, {ID: "n", Zone: "z", URL: "/mmr/n"}}})
	a := w.page("https", "GET", "/", "", "", "")
	csp := a.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'",
		"https://zc.example.net:8802", "wss://198.51.100.7"} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %q in %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "/mmr") {
		t.Errorf("too much in %s", csp)
	}
	if a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("a public name over HTTPS is not told to stay there")
	}

	// A Host that is no host does not get into the policy.
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "x; script-src *"
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if csp := rec.Result().Header.Get("Content-Security-Policy"); strings.Contains(csp, "*") {
		t.Errorf("injected: %s", csp)
	}
}

func TestOnlyPublicNamesArePinnedToHTTPS(t *testing.T) {
	for host, want := range map[string]bool{
		"meet.example.org": true, "meet.example.org:8443": true,
		"localhost": false, "localhost:8443": false, "app.localhost": false,
		"192.0.2.1": false, "192.0.2.1:8443": false, "[2001:db8::1]:8443": false, "intranet": false,
	} {
		if got := namedHost(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

func TestUnchangedPagesAreNotSentAgain(t *testing.T) {
	w := newTestSite(t, nil)
	first := w.page("https", "GET", "/", "", "", "")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	r := httptest.NewRequest("GET", "https://meet.example.org/", nil)
	r.RemoteAddr = "192.0.2.1:5000"
	r.Header.Set("If-None-Match", tag)
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	if rec.Code != http.StatusNotModified {
		t.Errorf("status %d, want 304", rec.Code)
	}
}
