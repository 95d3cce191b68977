package join

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"parley/wire/proto"
)

// zones is phase two (S9): every controller of every zone is pinged at once, every probe address
// probed, and the choice is made as early as it can be made rightly. A UDP probe is answered in one round
// trip, a ping in three (TCP, TLS, the request): where a grant is at hand, which needs no controller, the
// probes alone decide, and the pings go on in the background.
type zones struct {
	open       bool // measuring
	background bool // the result only orders the controllers for routing
	list       []zone
	via        string // tunnel in use

	startAt  time.Time
	firstAt  time.Time // first controller answered
	standsAt time.Time // first zone stands
	thirdAt  time.Time // third zone stands
	limit    time.Time // without any answer
	desAt    time.Time // desperate measures: tunnels, or a grant taken unmeasured
	chosen   string
	opened   bool // what a grant needs was opened ahead of the choice

	directAt time.Time // through a tunnel: when to look for the way without one
	leave    bool      // that way was found: media follows with the next grant

	blind   bool      // the router in use was entered though nothing had been measured: the choice is still open
	blindAt time.Time // when to enter the next
	nBlind  int       // zones in the list that have been looked at for one

	long long // long.go

	tunnels      []string // still to dial
	tunnelNextAt time.Time
	tunnelsOut   map[string]*Attempt
	tunnelsTried bool
}

// zone is one zone with what was measured of it.
type zone struct {
	proto.Zone
	ctrls  []ctrl
	probes []probe
	gone   bool // it answered nothing, though it had time enough
	shut   bool // its controllers answer, and the router they name can't be reached
}

type ctrl struct {
	url    string
	seq    int // of the ping last sent
	sentAt time.Time
	nextAt time.Time // next ping
	rtt    float64   // least so far, negative before the first answer
	load   float64
	failed bool
	try    *Attempt
}

type probe struct {
	addr   string
	seq    int // of the probe last sent
	sentAt time.Time
	nextAt time.Time
	rtt    float64 // negative before the first answer
	padded bool    // a padded one came back too
	failed bool
	dead   bool // it had time enough to be answered, and was not
	try    *Attempt
}

func (m *Mind) openZones(now time.Time) {
	m.unprepare()
	m.zones = zones{open: true, startAt: now, limit: now.Add(m.cfg.AnswerFor), tunnels: m.answer.Tunnels}
	m.zones.desAt = now.Add(min(max(tunnelAfter, 3*m.lookupRTT), m.cfg.AnswerFor))
	for _, z := range m.answer.Zones {
		m.zones.list = append(m.zones.list, zone{Zone: z})
	}
	m.measure(now)
	if m.cfg.NoProbes {
		return
	}
	for i := range m.zones.list {
		z := &m.zones.list[i]
		for _, addr := range z.Probes {
			z.probes = append(z.probes, probe{addr: addr, rtt: -1, seq: 1, sentAt: now, nextAt: now.Add(probeAgain),
				try: m.begin(now, "probe", z.label()+", UDP "+addr)})
			m.do(Probe{Zone: z.ID, Addr: addr, Seq: 0})
			m.do(Probe{Zone: z.ID, Addr: addr, Seq: 1, Padded: true})
		}
	}
}

// measure pings every controller, from the start or anew through a tunnel.
func (m *Mind) measure(now time.Time) {
	for i := range m.zones.list {
		z := &m.zones.list[i]
		z.ctrls = nil
		for _, url := range z.Controllers {
			z.ctrls = append(z.ctrls, ctrl{url: url, rtt: -1, sentAt: now, try: m.begin(now, "zone", z.label()+", "+url)})
			m.do(Ping{Zone: z.ID, Controller: url, Via: m.zones.via})
		}
	}
}

func (z *zone) label() string { return "zone " + orText(z.Name, z.ID) }

// rtt is the least round trip to any controller of the zone, negative where none answered.
func (z *zone) rtt() float64 {
	best := -1.0
	for _, c := range z.ctrls {
		if c.rtt >= 0 && (best < 0 || c.rtt < best) {
			best = c.rtt
		}
	}
	return best
}

