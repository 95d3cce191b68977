// Package steer is a controller's mind (S4, S10): the routers' announcements go in, placements come
// out. It is pure: the caller owns a Mind, brings `now` and needs no lock if one goroutine owns it.
//
// Both controllers of a zone hold one and hear the same announcements, so both can place at any
// time. What they must agree on without talking, where a new meeting goes, they compute the same
// way: weighted rendezvous hashing over the routers that can take it (design §6). Agreement is a
// convenience only; the meeting's claim decides, and a router that lost the race says where it went.
package steer

import (
	"slices"
	"strings"
	"time"

	"parley/wire/proto"
)

// Config of a Mind. Zero fields take the default written at them.
type Config struct {
	// DeadAfter is the silence after which a router counts as dead; 0: 3 s, three announcements (S19).
	DeadAfter time.Duration
	// StickFor is how long an offer for a meeting without a home is repeated to the next who asks;
	// 0: 10 s, the life of a grant.
	StickFor time.Duration
	// FullAt is the load above which a router gets no new meeting; 0: 0.9. A meeting that already
	// lives there may grow until the router itself says full.
	FullAt float64
}

// Reason says why a placement, a state or a wake-up is what it is.
type Reason uint8

// The reasons.
const (
	ReasonNone        Reason = iota
	ReasonHome               // the meeting lives there already
	ReasonSticky             // offered to somebody for the same meeting a moment ago
	ReasonHash               // the rendezvous hash chose it
	ReasonSilent             // no announcement for Config.DeadAfter
	ReasonGone               // it said goodbye, or its connection to the bus ended
	ReasonLost               // a client lost it and it did not answer the controller's ping
	ReasonAnnounced          // it announced itself
	ReasonDraining           // it announced that it takes no new meetings
	ReasonFull               // no room
	ReasonOfferLapses        // wake-up: an offer is to be forgotten
)

