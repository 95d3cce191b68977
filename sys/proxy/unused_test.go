package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/lab"
)

// TestWhyAProxyIsNotUsed: what is configured and not used is told with its reason, and nothing is told of what is used.
func TestWhyAProxyIsNotUsed(t *testing.T) {
	script := func(text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, text) }
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const pac = "http://config/proxy.pac"
	byEnv := Config{Env: env("HTTPS_PROXY", "http://proxy:3128")}
	for _, tt := range []struct {
		name  string
		cfg   Config
		proxy lab.ProxyOpts
		serve http.HandlerFunc
		want  string // what it begins with
	}{
		{"a proxy that serves", byEnv, lab.ProxyOpts{}, nil, ""},
		{"no proxy", Config{}, lab.ProxyOpts{}, nil, ""},
		{"a proxy that is silent", byEnv, lab.ProxyOpts{Silent: true}, nil, "The proxy proxy:3128 does not answer"},
		{"a proxy that is gone", Config{Env: env("HTTPS_PROXY", "http://proxy:1")}, lab.ProxyOpts{}, nil, "The proxy proxy:1 does not answer"},
		{"one that the site is excepted from", Config{Env: env("HTTPS_PROXY", "http://proxy:1", "NO_PROXY", "meet.test")}, lab.ProxyOpts{}, nil, ""},
		{"one that wants a login", byEnv, lab.ProxyOpts{Auth: lab.ProxyBasic, User: "ann", Password: "x"}, nil, "The proxy proxy:3128 wants a user name"},
		{"a script that is good", Config{PAC: pac}, lab.ProxyOpts{}, script(`function FindProxyForURL() { return "PROXY proxy:3128"; }`), ""},
		{"a script for the direct way", Config{PAC: pac}, lab.ProxyOpts{}, script(`function FindProxyForURL() { return "DIRECT"; }`), ""},
		{"a script with a proxy that is gone", Config{PAC: pac}, lab.ProxyOpts{}, script(`function FindProxyForURL() { return "PROXY proxy:1"; }`), "The proxy proxy:1 does not answer"},
		{"a script that can't be read", Config{PAC: pac}, lab.ProxyOpts{}, script(`function FindProxyForURL(url, host) { return nonsense(`), "The proxy script could not be used: "},
		{"a script that does not come", Config{PAC: pac}, lab.ProxyOpts{}, silent, "The proxy script could not be used: its server does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveProxy(tt.proxy)
				if tt.serve != nil {
					scripted(w, "").Store(&tt.serve)
				}
				h := w.host(tt.cfg)
				if got := h.Unused(); got != "" {
					t.Errorf("before anything was tried: %q", got)
				}
				if _, _, err := w.get(h, 5*time.Second); err != nil {
					t.Fatal(err)
				}
				if got := h.Unused(); !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestAProxyByHandThatIsGone: where nothing else may be tried, the reason is known too.
func TestAProxyByHandThatIsGone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		h := w.host(Config{URL: "proxy:1"})
		if _, _, err := w.get(h, 5*time.Second); err == nil {
			t.Fatal("connected")
		}
		if got := h.Unused(); got != "The proxy proxy:1 does not answer" {
			t.Errorf("got %q", got)
		}
	})
}
