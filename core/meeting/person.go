package meeting

import (
	"strings"
	"time"

	"parley/wire/proto"
)

// person is one seat: in the waiting room, or admitted and here, or admitted and away.
type person struct {
	id     proto.ParticipantID
	name   string
	client string
	role   proto.Role
	perms  uint8  // bit per proto.Kind, and permChat
	order  uint64 // of arrival

	waiting  bool
	unopened bool // waits because the meeting has not started, not for being let in
	here     bool // a control channel is up
	viewing  bool // here and welcomed: gets broadcasts
	manager  bool // the roster it was sent has the waiting people

	awayAt    time.Time // when the control channel was lost, while not here
	confirmBy time.Time // a resumed client has published what it still has by then; zero: nothing open

	hand int64
	src  [proto.NKinds]source

	voice voice
	spoke uint64 // rises with every turn among the loudest: who spoke last comes first

	recv   receiver
	limits limits

	rowDirty bool
	mark     int    // scratch of remap: pair this person owns at the receiver under work
	markGen  uint64 // … valid in this generation
}

const permChat = 1 << 7

// permBits reads a token's permissions; an empty list permits everything.
func permBits(perms []string) uint8 {
	if len(perms) == 0 {
		return 0xff
	}
	var bits uint8
	for _, s := range perms {
		switch s {
		case proto.PermAudio:
			bits |= 1 << proto.Audio
		case proto.PermVideo:
			bits |= 1 << proto.Video
		case proto.PermShare:
			bits |= 1<<proto.Content | 1<<proto.ContentAudio
		case proto.PermChat:
			bits |= permChat
		}
	}
	return bits
}

const maxNameRunes = 64

// takeClaims fills a seat with what a token says. The role a host gave outlives a token's.
func (m *Meeting) takeClaims(p *person, c proto.Claims, caps proto.Caps) {
	p.name = cleanName(c.Name)
	p.client = ""
	if caps.Client == "native" || caps.Client == "web" {
		p.client = caps.Client
	}
	p.perms = permBits(c.Permissions)
	p.role = m.roleOf(c)
}

// roleOf is the role a token's holder has in this meeting now. Host comes from the token only.
func (m *Meeting) roleOf(c proto.Claims) proto.Role {
	if c.Role == proto.RoleHost {
		return proto.RoleHost
	}
	if given := m.past[c.Participant]; given != "" {
		return given
	}
	if c.Role == proto.RoleCohost {
		return proto.RoleCohost
	}
	return proto.RoleParticipant
}

func cleanName(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if r := []rune(s); len(r) > maxNameRunes {
		s = string(r[:maxNameRunes])
	}
	if s == "" {
		s = "Guest"
	}
	return s
}

// admitted finds an admitted person.
func (m *Meeting) admitted(id proto.ParticipantID) *person {
	if p := m.people[id]; p != nil && !p.waiting {
		return p
	}
	return nil
}

// bucket is a token bucket on the caller's time.
type bucket struct {
	used float64 // tokens taken out and not yet refilled
	at   time.Time
}

// take reports whether one more is within perSecond and burst.
func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.used = max(0, b.used-d*perSecond)
		b.at = now
	}
	if b.used+1 > burst {
		return false
	}
	b.used++
	return true
}

// limits bound what one person may cause. Everything that reaches all people costs a token.
type limits struct {
	chat   bucket // 5/s, burst 10
	gest   bucket // hands and reactions: 3/s, burst 6
	change bucket // publish, layout and acts: 20/s, burst 40
	refuse bucket // answers to messages over a limit: 2/s, burst 5; the rest is dropped in silence
}

// allowed charges one message of p to its bucket, and refuses it with slow_down where that is empty.
func (m *Meeting) allowed(now time.Time, p *person, msg proto.Message) bool {
	var ok bool
	switch msg.(type) {
	case proto.Said:
		ok = p.limits.chat.take(now, 5, 10)
	case proto.Hand, proto.React:
		ok = p.limits.gest.take(now, 3, 6)
	default:
		ok = p.limits.change.take(now, 20, 40)
	}
	if !ok && p.limits.refuse.take(now, 2, 5) {
		m.fail(p, msg.Type(), proto.CodeSlowDown, "You are doing that too fast. Wait a moment.")
	}
	return ok
}
