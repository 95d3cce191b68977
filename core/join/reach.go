package join

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/wire/proto"
)

// reach is phase three (S10) and the way back after a loss: rounds over the controllers until one
// names a router whose control channel then stands.
type reach struct {
	since     time.Time // looking for a router since; zero while there is one
	round     int       // sets the pause before the next round
	retryAt   time.Time // next round
	queue     []target  // controllers of this round
	next      int
	asked     target // being asked; controller empty: none
	timeoutAt time.Time
	try       *Attempt
	lost      string // router to report as lost
	direct    bool   // this round has tried the last router itself too
	moves     int    // moved answers followed in a row
	fulls     int    // router_full in a row
	lastCode  proto.Code
	lastText  string
	stale     bool // there was a router once: what the site said before may not hold any more
	asking    bool // the site is being asked again, beside the rounds
}

type target struct {
	zone, controller string
	rtt              float64
}

// control is the control channel: one at a time.
type control struct {
	id         int // attempt; 0: none
	up         bool
	via        string    // tunnel
	deadline   time.Time // for the next step of its opening
	welcomedAt time.Time // of this channel, or when it came to the waiting room
	try        *Attempt
	everIn     bool // some channel was welcomed
}

// startRouting begins a round over all controllers.
func (m *Mind) startRouting(now time.Time, lost string) {
	m.settle()
	m.state = Routing
	if m.reach.since.IsZero() {
		m.reach.since = now
	}
	m.reach.queue, m.reach.next, m.reach.lost = m.order(now), 0, lost
	m.reach.retryAt, m.reach.direct = time.Time{}, false
	m.askNext(now)
}

func (m *Mind) askNext(now time.Time) {
	m.reach.asked, m.reach.timeoutAt = target{}, time.Time{}
	if m.reach.next >= len(m.reach.queue) {
		m.roundOver(now)
		return
	}
	t := m.reach.queue[m.reach.next]
	m.reach.next++
	m.reach.asked = t
	wait := minRouteTimeout
	if t.rtt >= 0 {
		// Four round trips, since the connection may have gone, and the controller's ping of a suspect.
		wait = min(max(minRouteTimeout, 4*millis(t.rtt)+400*time.Millisecond), maxRouteTimeout)
	}
	m.reach.timeoutAt = now.Add(wait)
	m.reach.try = m.begin(now, "route", "zone "+t.zone+", "+t.controller)
	m.do(Route{Zone: t.zone, Controller: t.controller, Lost: m.reach.lost, Via: m.zones.via})
}

// roundOver: no controller named a router. The router of the last grant may be alive all the same.
func (m *Mind) roundOver(now time.Time) {
	if m.reach.lost != "" && m.grant.Router == m.reach.lost && !m.reach.direct {
		m.reach.direct = true
		m.note(now, "route", m.grant.Router, Won, "no controller answers; trying the last server itself")
		m.openControl(now)
		return
	}
	m.nextWay(now)
	m.again(now, m.reach.lost)
}

// again waits for the next round, longer each time; the first one starts at once.
func (m *Mind) again(now time.Time, lost string) {
	m.state = Routing
	m.reach.asked, m.reach.timeoutAt, m.reach.lost = target{}, time.Time{}, lost
	if m.reach.since.IsZero() {
		m.reach.since = now
	}
	pause := backoff(m.reach.round)
	m.reach.round++
	if pause == 0 {
		m.startRouting(now, lost)
		return
	}
	m.reach.retryAt = now.Add(pause)
}

func (m *Mind) handleRouteDone(now time.Time, e RouteDone) {
	if m.state != Routing || e.Grant.Router == "" {
		return
	}
	if e.Controller == m.reach.asked.controller {
		m.reach.try.end(m, now, Won, "server "+e.Grant.Router)
	}
	m.reach.try.end(m, now, Lost, "another controller answered first")
	m.reach.asked, m.reach.timeoutAt, m.reach.retryAt = target{}, time.Time{}, time.Time{}
	m.step(now, "route", m.reach.since, 0)
	m.progress(now, "route", "server "+e.Grant.Router+" in zone "+e.Grant.Zone)
	m.useGrant(now, e.Grant)
}