// udpRTT is the least round trip of the zone's probes, negative where none answered.
func (z *zone) udpRTT() float64 {
	best := -1.0
	for _, p := range z.probes {
		if p.rtt >= 0 && (best < 0 || p.rtt < best) {
			best = p.rtt
		}
	}
	return best
}

// least is the least round trip measured to the zone, negative where there is none.
func (z *zone) least() float64 {
	rtt, udp := z.rtt(), z.udpRTT()
	if rtt < 0 || udp >= 0 && udp < rtt {
		return udp
	}
	return rtt
}

// failed reports whether every controller is known to be out of reach.
func (z *zone) failed() bool {
	return !slices.ContainsFunc(z.ctrls, func(c ctrl) bool { return !c.failed })
}

// udp is what the probes say: "open", "silent" or "" while it is too early to tell.
func (z *zone) udp(now, startAt time.Time) string {
	if z.udpRTT() >= 0 {
		return "open"
	}
	patience := max(150*time.Millisecond, millis(2.5*max(0, z.rtt())))
	if len(z.probes) == 0 || now.Sub(startAt) < patience {
		return ""
	}
	return "silent"
}

// silent reports whether a probe of the zone that has not been answered by now has had time enough: two and a half
// round trips of one that was.
func (z *zone) silent(now, startAt time.Time) bool {
	if rtt := z.udpRTT(); rtt >= 0 {
		return now.Sub(startAt) >= max(150*time.Millisecond, millis(2.5*rtt))
	}
	return z.udp(now, startAt) == "silent"
}

// deaf reports whether the zone's probes were waited for and none came back.
func (z *zone) deaf() bool {
	return z.udpRTT() < 0 && slices.ContainsFunc(z.probes, func(p probe) bool { return p.dead && !p.failed })
}

// isGone reports whether a zone has answered nothing by now, and others show that it had time enough: its controllers
// refuse, its probes are late by the time others' took, or a controller of another zone took half as long.
func (m *Mind) isGone(now time.Time, z *zone) bool {
	waited := now.Sub(m.zones.startAt)
	switch {
	case z.least() >= 0 || len(z.ctrls) == 0:
		return false
	case z.failed():
		return true
	case waited < millis(3*float64(z.Floor)):
		return false // it is far
	case m.udpOpenSomewhere() && slices.ContainsFunc(z.probes, func(p probe) bool { return !p.failed }):
		return z.silent(now, m.zones.startAt) && waited >= millis(2.5*m.nearest())
	}
	return !m.zones.firstAt.IsZero() && waited >= 2*m.zones.firstAt.Sub(m.zones.startAt)
}

// nearest is the least round trip measured to any zone; infinite where there is none.
func (m *Mind) nearest() float64 {
	least := math.Inf(1)
	for i := range m.zones.list {
		if rtt := m.zones.list[i].least(); rtt >= 0 {
			least = min(least, rtt)
		}
	}
	return least
}

func (m *Mind) udpOpenSomewhere() bool {
	return slices.ContainsFunc(m.zones.list, func(z zone) bool { return z.udpRTT() >= 0 })
}

func (m *Mind) findCtrl(url string) (*zone, *ctrl) {
	for i := range m.zones.list {
		z := &m.zones.list[i]
		for j := range z.ctrls {
			if z.ctrls[j].url == url {
				return z, &z.ctrls[j]
			}
		}
	}
	return nil, nil
}

func (m *Mind) findProbe(addr string) (*zone, *probe) {
	for i := range m.zones.list {
		z := &m.zones.list[i]
		for j := range z.probes {
			if z.probes[j].addr == addr {
				return z, &z.probes[j]
			}
		}
	}
	return nil, nil
}

