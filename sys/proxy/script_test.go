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

// What asks for more memory than there is would end the whole process, in one step or in many.
func TestAScriptCanNotTakeAllMemory(t *testing.T) {
	for _, step := range []string{
		`"a".repeat(1e12)`, `"a".repeat("1e12")`, `"a".padStart(1e12)`, `"a".padEnd(1e12, "b")`, `new ArrayBuffer(Math.pow(2, 44))`, `new Uint8Array(1e12)`,
		`new Array(4e9).join("xxxxxxxx")`, `String(new Array(4e9))`, `new Array(4e9).fill(0)`, `[...new Array(4e9)]`,
		`Array.from({length: 1e9})`, `Math.max.apply(null, {length: 1e15})`, `Reflect.apply(Math.max, null, {length: 1e12})`,
		`Array.prototype.slice.call({length: 1e12})`, `Array.prototype.concat.apply([], new Array(1e5).fill(new Array(1e5).fill(0)))`,
		`"a".repeat(1e6).replace(/a/g, "b".repeat(1e6))`, `"a".repeat(1e6).replace(/a/g, "$\x60")`,
		`"a".repeat(1e5).replace(/a/g, function() { return "b".repeat(1e5); })`, `/a/g[Symbol.replace]("a".repeat(1e6), "b".repeat(1e6))`,
		`(function() { var a = ["xxxxxxxx"]; for (var i = 0; i < 60; i++) { a = [a, a]; } return String(a); })()`,
		`(function() { var a = ["xxxxxxxx"]; for (var i = 0; i < 60; i++) { a = [a, a]; } return JSON.stringify(a); })()`,
		`2n ** (2n ** 40n)`, `1n << (2n ** 40n)`, `BigInt(1) << BigInt(1e12)`,
		`eval("1n << (2n ** 40n)")`, `(function() {}).constructor("return 1n << (2n ** 40n)")()`,
		strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19), strings.Repeat("1?", 1<<17) + "1" + strings.Repeat(":1", 1<<17), strings.Repeat("!", 1<<19) + "1; throw 1",
		`f = ` + strings.Repeat("a=>", 1<<17) + "1; throw 1",
		`(function() { var s = "xxxxxxxx"; for (;;) { s += s; } })()`,
		`(function() { var a = []; for (;;) { a.push(new Array(1000).fill(1)); } })()`,
	} {
		for _, text := range []string{
			"function FindProxyForURL() { " + step + "; return 'DIRECT'; }",
			"function FindProxyForURL() { return 'DIRECT'; }\n" + step,
		} {
			e, err := newEngine(link.Real(), text)
			if err == nil {
				_, err = e.find(t.Context(), "https://x/", "x")
			}
			if err == nil {
				t.Errorf("%.200s: it is done", text)
			}
		}
	}
}

// What scripts do use goes on as it did.
func TestScriptsMayUseTheLanguage(t *testing.T) {
	for expr, want := range map[string]string{
		`["a", null, ["b", 2]].join("; ")`: "a; ; b,2",
		`[1, [2, 3]]`:                      "1,2,3",
		`"a".repeat(3) + "b".padStart(3) + "c".padEnd(3, "-")`:   "aaa  bc--",
		`"a.b.c".replace(/\./g, "-").replace("a", "$&$&")`:       "aa-b-c",
		`"abc".replace(/b/, function(m, at) { return m + at; })`: "ab1c",
		`"a,b;c".split(/[,;]/).concat(["d"], "e").length`:        "5",
		`"host12".match(/(\d+)/)[1]`:                             "12",
		`[3, 1, 2].sort().map(function(x) { return x * 2; })`:    "2,4,6",
		`Math.max.apply(null, [1, 5, 3])`:                        "5",
		`[...[1, 2], ..."ab"].length`:                            "4",
		`Array.from({length: 2}, function(_, i) { return i; })`:  "0,1",
		`JSON.parse("[1,2]")[1]`:                                 "2",
		`"10n.x" + 0x10`:                                         "10n.x16",
		`"x".concat("y", 1)`:                                     "xy1",
	} {
		e, err := newEngine(link.Real(), "function FindProxyForURL() { return String("+expr+"); }")
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		if got, err := e.find(t.Context(), "https://x/", "x"); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
		}
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
