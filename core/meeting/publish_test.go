package meeting

import (
	"testing"
	"time"

	"parley/wire/proto"
)

func TestGateOpensOnlyForWhatMayPass(t *testing.T) {
	for _, c := range []struct {
		name  string
		perms []string
		pub   proto.Publish
		open  bool
		fails proto.Code
	}{
		{"microphone", nil, proto.Publish{Kind: proto.Audio, Active: true}, true, ""},
		{"muted", nil, proto.Publish{Kind: proto.Audio, Active: true, Muted: true}, false, ""},
		{"stopped", nil, proto.Publish{Kind: proto.Audio}, false, ""},
		{"permitted", []string{proto.PermVideo}, proto.Publish{Kind: proto.Video, Active: true}, true, ""},
		{"not permitted", []string{proto.PermAudio}, proto.Publish{Kind: proto.Video, Active: true}, false, proto.CodeForbidden},
		{"share not permitted", []string{proto.PermVideo}, proto.Publish{Kind: proto.Content, Active: true}, false, proto.CodeForbidden},
		{"stopping needs no permission", []string{proto.PermVideo}, proto.Publish{Kind: proto.Content}, false, ""},
		{"sound without a share", nil, proto.Publish{Kind: proto.ContentAudio, Active: true}, false, ""},
		{"no such kind", nil, proto.Publish{Kind: 4, Active: true}, false, proto.CodeBadRequest},
		{"unknown layer", nil, proto.Publish{Kind: proto.Video, Active: true, Layers: []proto.Layer{{RID: "z"}}}, false, proto.CodeBadRequest},
		{"layers fall", nil, proto.Publish{Kind: proto.Video, Active: true, Layers: []proto.Layer{{RID: "h"}, {RID: "q"}}}, false, proto.CodeBadRequest},
		{"layer twice", nil, proto.Publish{Kind: proto.Video, Active: true, Layers: []proto.Layer{{RID: "h"}, {RID: "h"}}}, false, proto.CodeBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t).joinWith(1, 0, c.perms...).say(1, c.pub)
			w.want("open", w.gates[proto.Source(1, c.pub.Kind)], c.open)
			if c.fails != "" {
				w.wantFailed(1, c.fails)
				w.want("row", len(w.client(1).roster[1].Sources), 0)
			} else {
				w.wantFine(1)
			}
		})
	}
}

func TestMutedCameraLeavesItsSlots(t *testing.T) {
	w := open(t).join(1, part).join(2, part).cam(2).pass(mapEvery)
	w.want("shown", w.slotOf(1, 2, proto.Video), "v0")
	w.say(2, proto.Publish{Kind: proto.Video, Active: true, Muted: true, Layers: threeLayers})
	w.want("dark", w.slotOf(1, 2, proto.Video), "")
	w.want("told", last[proto.Slots](w.client(1).inbox).Changes, []proto.Mapping{{Slot: 28}})
	w.cam(2).pass(mapEvery).want("same slot", w.slotOf(1, 2, proto.Video), "v0")
}

func TestSharing(t *testing.T) {
	share := func(k proto.Kind, on bool) proto.Publish { return proto.Publish{Kind: k, Active: on} }
	w := open(t).join(1, part).join(2, part).join(3, part).join(4, host)
	w.say(1, share(proto.Content, true)).say(2, share(proto.Content, true))
	w.say(3, share(proto.Content, true)).wantFailed(3, proto.CodeForbidden)
	w.say(1, share(proto.Content, true)).wantFine(1) // it is sharing already
	w.pass(mapEvery)
	w.want("1 at 3", w.slotOf(3, 1, proto.Content), "c0").want("2 at 3", w.slotOf(3, 2, proto.Content), "c1")
	w.want("own share", w.slotOf(1, 1, proto.Content), "").want("2 at 1", w.slotOf(1, 2, proto.Content), "c1")

	w.say(2, share(proto.ContentAudio, true)).pass(mapEvery).want("sound", w.slotOf(3, 2, proto.ContentAudio), "ca0")
	w.say(1, share(proto.ContentAudio, true)).pass(mapEvery).want("sound of the first share", w.slotOf(3, 1, proto.ContentAudio), "ca0")
	w.want("1 hears the other", w.slotOf(1, 2, proto.ContentAudio), "ca0")

	w.say(1, share(proto.Content, false)).want("sound goes too", w.gates[proto.Source(1, proto.ContentAudio)], false)
	w.say(3, share(proto.Content, true)).wantFine(3).pass(mapEvery).want("3 in the free place", w.slotOf(4, 3, proto.Content), "c0")

	// A host's mute frees the place.
	w.say(4, proto.Act{Do: proto.ActMute, Target: 3, Kind: proto.Content})
	w.say(1, share(proto.Content, true)).wantFine(1)
	w.say(3, share(proto.Content, true)).wantFailed(3, proto.CodeForbidden)
}

func TestWantedFollowsTheTiles(t *testing.T) {
	w := open(t).join(1, part).join(2, part).join(3, part)
	wanted := func() []string { return last[proto.Wanted](w.client(1).inbox).RIDs }
	w.pass(time.Second).cam(1).want("thumbnails at first", wanted(), []string{"q"})
	w.pass(time.Second).layout(2, 1, 360, 1).want("at once", wanted(), []string{"q", "h"})
	w.pass(time.Second).layout(3, 1, 1000, 1).want("large", wanted(), []string{"q", "h", "f"})
	w.pass(999*time.Millisecond).want("not yet", wanted(), []string(nil))
	w.pass(time.Millisecond).want("small one given up", wanted(), []string{"h", "f"})
	w.layout(2, 2, 0).pass(500 * time.Millisecond)
	w.layout(2, 3, 200, 1).pass(2*time.Second).want("back in time: nothing said", wanted(), []string(nil))
	w.layout(2, 4, 0).layout(3, 2, 0).pass(1100*time.Millisecond).want("nobody", wanted(), []string{})

	// A source of one encoding, that nobody watches.
	w.say(1, proto.Publish{Kind: proto.Video, Active: true}).pass(time.Second).want("told anew", wanted(), []string{})
	w.layout(2, 5, 90, 1).want("one encoding", wanted(), []string{""})
	w.say(1, proto.Publish{Kind: proto.Content, Active: true}).pass(mapEvery)
	w.want("share", last[proto.Wanted](w.client(1).inbox), proto.Wanted{Kind: proto.Content, RIDs: []string{""}})

	// A sender that resumes has forgotten.
	w.join(1, part).want("told again", wanted(), []string{""})
}

func TestLayerForTile(t *testing.T) {
	three := source{layers: []layer{{0, 180}, {1, 360}, {2, 720}}}
	silent := source{layers: []layer{{0, 0}, {1, 0}, {2, 0}}}
	two := source{layers: []layer{{1, 270}, {2, 540}}}
	for _, c := range []struct {
		name   string
		s      source
		height int
		want   int8
	}{
		{"smallest", three, 0, 0}, {"exact", three, 180, 0}, {"one more", three, 181, 1},
		{"middle", three, 360, 1}, {"large", three, 361, 2}, {"larger than there is", three, 2160, 2},
		{"negative", three, -5, 0},
		{"heights not said, small", silent, 180, 0}, {"heights not said, middle", silent, 360, 1}, {"heights not said, large", silent, 361, 2},
		{"no q layer", two, 90, 1}, {"no q layer, large", two, 300, 2},
		{"one encoding", source{}, 1080, 0},
	} {
		if got := c.s.layerFor(c.height); got != c.want {
			t.Errorf("%s: layer %d, want %d", c.name, got, c.want)
		}
	}
}
