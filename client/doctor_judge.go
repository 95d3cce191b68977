package client

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/core/join"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// Diagnosis is what an examination found, judged and in words.
type Diagnosis struct {
	Site  string `json:"site"`
	Grade Grade  `json:"grade"`
	// Cause is the first of Causes, "" where there is nothing to say against this network.
	Cause    Cause                 `json:"cause"`
	Causes   []Cause               `json:"causes"`  // all that was found, the gravest first
	Summary  []string              `json:"summary"` // the sentences a join would say
	Findings []Finding             `json:"findings"`
	Rungs    map[string]proto.Rung `json:"rungs"` // what each medium would run over; left out where nothing carries it
	Rules    []FirewallRule        `json:"rules"` // what an administrator would have to allow
	Advice   []string              `json:"advice"`
	MTU      int                   `json:"mtu,omitempty"` // bytes of the longest IP packet there and back that was tried and passed
	NAT      string                `json:"nat,omitempty"` // "none", "endpoint-independent" or "symmetric"
}

// Grade is how well this network is suited.
type Grade int

// The grades; also the exit codes of `parley doctor`.
const (
	Best    Grade = 0 // everything takes the best way
	Limited Grade = 1 // one can join, with limits
	Useless Grade = 2 // one can't join
)

// Cause is a stable name for what is wrong, for programs.
type Cause string

// The causes, the gravest first. "mtu_N" stands between them where N is measured.
const (
	CauseCaptivePortal  Cause = "captive_portal"
	CauseClockFatal     Cause = "clock_wrong"
	CauseProxyLogin     Cause = "proxy_login"
	CauseProxyRefuses   Cause = "proxy_refuses"
	CauseInspected      Cause = "tls_inspected"
	CauseName           Cause = "name_unknown"
	CauseNoPath         Cause = "no_path"
	CauseNoRouter       Cause = "no_router"
	CauseTunnelOnly     Cause = "tunnel_only"
	CauseProxyRequired  Cause = "proxy_required"
	CauseOnly443        Cause = "only_443"
	CauseUDPBlocked     Cause = "udp_blocked"
	CauseUDPThrottled   Cause = "udp_throttled"
	CauseUDP8801Blocked Cause = "udp_8801_blocked"
	CauseZone           Cause = "zone_unreachable"
	CauseLongHello      Cause = "tls_hello_dropped"
	CauseLoss           Cause = "udp_loss"
	CauseMarks          Cause = "marks_dropped"
	CauseMTU            Cause = "mtu_" // and the number
	CauseProxyUnusable  Cause = "proxy_unusable"
	CauseIPv6           Cause = "ipv6_silent"
	CauseNAT            Cause = "symmetric_nat"
)

// gravity orders causes.
var gravity = [...]Cause{CauseCaptivePortal, CauseClockFatal, CauseProxyLogin, CauseProxyRefuses, CauseInspected, CauseName, CauseNoPath, CauseNoRouter, CauseTunnelOnly,
	CauseProxyRequired, CauseOnly443, CauseUDPBlocked, CauseUDPThrottled, CauseUDP8801Blocked, CauseZone, CauseLongHello, CauseLoss, CauseMarks, CauseMTU, CauseProxyUnusable, CauseIPv6, CauseNAT}

// Status is how a finding is to be taken.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is one line of the report.
type Finding struct {
	Phase  string `json:"phase"`
	What   string `json:"what"`
	Status Status `json:"status"`
	Value  string `json:"value"`          // as measured
	Note   string `json:"note,omitempty"` // what it means
}

// FirewallRule is a permission that is missing, from this network outwards.
type FirewallRule struct {
	Protocol string   `json:"protocol"` // "UDP" or "TCP"
	Port     int      `json:"port"`
	To       []string `json:"to"`       // addresses or names
	Improves string   `json:"improves"` // what it is good for
}

// The limits of a judgement.
const (
	wrongClock   = 2 * time.Minute // tokens have as much leeway
	muchLoss     = 0.05            // of small packets
	smallMTU     = 1400            // tunnels of all kinds leave more
	mediaPacket  = 1228            // the longest media packet over IPv4
	throttled    = 0.3             // of the large packets, where the small ones pass
	throttledLag = 300 * time.Millisecond
)

