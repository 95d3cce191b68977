package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/core/join"
	"parley/sys/proxy"
	"parley/wire/proto"
	"parley/wire/stun"
)

// healthy is what is seen from a network without obstacles.
func healthy() *seen {
	const router = "192.0.2.1"
	s := &seen{site: "https://meet.test", addrs: []string{"192.0.2.9"}, siteRTT: 20 * time.Millisecond, tlsName: "TLS 1.3", issuer: "R11",
		answer: proto.NetworkAnswer{V: 1, Binding: "x"}, nat: natSame, mapped: "198.51.100.7", up: 1500, both: 1500,
		small: burst{sent: 40, back: 40, least: 20 * time.Millisecond, half: 21 * time.Millisecond},
		large: burst{sent: 40, back: 39, least: 21 * time.Millisecond, half: 23 * time.Millisecond},
		turn:  &seenRung{rung: proto.TLS443, addr: "mmr.test:443", rtt: 20 * time.Millisecond}}
	z := proto.NetworkZone{Zone: proto.Zone{ID: "eu", Name: "Europe", Controllers: []string{"https://zc.test"}, Probes: []string{router + ":8801"}},
		Routers: []proto.NetworkRouter{{ID: "m1", URL: "https://mmr.test", Candidates: []proto.Candidate{
			{Rung: proto.UDP8801, Addr: router + ":8801"}, {Rung: proto.UDP8801, Addr: router + ":3478"}, {Rung: proto.TCP8801, Addr: router + ":8801"}, {Rung: proto.TLS443, Addr: "mmr.test:443"}}}}}
	s.zones = []seenZone{{NetworkZone: z, controllers: []seenServer{{url: "https://zc.test", rtt: 20 * time.Millisecond}},
		probes: []seenProbe{{addr: router + ":8801", burst: burst{sent: 10, back: 10, least: 20 * time.Millisecond}}}}}
	for g := range proto.Group(proto.NGroups) {
		for _, c := range z.Routers[0].Candidates {
			addr := c.Addr
			if c.Rung == proto.TLS443 {
				addr = "https://mmr.test"
			}
			s.rungs = append(s.rungs, seenRung{group: g, rung: c.Rung, addr: addr, rtt: 20 * time.Millisecond})
		}
	}
	return s
}

// lose makes ways not answer.
func (s *seen) lose(which func(seenRung) bool) {
	for i := range s.rungs {
		if which(s.rungs[i]) {
			s.rungs[i].rtt, s.rungs[i].err = -1, "no answer"
		}
	}
}

// move gives the routers another port.
func (s *seen) move(from, to string) {
	list := s.zones[0].Routers[0].Candidates
	for i := range list {
		list[i].Addr = strings.Replace(list[i].Addr, ":"+from, ":"+to, 1)
	}
	for i := range s.rungs {
		s.rungs[i].addr = strings.Replace(s.rungs[i].addr, ":"+from, ":"+to, 1)
	}
}

// mark says what became of marks on UDP.
func (s *seen) mark(sent, arrived, back, came uint8) {
	s.marks = [proto.NGroups]uint8{sent, sent, sent}
	for i := range s.rungs {
		if s.rungs[i].rung == proto.UDP8801 {
			s.rungs[i].marked = marked{true, sent, arrived, back, came}
		}
	}
}

// sixth is an IPv6 address with so many of ten probes answered.
func sixth(back int) seenProbe {
	return seenProbe{addr: "[2001:db8::1]:8801", burst: burst{sent: 10, back: back, least: 20 * time.Millisecond}}
}

