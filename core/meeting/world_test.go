package meeting

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// world drives a meeting and plays router and clients: it replays every action into models of both and
// fails the test when what a client was told, what the router was told and what the meeting holds do
// not agree.
type world struct {
	t    *testing.T
	m    *Meeting
	now  time.Time
	acts []Action // of the last event, or the last passing of time

	clients map[proto.ParticipantID]*clientModel
	gates   map[proto.SourceID]bool
	wires   map[proto.ParticipantID]map[int]wire
	slots   map[proto.ParticipantID][]proto.Slot
	seed    uint32
	log     strings.Builder // all actions so far
	quick   bool            // leave the expensive comparisons out
}

// clientModel is what one client knows from the messages it got.
type clientModel struct {
	waiting, in bool
	closed      proto.Code
	version     uint64
	roster      map[proto.ParticipantID]proto.Person
	slotSeq     uint64
	slots       map[int]proto.SourceID
	chatSeq     uint64
	chat        []proto.Chat
	welcome     proto.Welcome
	inbox       []proto.Message // of the last event, or the last passing of time
}

var start = time.UnixMilli(1_800_000_000_000)

func newWorld(t *testing.T, cfg Config, s proto.Settings) *world {
	w := &world{t: t, now: start}
	w.reset()
	w.m = New(w.now, cfg, s)
	return w
}

func (w *world) reset() {
	w.clients = map[proto.ParticipantID]*clientModel{}
	w.gates = map[proto.SourceID]bool{}
	w.wires = map[proto.ParticipantID]map[int]wire{}
	w.slots = map[proto.ParticipantID][]proto.Slot{}
}

// open is a meeting without waiting room that needs no host.
func open(t *testing.T) *world {
	return newWorld(t, Config{Info: proto.MeetingInfo{Topic: "Tea"}}, proto.Settings{JoinBeforeHost: true})
}

func (w *world) client(id proto.ParticipantID) *clientModel {
	c := w.clients[id]
	if c == nil {
		c = &clientModel{}
		w.clients[id] = c
	}
	return c
}

// do sends one event and checks everything that follows.
func (w *world) do(e Event) *world {
	w.t.Helper()
	if _, ok := e.(Tick); !ok {
		w.clear()
	}
	if j, ok := e.(Join); ok {
		w.client(j.Claims.Participant).closed = ""
	}
	if g, ok := e.(Gone); ok {
		w.client(g.ID).in, w.client(g.ID).waiting = false, false
	}
	w.m.Handle(w.now, e)
	for {
		a, ok := w.m.Next()
		if !ok {
			break
		}
		w.acts = append(w.acts, a)
		if !w.quick {
			fmt.Fprintf(&w.log, "%T%+v\n", a, a)
		}
		w.apply(e, a)
	}
	w.check()
	return w
}

// clear empties what clients were sent by the last event, or while time passed.
func (w *world) clear() {
	w.acts = w.acts[:0]
	for _, c := range w.clients {
		c.inbox = nil
	}
}

