package join

import (
	"fmt"
	"slices"
	"time"

	"parley/wire/proto"
)

// way is what the lookup told of the network (S7), for the report.
type way struct {
	proxy     string // host and port
	unused    string // why a configured proxy is not used
	inspected string // who opens TLS on the way
	classical bool   // long TLS handshakes do not pass
}

// advanceSilence handles a measurement in which no controller has answered yet (S14, S15). Well
// before the bound of 5.5 s a grant of the lookup answer is taken unmeasured, and the tunnels race.
func (m *Mind) advanceSilence(now time.Time) {
	allFailed := !slices.ContainsFunc(m.zones.list, func(z zone) bool { return !z.failed() })
	if !m.zones.tunnelsTried && (due(now, m.zones.desAt) || allFailed) {
		m.zones.tunnelsTried = true
		m.zones.desAt = time.Time{}
		m.enterBlind(now)
		if len(m.zones.tunnels) > 0 && m.zones.via == "" && !m.control.up {
			m.zones.tunnelNextAt = now
			m.zones.tunnelsOut = map[string]*Attempt{}
		}
	}
	if due(now, m.zones.blindAt) && m.zones.via == "" {
		m.enterBlind(now) // the next
	}
	if due(now, m.zones.tunnelNextAt) && len(m.zones.tunnelsOut) < maxTunnels {
		url := m.zones.tunnels[0]
		m.zones.tunnels = m.zones.tunnels[1:]
		m.zones.tunnelNextAt = time.Time{}
		if len(m.zones.tunnels) > 0 {
			m.zones.tunnelNextAt = now.Add(tunnelStagger)
		}
		m.zones.tunnelsOut[url] = m.begin(now, "tunnel", url)
		m.do(DialTunnel{URL: url})
	}
	hopeless := allFailed && m.zones.tunnelsTried && len(m.zones.tunnelsOut) == 0 && m.zones.tunnelNextAt.IsZero()
	if !due(now, m.zones.limit) && (!hopeless || m.zones.background) {
		return
	}
	m.stopMeasuring(now, nil)
	if m.zones.background && (m.control.up || m.reach.since.IsZero()) {
		return // a router answered all the same
	}
	if m.control.everIn { // what has been reached may be again
		if m.state == Measuring {
			m.startRouting(now, "")
		}
		return
	}
	m.fail(now, "", fmt.Sprintf("None of the %d meeting zones can be reached from this network.", len(m.zones.list)), false)
}

// enterBlind tries the best router the site offered though no controller answers, and the next one when that stays
// silent too: controllers may be out of reach where routers are not.
func (m *Mind) enterBlind(now time.Time) {
	m.zones.blindAt = time.Time{}
	if m.zones.background && !m.zones.blind {
		return
	}
	for m.zones.nBlind < len(m.zones.list) {
		g, ok := m.grantFor(now, &m.zones.list[m.zones.nBlind])
		m.zones.nBlind++
		if ok {
			m.note(now, "route", g.Router, Won, "no controller answers yet; trying the server the site offered")
			m.zones.background, m.zones.blind = true, true
			m.zones.blindAt = now.Add(max(blindFor, 5*m.lookupRTT))
			m.useGrant(now, g)
			return
		}
	}
}

// leaveBlind takes back that a router was entered blind: the choice is made as if it had not been.
func (m *Mind) leaveBlind(now time.Time, why string) {
	m.control.try.end(m, now, Lost, why)
	m.reach.try.end(m, now, Lost, why)
	m.closeControl()
	m.closeLanes(now, whyOther)
	m.grant, m.reach = proto.Grant{}, reach{}
	m.zones.background, m.zones.blind, m.zones.blindAt = false, false, time.Time{}
	m.state = Measuring
}

// settle ends what a choice made blind left open: its router answers, or a controller is asked for one.
func (m *Mind) settle() {
	m.zones.blind, m.zones.blindAt = false, time.Time{}
	m.unprepare()
}

// handleTunnelUp takes the first tunnel that answers and measures all controllers anew through it.
func (m *Mind) handleTunnelUp(now time.Time, e TunnelUp) {
	if !m.zones.open || m.zones.via != "" || m.zones.tunnelsOut[e.URL] == nil {
		return
	}
	if m.control.up {
		m.stopTunnels(now, "") // the router answered meanwhile, and that is all one needs
		return
	}
	m.zones.tunnelsOut[e.URL].end(m, now, Won, "first tunnel to answer")
	m.stopTunnels(now, e.URL)
	m.progress(now, "tunnel", e.URL)
	for i := range m.zones.list {
		for _, c := range m.zones.list[i].ctrls {
			c.try.end(m, now, Lost, "no answer without a tunnel")
		}
	}
	m.zones.via = e.URL
	m.zones.directAt = now.Add(directEvery)
	m.zones.startAt, m.zones.limit = now, now.Add(m.cfg.AnswerFor)
	m.measure(now)
	if m.zones.background {
		m.takeTunnel(now)
	}
}

