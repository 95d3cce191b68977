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
	lossEvery = time.Second // how often a share of lost packets is told, and of how long it tells
	roomAfter = time.Second // when pictures have left a crowded path, sound finds room on it
	probeMin  = time.Minute // between looks at better rungs; twice as long after each demotion
	probeMost = 10 * time.Minute
	probeSoon = 5 * time.Second // after asking for credentials to do that with
	lossApart = 5 * time.Minute // a control channel that is lost again sooner says nothing of the network
	apartFor  = 5 * time.Second // pictures on different rungs: a browser may be about to move the others too
)

// pictures are the groups that move together; sound decides for itself.
var pictures = [...]proto.Group{proto.GroupVideo, proto.GroupContent}

// early is when better rungs are looked at after the welcome that ends a change of network, or a loss that may have been
// one: when what was tried at once has been given up, and once more. Chromium on Linux makes connections for the old network
// until two seconds after the change, and later on a busy machine.
var early = [...]time.Duration{6 * time.Second, 15 * time.Second}

// alike are the groups that go where one of them goes.
func alike(g proto.Group) []proto.Group {
	if g == proto.GroupAudio {
		return []proto.Group{g}
	}
	return pictures[:]
}

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
	// What is left over from before a change says nothing of its rung after it, and its successor is on its way.
	left := t.set != m.media.set && (m.media.shaken || t.upAt.Before(m.media.backAt))
	if left || !m.demote(now, m.rank(g, t.rung)+1, "nothing arrives any more", alike(g)...) {
		m.do(CloseTransport{Attempt: t.id, Group: g, Rung: t.rung})
		m.handleTransportDown(now, t.id, "")
	}
}

// handlePathHeard takes a demotion back that has not come to anything yet, for none of those that move together.
func (m *Mind) handlePathHeard(now time.Time, e PathHeard) {
	g, t := m.findTry(e.Attempt)
	if t == nil {
		return
	}
	l := &m.lanes[g]
	if l.inUse != t || l.floor <= m.rank(g, t.rung) || m.cfg.FreshWays {
		return
	}
	for _, o := range alike(g) {
		if used := m.lanes[o].inUse; used != nil && m.rank(o, used.rung) > m.rank(g, t.rung) {
			return // it is there already
		}
	}
	for _, o := range alike(g) {
		l, used := &m.lanes[o], m.lanes[o].inUse
		if used == nil || l.floor <= m.rank(o, used.rung) {
			continue
		}
		l.floor = 0
		m.dropTries(now, o, func(try *rungTry) bool { return m.rank(o, try.rung) > m.rank(o, used.rung) }, "the better path works again")
		m.progress(now, "media", fmt.Sprintf("%s over %s", o, used.rung))
	}
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
	m.note(now, "media", t.what(g), Lost, whyMoved+string(e.Rung))
	t.rung = e.Rung
	if m.rank(g, t.rung) < m.lanes[g].floor {
		m.lanes[g].floor = 0
	}
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
		l.poorAt = now.Add(-lossEvery)
	}
	switch {
	case e.Loss < deadLoss:
		l.deadAt = time.Time{}
	case l.deadAt.IsZero():
		l.deadAt = now.Add(-lossEvery)
	}
	soon := now.Add(lossEvery / 2) // it is told a little early or late
	if soon.Sub(l.poorAt) < poorFor && !due(soon.Add(-deadFor), l.deadAt) {
		return
	}
	below := m.rank(e.Group, l.inUse.rung) + 1
	if m.cfg.FreshWays && len(m.media.spare) == 0 && len(m.onRungs(e.Group, below, len(ladder))) > 0 {
		m.askFresh(now) // there is no way down without
		return
	}
	why := fmt.Sprintf("%d", int(100*e.Loss+0.5)) + whyLossy
	if m.demote(now, m.rank(proto.GroupVideo, l.inUse.rung)+1, why, pictures[:]...) {
		m.makeRoom(now)
	} else if e.Group == proto.GroupAudio {
		m.demote(now, m.rank(e.Group, l.inUse.rung)+1, why, e.Group)
	}
	for _, o := range [...]*lane{&m.lanes[proto.GroupAudio], l} { // sound without pictures may be good enough
		o.poorAt, o.deadAt = time.Time{}, time.Time{}
	}
}