func (w *world) apply(e Event, a Action) {
	w.t.Helper()
	switch a := a.(type) {
	case Send:
		w.deliver(a.To, a.Msg)
	case Broadcast:
		if len(a.To) == 0 {
			w.t.Fatalf("broadcast of %s to nobody", a.Msg.Type())
		}
		if !w.quick || a.Msg.Type() == "roster" {
			if n := len(proto.Encode(a.Msg)); n > proto.MaxMessageLen {
				w.t.Fatalf("%s is %d bytes long", a.Msg.Type(), n)
			}
		}
		for _, id := range a.To {
			if !w.client(id).in {
				w.t.Fatalf("broadcast of %s to %d, who is not in", a.Msg.Type(), id)
			}
			w.deliver(id, a.Msg)
		}
	case Admit:
		for id, open := range w.gates {
			if open && id.Participant() == a.ID {
				w.gates[id] = false
			}
		}
		w.wires[a.ID] = map[int]wire{}
		w.slots[a.ID] = a.Slots
		w.client(a.ID).waiting = false
	case Close:
		c := w.client(a.ID)
		j, joining := e.(Join)
		if a.Bye.Text == "" || a.Bye.Code == "" {
			w.t.Fatalf("Bye without code or text: %+v", a.Bye)
		}
		c.in, c.waiting = false, false
		if !(joining && j.Claims.Participant == a.ID && a.Bye.Code == proto.CodeReplaced) {
			c.closed = a.Bye.Code
		}
	case Remove:
		delete(w.wires, a.ID)
		delete(w.slots, a.ID)
		w.client(a.ID).in = false
	case Gate:
		if w.gates[a.Source] == a.Open {
			w.t.Fatalf("gate of %d is %v already", a.Source, a.Open)
		}
		if p := w.m.people[a.Source.Participant()]; a.Open && (p == nil || p.waiting) {
			w.t.Fatalf("gate opened for somebody not admitted")
		}
		w.gates[a.Source] = a.Open
	case Wire:
		table := w.slots[a.ID]
		if a.Slot < 0 || a.Slot >= len(table) {
			w.t.Fatalf("wire to slot %d of %d, who has %d", a.Slot, a.ID, len(table))
		}
		now := wire{a.Source, a.Layer}
		if w.wires[a.ID][a.Slot] == now {
			w.t.Fatalf("wire %+v is no change", a)
		}
		if a.Source != 0 {
			switch {
			case !w.gates[a.Source]:
				w.t.Fatalf("wire %+v: the gate is closed", a)
			case a.Source.Participant() == a.ID:
				w.t.Fatalf("wire %+v: own source", a)
			case a.Source.Kind() != table[a.Slot].Kind:
				w.t.Fatalf("wire %+v: the slot is for %s", a, table[a.Slot].Kind)
			case a.Layer < 0 || a.Layer > 2:
				w.t.Fatalf("wire %+v: no such layer", a)
			}
		}
		w.wires[a.ID][a.Slot] = now
	}
}

func (w *world) deliver(id proto.ParticipantID, msg proto.Message) {
	w.t.Helper()
	c := w.client(id)
	c.inbox = append(c.inbox, msg)
	if c.waiting || !c.in {
		switch msg := msg.(type) {
		case proto.Waiting:
			c.waiting = true
			return
		case proto.Welcome:
			if n := len(proto.Encode(msg)); n > proto.MaxMessageLen-4096 {
				w.t.Fatalf("welcome is %d bytes long, with more to come", n)
			}
			*c = clientModel{in: true, welcome: msg, inbox: c.inbox}
			c.version = msg.Roster.Version
			c.roster = map[proto.ParticipantID]proto.Person{}
			c.slots = map[int]proto.SourceID{}
			c.replay(msg.Roster)
			for _, ch := range msg.Chat {
				c.hear(w.t, id, ch)
			}
			return
		case proto.Failed, proto.Pong:
			return
		}
		w.t.Fatalf("%s to %d, who is not in", msg.Type(), id)
	}
	switch msg := msg.(type) {
	case proto.Welcome, proto.Waiting:
		w.t.Fatalf("%s to %d, who is in", msg.Type(), id)
	case proto.Roster:
		if msg.Version != c.version+1 {
			w.t.Fatalf("client %d: roster version %d after %d", id, msg.Version, c.version)
		}
		c.version = msg.Version
		c.replay(msg)
	case proto.Slots:
		if c.slotSeq != 0 && msg.Seq != c.slotSeq+1 {
			w.t.Fatalf("client %d: slots seq %d after %d", id, msg.Seq, c.slotSeq)
		}
		c.slotSeq = msg.Seq
		for _, ch := range msg.Changes {
			if ch.Source == 0 {
				delete(c.slots, ch.Slot)
			} else {
				c.slots[ch.Slot] = ch.Source
			}
		}
	case proto.Chat:
		c.hear(w.t, id, msg)
	case proto.Wanted:
		if msg.RIDs == nil {
			w.t.Fatalf("wanted without a list")
		}
	case proto.Failed:
		if msg.Text == "" || msg.Re == "" {
			w.t.Fatalf("failed without text or re: %+v", msg)
		}
	}
}

func (c *clientModel) replay(r proto.Roster) {
	for _, id := range r.Gone {
		delete(c.roster, id)
	}
	for _, p := range r.Put {
		c.roster[p.ID] = p
	}
}

