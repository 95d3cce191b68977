// Package meeting decides what happens in one session on one router: who is in, who waits, who may
// do what, what is said, who speaks, and which source each person's receive slots carry (design §4).
//
// A Meeting is a mind: Handle takes one fact, Next hands out what follows from it, Wake says when to
// call again with a Tick. It reads no clock, starts no goroutine and holds no lock; the meeting's loop
// owns it. Everything a client may not do is refused here, whatever the client believes.
//
// Rules worth knowing before reading on:
//
//   - Who is host is fixed by the meeting token; several hosts are possible. A host makes co-hosts. When
//     no host is there the co-hosts manage; when nobody who manages is left, nobody is promoted: a host
//     who comes back is host again.
//   - A person muted by a host may unmute: the mark "by host" goes with their next Publish that is not
//     muted. A host who wants more than that ejects, or asks.
//   - There is one sequence of roster versions for everybody. A change that only concerns people in the
//     waiting room reaches those who manage as rows and everybody else as an empty delta, so a person
//     who becomes co-host goes on counting where they are.
//   - Cost: an event costs at most O(people), a Level O(1); mapping sources onto slots is coalesced.
package meeting

import (
	"time"

	"parley/wire/proto"
)

// Config sizes a meeting. Zero fields take the documented default, negative counts mean none.
type Config struct {
	ID   proto.MeetingID
	Info proto.MeetingInfo // goes into every Welcome

	MaxPeople     int           // admitted people, away ones included; 0: 300. Settings may ask for less
	VideoSlots    int           // video slots of a receiver, each with a paired audio slot; 0: 25, at most 49
	FloatingAudio int           // audio slots for speakers without a pair; 0: 3. At least Loudest, or some stay unheard
	ContentSlots  int           // people who may share at once, and slots for that; 0: 2
	Loudest       int           // speakers forwarded to everybody; 0: 3
	AwayFor       time.Duration // a seat is kept this long after its control channel was lost; 0: 45 s
	EmptyFor      time.Duration // the meeting ends when nobody was connected for this long; 0: 60 s
	ChatKept      int           // chat messages kept for those who come later; 0: 200
}

const maxVideoSlots = 49 // what browsers were measured to carry in one peer connection

func (c Config) withDefaults() Config {
	count := func(n *int, def int) {
		switch {
		case *n == 0:
			*n = def
		case *n < 0:
			*n = 0
		}
	}
	count(&c.MaxPeople, 300)
	count(&c.VideoSlots, 25)
	count(&c.FloatingAudio, 3)
	count(&c.ContentSlots, 2)
	count(&c.Loudest, 3)
	count(&c.ChatKept, 200)
	c.VideoSlots = min(c.VideoSlots, maxVideoSlots)
	if c.AwayFor <= 0 {
		c.AwayFor = 45 * time.Second
	}
	if c.EmptyFor <= 0 {
		c.EmptyFor = 60 * time.Second
	}
	return c
}

// How often things that would otherwise follow every event are done at most.
const (
	mapEvery     = 50 * time.Millisecond  // mapping of sources onto slots
	speakEvery   = 100 * time.Millisecond // Speakers messages: ten a second
	persistEvery = 500 * time.Millisecond // Persist actions
)

// Meeting is one session. Owned by the meeting's loop.
type Meeting struct {
	cfg Config
	set proto.Settings // as the first participant brought them; the switches below started from it

	state   proto.State
	started bool // somebody who may start it has been here, or nobody has to
	over    bool

	people  map[proto.ParticipantID]*person
	list    []*person // in order of arrival: all iteration goes over this, so that runs repeat
	arrived uint64    // seats given so far
	waiting int       // how many of list are in the waiting room
	here    int       // how many of list have a control channel

	past    map[proto.ParticipantID]proto.Role // admitted once; role they had, "" for the token's
	ejected map[proto.ParticipantID]bool
	order   struct{ past, ejected []proto.ParticipantID } // oldest first, for bounded snapshots

	chat    []proto.Chat
	chatLen int // bytes of text in chat
	chatSeq uint64

	roster   rosterState
	speech   speechState
	mapping  mappingState
	sharers  []*person // by content slot; nil where free
	welcomes []*person // admitted in this event, Welcome still to be sent

	awayAt    time.Time // first seat to be given up
	emptyAt   time.Time // end of an empty meeting
	persistAt time.Time // zero: nothing to persist
	persisted time.Time

	queue []Action
	head  int
}

// New starts an empty meeting with the settings of its first participant's token.
func New(now time.Time, cfg Config, s proto.Settings) *Meeting {
	m := &Meeting{
		cfg:     cfg.withDefaults(),
		set:     s,
		people:  map[proto.ParticipantID]*person{},
		past:    map[proto.ParticipantID]proto.Role{},
		ejected: map[proto.ParticipantID]bool{},
	}
	if s.MaxPeople > 0 {
		m.cfg.MaxPeople = min(m.cfg.MaxPeople, s.MaxPeople)
	}
	m.state.WaitingRoom = s.WaitingRoom
	m.state.MuteOnEntry = s.MuteOnEntry
	m.started = s.JoinBeforeHost
	m.roster.version = firstVersion
	m.sharers = make([]*person, m.cfg.ContentSlots)
	m.emptyAt = now.Add(m.cfg.EmptyFor)
	return m
}

