package meeting

import (
	"math"
	"time"

	"parley/wire/proto"
)

// A seat's life:
//
//	            ┌────────── refused (Close)
//	Join ───────┤
//	            ├─ waiting ──admit──┐
//	            │     └─gone,eject──│──────────────┐
//	            └───────────────────▼              ▼
//	                     here ──lost──▶ away ──45 s──▶ removed
//	                       │ ▲            │              ▲
//	                       │ └───Join─────┘              │
//	                       └──── left, ejected ──────────┘

const confirmFor = 3 * time.Second // what a resumed client has not published again by then is over

// join lets a person in, makes them wait, or turns them away. The checks are in this order: ended,
// ejected, locked, full, not started, waiting room. A seat that is still kept passes all but the first
// two.
func (m *Meeting) join(now time.Time, e Join) {
	id := e.Claims.Participant
	if id == 0 || id > proto.MaxParticipantID {
		m.refuse(id, proto.CodeTokenInvalid, "This invitation names no seat. Join again from the link.")
		return
	}
	if m.over {
		m.refuse(id, proto.CodeEnded, "The meeting has ended.")
		return
	}
	if m.ejected[id] {
		m.refuse(id, proto.CodeEjected, "A host has removed you from this meeting.")
		return
	}
	if p := m.people[id]; p != nil {
		m.takeOver(now, p, e)
		return
	}
	manages := m.roleOf(e.Claims).Manages()
	if m.state.Locked && !manages {
		m.refuse(id, proto.CodeLocked, "The host has locked this meeting.")
		return
	}
	admitted, waiting := m.People()
	if admitted >= m.cfg.MaxPeople || waiting >= m.cfg.MaxPeople && !manages {
		m.refuse(id, proto.CodeFull, "The meeting is full.")
		return
	}

	m.arrived++
	p := &person{id: id, order: m.arrived, here: true}
	m.takeClaims(p, e.Claims, e.Caps)
	p.recv.caps, p.recv.seed = e.Caps, e.Seed
	m.people[id] = p
	m.list = append(m.list, p)
	m.countHere(now, +1)

	_, known := m.past[id]
	switch {
	case manages:
		m.admit(now, p)
		m.start(now)
	case !m.started:
		p.unopened = true
		m.wait(p)
	case m.state.WaitingRoom && !known:
		m.wait(p)
	default:
		m.admit(now, p)
	}
}

// refuse turns somebody away who has no seat. Remove takes with it what came up before the decision:
// media transports may be there before the control channel.
func (m *Meeting) refuse(id proto.ParticipantID, code proto.Code, text string) {
	m.do(Close{ID: id, Bye: proto.Bye{Code: code, Text: text}})
	m.do(Remove{ID: id})
}

// wait puts a newcomer into the waiting room.
func (m *Meeting) wait(p *person) {
	p.waiting = true
	m.waiting++
	m.touch(p)
	m.send(p, proto.Waiting{Topic: m.cfg.Info.Topic})
}

// admit opens the meeting to a person: a newcomer, or one from the waiting room.
func (m *Meeting) admit(now time.Time, p *person) {
	if p.waiting {
		p.waiting, p.unopened = false, false
		m.waiting--
	}
	if m.state.StartedAt == 0 {
		m.state.StartedAt = now.UnixMilli()
	}
	if _, known := m.past[p.id]; !known {
		m.past[p.id] = ""
		m.order.past = append(m.order.past, p.id)
	}
	if m.state.MuteOnEntry && !p.role.Manages() {
		p.src[proto.Audio].forceMute = true
	}
	p.recv.build(m.cfg)
	m.do(Admit{ID: p.id, Slots: p.recv.table()})
	m.touch(p)
	m.mapOne(now, p)
	m.welcomes = append(m.welcomes, p)
	m.persist(now)
}

// start opens a meeting that waited for its host.
func (m *Meeting) start(now time.Time) {
	if m.started {
		return
	}
	m.started = true
	for _, p := range m.list {
		if p.waiting && p.unopened {
			p.unopened = false
			if !m.state.WaitingRoom && m.hasRoom() {
				m.admit(now, p)
			}
		}
	}
}

func (m *Meeting) hasRoom() bool {
	admitted, _ := m.People()
	return admitted < m.cfg.MaxPeople
}

// admitAll lets in who waits, as far as there is room.
func (m *Meeting) admitAll(now time.Time) (all bool) {
	for _, p := range m.list {
		if !p.waiting {
			continue
		}
		if !m.hasRoom() {
			return false
		}
		m.admit(now, p)
	}
	return true
}

