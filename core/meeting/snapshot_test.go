package meeting

import (
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// move restores the meeting on another router: all channels are gone.
func (w *world) move() *world {
	w.t.Helper()
	b := w.m.Snapshot()
	m, err := Restore(w.now, w.m.cfg, b)
	if err != nil {
		w.t.Fatal(err)
	}
	again := m.Snapshot()
	if string(again) != string(b) {
		w.t.Fatalf("snapshot of the restored meeting differs:\n%s\n%s", b, again)
	}
	w.m = m
	w.reset()
	return w
}

func TestMeetingOutlivesItsRouter(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, host).join(2, part).join(3, part).act(1, proto.ActAdmit, 0)
	w.act(1, proto.ActCohost, 2).mic(3).act(1, proto.ActMute, 3).say(3, proto.Hand{Up: true})
	w.say(1, proto.Said{Text: "hello"}).say(1, proto.Said{To: 3, Text: "psst"})
	w.join(4, part).act(1, proto.ActAdmit, 4).act(1, proto.ActEject, 4)
	w.join(5, part).act(1, proto.ActAdmit, 5).do(Gone{5, proto.CodeLeft})
	w.join(6, part) // waits
	w.act(1, proto.ActMuteOnEntry, 0)

	w.move().join(1, host)
	w.want("resumed", w.client(1).welcome.Resumed, true)
	w.want("state", w.client(1).welcome.State, proto.State{WaitingRoom: true, MuteOnEntry: true, StartedAt: start.UnixMilli()})
	w.want("seats", len(w.client(1).roster), 3).want("away", w.client(1).roster[3].Away, true)
	w.want("hand", w.client(1).roster[3].Hand, start.UnixMilli()).want("name", w.client(1).roster[3].Name, "P3")
	w.want("chat", texts(w.client(1).welcome.Chat), "hello psst")
	w.join(2, part).want("co-host", w.client(2).welcome.Role, co).want("chat of 2", texts(w.client(2).welcome.Chat), "hello")
	w.join(3, part).mic(3).want("muted by host", w.client(1).roster[3].Sources, []proto.SourceState{{Kind: proto.Audio, Muted: true, ByHost: true}})
	w.mic(3).pass(mapEvery).want("may unmute", w.hears(1), ids{3})
	w.join(4, part).want("ejected", w.client(4).closed, proto.CodeEjected)
	w.join(5, part).want("admitted before", w.client(5).in, true)
	w.join(6, part).want("waits", w.client(6).waiting, true)
	w.say(2, proto.Said{Text: "on we go"}).want("seq", last[proto.Chat](w.client(1).inbox).Seq, uint64(3))

	w.move().join(2, part).pass(46*time.Second).want("who did not come back", len(w.client(2).roster), 1)
	w.move().pass(61*time.Second).want("over", w.m.Over(), true)
}

func TestSnapshotFits(t *testing.T) {
	m := New(start, Config{MaxPeople: 2000}, proto.Settings{JoinBeforeHost: true})
	now, first := start, proto.MaxParticipantID-1
	for id := proto.ParticipantID(1); id <= 1500; id++ {
		c := claims(proto.MaxParticipantID-id, part)
		c.Name = strings.Repeat("名", 64)
		m.Handle(now, Join{Claims: c, Seed: uint32(id)})
		if id > 500 {
			m.Handle(now, Gone{c.Participant, proto.CodeLeft})
		}
		if id%20 == 0 {
			now = now.Add(time.Second)
			m.Handle(now, Received{first, proto.Said{Text: strings.Repeat("x", 4000)}})
		}
		drain(m)
	}
	b := m.Snapshot()
	if len(b) > MaxSnapshotLen {
		t.Fatalf("snapshot has %d bytes", len(b))
	}
	m, err := Restore(now, Config{}, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.People(); got != 500 {
		t.Errorf("%d seats kept, want all 500", got)
	}
}

func TestRestoreRefuses(t *testing.T) {
	for _, s := range []string{"", "{}", "[]", `{"v":2}`, `{"v":1,"seats":[{"id":-1}]}`, `{"v":1,"chat":7}`} {
		if _, err := Restore(start, Config{}, []byte(s)); err == nil {
			t.Errorf("%q was restored", s)
		}
	}
	m, err := Restore(start, Config{}, []byte(`{"v":1,"state":{"started_at":0},"seats":[{"id":0},{"id":5},{"id":5},{"id":4294967295}],"new":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := m.People(); got != 1 {
		t.Errorf("%d seats, want the one that can be", got)
	}
}

func TestPersistIsCoalesced(t *testing.T) {
	w := open(t)
	n := 0
	for id := proto.ParticipantID(1); id <= 100; id++ {
		w.join(id, part)
		n += count[Persist](w.acts)
		w.pass(10 * time.Millisecond)
		n += count[Persist](w.acts)
	}
	w.want("persists in a second, both ends included", n, 3)
	w.pass(time.Second).want("and then none", count[Persist](w.acts), 0)
}

// FuzzRestore: whatever is taken for a snapshot, the meeting made of it works and can be saved.
func FuzzRestore(f *testing.F) {
	m := New(start, Config{}, proto.Settings{})
	fill(m, start, 3)
	f.Add(m.Snapshot())
	f.Add([]byte(`{"v":1,"seats":[{"id":5,"role":"king","by_host":255}],"ejected":[1,1],"past":[{"id":5,"role":"host"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Restore(start, Config{}, b)
		if err != nil {
			return
		}
		m.Handle(start, Join{Claims: claims(5, part), Seed: 1})
		m.Handle(start.Add(time.Hour), Tick{})
		drain(m)
		if n := len(m.Snapshot()); n > MaxSnapshotLen {
			t.Errorf("snapshot of %d bytes", n)
		}
	})
}