func (m *Mind) handleRouteFailed(now time.Time, e RouteFailed) {
	if m.state != Routing || e.Controller != m.reach.asked.controller || e.Controller == "" {
		return
	}
	m.reach.try.end(m, now, Lost, orText(e.Text, "no answer"))
	if e.Code != "" {
		m.reach.lastCode, m.reach.lastText = e.Code, e.Text
	}
	switch {
	case e.Code == proto.CodeMoved && e.Grant != nil:
		m.follow(now, *e.Grant)
	case e.Code == proto.CodeTokenExpired:
		m.refreshToken(now, e.Text)
	case e.Code == proto.CodeRouterFull && m.otherZone():
		m.askNext(now)
	case e.Code == proto.CodeRouterFull:
		m.full(now, e.Text)
	case final(e.Code):
		m.fail(now, e.Code, e.Text, true)
	default:
		m.askNext(now)
	}
}

// follow goes where a moved answer points, a few times: two servers that point at each other must
// not keep a client running in circles.
func (m *Mind) follow(now time.Time, g proto.Grant) {
	m.zones.blind = false // that was an answer
	if m.reach.moves >= maxMoves || g.Router == "" {
		m.again(now, "")
		return
	}
	m.reach.moves++
	m.note(now, "route", g.Router, Won, whyHere)
	m.useGrant(now, g)
}

// otherZone passes over what is left of the zone just asked, whose controllers all know it is full, and
// reports whether another zone is left in this round.
func (m *Mind) otherZone() bool {
	r := &m.reach
	r.queue, r.next = slices.DeleteFunc(r.queue[r.next:], func(t target) bool { return t.zone == r.asked.zone }), 0
	return len(r.queue) > 0
}

// full asks for a route again: the next answer knows more. The home's limit is a limit in every zone,
// so a few times are enough.
func (m *Mind) full(now time.Time, text string) {
	m.reach.fulls++
	if m.reach.fulls >= maxRouterFull {
		m.fail(now, proto.CodeRouterFull, orText(text, "The servers are full at the moment."), true)
		return
	}
	m.reach.round = max(1, m.reach.round)
	m.again(now, "")
}

// refreshToken looks the meeting up again, once per stay in the meeting; text is what the server said.
func (m *Mind) refreshToken(now time.Time, text string) {
	m.closeControl()
	if m.tokenRefreshed {
		m.fail(now, proto.CodeTokenExpired, strings.TrimSpace("The right to join is refused, and a new one too. "+text), true)
		return
	}
	m.tokenRefreshed = true
	m.stopAsking(now)
	m.forget(now)
	m.startLookup(now)
}

// forget drops all that the last lookup led to.
func (m *Mind) forget(now time.Time) {
	m.closeControl()
	m.settle()
	if m.zones.open {
		m.stopMeasuring(now, nil)
	}
	m.closeLanes(now, whyAgain)
	m.reach.try.end(m, now, Lost, whyAgain)
	m.grant = proto.Grant{}
	m.reach = reach{}
}

// useGrant goes to a router: control channel and media at once.
func (m *Mind) useGrant(now time.Time, g proto.Grant) {
	if g.Router != m.grant.Router {
		m.grantAt = now
		m.steps = slices.DeleteFunc(m.steps, func(s Step) bool { return s.Phase == "media" })
		m.closeLanes(now, "the meeting is on another server")
	}
	fresh := g.Groups
	if g.Router == m.grant.Router {
		g.Groups = m.grant.Groups // of the transports that stand
	}
	m.grant = g
	m.openControl(now)
	m.startLanes(now, fresh)
	if !m.zones.blind {
		m.unprepare()
	}
}

// through is how long something may take that a tunnel's own connection comes before.
func through(via string, d time.Duration) time.Duration {
	if via != "" {
		return 2 * d
	}
	return d
}

func (m *Mind) openControl(now time.Time) {
	m.closeControl()
	if m.reach.since.IsZero() {
		m.reach.since = now
	}
	m.state = Connecting
	m.control.id, m.control.up, m.control.via = m.id(), false, m.zones.via
	m.control.deadline = now.Add(through(m.zones.via, controlTimeout))
	m.control.try = m.begin(now, "control", "server "+m.grant.Router)
	m.do(OpenControl{Attempt: m.control.id, Grant: m.grant, Via: m.zones.via})
}

// closeControl drops the channel, if any. Who knows a better reason has written it down before.
func (m *Mind) closeControl() {
	if at := m.control.welcomedAt; !at.IsZero() && m.seenAt.Sub(at) >= steadyAfter {
		m.tokenRefreshed = false // it was good
	}
	if m.control.id != 0 {
		m.control.try.end(m, m.seenAt, Lost, "given up for another attempt")
		m.do(CloseControl{Attempt: m.control.id})
	}
	m.control.id, m.control.up = 0, false
	m.control.deadline, m.control.welcomedAt = time.Time{}, time.Time{}
}

