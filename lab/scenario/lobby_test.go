package scenario

import (
	"slices"
	"testing"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
)

// A page opens its channel in the lobby, a minute before the click at most. What follows right behind its hello
// is taken in order, under the name typed last, and the slot table is the one it expects (S10).
func TestAHelloFromTheLobbyCarriesAllThatIsKnown(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		helen := w.Join("helen", m, hosts)
		home := helen.WaitJoined().Router
		ann := w.Stranger("ann").MustLookup(m)
		l := ann.Open(home)
		w.pass(time.Minute)
		if n := len(helen.Roster()); n != 1 {
			t.Errorf("the host sees %d people, want herself alone", n)
		}

		h := ann.Hello(home)
		h.Name, h.Caps = " Ann Lee ", proto.Caps{Client: "web", VideoSlots: 9, SlotSeed: 42}
		l.Send(ann.sign(h, home))
		l.Send(proto.Answer{TWCC: []proto.Group{proto.GroupVideo}})
		l.Send(proto.Publish{Kind: proto.Audio, Active: true, Muted: true})
		w.pass(time.Second)
		if got := l.outcome(); got != "welcome" {
			t.Fatalf("the hello was answered with %s", got)
		}
		if got := messages[proto.Welcome](l)[0].Slots; !slices.Equal(got, meeting.SlotTable(42, 9, 3, 2)) {
			t.Errorf("the table begins %+v", got[0])
		}
		if failed := messages[proto.Failed](l); len(failed) > 0 {
			t.Errorf("refused: %+v", failed)
		}
		i := slices.IndexFunc(helen.Roster(), func(p proto.Person) bool { return p.Name == "Ann Lee" })
		if i < 0 {
			t.Fatalf("the host sees %+v", helen.Roster())
		}
		if got := helen.Roster()[i].Sources; len(got) != 1 || got[0].Kind != proto.Audio || !got[0].Muted {
			t.Errorf("Ann's sources are %+v, want a muted microphone", got)
		}
	})
}
