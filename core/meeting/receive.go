package meeting

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/wire/proto"
)

const (
	maxChatRunes = 4000
	maxChatKept  = 256 << 10 // bytes of text kept altogether, whatever ChatKept says
	maxTiles     = 200
)

// received dispatches a control message. Someone in the waiting room may do nothing but wait or leave.
func (m *Meeting) received(now time.Time, e Received) {
	p := m.people[e.From]
	if p == nil || !p.here {
		return
	}
	switch msg := e.Msg.(type) {
	case proto.Ping:
		m.send(p, proto.Pong{N: msg.N})
		return
	case proto.Pong:
		return
	case proto.Bye:
		m.do(Close{ID: p.id, Bye: proto.Bye{Code: proto.CodeLeft, Text: "You have left the meeting."}})
		m.remove(now, p)
		return
	}
	if p.waiting {
		switch e.Msg.(type) {
		case proto.Answer, proto.Publish:
			return // sent right behind the hello, and again after the welcome
		}
		if p.limits.refuse.take(now, 2, 5) {
			m.fail(p, e.Msg.Type(), proto.CodeForbidden, "You are in the waiting room. A host will let you in.")
		}
		return
	}
	switch msg := e.Msg.(type) {
	case proto.Answer, proto.Stats:
		return
	case proto.Publish:
		if m.allowed(now, p, msg) {
			m.publish(now, p, msg)
		}
	case proto.Layout:
		if m.allowed(now, p, msg) {
			m.layout(now, p, msg)
		}
	case proto.Said:
		if m.allowed(now, p, msg) {
			m.say(now, p, msg)
		}
	case proto.Hand:
		if m.allowed(now, p, msg) {
			m.hand(now, p, msg.Up)
		}
	case proto.React:
		if m.allowed(now, p, msg) {
			m.react(p, msg)
		}
	case proto.Act:
		if m.allowed(now, p, msg) {
			m.act(now, p, msg)
		}
	case proto.Unknown:
		if p.limits.refuse.take(now, 2, 5) {
			m.fail(p, msg.Type(), proto.CodeUnsupported, "This server does not know that message.")
		}
	default:
		if p.limits.refuse.take(now, 2, 5) {
			m.fail(p, e.Msg.Type(), proto.CodeBadRequest, "That message is not for a server, or not for now.")
		}
	}
}

// layout takes a receiver's wish. One that is not newer than the last is late and changes nothing.
func (m *Meeting) layout(now time.Time, p *person, msg proto.Layout) {
	if len(msg.Tiles) > maxTiles {
		m.fail(p, msg.Type(), proto.CodeBadRequest, "The layout has too many tiles.")
		return
	}
	if p.recv.laidOut && msg.Version <= p.recv.layoutVersion {
		return
	}
	tiles := make([]proto.Tile, 0, len(msg.Tiles))
	for _, t := range msg.Tiles {
		if t.Source.Kind() == proto.Video && t.Source.Participant() != p.id {
			tiles = append(tiles, t)
		}
	}
	p.recv.laidOut, p.recv.layoutVersion, p.recv.tiles = true, msg.Version, tiles
	m.mapOne(now, p)
}

// say passes a chat message on and keeps it.
func (m *Meeting) say(now time.Time, p *person, msg proto.Said) {
	if p.perms&permChat == 0 {
		m.fail(p, msg.Type(), proto.CodeForbidden, "You are not permitted to chat in this meeting.")
		return
	}
	text := strings.TrimSpace(strings.ToValidUTF8(msg.Text, "\uFFFD"))
	if n := utf8.RuneCountInString(text); n == 0 || n > maxChatRunes {
		m.fail(p, msg.Type(), proto.CodeBadRequest, "A message has between 1 and 4000 characters.")
		return
	}
	var to *person
	if msg.To != 0 {
		if to = m.admitted(msg.To); to == nil {
			m.fail(p, msg.Type(), proto.CodeBadRequest, "That person is not in the meeting.")
			return
		}
	}
	m.chatSeq++
	c := proto.Chat{Seq: m.chatSeq, From: p.id, Name: p.name, To: msg.To, Text: text, At: now.UnixMilli()}
	m.keepChat(c)
	m.persist(now)
	if to == nil {
		m.broadcast(c)
		return
	}
	m.send(p, c)
	if to != p && to.viewing {
		m.send(to, c)
	}
}

func (m *Meeting) keepChat(c proto.Chat) {
	m.chat = append(m.chat, c)
	m.chatLen += len(c.Text)
	drop := 0
	for len(m.chat)-drop > m.cfg.ChatKept || m.chatLen > maxChatKept {
		m.chatLen -= len(m.chat[drop].Text)
		drop++
	}
	m.chat = slices.Delete(m.chat, 0, drop)
}

// chatFor is what a person may read of what was said, oldest first.
func (m *Meeting) chatFor(id proto.ParticipantID) []proto.Chat {
	var out []proto.Chat
	for _, c := range m.chat {
		if c.To == 0 || c.To == id || c.From == id {
			out = append(out, c)
		}
	}
	return out
}

// chatLen is at least the length of a chat message on the wire, in bytes.
func chatLen(c *proto.Chat) int { return 130 + textLen(c.Name) + textLen(c.Text) }

func (m *Meeting) hand(now time.Time, p *person, up bool) {
	if up == (p.hand != 0) {
		return
	}
	p.hand = 0
	if up {
		p.hand = now.UnixMilli()
	}
	m.touch(p)
	m.persist(now)
}

func (m *Meeting) react(p *person, msg proto.React) {
	if !slices.Contains(proto.Reactions, msg.Emoji) {
		m.fail(p, msg.Type(), proto.CodeBadRequest, "There is no such reaction.")
		return
	}
	m.broadcast(proto.React{From: p.id, Emoji: msg.Emoji})
}
