package join

import "time"

// The way back where nobody is left whom the site has named: it may name others by now.

// siteAt is when the site is asked again beside the rounds, for it may name others than the controllers that are silent:
// half way through the time for trying. Zero where it is not to be asked.
func (m *Mind) siteAt() time.Time {
	if !m.reach.stale || m.reach.asking || m.reach.since.IsZero() {
		return time.Time{}
	}
	return later(m.reach.since.Add(m.cfg.ReachFor/2), m.lookupAgainAt)
}

// stopAsking ends that: a router answers, or the network is another.
func (m *Mind) stopAsking(now time.Time) {
	if m.reach.asking {
		m.reach.asking = false
		m.lookupAttempt.end(m, now, Lost, whyFaster)
		m.do(Cancel{What: "lookup"})
	}
}

// handleSiteFailed: the site could not be reached either, or it refuses, which is told when nothing else has helped.
func (m *Mind) handleSiteFailed(now time.Time, e LookupFailed) {
	m.reach.asking = false
	m.lookupAttempt.end(m, now, Lost, orText(e.Text, "no answer"))
	if e.Code != "" {
		m.reach.lastCode, m.reach.lastText = e.Code, e.Text
	}
	m.reach.stale = !final(e.Code) && !e.Final
	m.lookupAgainAt = now.Add(max(sitePause, seconds(e.RetryAfter)))
}
