package join

import (
	"fmt"
	"slices"
	"time"

	"parley/wire/proto"
)

// Phase four (S11, S12): one lane per media group, each climbing the ladder by itself.
//
//	          grant                 TransportUp                    TransportLost
//	 closed ────────▶ racing ────────────────────────▶ up ─────────────────────────▶ racing
//	                   │  ▲                             │ a better rung comes up: it takes over,
//	      all rungs    ▼  │ backoff                     ▼ the worse one is closed
//	      failed     pausing                            up
//
// Rungs start staggered by H, so that TCP does not win where UDP works but is a little slower; the
// first that is up is used at once. The rung that worked last time from this network starts at once
// beside the first.
//
// The credentials of one grant or welcome are one set: transports that come with one set are one peer
// connection to the router, which numbers their packets together. A router keys a transport once, so a
// lane that was up needs credentials of a fresh set, and then all lanes move to it, each keeping its old
// transport until the new one is up. A welcome brings a spare set, so the first repair costs no request.

// ladder is S11's order, best first; long.go has that of pictures on a narrow path.
var ladder = [...]proto.Rung{proto.UDP8801, proto.TCP8801, proto.TLS443}

// lane is one media group.
type lane struct {
	wanted  bool
	tries   []*rungTry
	inUse   *rungTry
	round   int
	retryAt time.Time
	channel int  // control attempt it was (re)started beside
	spent   bool // was up with the set in use: that set's credentials will not do again
	descent      // demote.go
}

// rungTry is one attempt of one lane on one rung.
type rungTry struct {
	id       int // 0: not started yet
	rung     proto.Rung
	startAt  time.Time // when it may start
	upAt     time.Time
	deadline time.Time
	done     bool   // failed or closed
	checks   bool   // checks over it are answered, and no keys come
	port     uint16 // the router's that media goes to; 0: not known
	via      string // tunnel
	set      int    // mediaClock.set it belongs to
	try      *Attempt
}

// mediaClock holds what all lanes share.
type mediaClock struct {
	contentAt time.Time // content starts then
	limit     time.Time // joined, and no media path at all until then
	everUp    bool      // some lane was up on this router
	set       int       // counts the sets of credentials used
	spare     []proto.Credentials
	apartAt   time.Time // video and content use different rungs: one follows the other then
	shaken    bool      // the network is another since the last welcome, or may be
	backAt    time.Time // the welcome after that
	soonAt    time.Time // the same, where early looks count from it
	askAt     time.Time // fresh credentials may be asked for from then on
}

// stagger is H of the design.
func (m *Mind) stagger() time.Duration {
	return min(max(2*m.rtt()+50*time.Millisecond, minH), maxH)
}

// startLanes starts audio and video beside the control channel, and whatever else was wanted, with the
// credentials of a fresh grant. Where all lanes are up already they stay, and the credentials are spare:
// the router is the same.
func (m *Mind) startLanes(now time.Time, fresh []proto.Credentials) {
	m.lanes[proto.GroupAudio].wanted = true
	if !m.cfg.OneGroup {
		m.lanes[proto.GroupVideo].wanted = true
	}
	for g := range m.lanes {
		if l := &m.lanes[g]; l.wanted && l.inUse == nil {
			m.renew(now, fresh, "a fresh grant came")
			return
		}
	}
	if m.zones.leave {
		m.zones.leave = false
		m.renew(now, fresh, "media leaves the tunnel")
		return
	}
	m.media.spare = fresh
}

// renew moves all lanes to another set of credentials. What is in use stays until its successor is up.
func (m *Mind) renew(now time.Time, fresh []proto.Credentials, why string) {
	m.grant.Groups, m.media.spare = fresh, nil
	m.media.set++
	for g := range m.lanes {
		l := &m.lanes[g]
		l.spent, l.round = false, 0
		if l.wanted {
			m.dropTries(now, proto.Group(g), func(t *rungTry) bool { return t != l.inUse }, why)
			m.climb(now, proto.Group(g))
		}
	}
}