func (m *Mind) handlePingDone(now time.Time, e PingDone) {
	if e.Via != m.zones.via {
		m.handleDirect(now, e)
		return
	}
	z, c := m.findCtrl(e.Controller)
	if c == nil || !m.zones.open || e.RTT < 0 || math.IsNaN(e.RTT) {
		return
	}
	first := c.rtt < 0
	if first || e.RTT < c.rtt {
		c.rtt = e.RTT
	}
	c.load, c.failed = e.Load, false
	if m.zones.firstAt.IsZero() {
		m.zones.firstAt = now
		if m.zones.tunnelsOut != nil {
			m.stopTunnels(now, "") // what was measured without one must not be thrown away
		}
	}
	m.answered(now)
	if e.Seq == c.seq && c.seq+1 < nPings {
		c.nextAt = later(now, c.sentAt.Add(pingEvery))
	}
	if first {
		m.do(Candidate{Zone: z.ID, Controller: c.url, RTT: c.rtt, UDP: z.udp(now, m.zones.startAt), Load: c.load, Score: m.score(now, z)})
	}
}

func (m *Mind) handlePingFailed(now time.Time, e PingFailed) {
	z, c := m.findCtrl(e.Controller)
	if c == nil || !m.zones.open || e.Via != m.zones.via || c.rtt >= 0 || c.failed {
		return
	}
	c.failed = true
	c.try.end(m, now, Lost, orText(e.Text, "no connection"))
	m.do(Candidate{Zone: z.ID, Controller: c.url, Error: orText(e.Text, "no connection")})
}

func (m *Mind) handleProbeDone(now time.Time, e ProbeDone) {
	z, p := m.findProbe(e.Addr)
	if p == nil || e.RTT < 0 || math.IsNaN(e.RTT) {
		return
	}
	m.heardLong(now, z, p, e)
	if !m.zones.open {
		return
	}
	if p.rtt < 0 || e.RTT < p.rtt {
		p.rtt = e.RTT
	}
	p.nextAt = time.Time{}
	p.try.end(m, now, Won, fmt.Sprintf("UDP is open, %.0f ms", p.rtt))
	m.answered(now)
}

func (m *Mind) handleProbeFailed(now time.Time, e ProbeFailed) {
	_, p := m.findProbe(e.Addr)
	if p == nil || !m.zones.open || p.rtt >= 0 || p.failed {
		return
	}
	p.failed, p.nextAt = true, time.Time{}
	p.try.end(m, now, Lost, orText(e.Text, "could not be sent"))
}

func (m *Mind) nAnswered() int {
	n := 0
	for i := range m.zones.list {
		if m.zones.list[i].rtt() >= 0 {
			n++
		}
	}
	return n
}

func (m *Mind) advanceZones(now time.Time) {
	for due(now, m.decideAt(now)) {
		if m.decide(now); !m.zones.open {
			return
		}
	}
	for i := range m.zones.list {
		z := &m.zones.list[i]
		for j := range z.ctrls {
			if c := &z.ctrls[j]; due(now, c.nextAt) {
				c.seq, c.sentAt, c.nextAt = c.seq+1, now, time.Time{}
				m.do(Ping{Zone: z.ID, Controller: c.url, Seq: c.seq, Via: m.zones.via})
			}
		}
		for j := range z.probes {
			if p := &z.probes[j]; due(now, p.nextAt) {
				p.seq, p.sentAt, p.nextAt = p.seq+1, now, now.Add(probeAgain)
				if p.seq == 3 {
					p.nextAt = time.Time{}
				}
				m.do(Probe{Zone: z.ID, Addr: p.addr, Seq: p.seq})
			}
		}
	}
	if m.zones.firstAt.IsZero() {
		m.advanceSilence(now)
	}
}

