// Package join is the connection process (S7–S15) as one machine: lookup, zone selection, router
// selection, media, and the way back after something breaks. It is a mind: it does nothing itself.
// Events say what happened, Next hands out what to do, Wake says when time alone will matter. The
// same traces (wire/proto/testdata/join) run against this machine and its TypeScript twin; what a page
// can't do is an action that it answers with a failure event.
//
//	         Start                LookupDone            decided, no grant
//	Idle ───────────▶ LookingUp ─────────────▶ Measuring ───────────────▶ Routing ◀───────────┐
//	                     │  ▲                     │ decided, grant at hand   │ RouteDone         │
//	         final       │  │ token expired       │ (or home's grant at once)▼                   │ ControlLost,
//	         refusal     │  └─────────────────────┼──────────────────── Connecting ─────────────┤ Refused: shutdown,
//	                     ▼                        │ nobody answers      ▲  │ WaitingRoom │        │ router_full, …
//	                   Over ◀─────────────────────┘                     │  ▼             │        │
//	                     ▲                                        moved │ Lobby          │Welcomed│
//	                     │ Leave, final refusal, 30 s without a router  │  │ Welcomed    ▼        │
//	                     └──────────────────────────────────────────────┴──┴──────────▶ In ───────┘
//
// Measuring also runs in the background while a grant is already being used, that of the home or of the zone
// that UDP has chosen: it then decides nothing, but says where to route when the router is lost, and that
// tunnels are needed. Media transports run beside the control channel from the moment there is a grant; see
// media.go. What they need is opened ahead for every grant among which the choice is still to be made.
//
// Connecting may also be entered blind, with a grant of the site's though nothing has answered yet. That is no choice:
// the first zone that answers makes it, and Measuring goes on where the router refuses (tunnel.go).
package join

import (
	"time"

	"parley/wire/proto"
)

// Config of a Mind. Zero durations take the default written at them. Marshals to JSON for the traces.
type Config struct {
	// Rungs the client can use, any order; empty: UDP 8801 only. The ladder's order is S11's.
	Rungs []proto.Rung `json:"rungs,omitempty"`
	// NoProbes: the client can't send STUN probes of its own (a page).
	NoProbes bool `json:"no_probes,omitempty"`
	// FreshWays: media can't be told to leave a path that still answers, but by fresh credentials (a page,
	// whose browser chooses the path).
	FreshWays bool `json:"fresh_ways,omitempty"`
	// OneGroup: all media on the audio group's transport.
	OneGroup bool `json:"one_group,omitempty"`
	// LastZone and LastRung are what worked from this network before; empty where nothing is known.
	LastZone string     `json:"last_zone,omitempty"`
	LastRung proto.Rung `json:"last_rung,omitempty"`
	// Short says that long datagrams got lost in this network before: pictures start over connections.
	Short bool `json:"short,omitempty"`
	// WebURL is where to send the user when even the lookup fails (S15); the lookup answer replaces it.
	WebURL string `json:"web_url,omitempty"`

	LookupFor    time.Duration `json:"lookup_for,omitempty"`    // all tries of the lookup; 0: 15 s
	AnswerFor    time.Duration `json:"answer_for,omitempty"`    // until some controller answers; 0: 5.5 s (S14)
	ReachFor     time.Duration `json:"reach_for,omitempty"`     // without a router, before giving up; 0: 30 s
	MediaFor     time.Duration `json:"media_for,omitempty"`     // joined without any media path; 0: 15 s
	ContentAfter time.Duration `json:"content_after,omitempty"` // content transport after joining; 0: 2 s
}

// Numbers of the process. Upper bounds where they bound, staggers where they race (design §3).
const (
	pingEvery       = 50 * time.Millisecond   // between the pings on one connection
	nPings          = 3                       // per controller
	probeAgain      = 100 * time.Millisecond  // a silent UDP probe is repeated, twice
	decideAfter     = 400 * time.Millisecond  // after the first answer, whoever is silent
	udpPenalty      = 50.0                    // ms; a zone whose UDP is dead means TCP, and TCP stalls
	keepBy          = 10.0                    // ms; hysteresis towards the last zone, together with 2/3
	askFor          = 5 * time.Minute         // a person's time to type a password
	tunnelAfter     = 600 * time.Millisecond  // or three round trips of the lookup
	blindFor        = 1500 * time.Millisecond // or five round trips of the lookup: for a router entered blind
	tunnelStagger   = 100 * time.Millisecond
	maxTunnels      = 3                // tunnels dialled at once
	directEvery     = 15 * time.Second // in a meeting through a tunnel, the way without one is looked for
	directSeldom    = 10 * time.Minute // the same where controllers are reached without one, and routers were not
	controlTimeout  = 5 * time.Second  // TCP, TLS, upgrade; and again for the answer to hello
	asleepAfter     = 5 * time.Second  // woken so much too late
	sitePause       = 5 * time.Second  // between lookups beside the rounds over the controllers
	steadyAfter     = 5 * time.Second  // in the meeting this long: the next loss starts a new count
	transportFor    = 5 * time.Second  // one attempt on one rung
	grantMargin     = time.Second      // a grant about to lapse is not used
	maxMoves        = 3                // routers followed in a row
	maxRouterFull   = 3                // routes asked again in a row after router_full
	minH            = 250 * time.Millisecond
	maxH            = time.Second
	defaultRTT      = 100 * time.Millisecond // until something was measured, or more if the lookup took more
	minRouteTimeout = 600 * time.Millisecond // the controller may ping a suspect for 300 ms first
	maxRouteTimeout = 2 * time.Second
)