// String is the reason as shown in logs and /debug.
func (r Reason) String() string {
	names := [...]string{"none", "home", "sticky", "hash", "silent", "gone", "lost", "announced", "draining", "full", "offer-lapses"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Event is a fact for Handle: Announce, Gone, Lost or Tick.
type Event interface{ event() }

// Announce is a router's announcement of its load and the full list of its meetings.
type Announce struct{ Router proto.RouterAnnounce }

// Gone says that a router left in good order.
type Gone struct{ ID string }

// Lost says that a router a client reported did not answer the controller's own ping either. Its
// next announcement brings it back.
type Lost struct{ ID string }

// Tick lets time pass; send one when Wake says so.
type Tick struct{}

func (Announce) event() {}
func (Gone) event()     {}
func (Lost) event()     {}
func (Tick) event()     {}

// Action is what Next hands out: RouterUp, RouterDown or Changed.
type Action interface{ action() }

// RouterUp says that a router can be used from now on.
type RouterUp struct{ ID string }

// RouterDown says that a router is dead to this controller, why, and which meetings lived there.
type RouterDown struct {
	ID       string
	Why      Reason
	Meetings []proto.MeetingLoad
}

// Changed asks the caller to announce the zone's Summary now instead of at the next second.
type Changed struct{}

func (RouterUp) action()   {}
func (RouterDown) action() {}
func (Changed) action()    {}

// Query asks for a router for one person of a meeting.
type Query struct {
	Meeting proto.MeetingID
	People  int    // how many are about to come; 0 counts as 1
	Home    string // router the meeting's claim names, empty where none is known
	Lost    string // router this client can't reach; not chosen unless it is the meeting's living home
}

// Placement is the answer to a Query.
type Placement struct {
	Router proto.RouterAnnounce
	Why    Reason // ReasonHome, ReasonSticky or ReasonHash
	Epoch  uint32 // of the home, as the router announces it; 0 where there is none
}

// Summary is the zone as its controllers announce it.
type Summary struct {
	Routers   []proto.RouterAnnounce // living ones, by id
	Load      float64                // 0 to 1, weighted by capacity; 1 with no router
	People    int
	MaxPeople int
	Meetings  int
}

// Mind is a controller's memory of its zone. Owned by one goroutine.
type Mind struct {
	cfg     Config
	routers map[string]*router
	offers  map[proto.MeetingID]offer
	lapseAt time.Time // no offer lapses before; zero: there is none
	actions []Action
}

// router is one living router. A dead one is forgotten: its next announcement is complete.
type router struct {
	said     proto.RouterAnnounce
	meetings map[proto.MeetingID]proto.MeetingLoad
	heardAt  time.Time
	// People offered to it whom it can't have counted yet: since its last announcement and in the
	// second before that. Without them a burst of joins within a second would overfill a router.
	fresh, earlier int
	turnedAt       time.Time
}

type offer struct {
	router string
	until  time.Time
}

// New makes an empty Mind.
func New(cfg Config) *Mind {
	if cfg.DeadAfter == 0 {
		cfg.DeadAfter = 3 * time.Second
	}
	if cfg.StickFor == 0 {
		cfg.StickFor = 10 * time.Second
	}
	if cfg.FullAt == 0 {
		cfg.FullAt = 0.9
	}
	return &Mind{cfg: cfg, routers: map[string]*router{}, offers: map[proto.MeetingID]offer{}}
}

// Handle takes one fact in.
func (m *Mind) Handle(now time.Time, e Event) {
	m.expire(now)
	switch e := e.(type) {
	case Announce:
		m.handleAnnounce(now, e.Router)
	case Gone:
		m.drop(e.ID, ReasonGone)
	case Lost:
		m.drop(e.ID, ReasonLost)
	}
}

// Next hands out what is to be done, one at a time.
func (m *Mind) Next() (Action, bool) {
	if len(m.actions) == 0 {
		return nil, false
	}
	a := m.actions[0]
	m.actions = m.actions[1:]
	return a, true
}

// Wake is when to send a Tick, and why; the zero time where nothing is pending.
func (m *Mind) Wake() (at time.Time, why Reason) {
	for _, r := range m.routers {
		if t := r.heardAt.Add(m.cfg.DeadAfter); at.IsZero() || t.Before(at) {
			at, why = t, ReasonSilent
		}
	}
	if !m.lapseAt.IsZero() && (at.IsZero() || m.lapseAt.Before(at)) {
		at, why = m.lapseAt, ReasonOfferLapses
	}
	return at, why
}

func (m *Mind) handleAnnounce(now time.Time, said proto.RouterAnnounce) {
	if said.ID == "" || !proto.Compatible(said.V) {
		return
	}
	r, known := m.routers[said.ID]
	if !known {
		r = &router{turnedAt: now}
		m.routers[said.ID] = r
		m.actions = append(m.actions, RouterUp{said.ID})
	}
	changed := !known || r.said.Draining != said.Draining || r.said.URL != said.URL || r.said.Fingerprint != said.Fingerprint
	if now.Sub(r.turnedAt) >= time.Second {
		r.earlier, r.fresh, r.turnedAt = r.fresh, 0, now
	}
	r.said, r.heardAt = said, now
	r.meetings = make(map[proto.MeetingID]proto.MeetingLoad, len(said.Meetings))
	for _, l := range said.Meetings {
		r.meetings[l.ID] = l
	}
	if changed {
		m.actions = append(m.actions, Changed{})
	}
}

func (m *Mind) drop(id string, why Reason) {
	r, ok := m.routers[id]
	if !ok {
		return
	}
	delete(m.routers, id)
	for meeting, o := range m.offers {
		if o.router == id {
			delete(m.offers, meeting)
		}
	}
	m.actions = append(m.actions, RouterDown{ID: id, Why: why, Meetings: r.said.Meetings}, Changed{})
}

// expire forgets silent routers and lapsed offers. Routers go in order of id so that equal histories
// give equal actions.
func (m *Mind) expire(now time.Time) {
	overslept, grace := false, m.cfg.DeadAfter/3 // an announcement's time
	for _, r := range m.routers {
		overslept = overslept || now.Sub(r.heardAt) >= m.cfg.DeadAfter+grace
	}
	if overslept { // this process stood still, or had no time: what routers have said meanwhile is still to be read
		for _, r := range m.routers {
			if least := now.Add(grace - m.cfg.DeadAfter); r.heardAt.Before(least) {
				r.heardAt = least
			}
		}
	}
	var silent []string
	for id, r := range m.routers {
		if now.Sub(r.heardAt) >= m.cfg.DeadAfter {
			silent = append(silent, id)
		}
	}
	slices.Sort(silent)
	for _, id := range silent {
		m.drop(id, ReasonSilent)
	}
	if m.lapseAt.IsZero() || now.Before(m.lapseAt) {
		return
	}
	m.lapseAt = time.Time{}
	for meeting, o := range m.offers {
		if !now.Before(o.until) {
			delete(m.offers, meeting)
		} else if m.lapseAt.IsZero() || o.until.Before(m.lapseAt) {
			m.lapseAt = o.until
		}
	}
}

// Router is the last announcement of a living router.
func (m *Mind) Router(id string) (proto.RouterAnnounce, bool) {
	r, ok := m.routers[id]
	if !ok {
		return proto.RouterAnnounce{}, false
	}
	return r.said, true
}

// Home is the living router of this zone that hosts a meeting, and the epoch of its claim. Where two
// announce the same meeting the higher epoch wins, then the lower id (design §6).
func (m *Mind) Home(meeting proto.MeetingID) (proto.RouterAnnounce, uint32, bool) {
	var best *router
	var epoch uint32
	for _, r := range m.routers {
		l, ok := r.meetings[meeting]
		if !ok {
			continue
		}
		if best == nil || l.Epoch > epoch || l.Epoch == epoch && r.said.ID < best.said.ID {
			best, epoch = r, l.Epoch
		}
	}
	if best == nil {
		return proto.RouterAnnounce{}, 0, false
	}
	return best.said, epoch, true
}

// Summary is the zone as it stands.
func (m *Mind) Summary() Summary {
	s := Summary{Load: 1}
	weight, sum := 0.0, 0.0
	for _, r := range m.routers {
		s.Routers = append(s.Routers, r.said)
		s.People += r.said.People
		s.MaxPeople += r.said.MaxPeople
		s.Meetings += len(r.meetings)
		load, w := r.load(), float64(max(1, r.said.MaxPeople))
		if r.said.Draining {
			load = 1 // what it still has to give, nobody new can have
		}
		weight, sum = weight+w, sum+w*load
	}
	if weight > 0 {
		s.Load = sum / weight
	}
	slices.SortFunc(s.Routers, func(a, b proto.RouterAnnounce) int { return strings.Compare(a.ID, b.ID) })
	return s
}