func (m *Mind) wakeZones(w *waker) {
	for i := range m.zones.list {
		for _, c := range m.zones.list[i].ctrls {
			w.add(c.nextAt, ReasonPing)
		}
		for _, p := range m.zones.list[i].probes {
			w.add(p.nextAt, ReasonProbe)
		}
	}
	w.add(m.decideAt(m.seenAt), ReasonDecide)
	if !m.zones.firstAt.IsZero() {
		return
	}
	w.add(m.zones.limit, ReasonGiveUp)
	w.add(m.zones.desAt, ReasonTunnel)
	if m.zones.via == "" {
		w.add(m.zones.blindAt, ReasonTunnel)
	}
	if len(m.zones.tunnelsOut) < maxTunnels {
		w.add(m.zones.tunnelNextAt, ReasonTunnel)
	}
}

// stopMeasuring ends phase two and writes into the record why each zone won or lost.
func (m *Mind) stopMeasuring(now time.Time, won *zone) {
	m.zones.open = false
	m.do(Cancel{What: "measure"})
	if m.zones.tunnelsOut != nil {
		m.stopTunnels(now, "")
	}
	for i := range m.zones.list {
		z := &m.zones.list[i]
		z.gone = m.isGone(now, z)
		for _, c := range z.ctrls {
			switch {
			case c.rtt < 0 && z.udpRTT() >= 0:
				c.try.end(m, now, Lost, fmt.Sprintf("not waited for after %d ms: UDP had answered", now.Sub(m.zones.startAt).Milliseconds()))
			case c.rtt < 0:
				c.try.end(m, now, Lost, fmt.Sprintf("no answer within %d ms", now.Sub(m.zones.startAt).Milliseconds()))
			case z == won:
				c.try.end(m, now, Won, fmt.Sprintf("%.0f ms", c.rtt))
			case won != nil && won.ID == m.cfg.LastZone && m.score(now, z) < m.score(now, won):
				c.try.end(m, now, Lost, fmt.Sprintf("%.0f ms, not enough better than the zone used last", c.rtt))
			case won != nil:
				c.try.end(m, now, Lost, fmt.Sprintf("%.0f ms, rated %.0f against %.0f", c.rtt, m.score(now, z), m.score(now, won)))
			}
		}
		for j := range z.probes {
			p := &z.probes[j]
			if p.rtt < 0 && !z.silent(now, m.zones.startAt) {
				p.try.end(m, now, Lost, fmt.Sprintf("no answer within %d ms, which says little", now.Sub(m.zones.startAt).Milliseconds()))
			} else if p.rtt < 0 {
				p.dead = true
				p.try.end(m, now, Lost, "no answer over UDP")
			} else if !p.padded {
				p.try.amend("UDP is open, but a datagram of 1200 bytes did not come back")
			}
		}
	}
}

// order lists all controllers for routing: the chosen zone's first, then the other zones by score,
// the silent in the site's order, the unreachable last. Within a zone the fastest first.
func (m *Mind) order(now time.Time) []target {
	type ranked struct {
		target
		class int
		score float64
		rtt   float64
	}
	var out []ranked
	for i := range m.zones.list {
		z := &m.zones.list[i]
		for _, c := range z.ctrls {
			r := ranked{target: target{zone: z.ID, controller: c.url, rtt: c.rtt}, class: 2, rtt: c.rtt}
			if z.least() >= 0 {
				r.class, r.score = 1, m.score(now, z)
			}
			if z.ID == m.zones.chosen {
				r.class = 0
			}
			if c.rtt < 0 {
				r.rtt = math.Inf(1)
			}
			if c.failed || z.shut {
				r.class += 3
			}
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.score, b.score), cmp.Compare(a.rtt, b.rtt))
	})
	targets := make([]target, len(out))
	for i, r := range out {
		targets[i] = r.target
	}
	return targets
}

// rtt is the round trip to assume towards a router: that of its zone, else of any.
func (m *Mind) rtt() time.Duration {
	best := -1.0
	for i := range m.zones.list {
		z := &m.zones.list[i]
		r := z.least()
		if r < 0 {
			continue
		}
		if z.ID == m.grant.Zone {
			return millis(r)
		}
		best = max(best, r)
	}
	if best < 0 {
		return max(defaultRTT, m.lookupRTT)
	}
	return millis(best)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
