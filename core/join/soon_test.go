package join

import (
	"fmt"
	"slices"
	"testing"

	"parley/wire/proto"
)

// looks lists when a group tried UDP from a time on.
func (w *world) looks(g proto.Group, from float64) (out []float64) {
	all, at := find[StartTransport](w)
	for i, s := range all {
		if s.Group == g && s.Rung == proto.UDP8801 && at[i] >= from {
			out = append(out, at[i])
		}
	}
	return out
}

// blind is a world whose network is another from 10 s on, and whose transports over UDP come up from a time on, if they are
// made then: a browser that does not know its new network yet makes them for the old one.
func blind(t *testing.T, cfg Config, until float64) *world {
	w := ladderWorld(t, cfg)
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 && w.ms() < until {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.at(10_000, ControlLost{w.m.control.id, "the server fell silent"})
	for g := range w.m.lanes {
		w.at(10_010, PathSilent{w.m.lanes[g].inUse.id})
	}
	return w
}

// TestAPageThatIsBackBeforeItsBrowserSeesTheNewNetworkLooksAgainSoon: the fresh connections were made too early, and what
// is in use stays until the next ones are up.
func TestAPageThatIsBackBeforeItsBrowserSeesTheNewNetworkLooksAgainSoon(t *testing.T) {
	w := blind(t, Config{FreshWays: true}, 11_500)
	w.run(16_000)
	for g := range proto.NGroups {
		w.wantUsed(proto.Group(g), proto.UDP8801, proto.TCP8801)
	}
	w.run(18_000)
	var back float64
	for g := range proto.NGroups {
		back = max(back, w.wantUsed(proto.Group(g), proto.UDP8801, proto.TCP8801, proto.UDP8801)[2])
	}
	if back > 16_500 {
		t.Errorf("all media is back on UDP at %v ms, want six seconds after the welcome\n%s", back, w.lines())
	}
	closed, times := find[CloseTransport](w)
	for i, c := range closed {
		if at := w.wantUsed(c.Group, proto.UDP8801, proto.TCP8801, proto.UDP8801); c.Rung == proto.TCP8801 && times[i] < at[2] {
			t.Errorf("%v over TCP was closed before its successor was up", c.Group)
		}
	}
	w.record("back-too-early-page")
}

// An attempt goes on for five seconds, and finds by itself what opens meanwhile; what opens later is found by a look.
func TestANetworkThatOpensUpLateIsFoundSoon(t *testing.T) {
	w := blind(t, Config{}, 16_000)
	w.at(10_000, NetworkChanged{})
	w.run(40_000)
	for g := range proto.NGroups {
		if at := w.wantUsed(proto.Group(g), proto.UDP8801, proto.TCP8801, proto.UDP8801); at[2] > 21_000 {
			t.Errorf("%v is back on UDP at %v ms, want it at the next early look\n%s", proto.Group(g), at[2], w.lines())
		}
	}
	w.record("back-too-early")
}

// TestEarlyLooksAreTwo: where UDP stays shut a change costs two looks more, and then there is one a minute as ever.
func TestEarlyLooksAreTwo(t *testing.T) {
	for _, c := range []struct {
		trace string
		cfg   Config
	}{{"stays-shut", Config{}}, {"stays-shut-page", Config{FreshWays: true}}} {
		w := blind(t, c.cfg, 1_000_000)
		w.run(160_000)
		_, welcomed := last[Joined](w)
		got := w.looks(proto.GroupAudio, welcomed+1)
		late := slices.DeleteFunc(slices.Clone(got), func(at float64) bool { return at < welcomed+16_000 })
		if soon := got[:len(got)-len(late)]; !slices.Equal(soon, []float64{welcomed + 6000, welcomed + 15_000}) {
			t.Fatalf("%s: UDP is looked at %v ms, joined at %v, want it 6 and 15 s after\n%s", c.trace, got, welcomed, w.lines())
		}
		for i, at := range late {
			before := got[len(got)-len(late)+i-1]
			if at-before < 60_000 {
				t.Errorf("%s: UDP is looked at %v ms, want once a minute after the early ones", c.trace, got)
			}
		}
		if len(late) != 2 {
			t.Errorf("%s: UDP is looked at %v ms, want looks to go on", c.trace, got)
		}
		w.record(c.trace)
	}
}

// TestWhoFallsAgainAndAgainIsNotLookedAtEarly: UDP that comes up and then carries nothing may take the control channel
// with it each time.
func TestWhoFallsAgainAndAgainIsNotLookedAtEarly(t *testing.T) {
	w := ladderWorld(t, Config{})
	var back []float64
	for range 3 {
		l := &w.m.lanes[proto.GroupAudio]
		w.at(w.ms()+1000, PathSilent{l.inUse.id})
		w.at(w.ms()+1200, ControlLost{w.m.control.id, "the server fell silent"})
		w.run(w.ms() + 2000)
		from := w.ms()
		for l.inUse.rung != proto.UDP8801 {
			w.run(w.ms() + 100)
		}
		back = append(back, w.ms()-from)
	}
	if back[0] > 8_000 || back[1] < 60_000 || back[2] < 120_000 {
		t.Errorf("back on UDP after %v ms, want it soon the first time alone", back)
	}
	w.record("falls-again")
}

// TestARungThatFailsAtOnceIsLookedAtEarlyToo: a system without a route says so before there is a welcome.
func TestARungThatFailsAtOnceIsLookedAtEarlyToo(t *testing.T) {
	w := blind(t, Config{}, 11_500)
	media := w.media
	w.media = func(s StartTransport) (Event, float64) {
		if e, ms := media(s); e != nil {
			return e, ms
		}
		return TransportFailed{Attempt: s.Attempt, Text: "network is unreachable"}, 0
	}
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt}}, []float64{800, 900}
	}
	w.at(10_000, NetworkChanged{})
	w.run(20_000)
	if got, at := w.used(proto.GroupAudio); fmt.Sprint(got) != "[udp-8801 tcp-8801 udp-8801]" || at[2] > 17_500 {
		t.Errorf("audio used %v at %v, want UDP six seconds after the welcome\n%s", got, at, w.lines())
	}
	w.record("unreachable-at-once")
}

