package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/lab"
	"parley/sys/link"
)

// The functions of the scripts, on Thursday, 1 January 2026, 10:30:20 in the machine's zone.
func TestScriptFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 10, 30, 20, 0, time.Local)))
		n := lab.NewNet(1)
		defer n.Close()
		h := n.Host("me", lab.HostOpts{Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}})
		n.Host("www.example", lab.HostOpts{Addrs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}})
		for expr, want := range map[string]bool{
			`isPlainHostName("www")`:                                                 true,
			`isPlainHostName("www.x")`:                                               false,
			`dnsDomainIs("www.Example.com", ".example.com")`:                         true,
			`dnsDomainIs("example.com", ".example.com")`:                             false,
			`localHostOrDomainIs("www", "www.example.com")`:                          true,
			`localHostOrDomainIs("home.example.com", "www.example.com")`:             false,
			`isResolvable("www.example")`:                                            true,
			`isResolvable("nowhere")`:                                                false,
			`dnsResolve("www.example") === "10.1.2.3"`:                               true,
			`dnsResolve("nowhere") === null`:                                         true,
			`isInNet("10.1.2.3", "10.1.0.0", "255.255.0.0")`:                         true,
			`isInNet("www.example", "10.1.2.3", "255.255.255.255")`:                  true,
			`isInNet("10.2.2.3", "10.1.0.0", "255.255.0.0")`:                         false,
			`isInNet("nowhere", "10.1.0.0", "255.255.0.0")`:                          false,
			`isInNet("200.1.2.3", "200.0.0.0", "255.0.0.0")`:                         true,
			`isInNetEx("2001:db8::1", "2001:db8::/32")`:                              true,
			`myIpAddress() === "192.0.2.7"`:                                          true,
			`myIpAddressEx() === "192.0.2.7;2001:db8::7"`:                            true,
			`dnsDomainLevels("a.b.c") === 2`:                                         true,
			`shExpMatch("http://a.com/x/y", "*/x/*")`:                                true,
			`shExpMatch("a.com", "?.com")`:                                           true,
			`shExpMatch("axcom", "a.com")`:                                           false,
			`weekdayRange("MON", "FRI")`:                                             true,
			`weekdayRange("FRI", "WED")`:                                             false,
			`weekdayRange("THU")`:                                                    true,
			`weekdayRange("SAT", "THU")`:                                             true,
			`dateRange(1)`:                                                           true,
			`dateRange("FEB", "MAR")`:                                                false,
			`dateRange("DEC", "JAN")`:                                                true,
			`dateRange(2026)`:                                                        true,
			`dateRange(24, "DEC", 2025, 6, "JAN", 2026)`:                             true,
			`dateRange(2, "JAN", 5, "JAN")`:                                          false,
			`timeRange(10)`:                                                          true,
			`timeRange(9, 11)`:                                                       true,
			`timeRange(9, 10)`:                                                       false,
			`timeRange(10, 31, 12, 0)`:                                               false,
			`timeRange(22, 0, 0, 11, 0, 0)`:                                          true,
			`sortIpAddressList("10.0.0.2;::1;10.0.0.1") === "::1;10.0.0.1;10.0.0.2"`: true,
			`alert("x") === undefined`:                                               true,
		} {
			e, err := newEngine(h, "function FindProxyForURL(url, host) { return String("+expr+"); }")
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			if got, err := e.find(context.Background(), "https://x/", "x"); err != nil || got != fmt.Sprint(want) {
				t.Errorf("%s = %s, %v; want %v", expr, got, err, want)
			}
		}
	})
}

func TestScriptsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"a page":                  "<html>Sign in</html>",
		"nothing":                 "",
		"no function":             "var FindProxyForURL = 1;",
		"an endless one":          "for (;;) {}",
		"endless when asked":      "function FindProxyForURL() { for (;;) {} }",
		"deep":                    "function FindProxyForURL() { return FindProxyForURL(); }",
		"throws":                  "function FindProxyForURL() { throw 'up'; }",
		"a kind not known":        "function FindProxyForURL() { return 'SOCKS x:1'; }",
		"an address that is none": "function FindProxyForURL() { return 'PROXY '; }",
	} {
		// Outside a bubble: there time stands still while a script runs.
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := lab.NewNet(1)
			defer n.Close()
			path := filepath.Join(t.TempDir(), "x.pac")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if ways, err := newScript(Config{Host: n.Host("h", lab.HostOpts{}), PAC: path}).ways(context.Background(), "x:443"); err == nil {
				t.Errorf("%s: answers %v", name, ways)
			}
		})
	}
}