func (m *Mind) handleControlStands(e ControlStands) {
	if e.Attempt == m.control.id && !m.control.up {
		m.control.deadline, m.reach.since = time.Time{}, time.Time{}
		m.settle()
	}
}

func (m *Mind) handleControlUp(now time.Time, e ControlUp) {
	if e.Attempt != m.control.id || m.control.up {
		return
	}
	m.control.up = true
	m.settle()
	m.control.deadline = now.Add(controlTimeout)
	m.progress(now, "control", "server "+m.grant.Router)
}

func (m *Mind) handleWaitingRoom(now time.Time, e WaitingRoom) {
	if e.Attempt != m.control.id || e.Attempt == 0 {
		return
	}
	m.state = Lobby
	m.arrived(now)
	m.control.try.end(m, now, Won, "in the waiting room")
	m.do(Waiting{Topic: e.Topic})
}

func (m *Mind) handleWelcomed(now time.Time, e Welcomed) {
	if e.Attempt != m.control.id || e.Attempt == 0 {
		return
	}
	m.state = In
	m.arrived(now)
	m.control.try.end(m, now, Won, "joined")
	m.control.welcomedAt = now
	m.step(now, "control", m.grantAt, 0)
	m.do(Joined{Router: m.grant.Router, Zone: m.grant.Zone, Resumed: m.control.everIn, MS: m.ms(now)})
	m.welcomeLanes(now, m.control.everIn && !e.Resumed, e.Groups)
	m.backIn(now)
	m.control.everIn = true
}

// arrived: there is a router. The pauses are reset only after some time with it, see handleControlLost.
func (m *Mind) arrived(now time.Time) {
	m.settle()
	m.stopAsking(now)
	m.reach.stale, m.lookupAgainAt = true, time.Time{}
	if z := m.zoneByID(m.grant.Zone); z != nil && m.control.via == "" {
		z.shut = false
	}
	m.control.deadline = time.Time{}
	m.control.welcomedAt = now
	m.reach.since, m.reach.moves, m.reach.fulls, m.reach.lost, m.reach.direct = time.Time{}, 0, 0, "", false
}

func (m *Mind) handleControlLost(now time.Time, e ControlLost) {
	if e.Attempt != m.control.id || e.Attempt == 0 {
		return
	}
	m.controlLost(now, orText(e.Text, "the connection broke"))
}

func (m *Mind) controlLost(now time.Time, text string) {
	if m.zones.blind {
		m.leaveBlind(now, text)
		m.enterBlind(now) // the next
		return
	}
	m.reach.lastText = text
	if m.control.welcomedAt.IsZero() {
		m.control.try.end(m, now, Lost, text)
		if !m.reach.direct && (due(now, m.control.deadline) || !m.control.up && m.reach.round >= 3) {
			m.unreached(now)
		}
	} else {
		m.media.shaken = true
		m.note(now, "control", "server "+m.grant.Router, Lost, text)
		m.progress(now, "resume", "the connection to the server is lost: "+text)
		if now.Sub(m.control.welcomedAt) >= steadyAfter {
			m.reach.round = 0
		}
	}
	if m.reach.direct {
		m.nextWay(now) // neither a controller nor the last server itself
	}
	m.closeControl()
	m.again(now, m.grant.Router)
}

func (m *Mind) handleRefused(now time.Time, e Refused) {
	if e.Attempt != m.control.id || e.Attempt == 0 {
		return
	}
	text := orText(e.Text, string(e.Code))
	m.reach.lastCode, m.reach.lastText = e.Code, e.Text
	switch {
	case e.Code == proto.CodeMoved && e.Grant != nil:
		m.control.try.end(m, now, Lost, whyLives+e.Grant.Router)
		m.follow(now, *e.Grant)
	case e.Code == proto.CodeTokenExpired:
		m.control.try.end(m, now, Lost, text)
		m.refreshToken(now, e.Text)
	case e.Code == proto.CodeRouterFull && !m.zones.blind:
		m.control.try.end(m, now, Lost, text)
		m.closeControl()
		m.closeLanes(now, whyFull)
		m.grant = proto.Grant{}
		m.full(now, e.Text)
	case final(e.Code):
		m.control.try.end(m, now, Lost, text)
		m.fail(now, e.Code, e.Text, true)
	default: // shutdown, lost, internal, replayed …: another try may succeed
		m.controlLost(now, text)
	}
}