func (m *Mind) handleTunnelFailed(now time.Time, e TunnelFailed) {
	if try := m.zones.tunnelsOut[e.URL]; try != nil {
		try.end(m, now, Lost, orText(e.Text, "no answer"))
		delete(m.zones.tunnelsOut, e.URL)
	}
}

// stopTunnels drops all tunnel attempts but the winner's.
func (m *Mind) stopTunnels(now time.Time, winner string) {
	m.do(Cancel{What: "tunnels"})
	for url, try := range m.zones.tunnelsOut {
		if url != winner {
			try.end(m, now, Lost, whyFaster)
		}
	}
	m.zones.tunnelsOut, m.zones.tunnels, m.zones.tunnelNextAt = nil, nil, time.Time{}
}

// takeTunnel takes over what is being tried without the tunnel: the router offered by the site has had as
// long as the controllers, and a grant needs no controller.
func (m *Mind) takeTunnel(now time.Time) {
	switch {
	case m.zones.via == "":
	case m.control.up && m.control.via == "":
		m.zones.via, m.zones.directAt = "", time.Time{} // the router was only slow
	case m.state == Connecting && !m.control.up && m.control.via == "" && m.good(now, m.grant):
		m.control.try.end(m, now, Lost, "no answer without a tunnel")
		m.openControl(now)
		m.tunnelLanes(now)
	case m.state == Routing, m.state == Connecting && !m.control.up && m.control.via == "":
		m.closeControl()
		m.startRouting(now, m.reach.lost)
	}
}

// tunnelLanes adds the way through the tunnel to the lanes that have no path yet.
func (m *Mind) tunnelLanes(now time.Time) {
	for g := range m.lanes {
		l := &m.lanes[g]
		if !l.wanted || l.inUse != nil {
			continue
		}
		t := &rungTry{rung: proto.TLS443, via: m.zones.via, startAt: now, set: m.media.set}
		if !slices.Contains(m.cfg.Rungs, t.rung) || len(m.candidates(t)) == 0 {
			continue
		}
		m.dropTries(now, proto.Group(g), func(o *rungTry) bool { return o.rung == t.rung }, "no answer without a tunnel")
		l.tries = append(l.tries, t)
		m.startDue(now, proto.Group(g))
	}
}

// advanceDirect looks for the way without a tunnel: tunnels are for those who have no other.
func (m *Mind) advanceDirect(now time.Time) {
	if !due(now, m.zones.directAt) {
		return
	}
	m.zones.directAt = now.Add(directEvery)
	for _, z := range m.zones.list {
		for _, url := range z.Controllers {
			m.do(Ping{Zone: z.ID, Controller: url})
		}
	}
}

// handleDirect: a controller answers without the tunnel that is in use. The control channel moves there, and
// media with fresh transports, each old one kept until its successor is up.
func (m *Mind) handleDirect(now time.Time, e PingDone) {
	if e.Via != "" || m.state != In || now.Sub(m.control.welcomedAt) < steadyAfter {
		return
	}
	m.note(now, "tunnel", m.zones.via, Lost, whyDirect)
	m.progress(now, "resume", "the direct way works")
	m.do(Cancel{What: "measure"})
	m.zones.via, m.zones.directAt, m.zones.leave = "", time.Time{}, true
	m.reach.round = 0
	m.closeControl()
	m.again(now, "")
}

// nextWay: no controller answered this round. The next round goes another way, where the site has told of
// one: directly, then through each tunnel. Who never needed a tunnel gives the direct way three rounds.
func (m *Mind) nextWay(now time.Time) {
	if len(m.answer.Tunnels) == 0 || m.zones.open || m.zones.via == "" && !m.zones.leave && m.reach.round < 3 {
		return
	}
	m.turn(now)
}

// turn goes another way.
func (m *Mind) turn(now time.Time) {
	ways := append([]string{""}, m.answer.Tunnels...)
	m.zones.via = ways[(slices.Index(ways, m.zones.via)+1)%len(ways)]
	m.zones.directAt = time.Time{}
	if m.zones.via != "" {
		m.zones.directAt = now.Add(directEvery)
		if slices.ContainsFunc(m.zones.list, func(z zone) bool { return z.shut }) {
			m.zones.directAt = now.Add(directSeldom)
		}
	}
}

// unreached: a controller has named a router that nothing from here gets to, which is at addresses of its own (S22).
// Other zones are asked first from now on. Where none is left, or the meeting has its home there, a tunnel may lead to
// it; that controllers answer without one is then no reason to leave it soon.
func (m *Mind) unreached(now time.Time) {
	other := false
	for i := range m.zones.list {
		z := &m.zones.list[i]
		z.shut = z.shut || z.ID == m.grant.Zone
		other = other || !z.shut
	}
	if (!other || m.grant.Home) && len(m.answer.Tunnels) > 0 && !m.zones.open {
		m.turn(now)
	}
}

// forgetShut: in another network routers may be within reach that were not, without the tunnel too.
func (m *Mind) forgetShut(now time.Time) {
	for i := range m.zones.list {
		m.zones.list[i].shut = false
	}
	if m.zones.via != "" {
		m.zones.directAt = now.Add(directEvery)
	}
}
