package join

import (
	"testing"

	"parley/wire/proto"
)

// farWorld is a page's network in which zone a is dead, its router too, and zone b so far away that nothing is known
// when a router has to be entered blind, 660 ms after the start.
func farWorld(t *testing.T, cfg Config, grants ...string) *world {
	w := granted(t, cfg, []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0), zoneOf("c", 0, 0)}, grants...)
	w.silence("a", "c")
	w.rtt["https://b/a"] = 600
	delete(w.udp, "b:8801")
	control, media := w.control, w.media
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Grant.Zone == "a" {
			return nil, nil
		}
		return control(o)
	}
	w.media = func(s StartTransport) (Event, float64) {
		if s.Router == "a-1" {
			return nil, 0
		}
		return media(s)
	}
	return w
}

// wantControls looks at which routers control channels were opened to, and when.
func wantControls(t *testing.T, w *world, routers []string, at []float64) {
	t.Helper()
	all, when := find[OpenControl](w)
	ok := len(all) == len(routers)
	for i := 0; ok && i < len(all); i++ {
		ok = all[i].Grant.Router == routers[i] && when[i] == at[i]
	}
	if !ok {
		t.Errorf("control channels at %v ms, want to %v at %v\n%s", when, routers, at, w.lines())
	}
}

// A router entered blind is no choice: a controller that answers ends it, and what was opened ahead to its zone's
// router still stands then.
func TestAControllerThatAnswersEndsABlindChoice(t *testing.T) {
	w := farWorld(t, Config{NoProbes: true}, "a", "b")
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 60 + 3*600})
	if j, _ := first[Joined](w); j.Zone != "b" || j.MS != 1860+80 {
		t.Errorf("joined in %s after %d ms, want b after 1940", j.Zone, j.MS)
	}
	for _, x := range w.log {
		if c, ok := x.a.(Cancel); ok && c.What == "prepare" && x.ms < 1860 {
			t.Errorf("what was opened ahead is dropped at %v ms", x.ms)
		}
	}
	w.record("blind-left")
}

// The same where that zone has no grant: its controller is asked for one.
func TestABlindChoiceIsLeftForARoute(t *testing.T) {
	w := farWorld(t, Config{}, "a")
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 1860 + 20})
	w.record("blind-left-route")
}

// A UDP probe that is answered late counts as a controller's answer does.
func TestALateProbeEndsABlindChoice(t *testing.T) {
	w := farWorld(t, Config{}, "a", "b")
	w.udp["b:8801"] = 800
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 60 + 800})
	w.record("blind-left-probe")
}

// Who answers is kept, and so is the router of the zone that answers, slow as it may be.
func TestABlindChoiceThatWasRightIsKept(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"its router answers first": func(*world) {},
		"its zone answers first": func(w *world) {
			w.silence("b")
			w.rtt["https://a/a"], w.udp["a:8801"] = 250, 700
			slow := w.control
			w.control = func(o OpenControl) ([]Event, []float64) {
				events, _ := slow(o)
				return events, []float64{1000, 1250}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := granted(t, Config{}, []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}, "a", "b")
			w.silence("a")
			w.rtt["https://b/a"] = 600
			delete(w.udp, "b:8801")
			change(w)
			w.run(4000)
			w.wantState(In)
			wantControls(t, w, []string{"a-1"}, []float64{660})
			if c, at := last[Cancel](w); c.What != "prepare" && c.What != "measure" || at > 2000 {
				t.Errorf("the last thing ended is %q at %v ms", c.What, at)
			}
			dropped := 0
			for _, x := range w.log {
				if c, ok := x.a.(Cancel); ok && c.What == "prepare" {
					dropped++
				}
			}
			if dropped != 1 {
				t.Errorf("what was opened ahead is dropped %d times, want once", dropped)
			}
		})
	}
}

// Where nothing answers at all the routers offered get a second and a half each, and one that refuses no time.
func TestTheNextRouterIsEnteredWhenABlindChoiceIsSilent(t *testing.T) {
	w := farWorld(t, Config{}, "a", "b")
	w.silence("b")
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 660 + 1500})
	w.record("blind-next")

	w = farWorld(t, Config{}, "a", "b")
	w.silence("b")
	w.at(700, ControlLost{Attempt: 1, Text: "connection refused"})
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 700})
	w.record("blind-refused")
}

// When all have refused it is a matter of the controllers again, and of the time they have.
func TestABlindChoiceThatIsRefusedLeavesTheMeasurementOpen(t *testing.T) {
	w := farWorld(t, Config{}, "a")
	w.at(700, ControlLost{Attempt: 1, Text: "connection refused"})
	w.run(4000)
	w.wantState(In)
	wantControls(t, w, []string{"a-1", "b-1"}, []float64{660, 1880})
	w.record("blind-refused-measured")

	w = farWorld(t, Config{}, "a")
	w.silence("b")
	w.at(700, ControlLost{Attempt: 1, Text: "connection refused"})
	w.run(9000)
	if f, at := first[Failed](w); at != 60+5500 || f.WebURL == "" {
		t.Errorf("failed at %v ms: %+v", at, f)
	}
}

// A network that changes meanwhile makes the choice anew.
func TestABlindChoiceIsNotKeptInAnotherNetwork(t *testing.T) {
	w := farWorld(t, Config{}, "a", "b")
	w.at(800, NetworkChanged{})
	w.run(5000)
	w.wantState(In)
	if r, at := first[Route](w); r.Zone != "b" || at > 800+1800 {
		t.Errorf("asked %s for a route at %v ms, want b by 2600\n%s", r.Zone, at, w.lines())
	}
	if o, _ := find[OpenControl](w); len(o) != 2 || o[1].Grant.Router != "b-1" {
		t.Errorf("control channels %+v, want to a-1 and then b-1", o)
	}
	w.record("blind-network-changed")
}