// backoff is the pause before round n of trying: 0, 300 ms, 1.2 s, 2.7 s, 4.8 s, then 7 s.
func backoff(n int) time.Duration {
	return min(time.Duration(n*n)*300*time.Millisecond, 7*time.Second)
}

// State is where the process stands.
type State uint8

// The states; the diagram is at the top of this file.
const (
	Idle State = iota
	LookingUp
	Measuring
	Routing
	Connecting
	Lobby
	In
	Over
)

// String is the state as shown in reports.
func (s State) String() string {
	names := [...]string{"idle", "looking-up", "measuring", "routing", "connecting", "lobby", "in", "over"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Reason says why Wake wants to be woken.
type Reason uint8

// The reasons to wake.
const (
	ReasonNone Reason = iota
	ReasonLookup
	ReasonPing
	ReasonProbe
	ReasonDecide
	ReasonTunnel
	ReasonGiveUp
	ReasonRoute
	ReasonControl
	ReasonRung
	ReasonMedia
	ReasonContent
)

// String is the reason as shown in logs.
func (r Reason) String() string {
	names := [...]string{"none", "lookup", "ping", "probe", "decide", "tunnel", "give-up", "route", "control", "rung", "media", "content"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Mind is one client's way into one meeting. Owned by one goroutine.
type Mind struct {
	cfg     Config
	state   State
	startAt time.Time
	seenAt  time.Time // of the last event
	actions []Action
	record  []*Attempt
	steps   []Step
	nextID  int

	// Lookup.
	try            int
	lookupAt       time.Time // sent
	answeredAt     time.Time
	lookupRTT      time.Duration
	lookupAgainAt  time.Time
	lookupLimit    time.Time
	lookupAttempt  *Attempt
	tokenRefreshed bool
	answer         proto.LookupAnswer
	grants         []proto.Grant
	way            way // what the lookup told of the network

	zones   zones               // zones.go
	reach   reach               // reach.go
	control control             // reach.go
	lanes   [proto.NGroups]lane // media.go
	grant   proto.Grant         // in use; Router empty before there is one
	grantAt time.Time           // its router was chosen
	media   mediaClock
	short   bool // long datagrams get lost: long.go
	moved   bool // to another network, in the meeting
	failure Failed
}

// New makes a Mind; the first event is Start.
func New(cfg Config) *Mind {
	if len(cfg.Rungs) == 0 {
		cfg.Rungs = []proto.Rung{proto.UDP8801}
	}
	defaults := []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&cfg.LookupFor, 15 * time.Second}, {&cfg.AnswerFor, 5500 * time.Millisecond},
		{&cfg.ReachFor, 30 * time.Second}, {&cfg.MediaFor, 15 * time.Second}, {&cfg.ContentAfter, 2 * time.Second},
	}
	for _, x := range defaults {
		if *x.d == 0 {
			*x.d = x.def
		}
	}
	return &Mind{cfg: cfg, short: cfg.Short}
}

// State is where the process stands.
func (m *Mind) State() State { return m.state }

// Grant is the grant in use; its Router is empty before there is one.
func (m *Mind) Grant() proto.Grant { return m.grant }

// ServerTime is the time to sign a hello with: the lookup answer's plus what has passed since. 0
// before the answer.
func (m *Mind) ServerTime(now time.Time) int64 {
	if m.answeredAt.IsZero() {
		return 0
	}
	return m.answer.ServerTime + now.Sub(m.answeredAt).Milliseconds()
}

// Next hands out what to do, one at a time, in order.
func (m *Mind) Next() (Action, bool) {
	if len(m.actions) == 0 {
		return nil, false
	}
	a := m.actions[0]
	m.actions = m.actions[1:]
	return a, true
}

// Handle takes one event in. Events of attempts that are closed are ignored.
func (m *Mind) Handle(now time.Time, e Event) {
	if m.state == Over {
		return
	}
	m.awake(now)
	m.seenAt = now
	switch e := e.(type) {
	case Start:
		m.handleStart(now)
	case LookupDone:
		m.handleLookupDone(now, e)
	case LookupFailed:
		m.handleLookupFailed(now, e)
	case Asking:
		m.handleAsking(now, e)
	case Asked:
		m.handleAsked(now)
	case PingDone:
		m.handlePingDone(now, e)
	case PingFailed:
		m.handlePingFailed(now, e)
	case ProbeDone:
		m.handleProbeDone(now, e)
	case ProbeFailed:
		m.handleProbeFailed(now, e)
	case TunnelUp:
		m.handleTunnelUp(now, e)
	case TunnelFailed:
		m.handleTunnelFailed(now, e)
	case RouteDone:
		m.handleRouteDone(now, e)
	case RouteFailed:
		m.handleRouteFailed(now, e)
	case ControlStands:
		m.handleControlStands(e)
	case ControlUp:
		m.handleControlUp(now, e)
	case Welcomed:
		m.handleWelcomed(now, e)
	case WaitingRoom:
		m.handleWaitingRoom(now, e)
	case Refused:
		m.handleRefused(now, e)
	case ControlLost:
		m.handleControlLost(now, e)
	case TransportUp:
		m.handleTransportUp(now, e)
	case TransportFailed:
		m.handleTransportDown(now, e.Attempt, e.Text)
	case TransportLost:
		m.handleTransportDown(now, e.Attempt, e.Text)
	case PathCarries:
		m.handlePathCarries(now, e)
	case PathAnswers:
		m.handlePathAnswers(e)
	case PathSilent:
		m.handlePathSilent(now, e)
	case PathHeard:
		m.handlePathHeard(now, e)
	case PathMoved:
		m.handlePathMoved(now, e)
	case PathLoss:
		m.handlePathLoss(now, e)
	case NeedContent:
		m.handleNeedContent(now)
	case NetworkChanged:
		m.handleNetworkChanged(now, e)
	case Leave:
		m.handleLeave(now)
	}
	m.advance(now)
}

// awake gives back the time that a machine has slept, where its clock goes on meanwhile: nothing was tried in it, so
// nothing is given up for it.
func (m *Mind) awake(now time.Time) {
	at, _ := m.Wake()
	slept := now.Sub(at)
	if at.IsZero() || slept < asleepAfter {
		return
	}
	for _, t := range [...]*time.Time{&m.lookupLimit, &m.reach.since, &m.media.limit} {
		if !t.IsZero() {
			*t = t.Add(slept)
		}
	}
}

// advance does what time alone makes due.
func (m *Mind) advance(now time.Time) {
	if m.state == LookingUp {
		m.advanceLookup(now)
	}
	if m.state != Over && m.zones.open {
		m.advanceZones(now)
	}
	if m.state != Over && m.state >= Routing {
		m.advanceReach(now)
	}
	if m.state != Over && m.state >= Routing {
		m.advanceLong(now)
		m.advanceMedia(now)
	}
	if m.state == In {
		m.advanceDirect(now)
	}
}

// Wake is when to send a Tick, and why; the zero time where only events matter.
func (m *Mind) Wake() (at time.Time, why Reason) {
	if m.state == Idle || m.state == Over {
		return time.Time{}, ReasonNone
	}
	w := waker{}
	if m.state == LookingUp {
		w.add(m.lookupAgainAt, ReasonLookup)
		w.add(m.lookupLimit, ReasonGiveUp)
	}
	if m.zones.open {
		m.wakeZones(&w)
	}
	if m.state >= Routing {
		m.wakeReach(&w)
		m.wakeMedia(&w)
		m.wakeLong(&w)
	}
	if m.state == In {
		w.add(m.zones.directAt, ReasonTunnel)
	}
	return w.at, w.why
}

// waker folds (time, reason) pairs to the earliest.
type waker struct {
	at  time.Time
	why Reason
}

func (w *waker) add(at time.Time, why Reason) {
	if !at.IsZero() && (w.at.IsZero() || at.Before(w.at)) {
		w.at, w.why = at, why
	}
}

func (m *Mind) do(a Action) { m.actions = append(m.actions, a) }

// ms is a time of the process as shown to people: whole milliseconds since Start.
func (m *Mind) ms(t time.Time) int { return int(t.Sub(m.startAt).Milliseconds()) }

func (m *Mind) progress(now time.Time, phase, detail string) {
	m.do(Progress{Phase: phase, MS: m.ms(now), Detail: detail})
}

func (m *Mind) id() int { m.nextID++; return m.nextID }

// due reports whether a time is set and has come.
func due(now, at time.Time) bool { return !at.IsZero() && !now.Before(at) }
