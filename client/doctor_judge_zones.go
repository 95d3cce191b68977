package client

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/core/join"
	"parley/wire/proto"
)

func (v *verdict) judgeZones() {
	nUp := 0
	var dead []string // controllers
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
			dead = append(dead, endpoint(c.url, v.site))
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
		v.allowAt("TCP", dead, "zones that may be nearer, and another one when a zone fails")
	case v.media():
		v.say(join.SayNoZone())
		v.blame(CauseZone, Limited)
		v.allowAt("TCP", dead, "zone controllers: the way to another router when one fails")
	default:
		v.say(join.SayNoZone())
		if tunnel != "" {
			v.say(join.SayTunnel(tunnel))
			v.blame(CauseTunnelOnly, Limited)
		} else {
			v.blame(CauseNoPath, Useless)
		}
		v.allowAt("TCP", dead, "meeting zones without the detour through a tunnel")
	}
	if nUp > 0 {
		v.nameSilentZones()
	}
}

// nameSilentZones says which zones do not answer, and over what, where others do.
func (v *verdict) nameSilentZones() {
	somewhere := slices.ContainsFunc(v.zones, func(z seenZone) bool { return z.udp() })
	var deaf []string // probe addresses
	for i := range v.zones {
		z := &v.zones[i]
		var silent []string
		answers := ""
		if z.rtt() < 0 {
			var hosts []string
			for _, c := range z.controllers {
				hosts = append(hosts, hostOf(c.url))
			}
			https := "HTTPS to " + strings.Join(hosts, ", ")
			if v.proxy != "" {
				https += " through the proxy"
			}
			silent = append(silent, https)
		} else {
			answers = "HTTPS"
		}
		switch udp := z.udpName(); {
		case udp == "":
		case z.udp():
			answers = udp
		case somewhere:
			silent = append(silent, udp)
			for _, p := range z.probes {
				if p.sent > 0 {
					deaf = append(deaf, p.addr)
				}
			}
		}
		if len(silent) > 0 {
			v.say(join.SayZoneSilent(z.label(), silent, answers))
		}
	}
	if len(deaf) > 0 {
		v.blame(CauseZone, Limited)
		v.allowAt("UDP", deaf, "sound and pictures of meetings in these zones without the delay of TCP")
	}
}

// udpName is how people call what the zone's probes ask, "" where none went out.
func (z *seenZone) udpName() string {
	for _, p := range z.probes {
		if a, err := netip.ParseAddrPort(p.addr); err == nil && p.sent > 0 {
			return join.WayName(proto.UDP8801, a.Port())
		}
	}
	return ""
}

// endpoint is host and port of a server's address, which may be one on the site.
func endpoint(text, site string) string {
	u, err := url.Parse(text)
	if err == nil && u.Host == "" {
		u, err = url.Parse(site)
	}
	if err != nil {
		return text
	}
	port := "443"
	if u.Scheme == "http" {
		port = "80"
	}
	return withPort(u, port)
}

// allowAt asks for rules to all of these, "host:port" each: one for each port, in the order given. Addresses of IPv6 are
// of no use to a computer without it.
func (v *verdict) allowAt(protocol string, endpoints []string, improves string) {
	hosts := map[int][]string{}
	var ports []int
	for _, e := range endpoints {
		host, text, err := net.SplitHostPort(e)
		port, err2 := strconv.Atoi(text)
		if err != nil || err2 != nil || slices.Contains(hosts[port], host) || !v.ipv6 && strings.Contains(host, ":") {
			continue
		}
		if hosts[port] == nil {
			ports = append(ports, port)
		}
		hosts[port] = append(hosts[port], host)
	}
	for _, port := range ports {
		v.allow(protocol, port, hosts[port], improves)
	}
}

// judgeTunnels reports the first tunnel that answers. needed says that they are the only way.
func (v *verdict) judgeTunnels(needed bool) (first string) {
	n, note := 0, ""
	if needed {
		note = "Tunnels are for networks in which no zone can be reached."
	}
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
		v.find("zones", "Tunnels", s, fmt.Sprintf("none of %d answers", len(v.tunnels)), note)
	default:
		v.find("zones", "Tunnels", OK, fmt.Sprintf("%d of %d answer", n, len(v.tunnels)), note)
	}
	return first
}

func (v *verdict) judgeProbes(z *seenZone) {
	for _, p := range z.probes {
		at, err := netip.ParseAddrPort(p.addr)
		what := fmt.Sprintf("%s, UDP %d", z.label(), at.Port())
		if family(at) == 1 {
			what += ", IPv6"
		}
		switch {
		case p.sent == 0 || err != nil || family(at) == 1 && !v.ipv6:
		case p.back == 0:
			v.find("zones", what, Warn, "no answer from "+at.Addr().String(), "")
		default:
			value := millis(p.least)
			if p.lost() > 0 {
				value += fmt.Sprintf(", %d of %d lost", p.sent-p.back, p.sent)
			}
			v.find("zones", what, OK, value, "")
		}
	}
}
