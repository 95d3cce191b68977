package join

import (
	"fmt"
	"slices"
	"strings"

	"parley/wire/proto"
)

// What the record says of UDP, in sentences: whether it carries media, how it failed, and whether it has mended.

// fault is how UDP failed a medium.
type fault uint8

const (
	noFault     fault = iota
	faultSilent       // nothing came, or nothing any more
	faultLossy        // too much was lost
	faultChecks       // checks were answered, and nothing else
)

// Reasons in the record that explain looks for.
const (
	whyMoved  = "the browser has moved to " // and the rung
	whyChecks = "checks are answered, but no keys come"
	whyFull   = "the server is full"
	whyOther  = "another server is tried"
	whyNet    = "the network changed"
	whyRuns   = "the meeting already runs there; no need to ask a controller"
	whyHere   = "the meeting lives on this server"
	whyLives  = "the meeting lives on server " // and its name
	whyDirect = "a controller answers without it"
	whyAgain  = "looking the meeting up again"
	whyFaster = "another path was faster"
)

// blameless ends attempts whose path has done nothing wrong.
var blameless = [...]string{
	whyOver, whyNet, whyFull, whyOther, "a fresh grant came", "media leaves the tunnel", "media moves to fresh transports", "the server started anew",
	whyAgain, "the meeting is on another server", whyFaster, "a better path is up", "media has left it",
	"video and content move together", "the server has another slot table", "waiting for a host",
}

func faultOf(why string) fault {
	switch {
	case slices.Contains(blameless[:], why):
		return noFault
	case strings.HasSuffix(why, whyLossy):
		return faultLossy
	case why == whyChecks:
		return faultChecks
	}
	return faultSilent
}

// carried is how one medium fared on one rung, without a tunnel.
type carried struct {
	up     bool  // it was up
	fault  fault // since it was up last
	late   bool  // it had failed before it was up first
	mended fault // how it had failed before it was up again
}

// faredOn goes through the record in the order in which things ended, from when the router in use was chosen: what
// another did not answer says nothing of UDP.
func (m *Mind) faredOn(g proto.Group, rung proto.Rung) (c carried) {
	ended := slices.DeleteFunc(slices.Clone(m.record), func(a *Attempt) bool {
		return a.Phase != "media" || a.Outcome == Pending || a.StartMS < m.ms(m.grantAt) || !strings.HasPrefix(a.What, g.String()+" over ")
	})
	slices.SortStableFunc(ended, func(a, b *Attempt) int { return a.StartMS + a.TookMS - b.StartMS - b.TookMS })
	for _, a := range ended {
		here := a.What == fmt.Sprintf("%s over %s", g, rung)
		switch {
		case here && a.Outcome == Won, a.Why == whyMoved+string(rung):
			if c.up {
				c.mended = max(c.mended, c.fault)
			} else {
				c.late = c.fault != noFault
			}
			c.up, c.fault = true, noFault
		case here && faultOf(a.Why) != noFault:
			c.fault = faultOf(a.Why)
		}
	}
	return c
}

// fared is how all media fared on one rung: what is true of any of them.
type fared [proto.NGroups]carried

func (m *Mind) faredAll(rung proto.Rung) (f fared) {
	for g := range f {
		f[g] = m.faredOn(proto.Group(g), rung)
	}
	return f
}

func (f fared) any(is func(carried) bool) bool { return slices.ContainsFunc(f[:], is) }

func (f fared) failed(how fault) bool {
	return f.any(func(c carried) bool { return c.fault == how })
}

// udpSummary says what probes and transports together tell of UDP. A probe that was not waited for
// tells nothing.
func (m *Mind) udpSummary() []string {
	n, dead, down, answered := 0, 0, 0, false
	for _, z := range m.zones.list {
		for _, p := range z.probes {
			n++
			if p.dead {
				dead++
			}
			answered = answered || p.rtt >= 0
		}
	}
	for _, a := range m.record {
		if a.Phase == "media" && strings.HasSuffix(a.What, string(proto.UDP8801)) {
			answered = answered || a.Outcome == Won // another router, perhaps
			if a.Outcome == Lost {
				down++
			}
		}
	}
	f := m.faredAll(proto.UDP8801)
	up := f.any(func(c carried) bool { return c.up })
	failed := f.any(func(c carried) bool { return c.fault != noFault })
	var out []string
	switch {
	case m.zones.open:
	case up:
		out = append(out, m.udpWorked(f)...)
	case m.overConnection() && f.failed(faultChecks):
		out = append(out, SayChecksOnly())
	case !answered && (n > 0 && dead == n || down > 0):
		switch {
		case len(m.shutZones()) > 0: // no port is to blame for a server that is out of reach
		case m.zones.via != "": // which is taken where no controller answers either
			out = append(out, SayNothingDirect())
		default:
			out = append(out, SayUDPBlocked(asked(n, down)))
		}
	case m.short || !m.overConnection():
	case answered && failed:
		out = append(out, SaySTUNOnly())
	default:
		out = append(out, SayUDPWaiting())
	}
	if m.tcpBlocked() {
		out = append(out, SayTCPBlocked())
	}
	if m.IPv6() == FamilySilent {
		out = append(out, SayIPv6())
	}
	if m.short {
		out = append(out, SayShort())
	}
	return out
}

