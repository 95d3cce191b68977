package netns

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/client"
)

// udpUnheard is what a page says of UDP that is blocked, some seconds after it has begun or at once.
const udpUnheard = `UDP 8801 (has not answered so far|seems to be blocked)`

// proxies: what stands on the way, and says so.
func proxies() []scenario {
	viaProxy := func(auth Auth) func(r *run) {
		return func(r *run) {
			p, err := r.access.StartSquid(auth)
			r.must(err)
			r.forward(blockAll)
			r.env, r.proxy = append(r.env, "HTTPS_PROXY="+p.URL), p.URL
			if auth != AuthNone {
				file := filepath.Join(r.TempDir(), "proxy-user")
				r.must(os.WriteFile(file, []byte(ProxyUser+":"+p.Password+"\n"), 0o600))
				r.args, r.secret = append(r.args, "--proxy-user", "@"+file), p.Password
			}
		}
	}
	pac := func(body string) func(r *run) {
		return func(r *run) {
			p, err := r.access.StartSquid(AuthNone)
			r.must(err)
			r.must(r.access.ServeLAN("192.168.1.1:80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
				fmt.Fprint(w, strings.ReplaceAll(body, "PROXY_HERE", strings.TrimPrefix(p.URL, "http://")))
			})))
			r.pac = "http://192.168.1.1/proxy.pac"
			r.args = append(r.args, "--pac", r.pac)
		}
	}
	// The inspector's CA is trusted, beside the site's.
	inspected := func(r *run) {
		i, err := r.access.StartInspector()
		r.must(err)
		r.forward(blockAll)
		r.env, r.proxy = append(r.env, "HTTPS_PROXY="+i.URL), i.URL
		r.noCA = true
		r.args = append(r.args, "--ca", i.CA)
	}
	return []scenario{
		{
			number: "8", fast: true, cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium", "firefox"}, pageForb: []func(Flow) string{pastPageProxy}, name: "HTTP proxy, CONNECT to 443 alone", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack,
			prepare: viaProxy(AuthNone), says: []string{"(?i)proxy", "Audio runs over TLS 443"}, pageSays: []string{udpUnheard, `Sound runs over TLS 443\.`},
		},
		{
			number: "8c", cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, name: "the proxy, and then UDP opens beside it", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack, friend: true,
			prepare: viaProxy(AuthNone),
			after: func(r *run) {
				r.pause(7 * time.Second)
				r.freed(onlyUDP()...)
			},
		},
		{
			number: "8b", name: "the same proxy, named by its user", cause: client.CauseProxyRequired, audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack,
			forbid: []func(Flow) string{pastThisProxy},
			prepare: func(r *run) {
				viaProxy(AuthNone)(r)
				r.args, r.env = append(r.args, "--proxy", r.proxy), nil
			},
			says: []string{"(?i)proxy", "Audio runs over TLS 443"},
		},
		{
			number: "9", fast: true, cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "HTTP proxy, UDP open beside it", audio: only(udpRung), video: only(udpRung), within: 1000*ms + slack,
			prepare: func(r *run) {
				viaProxy(AuthNone)(r)
				r.forward(onlyUDP()...)
			},
			says: []string{"(?i)proxy", "Audio runs over UDP 8801"}, pageSays: []string{`Sound runs over UDP \d+\.`},
		},
		{
			number: "10", cause: client.CauseInspected, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "TLS inspected, CA trusted", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack,
			prepare: inspected,
			says:    []string{InspectorName},
			// TURN is no HTTP, and a page can't tell whose certificates it is shown.
			page:     func(s *scenario) { s.silent = 20 * time.Second },
			pageSays: []string{`Web pages and the meeting itself get through, but this network lets no sound|Sound has no path`},
		},
		{
			number: "10b", cause: client.CauseInspected, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "the same, and then UDP opens beside it", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack, friend: true,
			prepare: inspected,
			after: func(r *run) {
				r.pause(7 * time.Second)
				r.freed(onlyUDP()...)
			},
			says: []string{InspectorName, "Audio runs over UDP 8801"},
			// A page gives up, and says so; its user tries again.
			page: func(s *scenario) {
				s.audio, s.video, s.after, s.within = only(udpRung), only(udpRung), nil, 2*time.Second
				s.before = func(r *run) {
					_, err := r.client.WaitJoined(20 * time.Second)
					r.must(err)
					r.must(r.client.Do("stuck", 60*time.Second))
					r.forward(onlyUDP()...)
					r.must(r.client.Do("back", 30*time.Second))
					r.freeAt = time.Now()
					r.must(r.client.Do("join", 40*time.Second))
				}
			},
			pageSays: []string{`Sound runs over UDP \d+\.`},
		},
		{
			number: "11", noPage: "the browser itself warns of the certificate", fast: true, cause: client.CauseInspected, forbid: []func(Flow) string{fewDirect}, name: "TLS inspected, CA not trusted", fails: true, within: 2 * time.Second,
			prepare: func(r *run) {
				i, err := r.access.StartInspector()
				r.must(err)
				r.forward(blockAll)
				r.env = append(r.env, "HTTPS_PROXY="+i.URL)
				r.trust = i.CA
			},
			says: []string{InspectorName},
			then: func(r *run) {
				r.noCA, r.args = true, append(r.args, "--ca", r.trust)
				r.again("once the authority is trusted, the next call", only(tlsRung), 1200*ms+slack)
			},
		},
		{
			number: "12", cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "proxy asks for a password (Basic)", audio: only(tlsRung), video: only(tlsRung), within: 1500*ms + slack,
			prepare: viaProxy(AuthBasic), says: []string{"(?i)proxy", "Audio runs over TLS 443"}, pageSays: []string{udpUnheard, `Sound runs over TLS 443\.`},
		},
		{
			number: "12b", cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "proxy asks for a password (Digest)", audio: only(tlsRung), video: only(tlsRung), within: 1500*ms + slack,
			prepare: viaProxy(AuthDigest), says: []string{"(?i)proxy", "Audio runs over TLS 443"}, pageSays: []string{udpUnheard, `Sound runs over TLS 443\.`},
		},
		{
			number: "12c", noPage: "the browser itself asks for the password", cause: client.CauseProxyLogin, forbid: []func(Flow) string{fewDirect}, name: "proxy asks for a password, none given", fails: true, within: 2 * time.Second,
			prepare: func(r *run) {
				p, err := r.access.StartSquid(AuthBasic)
				r.must(err)
				r.forward(blockAll)
				r.env = append(r.env, "HTTPS_PROXY="+p.URL)
			},
			says: []string{"(?i)proxy.*password"},
		},
		{
			number: "13", cause: client.CauseProxyRequired, browsers: []string{"chromium"}, name: "PAC file: proxy for all but zones", audio: only(udpRung), video: only(udpRung), within: 1000*ms + slack,
			prepare: func(r *run) {
				pac(`function FindProxyForURL(url, host) {
	return shExpMatch(host, "ctl-*") || shExpMatch(host, "mmr-*") ? "DIRECT" : "PROXY PROXY_HERE";
}`)(r)
				r.forward("ip daddr " + r.servers("site") + " drop")
			},
			says: []string{"(?i)proxy", "Audio runs over UDP 8801"}, pageSays: []string{`Sound runs over UDP \d+\.`},
		},
		{
			number: "13b", noPage: "what a broken script means is the browser's to say", cause: client.CauseProxyUnusable, name: "PAC file broken, direct way open", audio: only(udpRung), video: only(udpRung), within: 1000*ms + slack,
			prepare: pac("function FindProxyForURL(url, host) { return nonsense("),
			says:    []string{"The proxy script could not be used: .*directly"},
		},
		{
			number: "13c", noPage: "the browser itself waits for the script", cause: client.CauseProxyUnusable, name: "PAC server never answers", audio: only(udpRung), video: only(udpRung), within: 2 * time.Second,
			prepare: func(r *run) {
				stop := make(chan struct{})
				r.Cleanup(func() { close(stop) })
				r.must(r.access.ServeLAN("192.168.1.1:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop })))
				r.args = append(r.args, "--pac", "http://192.168.1.1/proxy.pac")
			},
			says: []string{"The proxy script could not be used: its server does not answer"},
		},
		{
			number: "13d", name: "proxy that is gone, NO_PROXY for the site", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, udpOnly: true,
			prepare: func(r *run) {
				r.env = append(r.env, "HTTPS_PROXY=http://192.168.1.1:3128", "NO_PROXY=.parley.test")
			},
			never: []string{"(?i)proxy"},
		},
		{
			number: "13e", noPage: "a browser knows no way past its proxy", cause: client.CauseProxyUnusable, name: "proxy that is gone", audio: only(udpRung), video: only(udpRung), within: 1000*ms + slack,
			prepare: func(r *run) { r.env = append(r.env, "HTTPS_PROXY=http://192.168.1.1:3128") },
			says:    []string{`The proxy 192\.168\.1\.1:3128 does not answer; servers are reached directly\.`},
		},
		{
			number: "21", noPage: "the browser shows the portal in its place", name: "captive portal, and then signed in", cause: client.CauseCaptivePortal, audio: only(udpRung), video: only(udpRung), within: 3*time.Second + slack,
			prepare: func(r *run) {
				r.must(r.access.ServeLAN("192.168.1.1:80", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					http.Redirect(w, q, "http://192.168.1.1/login", http.StatusFound)
				})))
				r.must(r.access.Redirect("tcp dport 80 dnat to 192.168.1.1:80"))
				r.forward(resetAll, blockUDP)
			},
			before: func(r *run) {
				_, err := r.client.WaitLine(3*time.Second, func(l Line) bool { return strings.Contains(l.Text, "sign in") })
				r.must(err)
				r.pause(3 * time.Second)
				r.must(r.access.Redirect())
				r.forward()
				r.freeAt = time.Now()
			},
			says: []string{"(?i)sign in"},
		},
	}
}