// verdict is a Diagnosis in the making.
type verdict struct {
	*seen
	d Diagnosis
}

// judge puts what was seen into words. Pure.
func (s *seen) judge() *Diagnosis {
	v := &verdict{seen: s, d: Diagnosis{Site: s.site, NAT: string(s.nat), MTU: s.both,
		Causes: []Cause{}, Rungs: map[string]proto.Rung{}, Rules: []FirewallRule{}, Advice: []string{}, Summary: []string{}}}
	v.judgeName()
	if s.siteErr != nil {
		v.judgeSilence()
	} else {
		v.judgeSite()
		v.judgeZones()
		v.judgeRungs()
		v.judgeUDP()
	}
	rank := func(c Cause) int {
		if strings.HasPrefix(string(c), string(CauseMTU)) {
			c = CauseMTU
		}
		return slices.Index(gravity[:], c)
	}
	slices.SortStableFunc(v.d.Causes, func(a, b Cause) int { return cmp.Compare(rank(a), rank(b)) })
	if len(v.d.Causes) > 0 {
		v.d.Cause = v.d.Causes[0]
	}
	return &v.d
}

// find adds a line.
func (v *verdict) find(phase, what string, s Status, value, note string) {
	v.d.Findings = append(v.d.Findings, Finding{phase, what, s, value, note})
}

// blame adds a cause and what it does to the grade.
func (v *verdict) blame(c Cause, g Grade) {
	v.d.Grade = max(v.d.Grade, g)
	if !slices.Contains(v.d.Causes, c) {
		v.d.Causes = append(v.d.Causes, c)
	}
}

func (v *verdict) say(text string)    { v.d.Summary = append(v.d.Summary, text) }
func (v *verdict) advise(text string) { v.d.Advice = append(v.d.Advice, text) }

// allow asks for a rule.
func (v *verdict) allow(protocol string, port int, to []string, improves string) {
	v.d.Rules = append(v.d.Rules, FirewallRule{protocol, port, to, improves})
}

func (v *verdict) hostname() string {
	if u, err := url.Parse(v.site); err == nil {
		return u.Hostname()
	}
	return v.site
}

func (v *verdict) judgeName() {
	if v.dnsErr == "" {
		v.find("site", "Name", OK, strings.Join(v.addrs, ", "), "")
		return
	}
	status, note := Fail, "Without the name's address nothing can be reached directly; a proxy may know it."
	if v.siteErr == nil {
		status = OK
		note = "The proxy knows it."
	}
	v.find("site", "Name", status, v.dnsErr, note)
}

// judgeSilence says why the site does not answer.
func (v *verdict) judgeSilence() {
	text := v.siteText
	v.find("site", "HTTPS", Fail, text, "")
	v.say("The site does not answer: " + text)
	tunnel := v.judgeTunnels(true)
	g := Useless
	if tunnel != "" {
		g = Limited
		v.blame(CauseTunnelOnly, Limited)
		v.say(join.SayTunnel(tunnel))
	}
	var untrusted *proxy.Untrusted
	var invalid x509.CertificateInvalidError
	var login *proxy.LoginError
	var refused *proxy.Refused
	switch {
	case v.portal != "":
		v.find("site", "Sign-in page", Fail, "‘"+v.portal+"’ answers instead", "Networks of hotels, trains and guests let nothing out before you have signed in to them.")
		v.blame(CauseCaptivePortal, g)
		v.advise("This network wants you to sign in first: open any page in a browser, sign in, and try again.")
		return
	case errors.As(v.siteErr, &untrusted) && errors.As(v.siteErr, &invalid) && invalid.Reason == x509.Expired:
		v.blame(CauseClockFatal, g)
		v.advise("Set this computer's date and time, best by letting it take them from the network.")
		return
	case errors.As(v.siteErr, &untrusted):
		v.blame(CauseInspected, g)
		v.advise(fmt.Sprintf("Exempt %s from TLS inspection; or have the inspecting box's certificate authority (‘%s’) installed on this computer.", v.hostname(), untrusted.Issuer))
		return
	case errors.As(v.siteErr, &login):
		v.blame(CauseProxyLogin, g)
		v.advise("Give a user name and password for the proxy: --proxy-user USER:PASSWORD, or @FILE.")
		return
	case errors.As(v.siteErr, &refused):
		v.blame(CauseProxyRefuses, g)
		v.advise(fmt.Sprintf("Let the proxy %s pass CONNECT to %s, port 443, and to the site's zones.", refused.Proxy, v.hostname()))
		return
	case v.unused != "":
		v.find("site", "Proxy", Fail, v.unused, "")
		v.blame(CauseProxyUnusable, g)
		v.advise(mendProxy)
		return
	case v.dnsErr != "":
		v.blame(CauseName, g)
		v.advise(fmt.Sprintf("Let this computer's DNS server resolve %s; and see that the name is spelt rightly.", v.hostname()))
		return
	}
	if tunnel == "" {
		v.blame(CauseNoPath, Useless)
	}
	port := 443
	if u, err := url.Parse(v.site); err == nil && u.Port() != "" {
		port, _ = strconv.Atoi(u.Port())
	}
	v.allow("TCP", port, append([]string{v.hostname()}, v.addrs...), "the site: without it nobody can join")
	v.advise("If this network has a proxy, name it: --proxy http://HOST:PORT, or --pac URL.")
}

