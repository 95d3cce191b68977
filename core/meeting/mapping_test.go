package meeting

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
)

func TestSlotTable(t *testing.T) {
	for _, seed := range []uint32{0, 1, 0xffffffff, 0x9e3779b9} {
		table := SlotTable(seed, 49, 3, 2)
		seen := map[uint32]bool{0: true}
		mids := map[string]proto.Slot{}
		for i, s := range table {
			if s.ID != i {
				t.Fatalf("slot %d has id %d", i, s.ID)
			}
			if seen[s.SSRC] || s.RTX != 0 && seen[s.RTX] {
				t.Fatalf("seed %d: slot %d repeats an SSRC", seed, i)
			}
			seen[s.SSRC], seen[s.RTX] = true, true
			if (s.RTX != 0) == s.Kind.IsAudio() {
				t.Fatalf("slot %s: rtx %d", s.Mid, s.RTX)
			}
			mids[s.Mid] = s
		}
		if len(mids) != 49+3+49+2+1 {
			t.Fatalf("%d mids", len(mids))
		}
		for mid, msid := range map[string]string{"a0": "s0", "v0": "s0", "a48": "s48", "v48": "s48", "f2": "f2", "c0": "c0", "c1": "c1", "ca0": "c0"} {
			if got := mids[mid].Msid; got != msid {
				t.Errorf("%s has msid %q, want %q", mid, got, msid)
			}
		}
	}
}

// TestSlotTableIsTheProtocols checks the vector that clients check their own table against.
func TestSlotTableIsTheProtocols(t *testing.T) {
	data, err := os.ReadFile("../../wire/proto/testdata/slots.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Seed         uint32
		Video, Float int
		Content      int
		Slots        []proto.Slot
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if got := SlotTable(v.Seed, v.Video, v.Float, v.Content); !slices.Equal(got, v.Slots) {
			t.Errorf("seed %d: %+v, want %+v", v.Seed, got, v.Slots)
		}
	}
	if len(all) < 2 {
		t.Errorf("%d tables", len(all))
	}
}

// A page that chose its seed has its transports already; another seed is another page.
func TestASeatTakesTheSeedOfItsClient(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{})
	join := func(seed, given uint32) []proto.Slot {
		w.do(Join{Claims: claims(1, proto.RoleHost), Caps: proto.Caps{Client: "web", VideoSlots: 2, SlotSeed: seed}, Seed: given})
		return last[proto.Welcome](w.client(1).inbox).Slots
	}
	for i, step := range []struct{ asks, given, want uint32 }{
		{7, 7, 7},
		{7, 7, 7},
		{8, 8, 8},
		{0, 9, 8}, // an older client takes what there is
	} {
		if got := join(step.asks, step.given); !slices.Equal(got, SlotTable(step.want, 2, 3, 2)) {
			t.Errorf("step %d: the table begins %+v", i, got[0])
		}
	}
}

func TestVideoSlotsAskedFor(t *testing.T) {
	for _, c := range []struct{ cfg, asked, want int }{
		{0, 0, 25}, {0, 9, 9}, {0, 49, 49}, {0, 1000, 49}, {0, -1, 25}, {9, 0, 9}, {100, 0, 49}, {-1, 9, 0},
	} {
		if got := videoSlots(Config{VideoSlots: c.cfg}.withDefaults(), proto.Caps{VideoSlots: c.asked}); got != c.want {
			t.Errorf("config %d, asked %d: %d slots, want %d", c.cfg, c.asked, got, c.want)
		}
	}
}

func TestEveryCameraUntilALayoutComes(t *testing.T) {
	w := open(t).joinWith(1, 3)
	for id := proto.ParticipantID(2); id <= 6; id++ {
		w.join(id, part).cam(id).mic(id)
	}
	w.pass(time.Second)
	for id, mid := range map[proto.ParticipantID]string{2: "v0", 3: "v1", 4: "v2", 5: "", 6: ""} {
		w.want(fmt.Sprint("slot of ", id), w.slotOf(1, id, proto.Video), mid)
	}
	w.want("thumbnail", w.layerOf(1, 2), int8(0))

	// Who speaks comes in, for the one least recently of use.
	w.speak(3*time.Second, 20, 6)
	w.want("speaker is shown", w.slotOf(1, 6, proto.Video) != "", true)
	w.want("last one gave way", w.slotOf(1, 4, proto.Video), "")
	w.want("in sync", w.slotOf(1, 6, proto.Audio)[1:], w.slotOf(1, 6, proto.Video)[1:])

	w.layout(1, 1, 0)
	w.pass(mapEvery).want("no tiles", w.slotOf(1, 2, proto.Video), "")
}

