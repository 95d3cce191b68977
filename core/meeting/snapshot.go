package meeting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"parley/wire/proto"
)

// MaxSnapshotLen bounds a snapshot, in bytes (design §6). What does not fit goes in this order: old
// chat, names, who was admitted long ago, who was ejected long ago (their revocation stands elsewhere),
// the seats of who came last.
const MaxSnapshotLen = 64 << 10

const snapshotVersion = 1

// snapshot is the meeting as it outlives its router.
type snapshot struct {
	V        int                   `json:"v"`
	Settings proto.Settings        `json:"settings"`
	State    proto.State           `json:"state"`
	Started  bool                  `json:"started,omitempty"`
	ChatSeq  uint64                `json:"chat_seq,omitempty"`
	Seats    []seat                `json:"seats,omitempty"`
	Past     []pastSeat            `json:"past,omitempty"` // admitted once, oldest first
	Ejected  []proto.ParticipantID `json:"ejected,omitempty"`
	Chat     []proto.Chat          `json:"chat,omitempty"`
}

type seat struct {
	ID     proto.ParticipantID `json:"id"`
	Name   string              `json:"name,omitempty"`
	Client string              `json:"client,omitempty"`
	Role   proto.Role          `json:"role"`
	Hand   int64               `json:"hand,omitempty"`
	ByHost uint8               `json:"by_host,omitempty"` // sources muted by a host, bit per kind
}

type pastSeat struct {
	ID   proto.ParticipantID `json:"id"`
	Role proto.Role          `json:"role,omitempty"` // given by a host
}

// Snapshot is the meeting's state for the router that hosts it after this one: roles, locks, mutes,
// waiting room, who was admitted or ejected, seats and chat. Sources are not in it; their senders
// publish them again.
func (m *Meeting) Snapshot() []byte {
	s := snapshot{
		V: snapshotVersion, Settings: m.set, State: m.state, Started: m.started,
		ChatSeq: m.chatSeq, Ejected: m.order.ejected, Chat: m.chat,
	}
	for _, p := range m.list {
		if p.waiting {
			continue
		}
		st := seat{ID: p.id, Name: p.name, Client: p.client, Role: p.role, Hand: p.hand}
		for k := range p.src {
			if p.src[k].marked() {
				st.ByHost |= 1 << k
			}
		}
		s.Seats = append(s.Seats, st)
	}
	for _, id := range m.order.past {
		s.Past = append(s.Past, pastSeat{ID: id, Role: m.past[id]})
	}
	for {
		b := s.encode()
		if len(b) <= MaxSnapshotLen || !s.shrink() {
			return b
		}
	}
}

func (s *snapshot) encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(fmt.Sprintf("meeting: snapshot does not encode: %v", err)) // plain data: our bug
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// shrink drops half of what is missed least. It reports whether there was anything left to drop.
func (s *snapshot) shrink() bool {
	switch {
	case len(s.Chat) > 0:
		s.Chat = s.Chat[(len(s.Chat)+1)/2:]
	case len(s.Seats) > 0 && s.Seats[0].Name != "":
		for i := range s.Seats {
			s.Seats[i].Name = ""
		}
	case len(s.Past) > 0:
		s.Past = s.Past[(len(s.Past)+1)/2:]
	case len(s.Ejected) > 0:
		s.Ejected = s.Ejected[(len(s.Ejected)+1)/2:]
	case len(s.Seats) > 0:
		s.Seats = s.Seats[:len(s.Seats)/2]
	default:
		return false
	}
	return true
}

// Restore makes a meeting from a Snapshot. Everybody is away until they join again and resume. The
// error says that the snapshot is not one, or of a version this build does not know.
func Restore(now time.Time, cfg Config, b []byte) (*Meeting, error) {
	var s snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("reading meeting snapshot: %w", err)
	}
	if s.V != snapshotVersion {
		return nil, fmt.Errorf("meeting snapshot has version %d, want %d", s.V, snapshotVersion)
	}
	m := New(now, cfg, s.Settings)
	m.state, m.started, m.chatSeq = s.State, s.Started, s.ChatSeq
	for _, c := range s.Chat {
		m.keepChat(c)
	}
	for _, id := range s.Ejected {
		if !m.ejected[id] {
			m.ejected[id] = true
			m.order.ejected = append(m.order.ejected, id)
		}
	}
	remember := func(id proto.ParticipantID, role proto.Role) {
		if _, known := m.past[id]; !known {
			m.order.past = append(m.order.past, id)
			m.past[id] = role
		}
	}
	for _, p := range s.Past {
		remember(p.ID, p.Role)
	}
	for _, st := range s.Seats {
		if st.ID == 0 || st.ID > proto.MaxParticipantID || m.people[st.ID] != nil {
			continue
		}
		var given proto.Role
		switch st.Role {
		case proto.RoleHost:
		case proto.RoleCohost:
			given = st.Role
		default:
			st.Role = proto.RoleParticipant
		}
		remember(st.ID, given)
		m.arrived++
		p := &person{
			id: st.ID, name: cleanName(st.Name), client: st.Client, role: st.Role, perms: 0,
			order: m.arrived, awayAt: now, hand: st.Hand,
		}
		for k := range p.src {
			p.src[k].byHost = st.ByHost&(1<<k) != 0
		}
		m.people[p.id] = p
		m.list = append(m.list, p)
	}
	if len(m.list) > 0 {
		m.wakeSeat(now.Add(m.cfg.AwayFor))
	}
	return m, nil
}