// mendProxy is what to do about a proxy that can't be used.
const mendProxy = "See that the proxy or its script is named rightly (--proxy, --pac, HTTPS_PROXY) and runs; where this network has none, take the setting away."

func (v *verdict) judgeSite() {
	value := fmt.Sprintf("%s, %s", millis(v.siteRTT), cmp.Or(v.tlsName, "without TLS"))
	if v.issuer != "" {
		value += ", certificate by ‘" + v.issuer + "’"
	}
	v.find("site", "HTTPS", OK, value, "")
	if v.proxy != "" {
		v.say(join.SayProxy(v.proxy))
		note := "The site can be reached without it too."
		if !v.direct {
			note = "Nothing but the proxy leads to the site. Sound and pictures take it too, unless UDP is open beside it."
			v.blame(CauseProxyRequired, Limited)
		}
		v.find("site", "Proxy", OK, v.proxy+", "+v.proxyFrom, note)
	}
	if v.unused != "" {
		v.say(join.SayUnused(v.unused))
		v.blame(CauseProxyUnusable, Best)
		v.find("site", "Proxy", Warn, v.unused, "Servers are reached directly instead, a little later.")
		v.advise(mendProxy)
	}
	switch {
	case v.inspected != "":
		v.say(join.SayInspected(v.inspected))
		v.blame(CauseInspected, Limited)
		v.find("site", "TLS inspection", Warn, "by ‘"+v.inspected+"’", "Somebody on the way can read what the site and this computer say, but neither sound nor pictures.")
		v.advise(fmt.Sprintf("Exempt %s and the addresses of its zones from TLS inspection: it costs time and breaks long connections.", v.hostname()))
	case v.answer.Binding != "":
		v.find("site", "TLS inspection", OK, "nobody opens TLS on the way", "")
	}
	if v.classical {
		v.blame(CauseLongHello, Limited)
		v.find("site", "Post-quantum TLS", Warn, "dropped on the way", "A firewall does not let a first TLS message of more than one packet through. Older keys are used instead.")
		v.advise("Update the firewall: it drops TLS handshakes with post-quantum key shares (X25519MLKEM768), which span two packets.")
	} else if v.tlsName != "" {
		v.find("site", "Post-quantum TLS", OK, "passes", "")
	}
	switch skew := v.skew.Round(time.Second); {
	case skew.Abs() > wrongClock:
		word := "ahead"
		if skew < 0 {
			word = "behind"
		}
		v.blame(CauseClockFatal, Limited)
		v.find("site", "Clock", Warn, fmt.Sprintf("%v %s", skew.Abs(), word), "Certificates seem to be invalid on a computer whose clock is wrong.")
		v.advise("Set this computer's date and time, best by letting it take them from the network.")
	default:
		v.find("site", "Clock", OK, "right", "")
	}
}