// climb sets up the attempts of one lane over all rungs there are candidates for.
func (m *Mind) climb(now time.Time, g proto.Group) {
	l := &m.lanes[g]
	l.tries, l.retryAt, l.channel = nil, time.Time{}, m.control.id
	if l.inUse != nil {
		l.tries = append(l.tries, l.inUse)
	}
	h, n, from := m.stagger(), 0, m.headStart(now)
	for _, rung := range m.ladder(g) {
		t := &rungTry{rung: rung, set: m.media.set}
		if rung == proto.TLS443 {
			t.via = m.zones.via
		}
		if !m.passable(t) || m.rank(g, rung) < l.floor {
			continue
		}
		switch t.startAt = from.Add(time.Duration(n) * h); {
		case t.via == "" && m.holdsBack(g, rung):
			t.startAt = t.startAt.Add(transportFor)
		// Behind a proxy, or a tunnel, little else than TLS is likely to pass (S13); UDP still has its start.
		case rung == m.cfg.LastRung && !(rung == proto.UDP8801 && m.narrow(g)) || t.via != "" || rung == proto.TLS443 && m.way.proxy != "":
			t.startAt = now
		}
		l.tries = append(l.tries, t)
		n++
	}
	m.startDue(now, g)
}

// holdsBack reports whether a lane has no reason yet to try a rung: what it uses is better, and works. It only follows
// the others to fresh credentials, and has time to come up there on the rung it has.
func (m *Mind) holdsBack(g proto.Group, rung proto.Rung) bool {
	l := &m.lanes[g]
	return l.inUse != nil && m.rank(g, l.inUse.rung) >= l.floor && m.rank(g, rung) > m.rank(g, l.inUse.rung)
}

// hasten starts what a lane has held back: the first at once, the others in turn.
func (m *Mind) hasten(now time.Time, g proto.Group) {
	at := now
	for _, t := range m.lanes[g].tries {
		if t.id == 0 && !t.done {
			if at.Before(t.startAt) {
				t.startAt = at
			}
			at = at.Add(m.stagger())
		}
	}
	m.startDue(now, g)
}

// headStart is when UDP's began: with the probes, where none of them has been answered.
func (m *Mind) headStart(now time.Time) time.Time {
	if m.zones.via != "" {
		return now // nothing but the tunnel is likely to pass
	}
	from := now
	for i := range m.zones.list {
		for _, p := range m.zones.list[i].probes {
			if p.rtt >= 0 {
				return now
			}
			from = m.zones.startAt
		}
	}
	return from
}

// candidates are the addresses for an attempt. A tunnel sends UDP to the router, whatever reaches the tunnel.
func (m *Mind) candidates(t *rungTry) []proto.Candidate {
	var out []proto.Candidate
	rung := t.rung
	if t.via != "" {
		rung = proto.UDP8801
	}
	for _, c := range m.grant.Candidates {
		if c.Rung == rung {
			out = append(out, c)
		}
	}
	return out
}

// credentials are those of an attempt's set: a probe may try the spare one.
func (m *Mind) credentials(t *rungTry, g proto.Group) proto.Credentials {
	set := m.grant.Groups
	if t.set > m.media.set {
		set = m.media.spare
	}
	for _, c := range set {
		if c.Group == g {
			return c
		}
	}
	return proto.Credentials{Group: g}
}

func (m *Mind) startDue(now time.Time, g proto.Group) {
	for _, t := range m.lanes[g].tries {
		if t.id != 0 || t.done || now.Before(t.startAt) {
			continue
		}
		t.id, t.deadline = m.id(), now.Add(through(t.via, transportFor))
		t.try = m.begin(now, "media", t.what(g))
		m.do(StartTransport{Attempt: t.id, Group: g, Rung: t.rung, Router: m.grant.Router,
			Candidates: m.candidates(t), Credentials: m.credentials(t, g), Fingerprint: m.grant.Fingerprint, Via: t.via})
	}
}

// what names an attempt in the record.
func (t *rungTry) what(g proto.Group) string {
	if t.via != "" {
		return fmt.Sprintf("%s over %s through the tunnel %s", g, t.rung, t.via)
	}
	return fmt.Sprintf("%s over %s", g, t.rung)
}

func (m *Mind) findTry(id int) (proto.Group, *rungTry) {
	for g := range m.lanes {
		for _, t := range m.lanes[g].tries {
			if id != 0 && t.id == id && !t.done {
				return proto.Group(g), t
			}
		}
	}
	return 0, nil
}

