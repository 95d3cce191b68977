package join

import (
	"testing"

	"parley/wire/proto"
)

// A page's pictures leave a crowded path, so sound moves to fresh credentials as well. It has a path that works: it
// stays on that rung, though its keys take long there as long as pictures crowd it.
func TestSoundOnlyFollowsToFreshCredentials(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 {
			return TransportUp{Attempt: s.Attempt}, 2500
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	for s := range 6 {
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 0.9})
	}
	w.run(25_000)
	w.wantUsed(proto.GroupAudio, proto.UDP8801, proto.UDP8801)
	for _, g := range pictures {
		w.wantUsed(g, proto.UDP8801, proto.TCP8801)
	}
	w.record("sound-follows")
}

// What follows and finds its own path silent meanwhile leaves it at once.
func TestWhoFollowsLeavesASilentPathAtOnce(t *testing.T) {
	for _, c := range []struct {
		name, trace string
		cfg         Config
	}{
		{"page", "sound-follows-silent-page", Config{FreshWays: true}},
		{"native", "sound-follows-silent", Config{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ladderWorld(t, c.cfg)
			w.media = func(s StartTransport) (Event, float64) {
				if s.Rung == proto.UDP8801 {
					return nil, 0
				}
				return TransportUp{Attempt: s.Attempt}, 60
			}
			audio := w.m.lanes[proto.GroupAudio].inUse.id
			if c.cfg.FreshWays {
				w.at(10_000, PathSilent{w.m.lanes[proto.GroupVideo].inUse.id})
			} else {
				w.at(10_000, TransportLost{Attempt: w.m.lanes[proto.GroupVideo].inUse.id})
			}
			w.at(10_900, PathSilent{audio})
			w.run(12_000)
			if at := w.wantUsed(proto.GroupAudio, proto.UDP8801, proto.TCP8801); at[1] != 10_960 {
				t.Errorf("sound moved at %v ms, want one dial after the silence was told", at[1])
			}
			w.record(c.trace)
		})
	}
}

// Sound that pictures have kept out looks again as soon as they have left.
func TestSoundFindsRoomWherePicturesWere(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	welcomes(w)
	crowded := true
	w.media = func(s StartTransport) (Event, float64) {
		if s.Group == proto.GroupAudio && s.Rung == proto.UDP8801 && crowded {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	for s := range 6 {
		w.at(4000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 0.9})
	}
	w.run(7000)
	crowded = false
	w.run(20_000)
	if at := w.wantUsed(proto.GroupAudio, proto.TCP8801, proto.UDP8801); at[1] > 8100 {
		t.Errorf("sound is on UDP at %v ms, want about a second after pictures left", at[1])
	}
	w.wantUsed(proto.GroupVideo, proto.UDP8801, proto.TCP8801)
	w.record("sound-room")
}

// A page's look at better rungs takes a whole set of credentials, so what is due a little later looks with it.
func TestAPageLooksForAllItsMediaTogether(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs, FreshWays: true}, zoneOf("a", 0, 0))
	welcomes(w)
	open := false
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 && s.Group == proto.GroupAudio && !open {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 300
	}
	w.run(10_500)
	w.at(10_500, PathSilent{w.m.lanes[proto.GroupVideo].inUse.id})
	w.run(30_000)
	open = true
	w.run(80_000)
	w.wantUsed(proto.GroupAudio, proto.TCP8801, proto.TCP8801, proto.UDP8801)
	for _, g := range pictures {
		w.wantUsed(g, proto.UDP8801, proto.TCP8801, proto.UDP8801)
	}
	w.record("page-probes-all")
}

// A medium whose better rung does not come up on the credentials that the others have moved to follows them on a rung
// that does.
func TestWhoLooksInVainFollowsTheOthers(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs, FreshWays: true}, zoneOf("a", 0, 0))
	welcomes(w)
	udp := false
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 && (!udp || s.Group != proto.GroupAudio) {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(30_000)
	udp = true
	w.run(85_000)
	w.wantUsed(proto.GroupAudio, proto.TCP8801, proto.UDP8801)
	for _, g := range pictures {
		w.wantUsed(g, proto.TCP8801, proto.TCP8801)
		if l := w.m.lanes[g]; l.inUse.set != w.m.media.set {
			t.Errorf("%v uses credentials that the others have left\n%s", g, w.lines())
		}
	}
	w.record("page-probes-vain")
}

// Pictures that leave a path take with them those that have not come up there yet: room for one is not room for both.
func TestPicturesDoNotComeWhereOthersHaveLeft(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	welcomes(w)
	w.media = func(s StartTransport) (Event, float64) {
		if s.Group == proto.GroupContent && s.Rung == proto.UDP8801 {
			return TransportUp{Attempt: s.Attempt}, 4500
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	for s := range 6 {
		w.at(2500+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 1})
	}
	w.run(20_000)
	w.wantUsed(proto.GroupVideo, proto.UDP8801, proto.TCP8801)
	w.wantUsed(proto.GroupContent, proto.TCP8801)
	w.record("together-not-yet")
}

// Ten seconds of loss are ten times told, though a timer may run a little fast.
func TestLossToldALittleEarlyCountsInFull(t *testing.T) {
	w := ladderWorld(t, Config{})
	for s := range 20 {
		w.at(10_000+float64(s)*997, PathLoss{Group: proto.GroupVideo, Loss: 0.4})
	}
	w.run(30_000)
	if at := w.wantUsed(proto.GroupVideo, proto.UDP8801, proto.TCP8801); at[1] != 10_000+9*997+60 {
		t.Errorf("video moved at %v ms, want it when loss was told for the tenth time", at[1])
	}
}