// judgeTunnels reports the first tunnel that answers. needed says that they are the only way.
func (v *verdict) judgeTunnels(needed bool) (first string) {
	n := 0
	for _, t := range v.tunnels {
		if t.rtt >= 0 {
			n++
			first = cmp.Or(first, t.url)
		}
	}
	switch {
	case len(v.tunnels) == 0:
	case n == 0:
		s := OK
		if needed {
			s = Fail
		}
		v.find("zones", "Tunnels", s, fmt.Sprintf("none of %d answers", len(v.tunnels)), "Tunnels are for networks in which no zone can be reached.")
	default:
		v.find("zones", "Tunnels", OK, fmt.Sprintf("%d of %d answer", n, len(v.tunnels)), "Tunnels are for networks in which no zone can be reached.")
	}
	return first
}

func (v *verdict) judgeZones() {
	nUp := 0
	var dead []string
	for i := range v.zones {
		z := &v.zones[i]
		if z.rtt() >= 0 {
			nUp++
		}
		for _, c := range z.controllers {
			if c.rtt >= 0 {
				v.find("zones", z.label(), OK, millis(c.rtt), "")
				continue
			}
			dead = append(dead, hostOf(c.url))
			v.find("zones", z.label(), Fail, fmt.Sprintf("%s: %s", hostOf(c.url), c.err), "")
		}
		v.judgeProbes(z)
	}
	best := v.best()
	switch {
	case best == nil:
		v.find("zones", "Servers", Fail, "the site has none", "No meeting server is running at the moment, which is nothing this network can help. The site's operator can tell why.")
		v.blame(CauseNoRouter, Useless)
		return
	case best.rtt() >= 0:
		v.say(join.SayZone(best.label(), float64(best.rtt())/float64(time.Millisecond)))
	}
	tunnel := v.judgeTunnels(nUp == 0 && !v.media())
	switch {
	case nUp == len(v.zones):
	case nUp > 0:
		v.blame(CauseZone, Limited)
		v.allow("TCP", 443, dead, "zones that may be nearer, and another one when a zone fails")
	case v.media():
		v.say(join.SayNoZone())
		v.blame(CauseZone, Limited)
		v.allow("TCP", 443, dead, "zone controllers: the way to another router when one fails")
	default:
		v.say(join.SayNoZone())
		if tunnel != "" {
			v.say(join.SayTunnel(tunnel))
			v.blame(CauseTunnelOnly, Limited)
		} else {
			v.blame(CauseNoPath, Useless)
		}
		v.allow("TCP", 443, dead, "meeting zones without the detour through a tunnel")
	}
}

// media reports whether any way to a router answers.
func (v *verdict) media() bool {
	return slices.ContainsFunc(v.rungs, func(r seenRung) bool { return r.rtt >= 0 })
}

func (v *verdict) judgeProbes(z *seenZone) {
	for _, p := range z.probes {
		switch {
		case p.sent == 0:
		case p.back == 0:
			v.find("zones", z.label()+", UDP", Warn, "no answer from "+p.addr, "")
		default:
			value := millis(p.least)
			if p.lost() > 0 {
				value += fmt.Sprintf(", %d of %d lost", p.sent-p.back, p.sent)
			}
			v.find("zones", z.label()+", UDP", OK, value, "")
		}
	}
}