// unheard: a handshake that the network or the machine spoils.
func unheard() []scenario {
	return []scenario{
		{
			number: "25", cause: client.CauseNoPath, browsers: []string{"chromium"}, name: "nothing but a browser gets through", fails: true, within: 13 * time.Second,
			prepare: func(r *run) {
				r.forward(notChromium+" reject with tcp reset", blockUDP)
				if r.browser != "" {
					r.followLink()
				}
			},
			pageSays: []string{udpUnheard},
			page: func(s *scenario) {
				s.fails, s.audio, s.video, s.within = false, only(tcpRung), only(tcpRung), 700*ms+2*rtt+browserSlack
			},
			says: []string{`https://` + SiteName + `/j/\d+`, "(?i)web client|browser"},
			then: func(r *run) {
				if r.browser == "" {
					r.forward()
					r.again("once all gets through, the next call", only(udpRung), 6*rtt+slack)
				}
			},
		},
		{
			number: "25d", noPage: "the browser itself warns of the certificate", name: "the clock is two days slow", cause: client.CauseClockFatal, fails: true, within: time.Second,
			prepare: func(r *run) {
				// A machine's clock can't be set apart from the laboratory's. What a slow one sees is a certificate that
				// is not valid yet.
				r.must(r.access.ServeSite(time.Now().Add(48 * time.Hour)))
				r.must(r.access.Redirect("ip daddr " + r.servers("site") + " tcp dport 443 dnat to 192.168.1.1:443"))
			},
			says: []string{"(?i)clock", `https://` + SiteName + `/j/\d+`},
		},
		{
			number: "25b", noPage: "the browser's own ClientHello is long", cause: client.CauseLongHello, name: "long ClientHello reset", audio: only(udpRung), video: only(udpRung), within: 1300 * ms,
			says:    []string{"drops TLS handshakes with post-quantum keys", "Audio runs over UDP 8801"},
			prepare: func(r *run) { r.forward(tlsHandshake + " meta length > 1000 reject with tcp reset") },
		},
		{
			number: "25c", noPage: "the browser's own ClientHello is long", cause: client.CauseLongHello, name: "long ClientHello dropped", audio: only(udpRung), video: only(udpRung), within: 6 * time.Second,
			says:    []string{"drops TLS handshakes with post-quantum keys", "Audio runs over UDP 8801"},
			prepare: func(r *run) { r.forward(tlsHandshake + " meta length > 1000 drop") },
		},
	}
}