// One step of the language's own, such as a search through four thousand million places, can't be interrupted: it is
// not waited for, and the next call neither.
func TestAStepThatTakesTooLongIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := newEngine(link.Real(), `function FindProxyForURL(url, host) { if (host == "slow") step(); return "DIRECT"; }`)
		if err != nil {
			t.Fatal(err)
		}
		end := make(chan struct{})
		if err := e.vm.Set("step", func() { <-end }); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, host := range []string{"slow", "quick"} {
			if got, err := e.find(t.Context(), "https://host/", host); !errors.Is(err, errScript) {
				t.Errorf("%s: %q, %v, want %v", host, got, err, errScript)
			}
		}
		if took := time.Since(began); took != runFor+stepFor {
			t.Errorf("after %v, want %v", took, runFor+stepFor)
		}
		close(end)
		synctest.Wait()
		if got, err := e.find(t.Context(), "https://host/", "quick"); got != "DIRECT" || err != nil {
			t.Errorf("when it has ended: %q, %v", got, err)
		}
	})
}

func TestScriptAnswers(t *testing.T) {
	for text, want := range map[string]string{
		"DIRECT": "[]", "": "[]", "PROXY a:1; PROXY b:2;DIRECT": "[a:1 b:2 ]", "HTTPS a:443": "[a:443]", "PROXY a": "[a:80]",
		"SOCKS5 x:1; PROXY a:1": "[a:1]", "  http a:1  ;": "[a:1]",
	} {
		ways, err := parseWays(text)
		var names []string
		for _, w := range ways {
			names = append(names, w.name())
		}
		if err != nil || fmt.Sprint(names) != want {
			t.Errorf("%q: %q, %v; want %s", text, names, err, want)
		}
	}
}

// scripted serves a script on host "config"; what serves it may be changed on the way.
func scripted(w *world, text string) *atomic.Pointer[http.HandlerFunc] {
	host := w.net.Host("config", lab.HostOpts{})
	var handler atomic.Pointer[http.HandlerFunc]
	serve := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, text) })
	handler.Store(&serve)
	srv, err := lab.Serve(host, netip.AddrPortFrom(host.Addr(), 80), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		(*handler.Load())(rw, r)
	}), tls.Certificate{})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(srv.Close)
	return &handler
}

// S13: the script is obeyed for each host.
func TestScriptIsObeyedPerHost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		scripted(w, `function FindProxyForURL(url, host) {
			if (host == "zone.test") { return "DIRECT"; }
			return "PROXY nowhere:1; PROXY proxy:3128; DIRECT";
		}`)
		p := w.serveProxy(lab.ProxyOpts{})
		h := w.host(Config{PAC: "http://config/proxy.pac"})
		if _, via, err := w.get(h, 5*time.Second); err != nil || via != "proxy:3128" {
			t.Errorf("the site via %q, %v", via, err)
		}
		c, err := h.Dial(context.Background(), "tcp", "zone.test:443")
		if err != nil || Of(c) != "" {
			t.Fatalf("a zone via %q, %v", Of(c), err)
		}
		c.Close()
		for _, to := range p.Connects() {
			if !strings.HasPrefix(to, "meet.test") {
				t.Errorf("the proxy was asked for %s", to)
			}
		}
	})
}

// A script's server that is slow or gone costs 300 ms at most; the last good script goes on counting.
func TestABrokenScript(t *testing.T) {
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	page := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<html>Sign in</html>") })
	const good = `function FindProxyForURL() { return "PROXY proxy:3128"; }`
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc
		before bool // it was good before
		via    string
		within time.Duration
	}{
		{"never good", page, false, "", 200 * time.Millisecond},
		{"slow", silent, false, "", 300*time.Millisecond + 100*time.Millisecond},
		{"good before", page, true, "proxy:3128", 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				handler := scripted(w, good)
				w.serveProxy(lab.ProxyOpts{})
				cfg := Config{PAC: "http://config/proxy.pac", Cache: filepath.Join(t.TempDir(), "state", "pac")}
				if tt.before {
					if _, via, err := w.get(w.host(cfg), 5*time.Second); err != nil || via != "proxy:3128" {
						t.Fatalf("with the good script via %q, %v", via, err)
					}
				}
				handler.Store(&tt.serve)
				h := w.host(cfg)
				began := time.Now()
				c, err := h.DialTLS(context.Background(), "tcp", "meet.test:443", &tls.Config{RootCAs: w.ca.pool()})
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				if took := time.Since(began); Of(c) != tt.via || took > tt.within {
					t.Errorf("via %q after %v, want %q within %v", Of(c), took, tt.via, tt.within)
				}
			})
		})
	}
}