func (c *clientModel) hear(t *testing.T, me proto.ParticipantID, ch proto.Chat) {
	t.Helper()
	if ch.Seq <= c.chatSeq {
		t.Fatalf("chat %d after %d", ch.Seq, c.chatSeq)
	}
	if ch.To != 0 && ch.To != me && ch.From != me {
		t.Fatalf("chat from %d to %d reached %d", ch.From, ch.To, me)
	}
	c.chatSeq = ch.Seq
	c.chat = append(c.chat, ch)
}

// check compares the meeting with what router and clients were told.
func (w *world) check() {
	w.t.Helper()
	if w.quick {
		return
	}
	var full, public map[proto.ParticipantID]proto.Person
	full, public = map[proto.ParticipantID]proto.Person{}, map[proto.ParticipantID]proto.Person{}
	var uses = map[wire]int32{}
	for _, p := range w.m.list {
		full[p.id] = p.row()
		if !p.waiting {
			public[p.id] = p.row()
		}
		for k := range p.src {
			id := proto.Source(p.id, proto.Kind(k))
			if p.src[k].open != w.gates[id] {
				w.t.Fatalf("source %d of %d: open %v, router was told %v", k, p.id, p.src[k].open, w.gates[id])
			}
		}
		audio := map[proto.SourceID]bool{}
		for i, wr := range p.recv.wires {
			if got := w.wires[p.id][i]; got != wr {
				w.t.Fatalf("slot %d of %d carries %+v, router was told %+v", i, p.id, wr, got)
			}
			if wr.source == 0 {
				continue
			}
			uses[wr]++
			if !w.gates[wr.source] {
				w.t.Fatalf("slot %d of %d carries closed source %d", i, p.id, wr.source)
			}
			if audio[wr.source] {
				w.t.Fatalf("source %d is in two slots of %d", wr.source, p.id)
			}
			audio[wr.source] = true
			if k := wr.source.Kind(); k == proto.Audio && i < p.recv.float0 {
				if o := p.recv.pairs[i].owner; w.m.mapping.at.IsZero() && (o == nil || o.id != wr.source.Participant()) {
					w.t.Fatalf("audio of %d is in a pair that is not its own", wr.source.Participant())
				}
			}
		}
	}
	for _, p := range w.m.list {
		c := w.client(p.id)
		if p.viewing != c.in || p.waiting && p.here && !c.waiting {
			w.t.Fatalf("%d: viewing %v, client in %v; waiting %v, client %v", p.id, p.viewing, c.in, p.waiting, c.waiting)
		}
		for k := range p.src {
			for l, n := range p.src[k].uses {
				if want := uses[wire{proto.Source(p.id, proto.Kind(k)), int8(l)}]; n != want {
					w.t.Fatalf("source %d of %d layer %d: counted %d uses, has %d", k, p.id, l, n, want)
				}
			}
		}
		if !c.in {
			continue
		}
		want := public
		if p.role.Manages() {
			want = full
		}
		if w.m.roster.at.IsZero() && !reflect.DeepEqual(c.roster, want) { // else it is told later
			w.t.Fatalf("client %d (%s) has roster\n%v\nwant\n%v", p.id, p.role, c.roster, want)
		}
		have := map[int]proto.SourceID{}
		for i, wr := range p.recv.wires {
			if wr.source != 0 {
				have[i] = wr.source
			}
		}
		if !maps.Equal(c.slots, have) {
			w.t.Fatalf("client %d was told slots %v, want %v", p.id, c.slots, have)
		}
	}
	for id, c := range w.clients {
		if c.in && w.m.people[id] == nil {
			w.t.Fatalf("client %d is in but has no seat", id)
		}
	}
}

// Verbs of the stories.

func claims(id proto.ParticipantID, role proto.Role) proto.Claims {
	return proto.Claims{Participant: id, Role: role, Name: fmt.Sprintf("P%d", id)}
}

func (w *world) join(id proto.ParticipantID, role proto.Role) *world {
	w.t.Helper()
	w.seed++
	return w.do(Join{Claims: claims(id, role), Caps: proto.Caps{Client: "native"}, Seed: w.seed})
}

func (w *world) joinWith(id proto.ParticipantID, slots int, perms ...string) *world {
	w.t.Helper()
	c := claims(id, proto.RoleParticipant)
	c.Permissions = perms
	return w.do(Join{Claims: c, Caps: proto.Caps{VideoSlots: slots}, Seed: 7})
}