// Handle takes one fact. What follows from it is in Next until drained.
func (m *Meeting) Handle(now time.Time, e Event) {
	if l, ok := e.(Level); ok { // the one event that comes per packet
		one := [1]Level{l}
		m.Levels(now, one[:])
		return
	}
	m.advance(now)
	switch e := e.(type) {
	case Join:
		m.join(now, e)
	case Gone:
		m.gone(now, e)
	case Received:
		m.received(now, e)
	case Mapped:
		m.mapped(e)
	case Command:
		if e.Do == CommandEnd && !m.over {
			m.end(true, "The meeting has been ended.")
		}
	}
	m.settle(now)
}

// Levels is Handle for many Level events of one moment, without an interface value for each.
func (m *Meeting) Levels(now time.Time, levels []Level) {
	changed := false
	for _, l := range levels {
		if m.level(now, l) {
			changed = true
		}
	}
	if changed || m.due(now) {
		m.advance(now)
		m.settle(now)
	}
}

// Next hands out the next action, oldest first.
func (m *Meeting) Next() (Action, bool) {
	if m.head == len(m.queue) {
		m.queue, m.head = m.queue[:0], 0
		return nil, false
	}
	a := m.queue[m.head]
	m.queue[m.head] = nil
	m.head++
	return a, true
}

// Wake says when to call Handle with a Tick at the latest, and what for. The zero time means never.
func (m *Meeting) Wake() (at time.Time, why Reason) {
	if m.over {
		return time.Time{}, WakeNever
	}
	fold := func(t time.Time, r Reason) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, why = t, r
		}
	}
	fold(m.mapping.at, WakeMapping)
	fold(m.speech.at, WakeSpeakers)
	fold(m.mapping.trimAt, WakeWanted)
	fold(m.awayAt, WakeSeat)
	fold(m.emptyAt, WakeEmpty)
	fold(m.persistAt, WakePersist)
	fold(m.roster.at, WakeRoster)
	return at, why
}

func (m *Meeting) due(now time.Time) bool {
	at, _ := m.Wake()
	return !at.IsZero() && !now.Before(at)
}

// People is how many are admitted, away ones included, and how many wait.
func (m *Meeting) People() (admitted, waiting int) {
	return len(m.list) - m.waiting, m.waiting
}

// Over reports whether the meeting has ended. An ended meeting refuses every Join.
func (m *Meeting) Over() bool { return m.over }

// advance does what was due by now.
func (m *Meeting) advance(now time.Time) {
	reached := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if m.over {
		return
	}
	if reached(m.awayAt) {
		m.expireSeats(now)
	}
	if m.here == 0 && reached(m.emptyAt) {
		m.end(false, "The meeting is over.")
	}
}

// settle sends out the consequences of one event, each at most once: mapping, roster, welcomes, slots,
// wanted layers. The order matters to a client: a Welcome is its first message, and its roster is what
// the deltas after it build on.
func (m *Meeting) settle(now time.Time) {
	if m.over {
		m.welcomes = m.welcomes[:0]
		return
	}
	reached := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if reached(m.mapping.at) {
		m.remap(now)
	}
	if m.rosterDue(now) {
		m.flushRoster()
	}
	m.flushWelcomes()
	if reached(m.speech.at) {
		m.reportSpeakers(now)
	}
	m.flushSlots()
	m.flushWanted(now)
	if reached(m.persistAt) {
		m.persistAt, m.persisted = time.Time{}, now
		m.do(Persist{})
	}
}

func (m *Meeting) do(a Action) { m.queue = append(m.queue, a) }

func (m *Meeting) send(p *person, msg proto.Message) {
	if p.here {
		m.do(Send{To: p.id, Msg: msg})
	}
}

// broadcast sends to every admitted person with a control channel.
func (m *Meeting) broadcast(msg proto.Message) {
	if to := m.roster.receivers(m.list).all; len(to) > 0 {
		m.do(Broadcast{Msg: msg, To: to})
	}
}

func (m *Meeting) fail(p *person, re string, code proto.Code, text string) {
	m.send(p, proto.Failed{Code: code, Text: text, Re: re})
}

// persist notes that the snapshot has changed.
func (m *Meeting) persist(now time.Time) {
	if m.persistAt.IsZero() {
		m.persistAt = later(now, m.persisted.Add(persistEvery))
	}
}

// end closes the meeting for good.
func (m *Meeting) end(byHost bool, text string) {
	for _, p := range m.list {
		if p.here {
			m.do(Close{ID: p.id, Bye: proto.Bye{Code: proto.CodeEnded, Text: text}})
		}
	}
	for _, p := range m.list {
		m.do(Remove{ID: p.id})
	}
	m.over = true
	m.people = map[proto.ParticipantID]*person{}
	m.list, m.welcomes, m.here, m.waiting = nil, nil, 0, 0
	clear(m.sharers)
	m.do(Ended{ByHost: byHost})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