func TestLayoutDecides(t *testing.T) {
	w := open(t).joinWith(1, 2)
	for id := proto.ParticipantID(2); id <= 5; id++ {
		w.join(id, part).cam(id)
	}
	w.pass(time.Second).layout(1, 1, 300, 5, 4, 3)
	w.want("first", w.slotOf(1, 5, proto.Video) != "", true).want("second", w.slotOf(1, 4, proto.Video) != "", true)
	w.want("no slot left", w.slotOf(1, 3, proto.Video), "").want("not asked for", w.slotOf(1, 2, proto.Video), "")
	w.want("layer", w.layerOf(1, 5), int8(1))

	w.pass(time.Second).layout(1, 1, 300, 2).want("old version", w.slotOf(1, 2, proto.Video), "")
	w.layout(1, 2, 900, 5, 4).want("only the layer changes", count[Send](w.acts) > 0 && len(last[proto.Slots](w.client(1).inbox).Changes) == 0, true)
	w.want("layer", w.layerOf(1, 5), int8(2))

	// Tiles that cannot be shown are passed over.
	w.pass(time.Second).layout(1, 3, 100, 1, 99, 3, 3, 2).want("3", w.slotOf(1, 3, proto.Video) != "", true).want("2", w.slotOf(1, 2, proto.Video) != "", true)
	w.joinWith(1, 2).pass(time.Second).want("kept over a resume", w.slotOf(1, 3, proto.Video) != "", true)
	w.layout(1, 0, 100, 2).want("a resumed client counts anew", w.slotOf(1, 3, proto.Video), "")
	w.pass(time.Second)
	many := proto.Layout{Version: 9, Tiles: make([]proto.Tile, maxTiles+1)}
	w.say(1, many).wantFailed(1, proto.CodeBadRequest)

	// The same source in two tiles is as large as the larger.
	w.pass(time.Second).say(1, proto.Layout{Version: 10, Tiles: []proto.Tile{
		{Source: proto.Source(3, proto.Video), Height: 90}, {Source: proto.Source(3, proto.Video), Height: 700},
	}}).want("layer", w.layerOf(1, 3), int8(2))
}

func TestPairStaysWithItsOwner(t *testing.T) {
	w := open(t).joinWith(1, 2)
	for id := proto.ParticipantID(2); id <= 4; id++ {
		w.join(id, part).cam(id)
	}
	w.pass(time.Second).layout(1, 1, 90, 2, 3)
	two, three := w.slotOf(1, 2, proto.Video), w.slotOf(1, 3, proto.Video)
	w.pass(time.Second).layout(1, 2, 90, 3, 2).want("order is no reason", w.slotOf(1, 2, proto.Video), two)
	w.pass(time.Second).layout(1, 3, 90, 3).want("empty", w.slotOf(1, 2, proto.Video), "")
	w.pass(time.Minute).layout(1, 4, 90, 2, 3).want("back in its own", w.slotOf(1, 2, proto.Video), two)

	// Another needs one: the longest unused goes.
	w.pass(time.Second).layout(1, 5, 90, 3).pass(time.Second).layout(1, 6, 90, 3, 4)
	w.want("4 has the pair of 2", w.slotOf(1, 4, proto.Video), two).want("3 keeps its", w.slotOf(1, 3, proto.Video), three)
	w.pass(time.Second).do(Gone{3, proto.CodeLeft}).pass(mapEvery).layout(1, 7, 90, 2, 4)
	w.want("2 has the pair of 3", w.slotOf(1, 2, proto.Video), three)
}

func TestPairWhoseAudioPlaysIsTakenLast(t *testing.T) {
	w := open(t).joinWith(1, 2)
	for id := proto.ParticipantID(2); id <= 4; id++ {
		w.join(id, part).cam(id)
	}
	w.mic(2).pass(time.Second).layout(1, 1, 90, 2).pass(time.Second).layout(1, 2, 90, 2, 3)
	w.want("lip sync", w.slotOf(1, 2, proto.Audio)[1:], w.slotOf(1, 2, proto.Video)[1:])
	// 2 was out of sight longer than 3, but speaks.
	pair := w.slotOf(1, 2, proto.Audio)
	w.pass(time.Second).layout(1, 3, 90, 3).pass(time.Second).layout(1, 4, 90).pass(time.Second).layout(1, 5, 90, 4)
	w.want("audio stays", w.slotOf(1, 2, proto.Audio), pair)
	// Two tiles are more important than an unseen speaker's sync.
	w.pass(time.Second).layout(1, 6, 90, 4, 3).want("audio floats", w.slotOf(1, 2, proto.Audio)[:1], "f")
	w.pass(time.Second).layout(1, 7, 90, 2, 3).want("back in sync", w.slotOf(1, 2, proto.Audio)[1:], w.slotOf(1, 2, proto.Video)[1:])
}

func TestMappedIsPassedOnWhileItHolds(t *testing.T) {
	w := open(t).join(1, part).join(2, part).cam(2).pass(mapEvery)
	src := proto.Source(2, proto.Video)
	w.do(Mapped{ID: 1, Slot: 28, Source: src, Time: 9000})
	w.want("told", last[proto.Slots](w.client(1).inbox).Changes, []proto.Mapping{{Slot: 28, Source: src, Time: 9000}})
	for _, e := range []Mapped{{1, 27, src, 1}, {1, -1, src, 1}, {1, 1000, src, 1}, {1, 28, 77, 1}, {9, 28, src, 1}, {1, 29, 0, 1}} {
		w.do(e).want("nothing", len(w.acts), 0)
	}
}

func TestMappingIsCoalesced(t *testing.T) {
	w := open(t).join(1, part).join(2, part).pass(time.Second)
	n := 0
	for v := range 100 { // a second of a camera going on and off each 10 ms
		w.say(2, proto.Publish{Kind: proto.Video, Active: true, Muted: v%2 == 0})
		n += count[Wire](w.acts)
		at, _ := w.m.Wake()
		if !at.IsZero() && at.Before(w.now) {
			t.Fatal("wake in the past")
		}
		w.pass(10 * time.Millisecond)
		n += count[Wire](w.acts)
	}
	if n > 2*20+2 {
		t.Errorf("%d wires in a second, want at most one in and one out per 50 ms", n)
	}
}