func TestJudge(t *testing.T) {
	untrusted := func(err error) error { return &proxy.Untrusted{Server: "meet.test", Issuer: "FortiGate", Err: err} }
	silent := func(s *seen, err error) { s.siteErr, s.siteText = err, err.Error() }
	for _, tt := range []struct {
		name   string
		given  func(*seen)
		grade  Grade
		causes string
		rules  string // "UDP 8801 192.0.2.1"
		says   string
	}{
		{"nothing", func(*seen) {}, Best, "[]", "", "Audio runs over UDP 8801."},
		{"IPv6 that leads nowhere", func(s *seen) { s.ipv6 = true; s.zones[0].probes = append(s.zones[0].probes, sixth(0)) }, Best, "[ipv6_silent]", "", "Repair IPv6"},
		{"IPv6 that works", func(s *seen) { s.ipv6 = true; s.zones[0].probes = append(s.zones[0].probes, sixth(10)) }, Best, "[]", "", ""},
		{"no IPv6", func(s *seen) { s.zones[0].probes = append(s.zones[0].probes, sixth(0)) }, Best, "[]", "", ""},
		{"symmetric NAT", func(s *seen) { s.nat = natSymmetric }, Best, "[symmetric_nat]", "", "Audio runs over UDP 8801."},
		{"UDP 8801, not 3478", func(s *seen) { s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 && r.port() == 8801 }) },
			Limited, "[udp_8801_blocked]", "UDP 8801 192.0.2.1", "UDP 8801 does not answer, UDP 3478 does.\nAudio runs over UDP 3478."},
		{"a site on ports of its own", func(s *seen) { s.move("8801", "28801") }, Best, "[]", "", "Audio runs over UDP 28801."},
		{"a site on ports of its own, UDP blocked", func(s *seen) {
			s.move("8801", "28801")
			s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 })
		}, Limited, "[udp_blocked]", "UDP 28801 192.0.2.1", "Audio runs over TCP"},
		{"UDP that lets STUN through and no media", func(s *seen) {
			s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 })
			for i := range s.rungs {
				s.rungs[i].stunOnly = s.rungs[i].rung == proto.UDP8801
			}
		}, Limited, "[udp_stun_only]", "UDP 8801 192.0.2.1", "UDP lets short checks (STUN) through and nothing else"},
		{"STUN alone on one port, all on another", func(s *seen) {
			s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 && r.port() == 8801 })
			for i := range s.rungs {
				s.rungs[i].stunOnly = s.rungs[i].rung == proto.UDP8801 && s.rungs[i].port() == 8801
			}
		}, Limited, "[udp_8801_blocked]", "UDP 8801 192.0.2.1", "Audio runs over UDP 3478."},
		{"marks that arrive", func(s *seen) { s.mark(46, 46, 46, 46) }, Best, "[]", "", ""},
		{"marks cleared upwards", func(s *seen) { s.mark(46, 0, 46, 46) }, Best, "[marks_cleared]", "",
			"Audio is marked DSCP 46 and arrives with 0 on the way up: the network does not carry its mark."},
		{"marks changed both ways", func(s *seen) { s.mark(56, 8, 56, 0) }, Best, "[marks_cleared]", "",
			"arrives with 8 on the way up: the network does not carry its mark.\nAudio is marked DSCP 56 and arrives with 0 on the way down"},
		{"marks that nobody can read", func(s *seen) { s.mark(46, stun.MarkUnknown, 46, stun.MarkUnknown) }, Best, "[]", "", ""},
		{"no marks set", func(s *seen) { s.mark(0, 0, 0, 0) }, Best, "[]", "", ""},
		{"one zone of two silent, on a port of its own", func(s *seen) {
			z := s.zones[0]
			z.ID, z.Name = "us", "America"
			z.controllers = []seenServer{{url: "https://us.test:8443", rtt: -1, err: "no answer in time"}, {url: "https://us2.test", rtt: -1, err: "no answer in time"}}
			z.probes = []seenProbe{{addr: "192.0.2.2:9000", burst: burst{sent: 10}}}
			s.zones = append(s.zones, z)
		}, Limited, "[zone_unreachable]", "TCP 8443 us.test|TCP 443 us2.test|UDP 9000 192.0.2.2",
			"Zone America does not answer over HTTPS to us.test:8443, us2.test and UDP 9000."},
		{"a zone with controllers silent and UDP open", func(s *seen) {
			z := s.zones[0]
			z.Name = "America"
			z.controllers = []seenServer{{url: "/zone/us", rtt: -1, err: "no answer in time"}}
			s.zones = append(s.zones, z)
		}, Limited, "[zone_unreachable]", "TCP 443 meet.test", "Zone America does not answer over HTTPS to /zone/us, but over UDP 8801."},
		{"a zone with UDP silent", func(s *seen) {
			z := s.zones[0]
			z.Name = "America"
			z.probes = []seenProbe{{addr: "192.0.2.2:8801", burst: burst{sent: 10}}}
			s.zones = append(s.zones, z)
		}, Limited, "[zone_unreachable]", "UDP 8801 192.0.2.2", "Zone America does not answer over UDP 8801, but over HTTPS."},
		{"a zone with UDP silent, over IPv6 too", func(s *seen) {
			z := s.zones[0]
			z.Name = "America"
			z.probes = []seenProbe{{addr: "192.0.2.2:8801", burst: burst{sent: 10}}, sixth(0)}
			s.ipv6, s.zones = true, append(s.zones, z)
			s.zones[0].probes = append(s.zones[0].probes, sixth(10))
		}, Limited, "[zone_unreachable]", "UDP 8801 192.0.2.2,2001:db8::1", "Zone America does not answer over UDP 8801, but over HTTPS."},
		{"the same on a computer without IPv6", func(s *seen) {
			z := s.zones[0]
			z.Name = "America"
			z.probes = []seenProbe{{addr: "192.0.2.2:8801", burst: burst{sent: 10}}, sixth(0)}
			s.zones = append(s.zones, z)
		}, Limited, "[zone_unreachable]", "UDP 8801 192.0.2.2", "Zone America does not answer over UDP 8801, but over HTTPS."},
		{"routers on two ports, UDP blocked", func(s *seen) {
			r := s.zones[0].Routers[0]
			r.Candidates = []proto.Candidate{{Rung: proto.UDP8801, Addr: "192.0.2.7:9801"}}
			s.zones[0].Routers = append(s.zones[0].Routers, r)
			s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 })
		}, Limited, "[udp_blocked]", "UDP 8801 192.0.2.1|UDP 9801 192.0.2.7", "Audio runs over TCP"},
		{"clock ahead", func(s *seen) { s.skew = 3 * time.Minute }, Limited, "[clock_wrong]", "", "Set this computer's date"},
		{"clock a minute ahead", func(s *seen) { s.skew = time.Minute }, Best, "[]", "", ""},
		{"certificate not valid yet", func(s *seen) { silent(s, untrusted(x509.CertificateInvalidError{Reason: x509.Expired})) }, Useless, "[clock_wrong]", "", "is its clock right?"},
		{"long hello", func(s *seen) { s.classical = true }, Limited, "[tls_hello_dropped]", "", "A firewall on the way drops TLS handshakes with post-quantum keys"},
		{"proxy, direct way open", func(s *seen) { s.proxy, s.proxyFrom, s.direct = "proxy:3128", "named", true }, Best, "[]", "", "through the proxy proxy:3128"},
		{"proxy gone, direct way open", func(s *seen) { s.unused = "The proxy proxy:3128 does not answer" }, Best, "[proxy_unusable]", "", "The proxy proxy:3128 does not answer; servers are reached directly."},
		{"proxy gone, direct way closed", func(s *seen) { s.unused = "The proxy proxy:3128 does not answer"; silent(s, errors.New("no answer")) }, Useless, "[proxy_unusable]", "", "See that the proxy"},
		{"proxy refuses", func(s *seen) { silent(s, &proxy.Refused{Proxy: "proxy:3128", Status: 403}) }, Useless, "[proxy_refuses]", "", "Let the proxy proxy:3128 pass CONNECT to meet.test:443"},
		{"connections are cut", func(s *seen) { silent(s, fmt.Errorf("reading: %w", syscall.ECONNRESET)) }, Useless, "[no_path]", "TCP 443 meet.test,192.0.2.9", "let browsers pass and no other program"},
		{"name unknown", func(s *seen) {
			s.dnsErr = "this computer can't find the name meet.test"
			silent(s, errors.New("no such host"))
		}, Useless, "[name_unknown]", "", "DNS"},
		{"name unknown but to the proxy", func(s *seen) { s.dnsErr, s.proxy = "this computer can't find the name meet.test", "proxy:3128" }, Limited, "[proxy_required]", "", "Audio runs"},
		{"site silent, tunnels known", func(s *seen) {
			silent(s, errors.New("no answer in time"))
			s.tunnels = []seenServer{{url: "https://t1.test", rtt: -1}, {url: "https://t2.test", rtt: time.Millisecond}}
		}, Limited, "[tunnel_only]", "TCP 443 meet.test,192.0.2.9", "Servers are reached through the tunnel https://t2.test."},
		{"zones silent, tunnels answer", func(s *seen) {
			s.zones[0].controllers[0] = seenServer{url: "https://zc.test", rtt: -1, err: "no answer in time"}
			s.zones[0].probes[0].back = 0
			s.tunnels = []seenServer{{url: "https://t1.test", rtt: time.Millisecond}}
			s.lose(func(seenRung) bool { return true })
		}, Limited, "[tunnel_only]", "TCP 443 zc.test|UDP 8801 192.0.2.1|TCP 443 mmr.test", "Without the tunnel nothing answers"},
		{"zones silent, no tunnel", func(s *seen) {
			s.zones[0].controllers[0] = seenServer{url: "https://zc.test", rtt: -1, err: "no answer in time"}
			s.lose(func(seenRung) bool { return true })
		}, Useless, "[no_path]", "TCP 443 zc.test|UDP 8801 192.0.2.1|TCP 443 mmr.test", "No zone controller answered over HTTPS."},
		{"no server", func(s *seen) { s.zones[0].Routers = nil; s.rungs = nil }, Useless, "[no_router]", "", ""},
		{"routers out of reach", func(s *seen) { s.lose(func(seenRung) bool { return true }) }, Useless, "[no_path]", "UDP 8801 192.0.2.1|TCP 8801 192.0.2.1|TCP 443 mmr.test", "Audio has no path."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := healthy()
			tt.given(s)
			d := s.judge()
			var rules []string
			for _, r := range d.Rules {
				rules = append(rules, fmt.Sprintf("%s %d %s", r.Protocol, r.Port, strings.Join(r.To, ",")))
			}
			if d.Grade != tt.grade || fmt.Sprint(d.Causes) != tt.causes || strings.Join(rules, "|") != tt.rules {
				t.Errorf("grade %d, causes %v, rules %q, want %d, %s, %q", d.Grade, d.Causes, rules, tt.grade, tt.causes, tt.rules)
			}
			if text := strings.Join(slices.Concat(d.Summary, d.Advice), "\n"); !strings.Contains(text, tt.says) {
				t.Errorf("says %q, without %q", text, tt.says)
			}
			if len(d.Causes) > 0 && d.Cause != d.Causes[0] {
				t.Errorf("cause %q of %v", d.Cause, d.Causes)
			}
		})
	}
}

