package meeting

import (
	"slices"
	"time"
	"unicode/utf8"

	"parley/wire/proto"
)

// Roster versions are one sequence for all (package comment). A Welcome too long for one message says
// less than the whole and is completed by deltas, so the first version leaves room below.
const firstVersion = 1 << 10

// No message may pass proto.MaxMessageLen. A delta is cut at rosterLen bytes of rows as estimated from
// above; a Welcome, which also carries slots, credentials and chat, at welcomeLen bytes of rows.
const (
	rosterLen      = 48 << 10
	welcomeLen     = 32 << 10
	welcomeChatLen = 6 << 10
)

// rosterState is what changed in the list of people since the last delta.
type rosterState struct {
	version uint64
	at      time.Time // when the next delta goes out; zero: nothing has changed
	sent    time.Time // the last one
	dirty   []*person
	gone    []goneRow
	to      receivers
	toValid bool
}

type goneRow struct {
	id      proto.ParticipantID
	waiting bool // was only ever known to those who manage
}

// receivers are the ids of those who get broadcasts. Slices are handed out and never changed.
type receivers struct{ all, managers, others []proto.ParticipantID }

func (r *rosterState) dropReceivers() { r.toValid = false }

func (r *rosterState) receivers(list []*person) receivers {
	if r.toValid {
		return r.to
	}
	r.to, r.toValid = receivers{}, true
	for _, p := range list {
		if !p.viewing {
			continue
		}
		r.to.all = append(r.to.all, p.id)
		if p.manager {
			r.to.managers = append(r.to.managers, p.id)
		} else {
			r.to.others = append(r.to.others, p.id)
		}
	}
	return r.to
}

// touch notes that a person's row has changed.
func (m *Meeting) touch(p *person) {
	if !p.rowDirty {
		p.rowDirty = true
		m.roster.dirty = append(m.roster.dirty, p)
	}
}

// row is how others see a person.
func (p *person) row() proto.Person {
	r, _ := p.rowIn(nil)
	return r
}

// rowIn is row with its sources at the end of all, which is returned as it is then: a list of many people is to
// take no piece of memory for each.
func (p *person) rowIn(all []proto.SourceState) (proto.Person, []proto.SourceState) {
	r := proto.Person{
		ID: p.id, Name: p.name, Role: p.role, Client: p.client, Hand: p.hand,
		Waiting: p.waiting, Away: !p.here && !p.waiting,
	}
	first := len(all)
	for k := range p.src {
		if s := &p.src[k]; s.active {
			all = append(all, proto.SourceState{Kind: proto.Kind(k), Muted: s.muted, ByHost: s.byHost})
		}
	}
	if n := len(all); n > first {
		r.Sources = all[first:n:n]
	}
	return r, all
}

// delta is one step of the roster for one kind of viewer.
type delta struct {
	put  []proto.Person
	gone []proto.ParticipantID
}

// cut splits rows so that each part fits a message. There is at least one part.
func (d delta) cut(limit int) []delta {
	parts := []delta{{gone: d.gone}}
	start, used := 0, 12*len(d.gone)
	for i := range d.put {
		n := rowLen(&d.put[i])
		if used+n > limit && i > start {
			parts[len(parts)-1].put = d.put[start:i:i]
			parts = append(parts, delta{})
			start, used = i, 0
		}
		used += n
	}
	parts[len(parts)-1].put = d.put[start:]
	return parts
}

// rowLen is at least the length of a row on the wire, in bytes.
func rowLen(p *proto.Person) int {
	return 140 + textLen(p.Name) + 42*len(p.Sources)
}

// textLen is at least the length of a JSON string, in bytes: encoding/json writes <, >, & and control
// characters with six.
func textLen(s string) int {
	n := 2
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			n += 2
		case r < 0x20 || r == 0x7f || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029':
			n += 6
		default:
			n += max(1, utf8.RuneLen(r))
		}
	}
	return n
}

// rosterEvery is the least time between two deltas, a millisecond for each participant: as many messages a
// second as there are milliseconds, however many come and go. Small meetings need not wait.
func (m *Meeting) rosterEvery() time.Duration {
	const small, most = 30, time.Second
	if len(m.list) < small {
		return 0
	}
	return min(time.Duration(len(m.list))*time.Millisecond, most)
}

// rosterDue reports whether what changed is to be sent now; else it sees to it that it will be.
func (m *Meeting) rosterDue(now time.Time) bool {
	r := &m.roster
	if len(r.dirty) == 0 && len(r.gone) == 0 {
		r.at = time.Time{}
		return false
	}
	if r.at = r.sent.Add(m.rosterEvery()); now.Before(r.at) {
		return false
	}
	r.at, r.sent = time.Time{}, now
	return true
}

