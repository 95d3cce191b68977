package join

import (
	"fmt"
	"slices"
	"time"

	"parley/wire/proto"
)

func (m *Mind) handleStart(now time.Time) {
	if m.state != Idle {
		return
	}
	m.startAt = now
	m.startLookup(now)
}

// startLookup begins phase one, first or again after the token ran out.
func (m *Mind) startLookup(now time.Time) {
	m.state, m.try = LookingUp, 0
	m.lookupLimit = now.Add(m.lookupFor())
	m.sendLookup(now)
}

// lookupFor is how long the site may take: who has been in the meeting goes back there, and waits for the site as long
// as for a router.
func (m *Mind) lookupFor() time.Duration {
	if m.control.everIn {
		return max(m.cfg.LookupFor, m.cfg.ReachFor)
	}
	return m.cfg.LookupFor
}

func (m *Mind) sendLookup(now time.Time) {
	m.lookupAt, m.lookupAgainAt = now, time.Time{}
	m.lookupAttempt = m.begin(now, "lookup", "the site")
	m.do(Lookup{Try: m.try, LastZone: m.cfg.LastZone, LastRung: m.cfg.LastRung})
	m.try++
}

func (m *Mind) handleLookupDone(now time.Time, e LookupDone) {
	switch {
	case m.reach.asking && m.reach.since.IsZero(): // a router stands
		m.stopAsking(now)
		return
	case m.reach.asking:
		since := m.reach.since // the time for trying is what it was
		m.reach.asking = false
		m.forget(now)
		m.reach.since = since
	case m.state != LookingUp:
		return
	}
	m.lookupAttempt.end(m, now, Won, "")
	m.answer, m.grants, m.answeredAt = e.Answer, e.Grants, now
	m.way = way{proxy: e.Proxy, inspected: e.Inspected, unused: e.Unused, classical: e.Classical}
	if e.Via != "" {
		m.lookupAttempt.amend("through the tunnel " + e.Via)
	} else if e.Proxy != "" {
		m.lookupAttempt.amend("through the proxy " + e.Proxy)
	}
	m.lookupRTT = millis(e.RTT)
	if e.RTT <= 0 {
		m.lookupRTT = now.Sub(m.lookupAt) / 3 // a cold request is TCP, TLS, HTTP
	}
	if e.Answer.WebURL != "" {
		m.cfg.WebURL = e.Answer.WebURL
	}
	m.step(now, "lookup", m.startAt, e.RTT)
	zones := "zones"
	if len(e.Answer.Zones) == 1 {
		zones = "zone"
	}
	m.progress(now, "lookup", fmt.Sprintf("%s, %d %s", e.Answer.Meeting.Topic, len(e.Answer.Zones), zones))
	m.openZones(now)
	if e.Via != "" {
		// Where the site is out of reach zones are likely to be: the tunnels race beside the direct way.
		m.zones.tunnels = append([]string{e.Via}, slices.DeleteFunc(slices.Clone(m.zones.tunnels), func(u string) bool { return u == e.Via })...)
		m.zones.desAt = now
	}
	for _, g := range m.grants {
		// Everybody goes to the home, whichever zone is nearest: people who chose different zones must
		// meet (design §6). Measuring goes on beside it.
		if g.Home && m.good(now, g) {
			m.note(now, "route", g.Router, Won, whyRuns)
			m.zones.background = true
			m.useGrant(now, g)
			return
		}
	}
	m.state = Measuring
	switch len(m.zones.list) {
	case 0:
		m.zones.open = false
		m.fail(now, proto.CodeNoRouter, "The site knows no meeting zone that could host this meeting.", true)
	case 1:
		if g, ok := m.grantFor(now, &m.zones.list[0]); ok { // nothing to choose
			m.zones.background = true
			m.take(now, g)
		}
	default:
		m.prepare(now)
	}
}

// good reports whether a grant of the lookup answer can still be used.
func (m *Mind) good(now time.Time, g proto.Grant) bool {
	return g.Router != "" && g.Expires-m.ServerTime(now) > grantMargin.Milliseconds()
}

func (m *Mind) handleLookupFailed(now time.Time, e LookupFailed) {
	if m.reach.asking {
		m.handleSiteFailed(now, e)
		return
	}
	if m.state != LookingUp || !m.lookupAgainAt.IsZero() {
		return
	}
	m.lookupAttempt.end(m, now, Lost, orText(e.Text, "no answer"))
	m.failure = Failed{Code: e.Code, Text: e.Text}
	if e.Code == proto.CodeSlowDown {
		// Whoever guesses at the meeting makes others wait, who are let in then.
		if m.lookupAgainAt = now.Add(max(time.Second, seconds(e.RetryAfter))); !m.lookupAgainAt.Before(m.lookupLimit) {
			m.fail(now, e.Code, e.Text, true)
		}
		return
	}
	if final(e.Code) {
		m.fail(now, e.Code, e.Text, true)
		return
	}
	if e.Final {
		m.fail(now, e.Code, e.Text, false)
		return
	}
	at := now.Add(500 * time.Millisecond << min(m.try-1, 2))
	if m.try > 3 && !m.control.everIn || at.After(m.lookupLimit) {
		m.fail(now, e.Code, "The site does not answer: "+orText(e.Text, "no connection"), false)
		return
	}
	m.lookupAgainAt = at
}

// handleAsking gives a person time; the network's own begins anew with their answer.
func (m *Mind) handleAsking(now time.Time, e Asking) {
	if m.state == LookingUp {
		m.lookupLimit = now.Add(askFor)
		m.progress(now, "lookup", "waiting for "+e.For)
	}
}

func (m *Mind) handleAsked(now time.Time) {
	if m.state == LookingUp {
		m.lookupLimit = now.Add(m.lookupFor())
	}
}

func (m *Mind) advanceLookup(now time.Time) {
	switch {
	case due(now, m.lookupLimit):
		m.lookupAttempt.end(m, now, Lost, "no answer in time")
		m.do(Cancel{What: "lookup"})
		m.fail(now, "", "The site does not answer.", false)
	case due(now, m.lookupAgainAt):
		m.sendLookup(now)
	}
}

// final reports whether a code will be the same however often one asks.
func final(c proto.Code) bool {
	switch c {
	case proto.CodeBadRequest, proto.CodeUnsupported, proto.CodeNoSuchMeeting, proto.CodeFull, proto.CodeLocked, proto.CodeEnded,
		proto.CodeNotStarted, proto.CodeEjected, proto.CodeReplaced, proto.CodeTokenInvalid, proto.CodeForbidden,
		proto.CodeTooOld, proto.CodeLeft:
		return true
	}
	return false
}

func orText(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func millis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func seconds(s int) time.Duration { return time.Duration(s) * time.Second }

func toMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