// Ways are listed once, with what they said to each medium; of IPv6 nothing where this computer has none.
func TestWaysAreListed(t *testing.T) {
	const all = "audio 20 ms, video 20 ms, content 20 ms"
	sixth := func(s *seen) {
		for g := range proto.Group(proto.NGroups) {
			s.rungs = append(s.rungs, seenRung{group: g, rung: proto.UDP8801, addr: "[2001:db8::1]:8801", rtt: -1, err: "no answer"})
		}
	}
	for _, tt := range []struct {
		name  string
		given func(*seen)
		want  []string
	}{
		{"all open", func(*seen) {}, []string{"ok UDP 8801: " + all, "ok UDP 3478: " + all, "ok TCP 8801: " + all, "ok TLS 443: " + all}},
		{"UDP 8801 blocked", func(s *seen) { s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 && r.port() == 8801 }) },
			[]string{"fail UDP 8801: no answer", "ok UDP 3478: " + all, "ok TCP 8801: " + all, "ok TLS 443: " + all}},
		{"UDP 3478 blocked", func(s *seen) { s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 && r.port() == 3478 }) },
			[]string{"ok UDP 8801: " + all, "warn UDP 3478: no answer", "ok TCP 8801: " + all, "ok TLS 443: " + all}},
		{"sound alone passes", func(s *seen) {
			s.lose(func(r seenRung) bool { return r.rung == proto.UDP8801 && r.group != proto.GroupAudio })
		}, []string{"warn UDP 8801: audio 20 ms, video no answer, content no answer", "warn UDP 3478: audio 20 ms, video no answer, content no answer", "ok TCP 8801: " + all, "ok TLS 443: " + all}},
		{"IPv6, of which this computer has none", sixth, []string{"ok UDP 8801: " + all, "ok UDP 3478: " + all, "ok TCP 8801: " + all, "ok TLS 443: " + all}},
		{"IPv6 that leads nowhere", func(s *seen) { s.ipv6 = true; sixth(s) }, []string{"ok UDP 8801: " + all, "ok UDP 3478: " + all, "ok TCP 8801: " + all, "ok TLS 443: " + all, "warn UDP 8801, IPv6: no answer"}},
		{"nothing", func(s *seen) { s.lose(func(seenRung) bool { return true }) }, []string{"fail UDP 8801: no answer", "fail UDP 3478: no answer", "fail TCP 8801: no answer", "fail TLS 443: no answer"}},
	} {
		s := healthy()
		s.turn = nil
		tt.given(s)
		var got []string
		for _, f := range s.judge().Findings {
			if f.Phase == "media" {
				got = append(got, fmt.Sprintf("%s %s: %s", f.Status, f.What, f.Value))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// Pictures leave a UDP path that does not carry them well, as they do in a meeting.
func TestPicturesRunWhereTheyWillInAMeeting(t *testing.T) {
	small := func(s *seen) { s.up, s.both = 1200, 1200 }
	for _, tt := range []struct {
		name  string
		given func(*seen)
		want  []string
	}{
		{"small datagrams alone", small, []string{"Audio runs over UDP 8801.", "Video runs over TCP 8801, since large UDP datagrams get lost.", "Content runs over TCP 8801, since large UDP datagrams get lost."}},
		{"and TLS alone", func(s *seen) {
			small(s)
			s.lose(func(r seenRung) bool { return r.rung == proto.TCP8801 })
		}, []string{"Audio runs over UDP 8801.", "Video runs over TLS 443, since large UDP datagrams get lost.", "Content runs over TLS 443, since large UDP datagrams get lost."}},
		{"and nothing else", func(s *seen) {
			small(s)
			s.lose(func(r seenRung) bool { return r.rung != proto.UDP8801 })
		}, []string{"Audio runs over UDP 8801.", "Video runs over UDP 8801.", "Content runs over UDP 8801."}},
		{"throttled", func(s *seen) { s.large.back = 10 }, []string{"UDP works, and loses too many packets.", "Audio runs over UDP 8801.", "Video runs over TCP 8801.", "Content runs over TCP 8801."}},
	} {
		s := healthy()
		tt.given(s)
		d := s.judge()
		if got := d.Summary[max(0, len(d.Summary)-len(tt.want)):]; !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if over := "over " + join.WayName(d.Rungs["video"], 0); !strings.Contains(tt.want[len(tt.want)-2], over) {
			t.Errorf("%s: video %s, but the words are %q", tt.name, over, tt.want)
		}
	}
}

// RFC 4787: what destinations see of one socket tells the kind of NAT.
func TestKindsOfNAT(t *testing.T) {
	at := func(mapped string) seenProbe { return seenProbe{mapped: mapped, local: "10.0.0.2:5000"} }
	for _, tt := range []struct {
		name string
		seen []seenProbe
		want natKind
	}{
		{"nobody to ask", nil, natUnknown},
		{"one to ask", []seenProbe{at("198.51.100.7:5000")}, natUnknown},
		{"none", []seenProbe{at("10.0.0.2:5000"), at("10.0.0.2:5000")}, natNone},
		{"the same for all", []seenProbe{at("198.51.100.7:5000"), at("198.51.100.7:5000")}, natSame},
		{"another port", []seenProbe{at("198.51.100.7:5000"), at("198.51.100.7:5001")}, natSymmetric},
		{"another address", []seenProbe{at("198.51.100.7:5000"), at("198.51.100.8:5000")}, natSymmetric},
	} {
		if got, _ := natOf(tt.seen); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