// flushRoster sends what changed: to those who manage with the people waiting, to the others without,
// and to those whose role came or went what they must learn or forget.
func (m *Meeting) flushRoster() {
	r := &m.roster
	var full, public delta
	var crossed []*person
	for _, p := range r.dirty {
		p.rowDirty = false
		if m.people[p.id] != p {
			continue // came and went in one event
		}
		row := p.row()
		full.put = append(full.put, row)
		if !p.waiting {
			public.put = append(public.put, row)
		}
		if p.viewing && p.manager != p.role.Manages() {
			crossed = append(crossed, p)
		}
	}
	for _, g := range r.gone {
		if m.people[g.id] != nil {
			continue // and came back meanwhile
		}
		full.gone = append(full.gone, g.id)
		if !g.waiting {
			public.gone = append(public.gone, g.id)
		}
	}
	r.dirty, r.gone = r.dirty[:0], r.gone[:0]

	// Who crosses leaves the broadcast of this version and gets a delta of their own.
	for _, p := range crossed {
		p.viewing = false
		r.dropReceivers()
	}
	to := r.receivers(m.list)
	type stream struct {
		to    []proto.ParticipantID
		parts []delta
	}
	streams := []stream{{to.managers, full.cut(rosterLen)}, {to.others, public.cut(rosterLen)}}
	for _, p := range crossed {
		own := delta{put: slices.Clone(public.put), gone: slices.Clone(full.gone)}
		for _, q := range m.list {
			switch {
			case !q.waiting:
			case p.role.Manages():
				own.put = append(own.put, q.row())
			default:
				own.gone = append(own.gone, q.id)
			}
		}
		streams = append(streams, stream{[]proto.ParticipantID{p.id}, own.cut(rosterLen)})
		p.viewing, p.manager = true, p.role.Manages()
		r.dropReceivers()
	}
	steps := 1
	for _, s := range streams {
		steps = max(steps, len(s.parts))
	}
	for i := range steps {
		r.version++
		for _, s := range streams {
			if len(s.to) == 0 {
				continue
			}
			msg := proto.Roster{Version: r.version}
			if i < len(s.parts) {
				msg.Put, msg.Gone = s.parts[i].put, s.parts[i].gone
			}
			m.do(Broadcast{Msg: msg, To: s.to})
		}
	}
}

// flushWelcomes sends the Welcomes of this event. The list of people is built once for all of them.
func (m *Meeting) flushWelcomes() {
	if len(m.welcomes) == 0 {
		return
	}
	var lists [2][]delta
	listFor := func(manager bool) []delta {
		i := 0
		if manager {
			i = 1
		}
		if lists[i] == nil {
			d := delta{put: make([]proto.Person, 0, len(m.list))}
			sources := make([]proto.SourceState, 0, len(m.list)*proto.NKinds)
			for _, p := range m.list {
				if manager || !p.waiting {
					var row proto.Person
					row, sources = p.rowIn(sources)
					d.put = append(d.put, row)
				}
			}
			lists[i] = d.cut(welcomeLen)
		}
		return lists[i]
	}
	for i, p := range m.welcomes {
		m.welcomes[i] = nil
		if m.people[p.id] != p || !p.here || p.viewing {
			continue
		}
		p.manager = p.role.Manages()
		parts := listFor(p.manager)
		version := m.roster.version - uint64(len(parts)-1)
		chat := m.chatFor(p.id)
		n, used := 0, 0
		for n < len(chat) && used+chatLen(&chat[n]) <= welcomeChatLen {
			used += chatLen(&chat[n])
			n++
		}
		m.send(p, proto.Welcome{
			Participant: p.id,
			Role:        p.role,
			Meeting:     m.cfg.Info,
			Slots:       p.recv.table(),
			Roster:      proto.Roster{Version: version, Put: parts[0].put},
			State:       m.state,
			Chat:        chat[:n:n],
			Resumed:     p.recv.resumed,
		})
		for _, d := range parts[1:] {
			version++
			m.send(p, proto.Roster{Version: version, Put: d.put})
		}
		for _, c := range chat[n:] {
			m.send(p, c)
		}
		if m.speech.told() {
			m.send(p, m.speech.message())
		}
		p.viewing, p.recv.resumed = true, false
		m.roster.dropReceivers()
	}
	m.welcomes = m.welcomes[:0]
}