// TestWhatIsLeftOverFromBeforeSaysNothingOfTheNewNetwork: the old transport falls silent a moment after fresh ones have been
// begun, or just before the loss is noticed. UDP goes on being tried, and the spare credentials are kept for an early look.
func TestWhatIsLeftOverFromBeforeSaysNothingOfTheNewNetwork(t *testing.T) {
	for _, c := range []struct {
		trace  string
		silent float64 // when sound's old transport is found so; the loss is noticed at 10 s
		cfg    Config
	}{
		{"silence-left-over-page", 10_700, Config{FreshWays: true}},
		{"silence-before-loss-page", 9_990, Config{FreshWays: true}},
		{"silence-before-loss", 9_990, Config{}},
	} {
		t.Run(c.trace, func(t *testing.T) {
			w := ladderWorld(t, c.cfg)
			w.media = func(s StartTransport) (Event, float64) {
				return TransportUp{Attempt: s.Attempt}, max(60, 11_500-w.ms()) // nothing passes until then
			}
			w.at(10_000, ControlLost{w.m.control.id, "the server fell silent"})
			w.at(c.silent, PathSilent{w.m.lanes[proto.GroupAudio].inUse.id})
			for _, g := range []proto.Group{proto.GroupVideo, proto.GroupContent} {
				w.at(10_010, PathSilent{w.m.lanes[g].inUse.id})
			}
			w.run(11_490)
			if len(w.m.media.spare) == 0 {
				t.Errorf("no credentials are left for an early look\n%s", w.lines())
			}
			w.run(18_000)
			for g := range w.m.lanes {
				if l := w.m.lanes[g].inUse; l == nil || l.rung != proto.UDP8801 {
					t.Errorf("%v is not back on UDP\n%s", proto.Group(g), w.lines())
				}
			}
			w.record(c.trace)
		})
	}
}

// A box that cuts the control channel every 20 s is no change of network each time: looks stay seldom.
func TestAControlChannelCutAgainAndAgainIsNoChangeOfNetwork(t *testing.T) {
	for name, cfg := range map[string]Config{"cut-often": {Rungs: allRungs}, "cut-often-page": {Rungs: allRungs, FreshWays: true}} {
		w := newWorld(t, cfg, zoneOf("a", 0, 0))
		admit := w.control
		w.control = func(o OpenControl) ([]Event, []float64) {
			events, at := admit(o)
			up := events[1].(Welcomed)
			up.Groups = grantOf("a", "a-1", false).Groups
			events[1] = up
			return events, at
		}
		w.media = func(s StartTransport) (Event, float64) {
			if s.Rung == proto.UDP8801 {
				return nil, 0
			}
			return TransportUp{Attempt: s.Attempt}, 60
		}
		for at := 20_000.0; at <= 300_000; at += 20_000 {
			w.run(at)
			w.handle(ControlLost{w.m.control.id, "cut"})
		}
		if n := len(w.looks(proto.GroupAudio, 30_000)); n < 4 || n > 8 {
			t.Errorf("%s: %d looks in five minutes, want one each, and two early ones", name, n)
		}
		w.record(name)
	}
}

// TestWhoMovesTwiceIsLeftAloneByTheSilenceOfBeforeTwice: a second change within minutes is as good as the first.
func TestWhoMovesTwiceIsLeftAloneByTheSilenceOfBeforeTwice(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	for _, at := range []float64{10_000, 40_000} {
		w.run(at - 1)
		w.media = func(s StartTransport) (Event, float64) {
			return TransportUp{Attempt: s.Attempt}, max(60, at+3000-w.ms())
		}
		w.at(at, ControlLost{w.m.control.id, "the server fell silent"})
		w.at(at+700, PathSilent{w.m.lanes[proto.GroupAudio].inUse.id})
		for _, g := range []proto.Group{proto.GroupVideo, proto.GroupContent} {
			w.at(at+10, PathSilent{w.m.lanes[g].inUse.id})
		}
		w.run(at + 4000)
		for g := range w.m.lanes {
			if l := w.m.lanes[g].inUse; l == nil || l.rung != proto.UDP8801 {
				t.Errorf("%v is not back on UDP after the change at %v ms\n%s", proto.Group(g), at, w.lines())
			}
		}
	}
	w.record("moves-twice-page")
}
