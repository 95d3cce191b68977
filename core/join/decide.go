package join

import (
	"fmt"
	"math"
	"slices"
	"time"

	"parley/wire/proto"
)

// The choice among zones, made as early as it can be made rightly.

// decideAt is when the choice is made with what is known now; zero before the first zone stands, and in the
// background, unless a router was entered blind, before the first controller has answered.
//   - nobody is missing: now
//   - no missing zone can win any more: geography (Floor), its UDP answer, or the time it has been
//     silent says so: a round trip where UDP is open, three (TCP, TLS and the request) where it is not known
//   - three zones stand, and as long again as the slowest of them took
//   - 400 ms after the first: what a silent nearest zone may cost
//
// The zone used last may win though it is 10 ms slower, and is waited for as long as that takes: 10 ms where UDP
// chooses, or says that the zone is gone; 30 where controllers do, whose answer comes after three round trips. Not
// longer, since it may have died meanwhile.
func (m *Mind) decideAt(now time.Time) time.Time {
	from := m.zones.standsAt
	if m.zones.background && !m.zones.blind {
		from = m.zones.firstAt
	}
	if from.IsZero() {
		return time.Time{}
	}
	best, slowest := math.Inf(1), 0.0
	for i := range m.zones.list {
		if z := &m.zones.list[i]; m.stands(now, z) {
			best, slowest = min(best, m.score(now, z)), max(slowest, z.least())
		}
	}
	if math.IsInf(best, 1) {
		return time.Time{} // the grants have lapsed meanwhile
	}
	unbeaten, open, grace := from, m.udpOpenSomewhere(), 0.0
	for i := range m.zones.list {
		z := &m.zones.list[i]
		if m.stands(now, z) || z.failed() {
			continue
		}
		trips := 3.0
		if open && len(z.probes) > 0 && z.udpRTT() < 0 {
			trips = 1 // it would have answered by then, or its UDP is dead and another's is not
		}
		known := max(float64(z.Floor), z.udpRTT()) + float64(z.Bias)
		if z.ID == m.cfg.LastZone && known < best+keepBy {
			grace = trips * keepBy
			if m.chosenByUDP(now) {
				grace = keepBy
			}
		}
		if known >= best {
			continue
		}
		unbeaten = later(unbeaten, m.zones.startAt.Add(millis(trips*(best-float64(z.Bias)))))
	}
	at := earlier(unbeaten.Add(millis(grace)), from.Add(decideAfter))
	if !m.zones.thirdAt.IsZero() {
		at = earlier(at, later(from, m.zones.thirdAt.Add(millis(slowest))))
	}
	return at
}

// stands reports whether there is a way into the zone: a controller has answered, or UDP has where a grant
// is at hand, which needs no controller.
func (m *Mind) stands(now time.Time, z *zone) bool {
	if z.rtt() >= 0 {
		return true
	}
	_, ok := m.grantFor(now, z)
	return ok && z.udpRTT() >= 0
}

// chosenByUDP reports whether some zone stands by UDP alone, so that the choice is that much earlier.
func (m *Mind) chosenByUDP(now time.Time) bool {
	return slices.ContainsFunc(m.zones.list, func(z zone) bool { return z.rtt() < 0 && m.stands(now, &z) })
}

// grantFor is the lookup's grant for a zone, if it is still good.
func (m *Mind) grantFor(now time.Time, z *zone) (proto.Grant, bool) {
	for _, g := range m.grants {
		if g.Zone == z.ID && m.good(now, g) {
			return g, true
		}
	}
	return proto.Grant{}, false
}

// answered takes note of what has just been measured.
func (m *Mind) answered(now time.Time) {
	n := 0
	for i := range m.zones.list {
		if m.stands(now, &m.zones.list[i]) {
			n++
		}
	}
	if m.zones.standsAt.IsZero() && n > 0 {
		m.zones.standsAt = now
	}
	if m.zones.thirdAt.IsZero() && n >= 3 {
		m.zones.thirdAt = now
	}
}

// score is what zones are compared by, in milliseconds. A zone whose UDP is dead is worse, unless UDP
// is dead to everywhere: then it says nothing about the zone.
func (m *Mind) score(now time.Time, z *zone) float64 {
	return Score(z.least(), z.Bias, z.udp(now, m.zones.startAt) == "silent" && m.udpOpenSomewhere())
}

// Score is what zones are compared by, in milliseconds, less is better: the round trip measured, the site's bias,
// and whether the zone's UDP is dead while another's is not.
func Score(rttMS float64, bias int, udpDead bool) float64 {
	s := rttMS + float64(bias)
	if udpDead {
		s += udpPenalty
	}
	return s
}

// choose is the best zone that stands, with hysteresis towards the last one: a client that is told
// apart by a few milliseconds would otherwise wander.
func (m *Mind) choose(now time.Time) *zone {
	var best, last *zone
	for i := range m.zones.list {
		z := &m.zones.list[i]
		if !m.stands(now, z) {
			continue
		}
		if best == nil || m.score(now, z) < m.score(now, best) {
			best = z
		}
		if z.ID == m.cfg.LastZone {
			last = z
		}
	}
	if last != nil && best != last {
		b, l := m.score(now, best), m.score(now, last)
		if b > l-keepBy || b > l*2/3 {
			return last
		}
	}
	return best
}

func (m *Mind) decide(now time.Time) {
	z := m.zoneByID(m.zones.chosen) // by the probes, before
	first := z == nil
	if first {
		z = m.choose(now)
		m.zones.chosen = z.ID
	}
	blind := m.zones.blind
	if blind && z.ID != m.grant.Zone {
		m.leaveBlind(now, "another path was faster")
	} else if blind {
		m.settle()
	}
	early := (blind || !m.zones.background) && z.rtt() < 0
	if !early {
		m.stopMeasuring(now, z)
	}
	if first && !m.zones.background {
		m.step(now, "zone", m.answeredAt, z.least())
	}
	if first {
		m.progress(now, "zone", fmt.Sprintf("%s, %.0f ms", orText(z.Name, z.ID), z.least()))
	}
	grant, ok := m.grantFor(now, z)
	switch {
	case m.zones.background:
		m.takeTunnel(now)
	case ok:
		// Chosen early, it is not known yet that HTTPS passes here too, nor whom to ask after a loss: pings go on.
		m.zones.background = early
		m.take(now, grant)
	default:
		m.startRouting(now, "")
	}
}

// take uses the site's grant for the zone chosen.
func (m *Mind) take(now time.Time, g proto.Grant) {
	m.note(now, "route", g.Router, Won, "the site's grant for this zone is still good; no need to ask a controller")
	m.useGrant(now, g)
}

// prepare opens what the site's grants need while the choice among their zones is still to be made: then it
// costs nothing to have chosen.
func (m *Mind) prepare(now time.Time) {
	for _, g := range m.grants {
		if m.good(now, g) {
			m.zones.opened = true
			m.do(Prepare{Grant: g})
		}
	}
}

// unprepare drops what was prepared and is not in use.
func (m *Mind) unprepare() {
	if m.zones.opened {
		m.zones.opened = false
		m.do(Cancel{What: "prepare"})
	}
}
