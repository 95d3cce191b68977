package client

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"parley/core/join"
	"parley/wire/proto"
)

// room is what the router has told of the meeting. Owned by the loop.
type room struct {
	self       proto.ParticipantID
	everJoined bool
	people     map[proto.ParticipantID]proto.Person
	version    uint64
	state      proto.State
	layout     int

	// What this client has said about itself, to be said again on a new channel.
	wishes *proto.Layout
	hand   bool
}

func (r *room) init() { r.people = map[proto.ParticipantID]proto.Person{} }

// handleWelcome takes the whole state, and says again what the router can't know.
func (c *Client) handleWelcome(now time.Time, ch *channel, m proto.Welcome) {
	ch.in = true
	c.room.self, c.room.state, c.room.everJoined = m.Participant, m.State, true
	clear(c.room.people)
	c.room.version = m.Roster.Version
	c.mind.Handle(now, join.Welcomed{Attempt: ch.attempt, Groups: m.Groups, Resumed: m.Resumed})
	c.welcomeMedia(now, ch, m)
	c.act(now) // "joined" comes before the roster
	c.handleRoster(m.Roster)
	c.emit(Switches(m.State))
	for _, line := range m.Chat {
		c.emit(ChatLine(line))
	}
	if c.room.wishes != nil {
		c.room.layout++
		c.room.wishes.Version = c.room.layout
		c.send(*c.room.wishes)
	}
	if c.room.hand {
		c.send(proto.Hand{Up: true})
	}
}

// handleRoster applies a delta.
func (c *Client) handleRoster(m proto.Roster) {
	for _, p := range m.Put {
		c.room.people[p.ID] = p
		if p.ID == c.room.self {
			c.obey(p)
		}
	}
	for _, id := range m.Gone {
		delete(c.room.people, id)
	}
	c.room.version = m.Version
	c.publishView()
	c.emit(RosterChange{People: len(c.room.people), Put: m.Put, Gone: m.Gone})
}

// obey stops what a host has muted; the router would drop it anyway. Mute resumes it.
func (c *Client) obey(self proto.Person) {
	for _, s := range self.Sources {
		if s.Kind < proto.NKinds && c.media.out[s.Kind] != nil && s.Muted && s.ByHost {
			c.media.out[s.Kind].muted = true
		}
	}
}

// publishView makes the state readable from outside the loop.
func (c *Client) publishView() {
	people := slices.SortedFunc(maps.Values(c.room.people), func(a, b proto.Person) int { return cmp.Compare(a.ID, b.ID) })
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	c.view.people, c.view.self, c.view.state, c.view.joined = people, c.room.self, c.room.state, c.room.everJoined
}

// who is the name of a participant, "" for one not in the roster.
func (c *Client) who(id proto.ParticipantID) string { return c.room.people[id].Name }

// do runs f on the loop. It never waits, so that event handlers may call what uses it.
func (c *Client) do(f func(now time.Time)) {
	select {
	case c.inbox <- f:
		return
	default:
	}
	go c.post(f) // ends with the loop
}

// Roster lists the people in the meeting by id.
func (c *Client) Roster() []proto.Person {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return slices.Clone(c.view.people)
}

// Self is the own participant id, and whether the meeting has been joined.
func (c *Client) Self() (proto.ParticipantID, bool) {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return c.view.self, c.view.joined
}

// State is the meeting's switches.
func (c *Client) State() proto.State {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return c.view.state
}

// Explain is the record of the joining process: every attempt, and why it won or lost.
func (c *Client) Explain() join.Report {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return c.view.report
}

// MediaStats are the latest counts, as in the Stats event.
func (c *Client) MediaStats() []proto.MediaStats {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return slices.Clone(c.view.stats)
}

// Recorded lists the files of the recording; complete once Run has returned.
func (c *Client) Recorded() []string {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	return slices.Clone(c.view.recorded)
}

// Say sends a chat message; to 0 is everyone.
func (c *Client) Say(to proto.ParticipantID, text string) {
	c.do(func(time.Time) { c.send(proto.Said{To: to, Text: text}) })
}

// Act does a host action; a refusal comes as event Denied.
func (c *Client) Act(a proto.Act) { c.do(func(time.Time) { c.send(a) }) }

// Hand raises or lowers the own hand.
func (c *Client) Hand(up bool) {
	c.do(func(time.Time) {
		c.room.hand = up
		c.send(proto.Hand{Up: up})
	})
}

// React shows a reaction, one of proto.Reactions.
func (c *Client) React(emoji string) { c.do(func(time.Time) { c.send(proto.React{Emoji: emoji}) }) }

// Layout says which sources to receive, most important first, and how large. Without it every camera
// comes as thumbnail as far as slots reach.
func (c *Client) Layout(tiles ...proto.Tile) {
	c.do(func(time.Time) {
		c.room.layout++
		c.room.wishes = &proto.Layout{Version: c.room.layout, Tiles: tiles}
		c.send(*c.room.wishes)
	})
}

// Mute stops or resumes sending one kind.
func (c *Client) Mute(k proto.Kind, on bool) { c.do(func(now time.Time) { c.mute(now, k, on) }) }

// Leave says goodbye and ends Run.
func (c *Client) Leave() { c.do(func(now time.Time) { c.mind.Handle(now, join.Leave{}) }) }

// NetworkChanged says that the addresses of this machine changed: the client rejoins at once instead
// of waiting for what stands to fail.
func (c *Client) NetworkChanged() {
	c.do(func(now time.Time) {
		c.requests.renew()
		c.mind.Handle(now, join.NetworkChanged{})
	})
}

// SendControl sends a control message as it is, for tests of the router.
func (c *Client) SendControl(m proto.Message) { c.do(func(time.Time) { c.send(m) }) }

// SendRTP sends a packet as it is on the transport of a group, for tests of the router. The packet is
// kept.
func (c *Client) SendRTP(g proto.Group, packet []byte) {
	c.do(func(time.Time) { c.writeRTP(g, packet) })
}

// SendRTCP does the same with a compound of feedback.
func (c *Client) SendRTCP(g proto.Group, packet []byte) {
	c.do(func(time.Time) { c.writeRTCP(g, packet) })
}