// judgeRungs says what would carry each medium, and which rules would let it take a better way.
func (v *verdict) judgeRungs() {
	if !v.media() {
		v.judgeNoRung()
		return
	}
	extra := false // UDP on another port than 8801 only
	for g := range proto.Group(proto.NGroups) {
		var used *seenRung
		for i := range v.rungs {
			r := &v.rungs[i]
			if r.group != g {
				continue
			}
			what := title(g.String()) + ", " + r.name()
			switch {
			case r.rtt < 0 && used != nil:
				v.find("media", what, Warn, r.err, "")
			case r.rtt < 0:
				v.find("media", what, Fail, r.err, "")
			case r.unmarked:
				v.blame(CauseMarks, Limited)
				v.find("media", what, Warn, "only without its DSCP mark", "Packets that ask to travel first are dropped on the way.")
			default:
				v.find("media", what, OK, millis(r.rtt), "")
			}
			if r.rtt >= 0 && used == nil {
				used = r
			}
		}
		if used == nil {
			v.say(join.SayNoPath(g))
			continue
		}
		v.d.Rungs[g.String()] = used.rung
		v.say(join.SayRuns(g, used.name(), false))
		extra = extra || used.rung == proto.UDP8801 && used.port() != 8801 && slices.ContainsFunc(v.rungs, func(r seenRung) bool {
			return r.group == g && r.rung == proto.UDP8801 && r.port() == 8801 // which a site on ports of its own has not
		})
	}
	if t := v.turn; t != nil {
		if t.rtt >= 0 {
			v.find("media", "Browsers, TLS 443", OK, millis(t.rtt), "")
		} else {
			v.find("media", "Browsers, TLS 443", Warn, t.err, "Browsers need this way (TURN over TLS) where neither UDP nor TCP 8801 passes. The native client does not.")
		}
	}
	udp, tcp, tls := v.passes(proto.UDP8801), v.passes(proto.TCP8801), v.passes(proto.TLS443)
	const better = "sound and pictures without the delay that TCP adds when packets are lost"
	switch {
	case !udp && tcp:
		v.blame(CauseUDPBlocked, Limited)
	case !udp && tls:
		v.blame(CauseOnly443, Limited)
	case extra:
		v.blame(CauseUDP8801Blocked, Limited)
		v.allowRung("UDP", proto.UDP8801, "media on its own port; at present it runs over another one")
	}
	if !udp {
		v.say(join.SayUDPBlocked(fmt.Sprintf("%d probes", v.nProbes())))
		v.allowRung("UDP", proto.UDP8801, better)
		if !tcp {
			v.allowRung("TCP", proto.TCP8801, "the second best way: sound and pictures on connections of their own, without TLS around them")
		}
	}
	if slices.Contains(v.d.Causes, CauseMarks) {
		v.advise("Let packets marked with DSCP 46, 34 and 26 (or those of the site's own profile) pass; clear the mark if it must not be used, but do not drop the packet.")
	}
}

// judgeNoRung: no way to a router answers. Where no zone does either that is said already.
func (v *verdict) judgeNoRung() {
	for _, r := range v.rungs {
		v.find("media", title(r.group.String())+", "+r.name(), Fail, r.err, "")
	}
	if v.best() == nil || !slices.ContainsFunc(v.zones, func(z seenZone) bool { return z.rtt() >= 0 }) {
		return
	}
	if slices.ContainsFunc(v.tunnels, func(t seenServer) bool { return t.rtt >= 0 }) {
		v.blame(CauseTunnelOnly, Limited)
	} else {
		v.blame(CauseNoPath, Useless)
	}
	for g := range proto.Group(proto.NGroups) {
		v.say(join.SayNoPath(g))
	}
	v.allowRung("UDP", proto.UDP8801, "sound and pictures the best way")
	v.allowRung("TCP", proto.TCP8801, "sound and pictures the second best way")
	v.allowRung("TCP", proto.TLS443, "the meetings' servers: without them nobody can join")
}

// passes reports whether a way works for any medium.
func (v *verdict) passes(rung proto.Rung) bool {
	return slices.ContainsFunc(v.rungs, func(r seenRung) bool { return r.rung == rung && r.rtt >= 0 })
}

// nProbes is how many probes were sent over UDP.
func (v *verdict) nProbes() (n int) {
	for _, z := range v.zones {
		for _, p := range z.probes {
			n += p.sent
		}
	}
	return n
}

// allowRung asks for a rule for a rung, to all routers: on the port that they name first.
func (v *verdict) allowRung(protocol string, rung proto.Rung, improves string) {
	var to []string
	port := ""
	for _, z := range v.zones {
		for _, r := range z.Routers {
			for _, c := range r.Candidates {
				host, p, err := net.SplitHostPort(c.Addr)
				if err == nil && c.Rung == rung && !slices.Contains(to, host) {
					to, port = append(to, host), cmp.Or(port, p)
				}
			}
		}
	}
	if n, err := strconv.Atoi(port); err == nil {
		v.allow(protocol, n, to, improves)
	}
}

