package client

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"parley/core/join"
	"parley/wire/proto"
	"parley/wire/stun"
)

// judgeRungs says what would carry each medium, and which rules would let it take a better way.
func (v *verdict) judgeRungs() {
	if !v.media() {
		v.judgeNoRung()
		return
	}
	v.judgeWays()
	v.judgeBrowsers()
	v.judgeMarks()
	v.judgeBlocked()
}

// bestFor is the best way that answers for a medium, nil where none does.
func (v *verdict) bestFor(g proto.Group) *seenRung {
	if i := slices.IndexFunc(v.rungs, func(r seenRung) bool { return r.group == g && r.rtt >= 0 }); i >= 0 {
		return &v.rungs[i]
	}
	return nil
}

// judgeBrowsers says whether the way of browsers alone is open.
func (v *verdict) judgeBrowsers() {
	if t := v.turn; t != nil {
		if t.rtt >= 0 {
			v.find("media", "Browsers, TLS 443", OK, millis(t.rtt), "")
		} else {
			v.find("media", "Browsers, TLS 443", Warn, t.err, "Browsers need this way (TURN over TLS) where neither UDP nor TCP 8801 passes. The native client does not.")
		}
	}
}

// judgeRuns says what would carry each medium: the best way that answers, but for pictures that UDP does not carry well.
func (v *verdict) judgeRuns() {
	if !v.media() && (v.best() == nil || !v.controlled()) {
		return // there is a tunnel, or nothing at all
	}
	short := v.small.sent > 0 && v.both > 0 && v.both < mediaPacket
	for g := range proto.Group(proto.NGroups) {
		picture := g != proto.GroupAudio
		carries := func(r seenRung) bool { return r.group == g && r.rtt >= 0 }
		i := slices.IndexFunc(v.rungs, func(r seenRung) bool {
			return carries(r) && !(picture && (short || v.throttled) && r.rung == proto.UDP8801)
		})
		if i < 0 {
			i = slices.IndexFunc(v.rungs, carries)
		}
		if i < 0 {
			v.say(join.SayNoPath(g))
			continue
		}
		used := &v.rungs[i]
		v.d.Rungs[g.String()] = used.rung
		if picture && short && used.rung != proto.UDP8801 && v.passes(proto.UDP8801) {
			v.say(join.SayRunsSinceShort(g, used.name()))
		} else {
			v.say(join.SayRuns(g, used.name(), false))
		}
	}
}

// judgeBlocked says what keeps media from the best way, and which rules would let it take that.
func (v *verdict) judgeBlocked() {
	extra := false // UDP on another port than 8801 only
	if r := v.bestFor(proto.GroupAudio); r != nil && r.rung == proto.UDP8801 && r.port() != 8801 {
		silent := v.silentPorts(proto.GroupAudio)
		if extra = slices.Contains(silent, "8801"); extra { // which a site on ports of its own has not
			v.say(join.SayOtherPort(silent, r.port()))
		}
	}
	udp, tcp, tls := v.passes(proto.UDP8801), v.passes(proto.TCP8801), v.passes(proto.TLS443)
	stunOnly := !udp && slices.ContainsFunc(v.rungs, func(r seenRung) bool { return r.stunOnly })
	const better = "sound and pictures without the delay that TCP adds when packets are lost"
	switch {
	case stunOnly:
		v.blame(CauseSTUNOnly, Limited)
		v.say(join.SaySTUNOnly())
		v.allowRung("UDP", proto.UDP8801, better+": all UDP to this port, DTLS and SRTP too, whatever application the firewall takes it for")
	case !udp && tcp:
		v.blame(CauseUDPBlocked, Limited)
	case !udp && tls:
		v.blame(CauseOnly443, Limited)
	case extra:
		v.blame(CauseUDP8801Blocked, Limited)
		v.allowRung("UDP", proto.UDP8801, "media on its own port; at present it runs over another one")
	}
	if !udp && !stunOnly {
		v.say(join.SayUDPBlocked(fmt.Sprintf("%d probes", v.nProbes())))
		v.allowRung("UDP", proto.UDP8801, better)
	}
	if !udp && !tcp {
		v.say(join.SayTCPBlocked())
		v.allowRung("TCP", proto.TCP8801, "the second best way: sound and pictures on connections of their own, without TLS around them")
	}
}

