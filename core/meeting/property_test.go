package meeting

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"parley/wire/proto"
)

// TestAnythingMayHappen plays random meetings. The world checks after every event that nobody is
// told, sent or wired what they should not be, and that every client's picture is the meeting's.
func TestAnythingMayHappen(t *testing.T) {
	// The seeds are the same each time: more of them belong to `make soak`, not to every run.
	runs := 20
	if os.Getenv("PARLEY_SOAK") != "" {
		runs = 500
	}
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random(t, rand.New(rand.NewPCG(seed, 1)), 400)
		})
	}
}

// TestSameEventsSameActions: a mind decides the same way every time, to the order of its actions.
func TestSameEventsSameActions(t *testing.T) {
	var logs [2]string
	for i := range logs {
		logs[i] = random(t, rand.New(rand.NewPCG(7, 7)), 150)
	}
	if logs[0] != logs[1] {
		t.Error("two runs of the same events differ")
	}
}

// random plays n random events and returns all actions as text.
func random(t *testing.T, r *rand.Rand, n int) string {
	flip := func() bool { return r.IntN(2) == 0 }
	cfg := Config{MaxPeople: 8 + r.IntN(8), VideoSlots: 1 + r.IntN(6), ChatKept: 5, ContentSlots: 1 + r.IntN(2), Loudest: 1 + r.IntN(3)}
	w := newWorld(t, cfg, proto.Settings{WaitingRoom: flip(), JoinBeforeHost: flip(), MuteOnEntry: flip()})
	who := func() proto.ParticipantID { return proto.ParticipantID(1 + r.IntN(16)) }
	roles := []proto.Role{host, co, part, part, part}
	perms := [][]string{nil, nil, nil, {proto.PermAudio}, {proto.PermVideo, proto.PermShare}}
	layers := [][]proto.Layer{nil, threeLayers, threeLayers[:2], threeLayers[1:]}
	actions := []proto.Action{
		proto.ActMute, proto.ActMuteAll, proto.ActAskUnmute, proto.ActCohost, proto.ActAdmit, proto.ActEject,
		proto.ActLowerHand, proto.ActLock, proto.ActWaitingRoom, proto.ActMuteOnEntry,
	}
	for range n {
		var e Event
		switch r.IntN(16) {
		case 0, 1:
			id := who()
			c := claims(id, roles[int(id)%len(roles)])
			c.Permissions = perms[r.IntN(len(perms))]
			e = Join{Claims: c, Caps: proto.Caps{VideoSlots: r.IntN(4)}, Seed: r.Uint32()}
		case 2:
			e = Gone{who(), []proto.Code{proto.CodeLeft, proto.CodeLost, proto.CodeLost}[r.IntN(3)]}
		case 3, 4, 5:
			e = Received{who(), proto.Publish{Kind: proto.Kind(r.IntN(4)), Active: r.IntN(4) > 0, Muted: r.IntN(4) == 0, Layers: layers[r.IntN(len(layers))]}}
		case 6, 7:
			l := proto.Layout{Version: r.IntN(1000)}
			for range r.IntN(8) {
				l.Tiles = append(l.Tiles, proto.Tile{Source: proto.Source(who(), proto.Kind(r.IntN(3))), Height: r.IntN(1000)})
			}
			e = Received{who(), l}
		case 8:
			e = Received{who(), proto.Act{Do: actions[r.IntN(len(actions))], Target: proto.ParticipantID(r.IntN(17)), Kind: proto.Kind(r.IntN(4)), On: flip()}}
		case 9:
			e = Received{who(), proto.Said{To: proto.ParticipantID(max(0, r.IntN(32)-16)), Text: "hi"}}
		case 10:
			e = Received{who(), proto.Hand{Up: flip()}}
		case 11:
			e = Mapped{who(), r.IntN(20), proto.Source(who(), proto.Kind(r.IntN(4))), r.Uint32()}
		case 12:
			if r.IntN(20) == 0 && !w.m.Over() {
				w.move()
				continue
			}
			e = Received{who(), proto.Bye{Code: proto.CodeLeft}}
		default:
			id := proto.Source(who(), proto.Kind(r.IntN(5)))
			for range 20 {
				w.do(Level{Source: id, DBov: uint8(r.IntN(70)), Voice: r.IntN(4) > 0})
				w.pass(20 * time.Millisecond)
			}
			continue
		}
		w.do(e)
		w.pass(time.Duration(r.IntN(200)) * time.Millisecond)
		if r.IntN(40) == 0 {
			w.pass(time.Duration(r.IntN(50)) * time.Second)
		}
		w.settled()
	}
	w.pass(5 * time.Minute)
	if w.m.here == 0 && !w.m.Over() {
		t.Fatal("an empty meeting goes on")
	}
	return w.log.String()
}

// settled checks what must hold once no mapping is due: everybody hears the loudest, sees every share,
// and sees as many cameras as were wished for and slots reach; senders were told what is watched.
func (w *world) settled() {
	w.t.Helper()
	m := w.m
	open := 0
	for _, p := range m.list {
		if p.src[proto.Audio].open {
			open++
		}
	}
	if got, want := len(m.speech.places), min(open, m.cfg.Loudest); got != want {
		w.t.Fatalf("%d places taken, want %d", got, want)
	}
	if !m.mapping.at.IsZero() {
		return
	}
	for _, p := range m.list {
		if p.waiting || p.recv.wires == nil {
			continue
		}
		for _, q := range m.speech.places {
			if q != p && w.slotOf(p.id, q.id, proto.Audio) == "" {
				w.t.Fatalf("%d does not hear %d", p.id, q.id)
			}
		}
		for i, q := range m.sharers {
			if q != nil && q != p && w.slotOf(p.id, q.id, proto.Content) != fmt.Sprint("c", i) {
				w.t.Fatalf("%d does not see the share of %d", p.id, q.id)
			}
		}
		for _, want := range m.wishes(p, len(p.recv.pairs)) {
			if got := w.layerOf(p.id, want.p.id); got != want.layer {
				w.t.Fatalf("%d sees %d at layer %d, want %d", p.id, want.p.id, got, want.layer)
			}
		}
		for k := range p.src {
			if s := &p.src[k]; !proto.Kind(k).IsAudio() && s.open && s.watched()&^s.sent != 0 {
				w.t.Fatalf("source %d of %d is watched at %b, its sender was told %b", k, p.id, s.watched(), s.sent)
			}
		}
	}
}