func (v *verdict) judgeUDP() {
	v.judgeIPv6()
	switch v.nat {
	case natUnknown:
		if v.mapped != "" {
			v.find("network", "Address translation", OK, "seen as "+v.mapped, "Its kind can't be told with one address to compare.")
		}
	case natNone:
		v.find("network", "Address translation", OK, "none", "")
	case natSame:
		v.find("network", "Address translation", OK, "one public address for all destinations ("+v.mapped+")", "")
	case natSymmetric:
		v.blame(CauseNAT, Best)
		v.find("network", "Address translation", OK, "another public port for each destination ("+v.mapped+")", "This is called a symmetric NAT. Meetings do not mind it.")
	}
	if v.small.sent == 0 {
		return
	}
	most := packetSizes[len(packetSizes)-1]
	switch value := fmt.Sprintf("%d bytes out, %d there and back", v.up, v.both); {
	case v.both == 0:
		v.find("network", "Longest packet", Warn, "not found", "Packets get lost at every length.")
	case v.both >= smallMTU:
		if v.both == most {
			value = fmt.Sprintf("%d bytes or more", most)
		}
		v.find("network", "Longest packet", OK, value, "")
	case v.both >= mediaPacket:
		v.blame(CauseMTU+Cause(fmt.Sprint(v.both)), Best)
		v.find("network", "Longest packet", OK, value, "Less than usual, as in a VPN. Sound and pictures fit.")
	default:
		v.blame(CauseMTU+Cause(fmt.Sprint(v.both)), Limited)
		v.say(join.SayShort())
		v.find("network", "Longest packet", Warn, value, fmt.Sprintf("Pictures come in packets of up to %d bytes, which get lost here.", mediaPacket))
		v.advise(fmt.Sprintf("Let UDP packets of %d bytes through: raise the MTU of the tunnel or VPN on the way, or let ICMP \"packet too big\" through.", mediaPacket))
	}
	lost := v.small.lost()
	value := fmt.Sprintf("%.0f %% of %d", 100*lost, v.small.sent)
	if lost > muchLoss {
		v.blame(CauseLoss, Limited)
		v.find("network", "Packets lost", Warn, value, "Sound gets gaps when more than one of twenty packets is lost. Wi-Fi far from its access point is the usual reason.")
	} else {
		v.find("network", "Packets lost", OK, value, "")
	}
	more := v.large.lost() - lost
	late := v.large.half - v.small.half
	value = fmt.Sprintf("%.0f %% lost, %s later than small packets", 100*v.large.lost(), millis(max(late, 0)))
	if v.both > 0 && (more >= throttled || v.large.back > 0 && late >= throttledLag) {
		v.blame(CauseUDPThrottled, Limited)
		v.find("network", "A second of pictures", Warn, value, "UDP passes, but not as much of it as pictures need. Sound can stay on UDP; pictures take TCP.")
		v.allowRung("UDP", proto.UDP8801, "pictures over UDP: exempt it from the rate limit, which is below 400 kbit/s")
	} else {
		v.find("network", "A second of pictures", OK, value, "")
	}
}

// judgeIPv6 says whether this computer has IPv6 that leads nowhere.
func (v *verdict) judgeIPv6() {
	if !v.ipv6 {
		return
	}
	var answered [2]bool
	asked := false
	for _, z := range v.zones {
		for _, p := range z.probes {
			if to, err := netip.ParseAddrPort(p.addr); err == nil {
				answered[family(to)] = answered[family(to)] || p.back > 0
				asked = asked || family(to) == 1 && p.sent > 0
			}
		}
	}
	switch {
	case !asked || !answered[0] && !answered[1]:
	case answered[1]:
		v.find("network", "IPv6", OK, "works", "")
	default:
		v.blame(CauseIPv6, Best)
		v.find("network", "IPv6", Warn, "nothing comes back", "This computer has an IPv6 address, but IPv6 leads nowhere. Meetings take IPv4 at once; other programs may be slow to find out.")
		v.advise("Repair IPv6 on this network, or turn it off: the computer believes that it has it.")
	}
}

// name is the way for people.
func (r *seenRung) name() string {
	return join.WayName(r.rung, r.port())
}

// port is the address's; 0 where it is not one of IP.
func (r *seenRung) port() uint16 {
	a, err := netip.ParseAddrPort(r.addr)
	if err != nil {
		return 0
	}
	return a.Port()
}

func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return text
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// millis is a duration for people.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