func (m *Mind) handleNetworkChanged(now time.Time, e NetworkChanged) {
	m.moved = m.moved || m.state == In
	m.forgetShut(now)
	if m.zones.blind && !e.Kept {
		m.leaveBlind(now, whyNet)
	}
	switch {
	case e.Kept:
		m.media.soonAt = time.Time{}
		m.forgetLong()
		if !m.reach.since.IsZero() { // the control channel had been lost before
			m.reach.since, m.reach.round = now, 0
		}
		if !m.reach.retryAt.IsZero() {
			m.reach.retryAt = now
		}
	case m.state == LookingUp:
		m.lookupAttempt.end(m, now, Lost, whyNet)
		m.do(Cancel{What: "lookup"})
		m.sendLookup(now)
	case m.state == Measuring:
		m.stopMeasuring(now, nil)
		if m.zones.opened {
			m.grants = nil // a router keys a transport once, and may have done so over the old path
		}
		m.openZones(now)
	case m.state >= Routing:
		m.media.shaken, m.media.soonAt = true, time.Time{}
		m.reach.try.end(m, now, Lost, whyNet)
		m.stopAsking(now)
		m.lookupAgainAt = time.Time{}
		// Old paths may look alive for seconds. A new control channel and fresh transports take four
		// round trips (design §4).
		m.note(now, "control", "server "+m.grant.Router, Lost, whyNet)
		m.progress(now, "resume", "the network changed")
		m.closeControl()
		m.closeLanes(now, whyNet)
		m.forgetLong()
		m.reach.round, m.reach.since = 0, time.Time{} // here nothing has been tried yet
		m.again(now, "")
	}
}

func (m *Mind) handleLeave(now time.Time) {
	m.drop(now)
	m.state = Over
	m.do(Left{})
}

func (m *Mind) advanceReach(now time.Time) {
	if due(now, m.reach.timeoutAt) {
		m.reach.try.end(m, now, Lost, "no answer in time")
		m.askNext(now)
	}
	if due(now, m.control.deadline) {
		m.controlLost(now, "no answer from the server")
	}
	if !m.reach.since.IsZero() && due(now, m.reach.since.Add(m.cfg.ReachFor)) {
		code, text := m.reach.lastCode, "No server can be reached."
		if m.control.everIn {
			text = "The connection was lost and could not be restored."
		}
		if m.reach.lastText != "" {
			text += " Last: " + m.reach.lastText
		}
		m.fail(now, code, text, false)
		return
	}
	if due(now, m.siteAt()) {
		m.reach.asking = true // the rounds go on beside it: what was out of reach may come back
		m.sendLookup(now)
	}
	if m.state == Routing && due(now, m.reach.retryAt) {
		m.startRouting(now, m.reach.lost)
	}
}

func (m *Mind) wakeReach(w *waker) {
	if m.state == Routing {
		w.add(m.reach.timeoutAt, ReasonRoute)
		w.add(m.reach.retryAt, ReasonRoute)
	}
	w.add(m.control.deadline, ReasonControl)
	if !m.reach.since.IsZero() {
		w.add(m.reach.since.Add(m.cfg.ReachFor), ReasonGiveUp)
	}
	w.add(m.siteAt(), ReasonLookup)
}

// fail ends the process with everything the user can act on.
func (m *Mind) fail(now time.Time, code proto.Code, text string, refused bool) {
	m.drop(now)
	m.state = Over
	m.failure = Failed{Code: code, Text: orText(text, fmt.Sprintf("Refused: %s.", code)), Refused: refused, WebURL: m.cfg.WebURL}
	if !refused {
		m.failure.Tried = m.tried()
	}
	m.do(m.failure)
}

// drop closes all that is open.
func (m *Mind) drop(now time.Time) {
	if m.zones.open {
		m.stopMeasuring(now, nil)
	}
	m.unprepare()
	m.closeControl()
	m.closeLanes(now, whyOver)
	m.lookupAttempt.end(m, now, Lost, whyOver)
	m.reach.try.end(m, now, Lost, whyOver)
	m.reach.since, m.reach.timeoutAt, m.reach.retryAt = time.Time{}, time.Time{}, time.Time{}
}