func (m *Mind) handleTransportUp(now time.Time, e TransportUp) {
	g, t := m.findTry(e.Attempt)
	if t == nil || !t.upAt.IsZero() {
		return
	}
	l := &m.lanes[g]
	if t.set > m.media.set {
		m.adopt(now, t.set)
	}
	t.upAt, t.deadline, t.port = now, time.Time{}, e.Port
	m.media.everUp, m.media.limit = true, time.Time{}
	if g == proto.GroupAudio {
		m.step(now, "media", m.grantAt, 0)
	}
	t.try.end(m, now, Won, "")
	l.inUse, l.spent = t, true
	if m.rank(g, t.rung) < l.floor {
		l.floor = 0 // what was left is good again
	}
	l.poorAt, l.deadAt = time.Time{}, time.Time{}
	m.do(UseTransport{Attempt: t.id, Group: g, Rung: t.rung})
	m.progress(now, "media", fmt.Sprintf("%s over %s", g, t.rung))
	// What is worse than this one has lost; what is better may still come and take over.
	m.dropTries(now, g, func(o *rungTry) bool { return o.set != t.set || m.rank(g, o.rung) > m.rank(g, t.rung) }, "a better path is up")
	m.dropTries(now, g, func(o *rungTry) bool { return m.rank(g, o.rung) < l.floor }, "media has left it")
}

func (m *Mind) handlePathAnswers(e PathAnswers) {
	if _, t := m.findTry(e.Attempt); t != nil {
		t.checks = true
	}
}

// adopt makes the spare credentials, with which a probe has come up, those in use: all lanes move to them.
func (m *Mind) adopt(now time.Time, set int) {
	m.grant.Groups, m.media.spare, m.media.set = m.media.spare, nil, set
	for g := range m.lanes {
		l := &m.lanes[g]
		l.spent = false
		if l.wanted && !slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done && t.set == set }) {
			m.dropTries(now, proto.Group(g), func(t *rungTry) bool { return t != l.inUse }, "media moves to fresh transports")
			m.climb(now, proto.Group(g))
		}
	}
}

// dropTries closes the attempts of a lane that match; nil matches all.
func (m *Mind) dropTries(now time.Time, g proto.Group, match func(*rungTry) bool, why string) {
	l := &m.lanes[g]
	l.tries = slices.DeleteFunc(l.tries, func(t *rungTry) bool {
		if t.done || match != nil && !match(t) {
			return t.done
		}
		t.done = true
		if t.id != 0 {
			t.try.end(m, now, Lost, why)
			m.do(CloseTransport{Attempt: t.id, Group: g, Rung: t.rung})
		}
		if l.inUse == t {
			l.inUse = nil
		}
		return true
	})
}

func (m *Mind) handleTransportDown(now time.Time, id int, text string) {
	g, t := m.findTry(id)
	if t == nil {
		return
	}
	l := &m.lanes[g]
	t.done = true
	wasUp := !t.upAt.IsZero()
	if wasUp {
		m.note(now, "media", t.what(g), Lost, orText(text, "nothing arrives any more"))
		if now.Sub(t.upAt) >= steadyAfter {
			l.round = 0
		}
	} else {
		t.try.end(m, now, Lost, orText(text, "no answer"))
	}
	if l.inUse == t {
		l.inUse = nil
		m.hasten(now, g)
		m.progress(now, "media", fmt.Sprintf("%s over %s is lost", g, t.rung))
		if !slices.ContainsFunc(m.lanes[:], func(l lane) bool { return l.inUse != nil }) {
			m.media.everUp, m.media.limit = false, time.Time{}
			if m.state == In { // elsewhere the welcome sets it
				m.media.limit = now.Add(m.cfg.ReachFor)
			}
		}
	}
	if l.inUse != nil {
		// A better rung did not come up; the one in use goes on, until there is one on the credentials of the others.
		if t.set == m.media.set && l.inUse.set != t.set && !slices.ContainsFunc(l.tries, func(o *rungTry) bool { return !o.done && o.set == t.set }) {
			m.tryRungs(now, g, m.rank(g, t.rung)+1)
		}
		return
	}
	for _, o := range l.tries {
		if o.done {
			continue
		}
		if o.id == 0 {
			o.startAt = now // nothing runs beside it: no reason to hold it back
		}
		m.startDue(now, g)
		return
	}
	l.floor = 0 // nothing below is better
	// While the control channel is away the credentials may have lapsed; a fresh grant starts the lane.
	if m.control.id != 0 {
		l.retryAt = now.Add(backoff(l.round))
		l.round++
	}
}