func (w *world) say(id proto.ParticipantID, msg proto.Message) *world {
	w.t.Helper()
	return w.do(Received{From: id, Msg: msg})
}

func (w *world) mic(id proto.ParticipantID) *world {
	w.t.Helper()
	return w.say(id, proto.Publish{Kind: proto.Audio, Active: true})
}

var threeLayers = []proto.Layer{{RID: "q", Width: 320, Height: 180}, {RID: "h", Width: 640, Height: 360}, {RID: "f", Width: 1280, Height: 720}}

func (w *world) cam(id proto.ParticipantID) *world {
	w.t.Helper()
	return w.say(id, proto.Publish{Kind: proto.Video, Active: true, Layers: threeLayers})
}

func (w *world) act(id proto.ParticipantID, do proto.Action, target proto.ParticipantID) *world {
	w.t.Helper()
	return w.say(id, proto.Act{Do: do, Target: target, On: true})
}

func (w *world) layout(id proto.ParticipantID, version int, height int, of ...proto.ParticipantID) *world {
	w.t.Helper()
	l := proto.Layout{Version: version}
	for _, p := range of {
		l.Tiles = append(l.Tiles, proto.Tile{Source: proto.Source(p, proto.Video), Height: height})
	}
	return w.say(id, l)
}

// pass lets time go by, waking the meeting whenever it asks for it.
func (w *world) pass(d time.Duration) *world {
	w.t.Helper()
	w.clear()
	end := w.now.Add(d)
	for range 100_000 {
		at, why := w.m.Wake()
		if at.IsZero() || at.After(end) {
			w.now = end
			return w
		}
		if why == WakeNever {
			w.t.Fatalf("wakes at %v for no reason", at)
		}
		if at.After(w.now) {
			w.now = at
		}
		w.do(Tick{})
	}
	w.t.Fatal("the meeting never sleeps")
	return w
}

// speak sends a packet with voice each 20 ms.
func (w *world) speak(d time.Duration, dBov uint8, ids ...proto.ParticipantID) *world {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		for _, id := range ids {
			w.do(Level{Source: proto.Source(id, proto.Audio), DBov: dBov, Voice: true})
		}
		w.pass(20 * time.Millisecond)
	}
	return w
}

// slotOf is the mid of the slot that carries a source at a receiver, "" for none.
func (w *world) slotOf(at, of proto.ParticipantID, k proto.Kind) string {
	for i, wr := range w.wires[at] {
		if wr.source == proto.Source(of, k) {
			return w.slots[at][i].Mid
		}
	}
	return ""
}

func (w *world) layerOf(at, of proto.ParticipantID) int8 {
	for _, wr := range w.wires[at] {
		if wr.source == proto.Source(of, proto.Video) {
			return wr.layer
		}
	}
	return -1
}

// hears lists whose audio a receiver gets.
func (w *world) hears(at proto.ParticipantID) []proto.ParticipantID {
	var out []proto.ParticipantID
	for _, wr := range w.wires[at] {
		if wr.source != 0 && wr.source.Kind() == proto.Audio {
			out = append(out, wr.source.Participant())
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) want(what string, got, want any) *world {
	w.t.Helper()
	if !reflect.DeepEqual(got, want) {
		w.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	return w
}

// wantFailed checks that the last event was refused to a person with a code.
func (w *world) wantFailed(id proto.ParticipantID, code proto.Code) *world {
	w.t.Helper()
	got := last[proto.Failed](w.client(id).inbox)
	if got.Code != code {
		w.t.Fatalf("%d was answered %+v, want failed %q", id, w.client(id).inbox, code)
	}
	return w
}

func (w *world) wantFine(id proto.ParticipantID) *world {
	w.t.Helper()
	if got := last[proto.Failed](w.client(id).inbox); got.Code != "" {
		w.t.Fatalf("%d was refused: %+v", id, got)
	}
	return w
}

// last is the last message of a type in an inbox, or its zero value.
func last[M proto.Message](inbox []proto.Message) M {
	var out M
	for _, msg := range inbox {
		if m, ok := msg.(M); ok {
			out = m
		}
	}
	return out
}

func count[A Action](acts []Action) int {
	n := 0
	for _, a := range acts {
		if _, ok := a.(A); ok {
			n++
		}
	}
	return n
}