// takeOver gives a seat that exists to its holder's new control channel. What it published stays for
// a moment, so that nobody sees a tile go and come back; what a host muted stays muted.
func (m *Meeting) takeOver(now time.Time, p *person, e Join) {
	if p.here {
		m.do(Close{ID: p.id, Bye: proto.Bye{Code: proto.CodeReplaced, Text: "You have joined again from elsewhere."}})
	} else {
		p.here = true
		m.countHere(now, +1)
	}
	p.viewing = false
	m.roster.dropReceivers()
	m.takeClaims(p, e.Claims, e.Caps)
	m.touch(p)
	if p.waiting {
		p.recv.caps, p.recv.seed = e.Caps, e.Seed
		if p.role.Manages() {
			m.admit(now, p)
			m.start(now)
			return
		}
		m.send(p, proto.Waiting{Topic: m.cfg.Info.Topic})
		return
	}

	if p.role.Manages() {
		m.start(now)
	}
	m.resize(p, e)
	p.recv.layoutVersion = math.MinInt // a new client counts from where it likes
	for k := range p.src {
		s := &p.src[k]
		s.active = s.active && p.perms&(1<<k) != 0 // the new token may permit less
		s.forceMute = s.byHost
		s.unconfirmed = s.active
		if s.active {
			p.confirmBy = now.Add(confirmFor)
			m.wakeSeat(p.confirmBy)
		}
		m.refreshGate(now, p, proto.Kind(k))
		m.resetWanted(p, proto.Kind(k))
	}
	m.do(Admit{ID: p.id, Slots: p.recv.table()})
	for k := range p.src {
		if p.src[k].open {
			m.do(Gate{Source: proto.Source(p.id, proto.Kind(k)), Open: true})
		}
	}
	m.rewire(p)
	m.mapOne(now, p)
	p.recv.resumed = true
	m.welcomes = append(m.welcomes, p)
}

// gone takes note of a closed control channel.
func (m *Meeting) gone(now time.Time, e Gone) {
	p := m.people[e.ID]
	if p == nil || !p.here || e.Why == proto.CodeReplaced {
		return
	}
	if p.waiting || e.Why == proto.CodeLeft {
		m.remove(now, p)
		return
	}
	p.here, p.viewing = false, false
	m.roster.dropReceivers()
	p.awayAt = now
	m.countHere(now, -1)
	m.wakeSeat(now.Add(m.cfg.AwayFor))
	m.touch(p)
}

// remove gives a seat up.
func (m *Meeting) remove(now time.Time, p *person) {
	if p.here {
		m.countHere(now, -1)
	}
	p.here, p.viewing = false, false
	m.roster.dropReceivers()
	for k := range p.src {
		p.src[k].active = false
		m.refreshGate(now, p, proto.Kind(k))
	}
	m.forgetReceiver(p)
	delete(m.people, p.id)
	for i, q := range m.list {
		if q == p {
			m.list = append(m.list[:i], m.list[i+1:]...)
			break
		}
	}
	if p.waiting {
		m.waiting--
	}
	m.roster.gone = append(m.roster.gone, goneRow{id: p.id, waiting: p.waiting})
	m.do(Remove{ID: p.id})
	m.persist(now)
}

// countHere keeps the number of people with a control channel, and the end of an empty meeting.
func (m *Meeting) countHere(now time.Time, d int) {
	m.here += d
	if m.here == 0 {
		m.emptyAt = now.Add(m.cfg.EmptyFor)
	} else {
		m.emptyAt = time.Time{}
	}
}

func (m *Meeting) wakeSeat(at time.Time) {
	if m.awayAt.IsZero() || at.Before(m.awayAt) {
		m.awayAt = at
	}
}

// expireSeats removes who stayed away, and the sources a resumed client does not have any more.
func (m *Meeting) expireSeats(now time.Time) {
	m.awayAt = time.Time{}
	var out []*person
	for _, p := range m.list {
		if !p.here && !p.waiting {
			if at := p.awayAt.Add(m.cfg.AwayFor); now.Before(at) {
				m.wakeSeat(at)
			} else {
				out = append(out, p)
				continue
			}
		}
		if p.confirmBy.IsZero() {
			continue
		}
		if now.Before(p.confirmBy) {
			m.wakeSeat(p.confirmBy)
			continue
		}
		p.confirmBy = time.Time{}
		for k := range p.src {
			if s := &p.src[k]; s.unconfirmed {
				s.unconfirmed, s.active = false, false
				s.byHost, s.forceMute = false, false // as where the person had said that it is stopped
				m.refreshGate(now, p, proto.Kind(k))
				m.touch(p)
				m.persist(now)
			}
		}
	}
	for _, p := range out {
		m.remove(now, p)
	}
}