// judgeWays lists the ways, best first: each with what it said to each medium.
func (v *verdict) judgeWays() {
	type way struct {
		name    string
		rungs   []*seenRung // one for each medium
		nAnswer int
	}
	var ways []*way
	for i := range v.rungs {
		r := &v.rungs[i]
		name := r.name()
		if a, err := netip.ParseAddrPort(r.addr); err == nil && family(a) == 1 {
			if !v.ipv6 {
				continue // nothing can be said of what this computer can't send to
			}
			name += ", IPv6"
		}
		at := slices.IndexFunc(ways, func(w *way) bool { return w.name == name && w.rungs[0].addr == r.addr })
		if at < 0 {
			at, ways = len(ways), append(ways, &way{name: name})
		}
		ways[at].rungs = append(ways[at].rungs, r)
		if r.rtt >= 0 {
			ways[at].nAnswer++
		}
	}
	better := false // one that is listed before answers
	for _, w := range ways {
		status, notes := OK, ""
		var values []string
		for _, r := range w.rungs {
			value, note := r.said()
			if note != "" {
				status, notes = Warn, note
			}
			values = append(values, r.group.String()+" "+value)
		}
		switch {
		case w.nAnswer == len(w.rungs) || notes != "":
		case w.nAnswer == 0 && !better:
			status = Fail
		default:
			status = Warn
		}
		if first, _ := w.rungs[0].said(); w.nAnswer == 0 && !slices.ContainsFunc(w.rungs, func(r *seenRung) bool { s, _ := r.said(); return s != first }) {
			values = []string{first} // of all alike
		}
		v.find("media", w.name, status, strings.Join(values, ", "), notes)
		if slices.ContainsFunc(w.rungs, func(r *seenRung) bool { return r.unmarked }) {
			v.blame(CauseMarks, Limited)
		}
		better = better || w.nAnswer > 0
	}
}

// said is what a way said to its medium, and what that means where it is neither an answer nor silence.
func (r *seenRung) said() (value, note string) {
	switch {
	case r.stunOnly:
		return "checks pass, media does not", "A firewall on the way lets STUN through and drops what does not look like it (DTLS and SRTP)."
	case r.rtt < 0:
		return r.err, ""
	case r.unmarked:
		return millis(r.rtt) + ", only without its DSCP mark", "Packets that ask to travel first are dropped on the way."
	}
	return millis(r.rtt), ""
}

// silentPorts are the ports over which UDP answers nothing to a medium.
func (v *verdict) silentPorts(g proto.Group) []string {
	var all []string
	answers := map[string]bool{}
	for i := range v.rungs {
		if r := &v.rungs[i]; r.group == g && r.rung == proto.UDP8801 {
			port := fmt.Sprint(r.port())
			if !slices.Contains(all, port) {
				all = append(all, port)
			}
			answers[port] = answers[port] || r.rtt >= 0
		}
	}
	return slices.DeleteFunc(all, func(port string) bool { return answers[port] })
}