// makeRoom lets sound have what pictures have left, which may have kept it out.
func (m *Mind) makeRoom(now time.Time) {
	l := &m.lanes[proto.GroupAudio]
	if l.inUse == nil || l.floor > 0 {
		return
	}
	for _, t := range l.tries {
		if t.id != 0 && t != l.inUse && t.set == m.media.set {
			t.deadline = now.Add(through(t.via, transportFor))
		}
	}
	l.probeAt = now.Add(roomAfter)
}

// demote moves those of the lanes that use a rung better than the floor to the rungs from there on. false: none of
// them can, or all are on their way.
func (m *Mind) demote(now time.Time, floor int, why string, groups ...proto.Group) bool {
	if m.cfg.FreshWays && (m.state != In || len(m.media.spare) == 0) {
		return false
	}
	var leaving []proto.Group
	fresh := m.cfg.FreshWays
	for _, g := range groups {
		l := &m.lanes[g]
		t := l.inUse
		if t == nil || max(l.floor, m.rank(g, t.rung)+1) > floor || len(m.onRungs(g, floor, len(ladder))) == 0 {
			continue
		}
		if now.Sub(t.upAt) >= probeMost {
			l.fell = 0
		}
		l.fell, l.probeAt = l.fell+1, time.Time{}
		m.note(now, "media", t.what(g), Lost, why)
		m.progress(now, "media", fmt.Sprintf("%s leaves %s: %s", g, t.rung, why))
		leaving, fresh = append(leaving, g), fresh || t.set != m.media.set
	}
	if len(leaving) == 0 {
		return false
	}
	for _, g := range groups { // one that is below already, or not there yet, does not go back up alone
		l := &m.lanes[g]
		l.floor = max(l.floor, floor)
		if l.inUse != nil {
			m.dropTries(now, g, func(o *rungTry) bool { return o != l.inUse && m.rank(g, o.rung) < floor }, why)
		}
	}
	if fresh { // with all lanes, so every floor has been set before
		if len(m.media.spare) > 0 {
			m.renew(now, m.media.spare, "media moves to fresh transports")
			return true
		}
		for _, g := range leaving { // it is on its way already
			m.hasten(now, g)
		}
		return true
	}
	for _, g := range leaving {
		l := &m.lanes[g]
		m.dropTries(now, g, func(o *rungTry) bool { return o != l.inUse }, why)
		m.tryRungs(now, g, floor)
	}
	return true
}

// tryRungs tries the rungs of a lane from a rank on, in turn.
func (m *Mind) tryRungs(now time.Time, g proto.Group, from int) {
	for n, t := range m.onRungs(g, from, len(ladder)) {
		t.startAt = now.Add(time.Duration(n) * m.stagger())
		m.lanes[g].tries = append(m.lanes[g].tries, t)
	}
	m.startDue(now, g)
}

// advanceApart brings pictures together again: a browser moves one medium at a time, and a rung may fail one alone.
func (m *Mind) advanceApart(now time.Time) {
	v, c := m.lanes[proto.GroupVideo].inUse, m.lanes[proto.GroupContent].inUse
	settled := func(g proto.Group) bool {
		l := &m.lanes[g]
		return !slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done && t != l.inUse })
	}
	switch {
	case v == nil || c == nil || v.rung == c.rung || v.via != "" || c.via != "" || !settled(proto.GroupVideo) || !settled(proto.GroupContent):
		m.media.apartAt = time.Time{}
	case m.media.apartAt.IsZero():
		m.media.apartAt = now.Add(apartFor)
	case due(now, m.media.apartAt):
		m.media.apartAt = now.Add(apartFor)
		v, c := m.rank(proto.GroupVideo, v.rung), m.rank(proto.GroupContent, c.rung)
		lower := &m.lanes[proto.GroupVideo]
		if c > v {
			lower = &m.lanes[proto.GroupContent]
		}
		if due(now.Add(probeSoon), lower.probeAt) { // it is about to look at better rungs
			return
		}
		floor := max(v, c)
		if m.cfg.FreshWays { // a browser may have passed a rung over, and does not go back to it
			floor = min(v, c) + 1
		}
		m.demote(now, floor, "video and content move together", pictures[:]...)
	}
}

