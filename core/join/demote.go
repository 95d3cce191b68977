package join

import (
	"fmt"
	"slices"
	"time"

	"parley/wire/proto"
)

// Down the ladder on the evidence of media, and up again. A path that answers checks may carry no media,
// or lose a quarter of it; one below may do. What is in use stays until its successor is up.
//
//	        silent, 25 % lost for 10 s, 3/4 for 4 s          up
//	in use ─────────────────────────────▶ lower rungs tried ────▶ in use, better ones probed every 60 s
//	  ▲                                     │ heard again                              │ one is up
//	  └─────────────────────────────────────┴──────────────────────────────────────────┘

const (
	poorLoss  = 0.25             // of the packets, in the worse direction
	poorFor   = 10 * time.Second // without a better second in between
	deadLoss  = 0.75             // a path that carries next to nothing is left earlier
	deadFor   = 4 * time.Second
	probeMin  = time.Minute // between looks at better rungs; twice as long after each demotion
	probeMost = 10 * time.Minute
)

// descent is what a lane knows of having gone down.
type descent struct {
	floor   int       // rank of the best rung that media may use; better ones have failed it
	fell    int       // demotions, forgotten after probeMost on one rung
	poorAt  time.Time // since when too much is lost
	deadAt  time.Time // since when nearly all is
	probeAt time.Time // better rungs are tried again then
}

// passable reports whether the client can try the rung of t, and there is somewhere to try it.
func (m *Mind) passable(t *rungTry) bool {
	return slices.Contains(m.cfg.Rungs, t.rung) && len(m.candidates(t)) > 0
}

// onRungs makes attempts of a group, with the credentials in use, on the rungs whose rank is in a range.
func (m *Mind) onRungs(g proto.Group, from, before int) (out []*rungTry) {
	for _, rung := range m.ladder(g) {
		t := &rungTry{rung: rung, set: m.media.set}
		if rung == proto.TLS443 {
			t.via = m.zones.via
		}
		if r := m.rank(g, rung); r >= from && r < before && m.passable(t) {
			out = append(out, t)
		}
	}
	return out
}

// handlePathCarries gives a path that works, and is slow to get its keys, another head start before those below it: a
// long way, or a machine that is busy, is no reason to open connections that nobody needs.
func (m *Mind) handlePathCarries(now time.Time, e PathCarries) {
	g, t := m.findTry(e.Attempt)
	if t == nil {
		return
	}
	var late time.Duration
	for _, o := range m.lanes[g].tries {
		if o.id != 0 || o.done || m.rank(g, o.rung) <= m.rank(g, t.rung) {
			continue
		}
		if late == 0 {
			late = max(now.Add(m.stagger()).Sub(o.startAt), 0)
		}
		o.startAt = o.startAt.Add(late)
	}
}

func (m *Mind) handlePathSilent(now time.Time, e PathSilent) {
	g, t := m.findTry(e.Attempt)
	if t == nil || m.lanes[g].inUse != t || m.lanes[g].floor > m.rank(g, t.rung) {
		return
	}
	if !m.demote(now, g, "nothing arrives any more") {
		m.do(CloseTransport{Attempt: t.id, Group: g, Rung: t.rung})
		m.handleTransportDown(now, t.id, "")
	}
}

// handlePathHeard takes a demotion back that has not come to anything yet.
func (m *Mind) handlePathHeard(now time.Time, e PathHeard) {
	g, t := m.findTry(e.Attempt)
	if t == nil {
		return
	}
	l := &m.lanes[g]
	if l.inUse != t || l.floor <= m.rank(g, t.rung) || m.cfg.FreshWays {
		return
	}
	l.floor = 0
	m.dropTries(now, g, func(o *rungTry) bool { return m.rank(g, o.rung) > m.rank(g, t.rung) }, "the better path works again")
	m.progress(now, "media", fmt.Sprintf("%s over %s", g, t.rung))
}

// handlePathMoved follows a browser that moved media by itself.
func (m *Mind) handlePathMoved(now time.Time, e PathMoved) {
	g, t := m.findTry(e.Attempt)
	if t == nil || m.lanes[g].inUse != t || m.rank(g, e.Rung) == len(ladder) {
		return
	}
	t.port = e.Port
	if e.Rung == t.rung {
		return
	}
	m.note(now, "media", t.what(g), Lost, "the browser has moved to "+string(e.Rung))
	t.rung = e.Rung
	m.progress(now, "media", fmt.Sprintf("%s over %s", g, t.rung))
	m.dropTries(now, g, func(o *rungTry) bool { return o != t && m.rank(g, o.rung) >= m.rank(g, t.rung) }, "a better path is up")
}