// judgeMarks says what becomes of DSCP marks on the way (S12): on the best way over UDP that each medium has.
func (v *verdict) judgeMarks() {
	if slices.ContainsFunc(v.rungs, func(r seenRung) bool { return r.unmarked }) {
		v.advise(fmt.Sprintf("Let packets marked with DSCP %s pass; clear the mark if it must not be used, but do not drop the packet.", v.marksText()))
	}
	cleared := false
	for g := range proto.Group(proto.NGroups) {
		i := slices.IndexFunc(v.rungs, func(r seenRung) bool {
			return r.group == g && r.rung == proto.UDP8801 && r.rtt >= 0 && !r.unmarked && r.marked.told
		})
		if i < 0 {
			continue
		}
		m := v.rungs[i].marked
		up, down := m.clearedUp(), m.clearedDown()
		if up {
			v.say(join.SayMarkCleared(g, m.sent, m.arrived, "up"))
		}
		if down {
			v.say(join.SayMarkCleared(g, m.back, m.came, "down"))
		}
		what := title(g.String()) + ", DSCP mark"
		switch {
		case up || down:
			cleared = true
			v.find("media", what, OK, m.String(), "It matters only where the network puts marked packets first.")
		case m.sent != 0:
			v.find("media", what, OK, m.String(), "")
		}
	}
	if cleared {
		v.blame(CauseBleached, Best)
		v.advise(fmt.Sprintf("Where this network puts real-time traffic first, let it trust the marks DSCP %s of packets from and to the meeting servers; where it does not, nothing needs to be done.", v.marksText()))
	}
}

// marksText lists the marks media has here.
func (v *verdict) marksText() string {
	var all []string
	for _, mark := range v.marks {
		if s := fmt.Sprint(mark); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return strings.Join(all, ", ")
}

// clearedUp reports whether the mark of what went out was another one when it arrived.
func (m marked) clearedUp() bool {
	return m.told && m.sent != 0 && m.arrived != stun.MarkUnknown && m.arrived != m.sent
}

// clearedDown is clearedUp of the answer.
func (m marked) clearedDown() bool {
	return m.told && m.back != 0 && m.came != stun.MarkUnknown && m.came != m.back
}

// String is what was set and what arrived, each way.
func (m marked) String() string {
	one := func(set, arrived uint8) string {
		switch {
		case set == 0:
			return "not marked"
		case arrived == stun.MarkUnknown:
			return fmt.Sprintf("%d, not known what arrives", set)
		}
		return fmt.Sprintf("%d, arrives with %d", set, arrived)
	}
	return "up " + one(m.sent, m.arrived) + "; down " + one(m.back, m.came)
}

// judgeNoRung: no way to a router answers. Where no zone does either that is said already.
func (v *verdict) judgeNoRung() {
	v.judgeWays()
	if v.best() == nil {
		return
	}
	if !v.controlled() {
		if slices.ContainsFunc(v.tunnels, func(t seenServer) bool { return t.rtt >= 0 }) && !slices.ContainsFunc(v.zones, func(z seenZone) bool { return z.udp() }) {
			v.say(join.SayNothingDirect())
		}
		v.allowRung("UDP", proto.UDP8801, "sound and pictures the best way")
		v.allowRung("TCP", proto.TLS443, "the meetings' servers")
		return
	}
	if slices.ContainsFunc(v.tunnels, func(t seenServer) bool { return t.rtt >= 0 }) {
		v.blame(CauseTunnelOnly, Limited)
	} else {
		v.blame(CauseNoPath, Useless)
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

// allowRung asks for rules for a rung, to all routers: on the port that each names first.
func (v *verdict) allowRung(protocol string, rung proto.Rung, improves string) {
	var to []string
	var named []string // hosts
	add := func(e string) {
		if host, _, err := net.SplitHostPort(e); err == nil && !slices.Contains(named, host) {
			to, named = append(to, e), append(named, host)
		}
	}
	for _, z := range v.zones {
		for _, r := range z.Routers {
			if rung == proto.TLS443 {
				add(endpoint(r.URL, v.site))
			}
			for _, c := range r.Candidates {
				if c.Rung == rung && strings.HasPrefix(c.Addr, ":") {
					add(v.hostname() + c.Addr) // where the site is
				} else if c.Rung == rung {
					add(c.Addr)
				}
			}
		}
	}
	v.allowAt(protocol, to, improves)
}

// controlled reports whether the controller of any zone answers.
func (v *verdict) controlled() bool {
	return slices.ContainsFunc(v.zones, func(z seenZone) bool { return z.rtt() >= 0 })
}

// media reports whether any way to a router answers.
func (v *verdict) media() bool {
	return slices.ContainsFunc(v.rungs, func(r seenRung) bool { return r.rtt >= 0 })
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