// askFresh has fresh credentials come with a welcome: going down may have used up those that were spare. It is seldom
// asked for, whatever comes of it.
func (m *Mind) askFresh(now time.Time) {
	if m.state == In && !now.Before(m.media.askAt) {
		m.media.askAt = now.Add(probeMin)
		m.progress(now, "resume", "fresh credentials are asked for")
		m.closeControl()
		m.again(now, "")
	}
}

// earlyAt is the next early look of a lane; zero where there is none. What has failed media twice is not in a hurry, and a
// page has to have credentials for it.
func (m *Mind) earlyAt(now time.Time, l *lane) time.Time {
	if m.media.soonAt.IsZero() || l.fell > 1 || m.cfg.FreshWays && len(m.media.spare) == 0 {
		return time.Time{}
	}
	for _, d := range early {
		if at := m.media.soonAt.Add(d); now.Before(at) {
			return at
		}
	}
	return time.Time{}
}

// backIn: there is a welcome, and what was tried at once may have been tried too early.
func (m *Mind) backIn(now time.Time) {
	if !m.media.shaken {
		return
	}
	m.media.shaken, m.media.backAt = false, now
	if at := m.media.soonAt; !at.IsZero() && now.Sub(at) < lossApart {
		return
	}
	m.media.soonAt = now
	for g := range m.lanes {
		l := &m.lanes[g]
		if at := m.earlyAt(now, l); !at.IsZero() && at.Before(l.probeAt) {
			l.probeAt = at
		}
	}
}

// advanceDescent tries the better rungs again, in good time.
func (m *Mind) advanceDescent(now time.Time, g proto.Group) {
	l := &m.lanes[g]
	if l.inUse == nil || l.inUse.set != m.media.set || l.inUse.via != "" {
		l.probeAt = time.Time{}
		return
	}
	best, soon := m.rank(g, l.inUse.rung), m.earlyAt(now, l)
	trying := slices.ContainsFunc(l.tries, func(t *rungTry) bool { return !t.done && m.rank(g, t.rung) < best })
	better := m.onRungs(g, 0, best)
	switch {
	case trying || len(better) == 0:
		l.probeAt = time.Time{}
	case l.probeAt.IsZero() && !soon.IsZero():
		l.probeAt = soon
	case l.probeAt.IsZero():
		l.probeAt = now.Add(min(probeMin<<min(max(l.fell-1, 0), 4), probeMost))
	case due(now, l.probeAt):
		set := m.media.set
		if m.cfg.FreshWays { // what a browser has given up it does not try again with the same credentials
			if m.state != In || len(m.media.spare) == 0 {
				l.probeAt = now.Add(probeSoon)
				m.askFresh(now)
				return
			}
			set++
		}
		l.probeAt = time.Time{}
		for o := range m.lanes {
			// Those that move together look together; and what a page looks with serves all of it, and then is used up.
			p, group := &m.lanes[o], proto.Group(o)
			if group != g && !p.probeAt.IsZero() && (slices.Contains(alike(g), group) || m.cfg.FreshWays && due(now.Add(probeSoon), p.probeAt)) {
				p.probeAt = now
			}
		}
		for _, t := range better {
			t.startAt, t.set = now, set
		}
		l.tries = append(l.tries, better...)
		m.startDue(now, g)
	}
}