// handlePathLoss looks for paths that lose too much. Pictures move first: often that is all it takes.
func (m *Mind) handlePathLoss(now time.Time, e PathLoss) {
	if int(e.Group) >= len(m.lanes) {
		return
	}
	l := &m.lanes[e.Group]
	switch {
	case l.inUse == nil || l.inUse.rung != proto.UDP8801 || e.Loss < poorLoss || l.floor > 0: // TCP repeats what is lost
		l.poorAt, l.deadAt = time.Time{}, time.Time{}
		return
	case l.poorAt.IsZero():
		l.poorAt = now
	}
	switch {
	case e.Loss < deadLoss:
		l.deadAt = time.Time{}
	case l.deadAt.IsZero():
		l.deadAt = now
	}
	if now.Sub(l.poorAt) < poorFor && !due(now.Add(-deadFor), l.deadAt) {
		return
	}
	why := fmt.Sprintf("%d %% of its packets are lost", int(100*e.Loss+0.5))
	moved := false
	for _, g := range [...]proto.Group{proto.GroupVideo, proto.GroupContent} {
		if o := &m.lanes[g]; o.inUse != nil && o.inUse.rung == l.inUse.rung && o.floor <= m.rank(g, o.inUse.rung) {
			moved = m.demote(now, g, why) || moved
		}
	}
	if !moved && e.Group == proto.GroupAudio {
		m.demote(now, e.Group, why)
	}
	for _, o := range [...]*lane{&m.lanes[proto.GroupAudio], l} { // sound without pictures may be good enough
		o.poorAt, o.deadAt = time.Time{}, time.Time{}
	}
}

// demote sets a lane up on the rungs below the one in use. false: there are none.
func (m *Mind) demote(now time.Time, g proto.Group, why string) bool {
	l := &m.lanes[g]
	t := l.inUse
	below := m.onRungs(g, m.rank(g, t.rung)+1, len(ladder))
	if len(below) == 0 || m.cfg.FreshWays && (m.state != In || len(m.media.spare) == 0) {
		return false
	}
	if now.Sub(t.upAt) >= probeMost {
		l.fell = 0
	}
	l.floor, l.fell, l.probeAt = m.rank(g, t.rung)+1, l.fell+1, time.Time{}
	m.note(now, "media", t.what(g), Lost, why)
	m.progress(now, "media", fmt.Sprintf("%s leaves %s: %s", g, t.rung, why))
	if m.cfg.FreshWays || t.set != m.media.set {
		if len(m.media.spare) > 0 {
			m.renew(now, m.media.spare, "media moves to fresh transports")
		}
		return true
	}
	m.dropTries(now, g, func(o *rungTry) bool { return o != t }, why)
	for n, o := range below {
		o.startAt = now.Add(time.Duration(n) * m.stagger())
		l.tries = append(l.tries, o)
	}
	m.startDue(now, g)
	return true
}

// advanceDescent tries the better rungs again, in good time.
func (m *Mind) advanceDescent(now time.Time, g proto.Group) {
	l := &m.lanes[g]
	if l.inUse == nil || l.inUse.set != m.media.set || l.inUse.via != "" {
		l.probeAt = time.Time{}
		return
	}
	best := m.rank(g, l.inUse.rung)
	trying := slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done && m.rank(g, t.rung) < best })
	better := m.onRungs(g, 0, best)
	switch {
	case trying || len(better) == 0:
		l.probeAt = time.Time{}
	case l.probeAt.IsZero():
		l.probeAt = now.Add(min(probeMin<<min(max(l.fell-1, 0), 4), probeMost))
	case due(now, l.probeAt):
		l.probeAt = time.Time{}
		set := m.media.set
		if m.cfg.FreshWays { // what a browser has given up it does not try again with the same credentials
			if m.state != In || len(m.media.spare) == 0 {
				return
			}
			set++
		}
		for _, t := range better {
			t.startAt, t.set = now, set
		}
		l.tries = append(l.tries, better...)
		m.startDue(now, g)
	}
}
