package join

import (
	"fmt"
	"slices"
	"time"
)

// advanceSilence handles a measurement in which no controller has answered yet (S14, S15). Well
// before the bound of 5.5 s a grant of the lookup answer is taken unmeasured, and the tunnels race.
func (m *Mind) advanceSilence(now time.Time) {
	allFailed := !slices.ContainsFunc(m.zones.list, func(z zone) bool { return !z.failed() })
	if !m.zones.tunnelsTried && (due(now, m.zones.desAt) || allFailed) {
		m.zones.tunnelsTried = true
		m.zones.desAt = time.Time{}
		m.takeGrantUnmeasured(now)
		if len(m.zones.tunnels) > 0 && m.zones.via == "" {
			m.zones.tunnelNextAt = now
			m.zones.tunnelsOut = map[string]*Attempt{}
		}
	}
	if due(now, m.zones.tunnelNextAt) {
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
	m.fail(now, "", fmt.Sprintf("None of the %d meeting zones can be reached from this network.", len(m.zones.list)), false)
}

// takeGrantUnmeasured tries the best router the site offered though no controller answers: controllers
// may be out of reach where routers are not.
func (m *Mind) takeGrantUnmeasured(now time.Time) {
	if m.zones.background {
		return
	}
	for _, z := range m.zones.list {
		for _, g := range m.grants {
			if g.Zone == z.ID && m.good(now, g) {
				m.note(now, "route", g.Router, Won, "no controller answers yet; trying the server the site offered")
				m.zones.background = true
				m.useGrant(now, g)
				return
			}
		}
	}
}

// handleTunnelUp takes the first tunnel that answers and measures all controllers anew through it.
func (m *Mind) handleTunnelUp(now time.Time, e TunnelUp) {
	if !m.zones.open || m.zones.via != "" || m.zones.tunnelsOut[e.URL] == nil {
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
	m.zones.startAt, m.zones.limit = now, now.Add(m.cfg.AnswerFor)
	m.measure(now)
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
			try.end(m, now, Lost, "another path was faster")
		}
	}
	m.zones.tunnelsOut, m.zones.tunnels, m.zones.tunnelNextAt = nil, nil, time.Time{}
}