// udpWorked says what has become of UDP since it was up.
func (m *Mind) udpWorked(f fared) []string {
	var out []string
	if silent, open := m.udpPorts(); m.soundOnUDP() && open != 0 {
		out = append(out, SayOtherPort(silent, open))
	}
	switch {
	case m.short || m.zones.via != "":
	case m.overConnection():
		switch {
		case f.failed(faultLossy):
			out = append(out, SayUDPLossy())
		case m.soundOnUDP() && f.any(func(c carried) bool { return c.fault != noFault }):
			out = append(out, SayUDPPartly())
		case !m.soundOnUDP() && f.any(func(c carried) bool { return c.fault != noFault }):
			out = append(out, SayUDPStopped())
		}
	case !m.soundOnUDP():
	case f.any(func(c carried) bool { return c.mended == faultLossy }):
		out = append(out, SayUDPBetter())
	case f.any(func(c carried) bool { return c.mended != noFault }):
		out = append(out, SayUDPBack())
	case f.any(func(c carried) bool { return c.late }) && !m.leftTunnel():
		out = append(out, SayUDPOpened())
	}
	return out
}

// udpPorts are the ports of which no probe came back, the usual one among them, and the one that sound uses instead; 0
// where there are none.
func (m *Mind) udpPorts() (silent []string, open uint16) {
	l := m.lanes[proto.GroupAudio].inUse
	if l == nil || l.port == 0 {
		return nil, 0
	}
	var ports []string // the usual one first
	answers := map[string]bool{}
	for _, z := range m.zones.list {
		for _, p := range z.probes {
			if port := p.addr[strings.LastIndexByte(p.addr, ':')+1:]; p.rtt >= 0 || p.dead && !p.failed {
				if !slices.Contains(ports, port) {
					ports = append(ports, port)
				}
				answers[port] = answers[port] || p.rtt >= 0
			}
		}
	}
	if len(ports) == 0 || answers[ports[0]] {
		return nil, 0
	}
	silent = slices.DeleteFunc(ports, func(port string) bool { return answers[port] })
	if slices.Contains(silent, fmt.Sprint(l.port)) {
		return nil, 0
	}
	return silent, l.port
}

// tcpBlocked reports whether some medium takes TLS, and TCP was tried for it and never was up.
func (m *Mind) tcpBlocked() bool {
	for g := range m.lanes {
		if l := m.lanes[g].inUse; l != nil && l.rung == proto.TLS443 && l.via == "" {
			if c := m.faredOn(proto.Group(g), proto.TCP8801); !c.up && c.fault != noFault {
				return true
			}
		}
	}
	return false
}

// leftTunnel reports whether the meeting began through a tunnel that is not needed any more.
func (m *Mind) leftTunnel() bool {
	return m.zones.via == "" && slices.ContainsFunc(m.record, func(a *Attempt) bool { return a.Phase == "tunnel" && a.Why == whyDirect })
}

// asked counts what was sent over UDP; what was not sent is no evidence.
func asked(probes, transports int) string {
	var kinds []string
	if probes > 0 {
		kinds = append(kinds, fmt.Sprintf("%d probes", probes))
	}
	if transports > 0 {
		kinds = append(kinds, fmt.Sprintf("%d transports", transports))
	}
	return strings.Join(kinds, " and ")
}

// overConnection reports whether some medium has a way to a router over TCP or TLS, and without a tunnel: then the
// router is not to blame for what does not pass over UDP.
func (m *Mind) overConnection() bool {
	return slices.ContainsFunc(m.lanes[:], func(l lane) bool {
		return l.inUse != nil && l.inUse.rung != proto.UDP8801 && l.inUse.via == ""
	})
}