// welcomeLanes: the router keeps this participant now, and has sent fresh credentials. anew: it did not
// know us from before, so what stood with it is gone.
func (m *Mind) welcomeLanes(now time.Time, anew bool, fresh []proto.Credentials) {
	m.media.contentAt = now.Add(m.cfg.ContentAfter)
	if !m.media.everUp && m.media.limit.IsZero() {
		m.media.limit = now.Add(m.cfg.MediaFor)
	}
	if len(fresh) == 0 {
		fresh = m.grant.Groups
	} else {
		m.media.spare = fresh
	}
	stale, idle := false, false
	for g := range m.lanes {
		l := &m.lanes[g]
		stale = stale || l.wanted && anew && l.channel != m.control.id
		idle = idle || l.wanted && !slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done })
	}
	if stale {
		for g := range m.lanes {
			m.dropTries(now, proto.Group(g), nil, "the server started anew")
		}
	}
	if stale || idle { // what was refused before may be admitted now
		m.renew(now, fresh, "the server started anew")
	}
}

// repair sets a lane up again that has lost its transport or never got one.
func (m *Mind) repair(now time.Time, g proto.Group) {
	l := &m.lanes[g]
	l.retryAt = time.Time{}
	switch {
	case m.state == In && len(m.media.spare) > 0:
		round := l.round
		m.renew(now, m.media.spare, "media moves to fresh transports")
		l.round = round
	case m.state == In && l.spent:
		// A fresh grant and a new control channel bring two fresh sets (design §4: rejoining media).
		m.progress(now, "resume", "media is set up anew")
		m.closeControl()
		m.again(now, "")
	default:
		m.climb(now, g)
	}
}

func (m *Mind) handleNeedContent(now time.Time) {
	if m.state == In && !m.media.contentAt.IsZero() {
		m.media.contentAt = now
	}
}

func (m *Mind) advanceMedia(now time.Time) {
	if m.state == In && due(now, m.media.contentAt) {
		m.media.contentAt = time.Time{}
		if l := &m.lanes[proto.GroupContent]; !m.cfg.OneGroup && !l.wanted {
			l.wanted = true
			m.climb(now, proto.GroupContent)
		}
	}
	for g := range m.lanes {
		l := &m.lanes[g]
		if !l.wanted {
			continue
		}
		m.startDue(now, proto.Group(g))
		for _, t := range slices.Clone(l.tries) {
			if !t.done && due(now, t.deadline) {
				m.do(CloseTransport{Attempt: t.id, Group: proto.Group(g), Rung: t.rung})
				why := fmt.Sprintf("no answer within %v", through(t.via, transportFor))
				if t.checks {
					why = whyChecks
				}
				m.handleTransportDown(now, t.id, why)
			}
		}
		if due(now, l.retryAt) {
			m.repair(now, proto.Group(g))
		}
		m.advanceDescent(now, proto.Group(g))
	}
	m.advanceApart(now)
	if m.state == In && due(now, m.media.limit) {
		m.fail(now, "", "The meeting was reached, but no path for sound and pictures was found.", false)
	}
}

func (m *Mind) wakeMedia(w *waker) {
	if m.state == In {
		w.add(m.media.contentAt, ReasonContent)
		w.add(m.media.limit, ReasonMedia)
	}
	w.add(m.media.apartAt, ReasonRung)
	for g := range m.lanes {
		l := &m.lanes[g]
		if !l.wanted {
			continue
		}
		w.add(l.retryAt, ReasonRung)
		w.add(l.probeAt, ReasonRung)
		for _, t := range l.tries {
			switch {
			case t.done:
			case t.id == 0:
				w.add(t.startAt, ReasonRung)
			default:
				w.add(t.deadline, ReasonRung)
			}
		}
	}
}

// closeLanes drops all media transports. What was wanted stays wanted.
func (m *Mind) closeLanes(now time.Time, why string) {
	for g := range m.lanes {
		m.dropTries(now, proto.Group(g), nil, why)
		m.lanes[g].retryAt, m.lanes[g].round, m.lanes[g].spent = time.Time{}, 0, false
		m.lanes[g].descent = descent{}
	}
	m.media.everUp, m.media.limit, m.media.contentAt, m.media.spare, m.media.apartAt = false, time.Time{}, time.Time{}, nil, time.Time{}
}
