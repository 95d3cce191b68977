package netns

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/wire/proto"
)

const ms = time.Millisecond

// blockUDP and the like are the gateway's rules of the usual obstacles.
const (
	blockUDP     = "meta l4proto udp drop"
	onlyTCP443   = "oifname wan tcp dport != 443 drop"
	blockAll     = "oifname wan drop"
	resetAll     = "meta l4proto tcp reject with tcp reset"
	tlsHandshake = "tcp dport 443 @th,256,8 0x16" // the first byte behind a TCP header with time stamps
)

// scenarios are the networks, by their numbers in the list; x… are the further ones.
func scenarios() []scenario {
	return slices.Concat(ladder(), proxies(), changing(), servers(), later())
}

// ladder: what the network lets through.
func ladder() []scenario {
	return []scenario{
		{
			number: "1", udpOnly: true, fast: true, browsers: []string{"chromium", "firefox"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "home NAT, UDP open", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			says: []string{"Audio runs over UDP 8801"}, never: []string{"blocked"},
		},
		{
			number: "2", cause: client.CauseNAT, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "mobile, symmetric NAT, 80 ms ± 30, 1 % lost", nat: NATSymmetric,
			link:  wire.Link{Delay: 25 * ms, Jitter: 30 * ms, Loss: 0.01},
			audio: only(udpRung), video: only(udpRung), within: 2 * time.Second, says: []string{"Audio runs over UDP 8801"},
			after: func(r *run) {
				r.keepalive(15 * time.Second)
			},
		},
		{
			number: "3", udpOnly: true, fast: true, cause: client.CauseIPv6, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "dual stack, IPv6 a black hole", ipv6: true, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack + 250*ms,
			prepare: func(r *run) { r.forward("meta nfproto ipv6 drop") },
		},
		{
			number: "5", fast: true, cause: client.CauseUDP8801Blocked, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP 3478\.`, `The picture runs over UDP 3478\.`}, name: "UDP to port 3478 alone", audio: only(udpRung), video: only(udpRung), within: time.Second,
			prepare: func(r *run) { r.forward("oifname wan udp dport != 3478 drop") },
			says:    []string{"Audio runs over UDP 3478", "Video runs over UDP 3478"},
		},
		{
			number: "5b", cause: client.CauseUDP8801Blocked, name: "UDP to port 443 alone", audio: only(udpRung), video: only(udpRung), within: time.Second,
			prepare: func(r *run) { r.forward("oifname wan udp dport != 443 drop") },
			says:    []string{"Audio runs over UDP 443", "Video runs over UDP 443"},
		},
		{
			number: "6", fast: true, cause: client.CauseUDPBlocked, browsers: []string{"chromium", "firefox"}, pageSays: []string{`UDP 8801 seems to be blocked`, `Sound runs over TCP 8801\.`, `The picture runs over TCP 8801\.`}, name: "UDP dropped in silence, any TCP", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack,
			prepare: func(r *run) { r.forward(blockUDP) },
			says:    []string{"UDP 8801.*blocked", "Audio runs over TCP 8801"},
			after:   func(r *run) { r.pause(6 * time.Second) }, // until UDP has been given up
		},
		{
			number: "6b", browsers: []string{"chromium"}, cause: client.CauseUDPBlocked, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "the same, and then UDP opens", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack, friend: true,
			prepare: func(r *run) { r.forward(blockUDP) },
			after: func(r *run) {
				r.pause(7 * time.Second)
				r.forward()
				r.upgraded(udpRung, 70*time.Second)
			},
		},
		{
			number: "7", fast: true, cause: client.CauseOnly443, browsers: []string{"chromium", "firefox"}, pageSays: []string{`UDP 8801 seems to be blocked`, `Sound runs over TLS 443\.`, `The picture runs over TLS 443\.`}, name: "nothing but TCP 443", audio: only(tlsRung), video: only(tlsRung), within: time.Second + slack,
			prepare: func(r *run) { r.forward(blockUDP, onlyTCP443) },
			says:    []string{"UDP 8801.*blocked", "Audio runs over TLS 443"},
			after:   func(r *run) { r.pause(6 * time.Second) }, // until UDP has been given up
		},
		{
			number: "7b", browsers: []string{"chromium"}, cause: client.CauseOnly443, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "the same, and then all opens", audio: only(tlsRung), video: only(tlsRung), within: time.Second + slack, friend: true,
			prepare: func(r *run) { r.forward(blockUDP, onlyTCP443) },
			after: func(r *run) {
				r.pause(7 * time.Second)
				r.forward()
				r.upgraded(udpRung, 70*time.Second)
			},
		},
		{
			number: "16", udpOnly: true, cause: client.CauseNAT, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "NAT forgets every 3 s", nat: NATSymmetric, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				for range 3 {
					r.pause(3 * time.Second)
					r.must(r.access.Rebind())
				}
				r.pause(time.Second)
				r.hasRung("audio", udpRung)
				r.gapless(time.Second)
			},
		},
		{
			number: "16b", cause: client.CauseNAT, name: "NAT forgets five times a second", nat: NATSymmetric, audio: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				stop := time.Now().Add(12 * time.Second)
				for time.Now().Before(stop) {
					r.must(r.access.Rebind())
					r.pause(200 * ms)
					if seat, ok := r.client.Seat(); ok && seat.Rungs[0] == tcpRung {
						r.note("demoted to TCP after %d s", 12-int(time.Until(stop).Seconds()))
						return
					}
				}
				if !r.gapless(time.Second) {
					r.Error("neither demoted within 12 s nor heard without gaps")
				}
			},
		},
		{
			number: "17", browsers: []string{"chromium"}, name: "UDP works, then is killed", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				r.pause(2 * time.Second)
				r.forward(blockUDP)
				r.demoted([]proto.Rung{tcpRung, tlsRung}, 3*time.Second)
			},
			// TCP takes a round trip more than UDP does.
			then: func(r *run) { r.again("the next call", []proto.Rung{tcpRung}, 7*rtt+slack) },
		},
		{
			number: "18", cause: client.CauseUDPThrottled, browsers: []string{"chromium"}, name: "UDP throttled to 100 kbit/s", bigVideo: true, audio: only(udpRung), within: 1200 * ms, friend: true,
			prepare: func(r *run) {
				r.wires(wire.Class{Proto: wire.UDP, Up: wire.Link{Delay: rtt / 2, Rate: 100_000, Queue: 2500}, Down: wire.Link{Delay: rtt / 2, Rate: 100_000, Queue: 2500}},
					wire.Both(wire.Link{Delay: rtt / 2}))
			},
			after: func(r *run) { r.picturesElsewhere(12 * time.Second) },
		},
		{
			number: "18b", browsers: []string{"chromium"}, name: "UDP loses 40 %", bigVideo: true, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				lossy := wire.Link{Delay: rtt / 2, Loss: 0.4}
				r.wires(wire.Class{Proto: wire.UDP, Up: lossy, Down: lossy}, wire.Both(wire.Link{Delay: rtt / 2}))
				r.wait(12*time.Second+r.slack(), "pictures on TCP", func(s Seat) bool { return s.Rungs[1] == tcpRung })
			},
		},
		{
			number: "20", udpOnly: true, cause: "mtu_1280", browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "MTU 1280, no ICMP", audio: only(udpRung), video: only(udpRung), bigVideo: true, within: 6*rtt + slack, friend: true,
			link:    wire.Link{Delay: rtt / 2, MTU: 1280, Silent: true},
			prepare: clampMSS,
			after: func(r *run) {
				r.pause(2 * time.Second)
				if n := r.access.TooBig(); n > 2 { // the padded probes
					r.Errorf("%d packets were longer than the path takes", n)
				}
			},
		},
		{
			number: "20b", cause: "mtu_1200", name: "MTU 1200, no ICMP", audio: only(udpRung), within: 6*rtt + slack, bigVideo: true, friend: true,
			link: wire.Link{Delay: rtt / 2, MTU: 1200, Silent: true}, prepare: clampMSS, says: []string{"MTU", "Audio runs over UDP 8801", "Video runs over TCP 8801, since large UDP"},
			after: func(r *run) { r.picturesElsewhere(5 * time.Second) },
		},
	}
}

// clampMSS is what gateways before a short path do for TCP.
func clampMSS(r *run) { r.forward("tcp flags syn tcp option maxseg size set 1100") }

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
				r.args = append(r.args, "--proxy-user", "@"+file)
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
	return []scenario{
		{
			number: "8", fast: true, cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium", "firefox"}, pageForb: []func(Flow) string{pastPageProxy}, pageSays: []string{`Sound runs over TLS 443\.`, `The picture runs over TLS 443\.`}, name: "HTTP proxy, CONNECT to 443 alone", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack,
			prepare: viaProxy(AuthNone), says: []string{"(?i)proxy", "Audio runs over TLS 443"},
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
			number: "9", fast: true, cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "HTTP proxy, UDP open beside it", audio: only(udpRung), video: only(udpRung), within: 1200*ms + slack,
			prepare: func(r *run) {
				viaProxy(AuthNone)(r)
				r.forward("oifname wan udp dport != 8801 drop", "oifname wan meta l4proto tcp drop")
			},
			says: []string{"(?i)proxy", "Audio runs over UDP 8801"},
		},
		{
			number: "10", cause: client.CauseInspected, forbid: []func(Flow) string{pastProxy}, browsers: []string{"chromium"}, pageForb: []func(Flow) string{pastPageProxy}, name: "TLS inspected, CA trusted", audio: only(tlsRung), video: only(tlsRung), within: 1200*ms + slack,
			prepare: func(r *run) {
				i, err := r.access.StartInspector()
				r.must(err)
				r.forward(blockAll)
				r.env, r.proxy = append(r.env, "HTTPS_PROXY="+i.URL), i.URL
				r.noCA = true
				r.args = append(r.args, "--ca", i.CA)
			},
			says: []string{InspectorName},
			// TURN is no HTTP, and a page can't tell whose certificates it is shown.
			page:     func(s *scenario) { s.silent = 20 * time.Second },
			pageSays: []string{`The meeting can’t be reached|Sound has no path`},
		},
		{
			number: "11", fast: true, cause: client.CauseInspected, forbid: []func(Flow) string{fewDirect}, name: "TLS inspected, CA not trusted", fails: true, within: 2 * time.Second,
			prepare: func(r *run) {
				i, err := r.access.StartInspector()
				r.must(err)
				r.forward(blockAll)
				r.env = append(r.env, "HTTPS_PROXY="+i.URL)
			},
			says: []string{InspectorName},
		},
		{
			number: "12", cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, name: "proxy asks for a password (Basic)", audio: only(tlsRung), video: only(tlsRung), within: 1500*ms + slack,
			prepare: viaProxy(AuthBasic), says: []string{"(?i)proxy"},
		},
		{
			number: "12b", cause: client.CauseProxyRequired, forbid: []func(Flow) string{pastProxy}, name: "proxy asks for a password (Digest)", audio: only(tlsRung), video: only(tlsRung), within: 1500*ms + slack,
			prepare: viaProxy(AuthDigest), says: []string{"(?i)proxy"},
		},
		{
			number: "12c", cause: client.CauseProxyLogin, forbid: []func(Flow) string{fewDirect}, name: "proxy asks for a password, none given", fails: true, within: 2 * time.Second,
			prepare: func(r *run) {
				p, err := r.access.StartSquid(AuthBasic)
				r.must(err)
				r.forward(blockAll)
				r.env = append(r.env, "HTTPS_PROXY="+p.URL)
			},
			says: []string{"(?i)proxy.*password"},
		},
		{
			number: "13", cause: client.CauseProxyRequired, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "PAC file: proxy for all but zones", audio: only(udpRung), video: only(udpRung), within: 1200*ms + slack,
			prepare: func(r *run) {
				pac(`function FindProxyForURL(url, host) {
	return shExpMatch(host, "ctl-*") || shExpMatch(host, "mmr-*") ? "DIRECT" : "PROXY PROXY_HERE";
}`)(r)
				r.forward("ip daddr " + r.servers("site") + " drop")
			},
			says: []string{"(?i)proxy"},
		},
		{
			number: "13b", cause: client.CauseProxyUnusable, name: "PAC file broken, direct way open", audio: only(udpRung), video: only(udpRung), within: 3*time.Second + slack,
			prepare: pac("function FindProxyForURL(url, host) { return nonsense("),
			says:    []string{"The proxy script could not be used: .*directly"},
		},
		{
			number: "13c", cause: client.CauseProxyUnusable, name: "PAC server never answers", audio: only(udpRung), video: only(udpRung), within: 4*time.Second + slack,
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
			number: "13e", cause: client.CauseProxyUnusable, name: "proxy that is gone", audio: only(udpRung), video: only(udpRung), within: 1200*ms + slack,
			prepare: func(r *run) { r.env = append(r.env, "HTTPS_PROXY=http://192.168.1.1:3128") },
			says:    []string{`The proxy 192\.168\.1\.1:3128 does not answer; servers are reached directly\.`},
		},
		{
			number: "21", name: "captive portal, and then signed in", cause: client.CauseCaptivePortal, audio: only(udpRung), video: only(udpRung), within: 3*time.Second + slack,
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
		{
			number: "24", fast: true, cause: client.CauseTunnelOnly, browsers: []string{"chromium", "firefox"}, pageSays: []string{"(?i)tunnel"}, name: "no zone reachable, tunnels are", audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack, friend: true,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			says:    []string{"(?i)tunnel"},
		},
		{
			number: "24c", cause: client.CauseTunnelOnly, browsers: []string{"chromium"}, name: "the same, and then zones are in reach", audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack, friend: true,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			after: func(r *run) {
				r.pause(7 * time.Second)
				r.heard.Forget()
				r.forward()
				opened := time.Now()
				direct := func(f Flow) bool {
					return f.Dir == wire.Up && f.Proto == wire.UDP && f.Kind == soundKind
				}
				for len(r.access.Flows(direct)) == 0 {
					if time.Since(opened) > 60*time.Second {
						r.Error("sound still goes through the tunnel")
						return
					}
					r.pause(100 * ms)
				}
				r.note("sound leaves the tunnel after %.1f s", time.Since(opened).Seconds())
				r.pause(2 * time.Second)
				r.moved()
			},
		},
		{
			number: "24b", cause: client.CauseTunnelOnly, name: "neither site nor zones, tunnels known from before", audio: only(udpRung), video: only(udpRung), within: 3 * time.Second,
			prepare: func(r *run) {
				r.visit()
				r.forward("ip daddr " + r.servers("site", "ctl", "mmr") + " drop")
			},
			says: []string{"(?i)tunnel"},
		},
		{
			number: "25", cause: client.CauseNoPath, name: "nothing but a browser gets through", fails: true, within: 25 * time.Second,
			prepare: func(r *run) { r.forward(tlsHandshake+" reject with tcp reset", blockUDP) },
			says:    []string{`https://` + SiteName + `/j/\d+`, "(?i)web client|browser"},
		},
		{
			number: "25d", name: "the clock is two days slow", cause: client.CauseClockFatal, fails: true, within: 3 * time.Second,
			prepare: func(r *run) {
				// A machine's clock can't be set apart from the laboratory's. What a slow one sees is a certificate that
				// is not valid yet.
				r.must(r.access.ServeSite(time.Now().Add(48 * time.Hour)))
				r.must(r.access.Redirect("ip daddr " + r.servers("site") + " tcp dport 443 dnat to 192.168.1.1:443"))
			},
			says: []string{"(?i)clock", `https://` + SiteName + `/j/\d+`},
		},
		{
			number: "25b", cause: client.CauseLongHello, name: "long ClientHello reset", audio: only(udpRung), video: only(udpRung), within: 3 * time.Second,
			prepare: func(r *run) { r.forward(tlsHandshake + " meta length > 1000 reject with tcp reset") },
		},
		{
			number: "25c", cause: client.CauseLongHello, name: "long ClientHello dropped", audio: only(udpRung), video: only(udpRung), within: 6 * time.Second,
			prepare: func(r *run) { r.forward(tlsHandshake + " meta length > 1000 drop") },
		},
	}
}

// changing: networks that are not the same all the time.
func changing() []scenario {
	return []scenario{
		{
			number: "15", udpOnly: true, browsers: []string{"chromium", "firefox"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "Wi-Fi to mobile in the meeting", audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack, friend: true,
			after: func(r *run) {
				mobile, err := r.in.NewAccess(NATSymmetric, wire.Both(wire.Link{Delay: 40 * ms}))
				r.must(err)
				r.must(r.machine.Attach(mobile))
				before, _ := r.client.Seat()
				most := time.Second
				if r.browser != "" {
					most = 3 * time.Second
				}
				r.pause(time.Second)
				moved := time.Now()
				r.must(r.machine.Use(mobile))
				r.pause(6 * time.Second)
				r.gap("from one network to the other", most, moved)
				r.hasRung("audio", udpRung)
				if seat, ok := r.client.Seat(); !ok || seat.Participant != before.Participant {
					r.Error("the router does not know it as the same participant")
				}
			},
		},
		{
			number: "x8", browsers: []string{"chromium"}, name: "sound on UDP, pictures on TLS, which is 40 ms slower", audio: only(udpRung), friend: true, bigVideo: true,
			within: 6*rtt + 4*40*ms + slack, // what goes over TLS is as much slower: lookup three times, and the hello
			prepare: func(r *run) {
				r.wires(wire.Class{Proto: wire.TCP, Up: wire.Link{Delay: rtt/2 + 20*ms}, Down: wire.Link{Delay: rtt/2 + 20*ms}}, wire.Both(wire.Link{Delay: rtt / 2}))
			},
			after: func(r *run) {
				before := r.estimate(8 * time.Second)
				r.forward("meta l4proto udp @th,64,8 > 127 meta length > 500 numgen random mod 10 < 9 drop", "tcp dport 8801 drop") // what carries pictures
				r.wait(14*time.Second, "audio on UDP and video on TLS", func(s Seat) bool { return s.Rungs[0] == udpRung && s.Rungs[1] == tlsRung })
				after := r.estimate(8 * time.Second)
				if r.browser == "" {
					return
				}
				r.note("the browser's outgoing estimate: %d kbit/s on UDP, %d so", before/1000, after/1000)
				if after == 0 || float64(after) < 0.8*float64(before) {
					r.Errorf("the browser believes in %d bit/s, with all on UDP in %d", after, before)
				}
			},
		},
		{
			number: "x9", name: "UDP lets STUN through and nothing else", audio: only(tcpRung), video: only(tcpRung), within: 700*ms + slack,
			prepare: func(r *run) { r.forward("meta l4proto udp @th,64,8 > 3 drop") },
		},
		{
			number: "x1", browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "Wi-Fi of 600 ms round trip", link: wire.Link{Delay: 300 * ms}, audio: only(udpRung), video: only(udpRung), within: 6*600*ms + slack,
			never: []string{"blocked"},
		},
	}
}

// servers: what breaks on the other side.
func servers() []scenario {
	return []scenario{
		{
			number: "x2", browsers: []string{"chromium"}, page: frozenLate, pageSays: []string{`Sound runs over UDP \d+\.`}, name: "the zone dies in the middle of joining", alone: true, world: InternetConfig{Tunnels: -1}, audio: only(udpRung), video: only(udpRung), within: 4 * time.Second,
			prepare: func(r *run) {
				// Zone b is far, so a is chosen; it freezes when the lookup has been answered, or a page's Join clicked.
				far(r.access, "b", 40*ms)
				phase := "lookup"
				if r.browser != "" {
					phase = "click"
				}
				r.onPhase(phase, func() {
					r.in.Server("ctl-a").Freeze()
					r.in.Server("mmr-a").Freeze()
				})
			},
		},
		{
			number: "x3", cause: client.CauseZone, browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "one of five zones is a black hole", alone: true, world: InternetConfig{Tunnels: -1, Small: []string{"c", "d", "e"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl-c") + " drop") },
		},
		{
			number: "x4", cause: client.CauseZone, name: "four of five zones are black holes", alone: true, world: InternetConfig{Tunnels: -1, Small: []string{"c", "d", "e"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			prepare: func(r *run) {
				r.forward("ip daddr " + r.servers("ctl-a", "mmr-a", "ctl-c", "ctl-d", "ctl-e") + " drop")
			},
		},
		{
			number: "x5", browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "the router is full", alone: true, world: InternetConfig{Tunnels: -1, Router: map[string]string{"a": ", max_people: 1"}}, audio: only(udpRung), video: only(udpRung), within: 7*rtt + slack,
			prepare: func(r *run) {
				far(r.access, "b", 40*ms)
				other, err := r.in.NewMeeting("The only one there")
				r.must(err)
				m, a := r.goodMachine()
				far(a, "b", 100*ms)
				first, err := r.in.JoinNative(m.Namespace, other, NativeConfig{Name: "First"})
				r.must(err)
				joined, err := first.WaitJoined(10 * time.Second)
				r.must(err)
				if joined.Router != "mmr-a" {
					r.Fatalf("the first is on %s", joined.Router)
				}
			},
		},
		{
			number: "x6", browsers: []string{"chromium"}, pageSays: []string{`Sound runs over UDP \d+\.`, `The picture runs over UDP \d+\.`}, name: "the router is behind 1:1 NAT", alone: true, world: InternetConfig{Tunnels: -1, Zones: []string{"a"}, Mapped: []string{"a"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
		},
		{
			number: "x7", cause: client.CauseTunnelOnly, browsers: []string{"chromium"}, pageSays: []string{"(?i)tunnel"}, name: "no zone reachable, the nearer tunnel accepts and never answers", alone: true, world: InternetConfig{Silent: true}, audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			says:    []string{"(?i)tunnel"},
		},
	}
}

// frozenLate: a page has its connections to a server up before Join is clicked, and has to find out that they are dead.
func frozenLate(s *scenario) { s.within = 9 * time.Second }

// later: what a later issue asks for.
func later() []scenario {
	return []scenario{
		{number: "4", name: "Wi-Fi with 5 % lost in bursts and 200 ms of queue", later: "with media that adapts"},
		{number: "12d", name: "proxy asks for NTLM", later: "NTLM"},
		{number: "12e", name: "proxy asks for Negotiate", later: "Negotiate"},
		{number: "14", name: "a box that strips Upgrade", later: "requests in place of WebSockets"},
		{number: "19", name: "30 % lost upwards, nothing downwards", later: "with media that adapts"},
		{number: "22", name: "IPv6 alone, NAT64", later: "NAT64"},
		{number: "23", name: "no name service", later: "the cached dial plan without names"},
	}
}

// far puts a zone's servers at a distance from an access, one way; the others are where they are by default.
func far(a *Access, zone string, delay time.Duration) {
	var classes []wire.Class
	for _, name := range []string{"ctl-" + zone, "mmr-" + zone} {
		c := wire.Both(wire.Link{Delay: delay})
		c.Net = netip.PrefixFrom(a.in.Server(name).Addr, 32)
		classes = append(classes, c)
	}
	a.Wire.Set(append(classes, wire.Both(wire.Link{Delay: rtt / 2}))...)
}

// pause lets the call go on; it fails if the client ends meanwhile.
func (r *run) pause(d time.Duration) {
	r.Helper()
	select {
	case <-r.client.Done():
		r.Fatalf("the client ended: %s", r.client.Told())
	case <-time.After(d):
	}
}

// onPhase does something when the client has got through a phase.
func (r *run) onPhase(phase string, do func()) {
	go func() {
		<-r.joining
		for !slices.ContainsFunc(r.client.Events(), func(e Event) bool { return e.Phase == phase }) {
			time.Sleep(2 * ms)
		}
		do()
	}()
}

// wait waits for the router's record.
func (r *run) wait(d time.Duration, what string, want func(Seat) bool) bool {
	r.Helper()
	t0 := time.Now()
	if _, err := r.client.WaitSeat(d, what, want); err != nil {
		r.Error(err)
		return false
	}
	r.note("%s after %.1f s", what, time.Since(t0).Seconds())
	return true
}

func (r *run) hasRung(medium string, want proto.Rung) {
	r.Helper()
	seat, _ := r.client.Seat()
	if got := seat.Rungs[0]; got != want {
		r.Errorf("%s runs over %q, want %q", medium, got, want)
	}
}

// upgraded: the obstacle is gone, a better path is found, and nobody hears it.
func (r *run) upgraded(to proto.Rung, within time.Duration) {
	r.Helper()
	if r.wait(within, "upgraded to "+string(to), func(s Seat) bool { return s.Rungs[0] == to && s.Rungs[1] == to }) {
		r.moved()
	}
}

// moved: media has gone over from one path to another, and nobody has heard it. A page's microphone changes its
// encoder on the way.
func (r *run) moved() {
	r.Helper()
	most := 300 * ms
	if r.browser != "" {
		most = 500 * ms
	}
	r.pause(2 * time.Second) // what comes on the new path
	r.gap("from one path to the other", most, time.Now().Add(-5*time.Second))
}

// slack is how late a client may be for reasons of its own.
func (r *run) slack() time.Duration {
	if r.browser != "" {
		return browserSlack
	}
	return slack
}

// picturesElsewhere: UDP carries sound and no pictures.
func (r *run) picturesElsewhere(within time.Duration) {
	r.Helper()
	r.wait(within, "audio on UDP and video elsewhere", func(s Seat) bool { return s.Rungs[0] == udpRung && (s.Rungs[1] == tcpRung || s.Rungs[1] == tlsRung) })
}

// demoted: the path in use is gone.
func (r *run) demoted(to []proto.Rung, within time.Duration) {
	r.Helper()
	r.wait(within+r.slack(), fmt.Sprintf("demoted to %v", to), func(s Seat) bool { return slices.Contains(to, s.Rungs[0]) })
}

// again joins a second time from the same machine, which remembers.
func (r *run) again(what string, audio []proto.Rung, within time.Duration) {
	r.Helper()
	if r.browser != "" {
		return // each starts with a profile of its own
	}
	c, err := r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client", Args: r.args, Env: r.env})
	r.must(err)
	defer c.Stop()
	e, err := c.WaitJoined(within + 10*time.Second)
	if err != nil {
		r.Error(err)
		return
	}
	seat, err := c.WaitSeat(within+5*time.Second, what, func(s Seat) bool { return slices.Contains(audio, s.Rungs[0]) })
	if err != nil {
		r.Error(err)
		return
	}
	l, err := c.WaitLine(r.patience(), func(l Line) bool {
		x, ok := event(l)
		return ok && x.Event == "media" && x.Kind == "audio"
	})
	if err != nil {
		r.Error(err)
		return
	}
	x, _ := event(l)
	if took := time.Duration(x.MS) * ms; took > within && !r.fast {
		r.Errorf("%s has %s after %v, the bound is %v", what, seat.Rungs[0], took, within)
	}
	r.note("%s has %s after %d ms (joined after %d)", what, seat.Rungs[0], x.MS, e.MS)
}

// estimate lets a call go on, and says what a browser then believes it can send a second, the median of its last
// four looks; 0 for the native client.
func (r *run) estimate(after time.Duration) int {
	r.Helper()
	r.pause(after)
	var bits []int
	for _, e := range r.client.Events() {
		if e.Event == "estimate" {
			bits = append(bits, e.Bits)
		}
	}
	if len(bits) < 4 {
		return 0
	}
	last := slices.Sorted(slices.Values(bits[len(bits)-4:]))
	return (last[1] + last[2]) / 2
}

// visit joins and leaves: what is learnt then is remembered.
func (r *run) visit() {
	c, err := r.in.JoinNative(r.machine.Namespace, r.meeting, NativeConfig{Name: "Ann Client"})
	r.must(err)
	_, err = c.WaitJoined(10 * time.Second)
	r.must(err)
	c.Stop()
}

// keepalive waits and sees that nothing on UDP was silent for longer than NATs forget.
func (r *run) keepalive(most time.Duration) {
	r.Helper()
	r.pause(most + 5*time.Second)
	type socket struct {
		near uint16
		far  netip.AddrPort
	}
	longest := map[socket]time.Duration{}
	now := time.Now()
	for _, f := range r.access.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Proto == wire.UDP }) {
		// What is used for media has RTCP. Of the kinds of packets on one socket, the steadiest counts.
		at := socket{f.Near, f.Far}
		pause := max(f.Pause, now.Sub(f.Last))
		if known, ok := longest[at]; ok {
			pause = min(pause, known)
		}
		longest[at] = pause
	}
	media := 0
	for _, f := range r.access.Flows(func(f Flow) bool { return f.Dir == wire.Up && f.Kind == "rtcp" && f.N > 1 }) {
		media++
		if pause := longest[socket{f.Near, f.Far}]; pause > most {
			r.Errorf("the socket of %v is silent for %v, the bound is %v", f, pause.Round(ms), most)
		}
	}
	if media == 0 {
		r.Error("no socket for media has sent RTCP twice")
	}
}

// gapless looks for silence in what the friend hears of the client, since the beginning or the last call.
func (r *run) gapless(most time.Duration) bool {
	r.Helper()
	return r.gap("", most, time.Time{})
}

// gap is gapless from a time on, and notes the longest silence: at other times the machine may have stood still.
func (r *run) gap(what string, most time.Duration, since time.Time) bool {
	r.Helper()
	all := r.heard.Sounds()
	if i := slices.IndexFunc(all, since.Before); i > 0 {
		all = all[i-1:] // silent already is silent too
	}
	var longest time.Duration
	for i := 1; i < len(all); i++ {
		longest = max(longest, all[i].Sub(all[i-1]))
	}
	if len(all) > 0 {
		longest = max(longest, time.Since(all[len(all)-1]))
	}
	if what != "" {
		r.note("%s: %d ms without sound", what, longest.Milliseconds())
	}
	switch {
	case len(all) == 0:
		r.Error("the friend hears nothing")
	case longest > most:
		r.Errorf("the friend hears nothing for %v, the bound is %v", longest.Round(ms), most)
	default:
		return true
	}
	return false
}
