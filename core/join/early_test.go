package join

import (
	"slices"
	"strings"
	"testing"

	"parley/wire/proto"
)

// granted makes a world whose site sends a grant for each zone named.
func granted(t *testing.T, cfg Config, zones []proto.Zone, of ...string) *world {
	w := newWorld(t, cfg, zones...)
	var grants []proto.Grant
	for _, id := range of {
		grants = append(grants, grantOf(id, id+"-1", false))
	}
	w.lookup = func(int) (Event, float64) {
		e := w.answer(zones, grants...)
		e.RTT = 20
		return e, 60
	}
	return w
}

// silence takes a zone off the network.
func (w *world) silence(ids ...string) {
	for _, id := range ids {
		delete(w.rtt, "https://"+id+"/a")
		delete(w.udp, id+":8801")
	}
}

func wantControl(t *testing.T, w *world, router string, at float64) {
	t.Helper()
	if o, when := first[OpenControl](w); o.Grant.Router != router || when != at {
		t.Errorf("control to %s at %v ms, want %s at %v\n%s", o.Grant.Router, when, router, at, w.lines())
	}
}

func TestUDPChoosesTheZoneInOneRoundTrip(t *testing.T) {
	zones := []proto.Zone{zoneOf("paris", 0, 0), zoneOf("oslo", 0, 0), zoneOf("tokyo", 0, 0)}
	w := granted(t, Config{}, zones, "paris", "oslo", "tokyo")
	w.rtt["https://oslo/a"], w.udp["oslo:8801"] = 10, 10
	w.rtt["https://tokyo/a"], w.udp["tokyo:8801"] = 220, 220
	w.run(5000)
	w.wantState(In)
	wantControl(t, w, "oslo-1", 70) // lookup 60, the probe 10
	if p, at := find[Prepare](w); len(p) != 3 || at[2] != 60 {
		t.Errorf("%d routers prepared at %v, want those of the three grants with the lookup's answer", len(p), at)
	}
	var dropped float64
	for _, x := range w.log {
		if c, ok := x.a.(Cancel); ok && c.What == "prepare" {
			dropped = x.ms
		}
	}
	if dropped != 70 {
		t.Errorf("what was prepared for other zones is dropped at %v ms, want 70", dropped)
	}
	if r, _ := find[Route](w); len(r) != 0 {
		t.Errorf("%d routes asked for, with a grant at hand", len(r))
	}
	if c, _ := find[Candidate](w); len(c) == 0 {
		t.Error("controllers were not measured beside it")
	}
	w.wantWhy("The best meeting zone is OSLO, 10 ms away.")
	var steps []string
	for _, s := range w.m.Explain().Steps {
		steps = append(steps, s.String())
	}
	want := []string{
		"    60 ms  lookup  took 60 ms, about 3.0 round trips", "    70 ms  zone    took 10 ms, about 1.0 round trips",
		"   130 ms  media   took 60 ms, about 6.0 round trips", "   150 ms  control took 80 ms, about 8.0 round trips",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps\n%s\nwant\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
	w.wantWhy("zone OSLO, https://oslo/a", "UDP had answered")
	w.record("udp-chooses")
}

func TestFiveDeadZonesAddNothingToUDP(t *testing.T) {
	zones := []proto.Zone{zoneOf("paris", 0, 0)}
	dead := []string{"d1", "d2", "d3", "d4", "d5"}
	for _, id := range dead {
		zones = append(zones, zoneOf(id, 0, 0))
	}
	w := granted(t, Config{}, zones, "d1", "d2", "paris")
	w.silence(dead...)
	w.run(3000)
	w.wantState(In)
	wantControl(t, w, "paris-1", 80)
	w.record("udp-five-dead")
}

// A zone that was used last and has died since is waited for no longer than any other: the 10 ms by which it might
// have won although it is slower are all that it costs (30 where only its controller could tell), and no round trip.
func TestADeadLastZoneAddsNoRoundTrip(t *testing.T) {
	dead := []string{"d1", "d2", "d3", "d4", "d5"}
	for _, tt := range []struct {
		name   string
		change func(w *world)
		at     float64 // control opens, without a last zone
		grace  float64 // and with one, that much later
	}{
		{"udp-open", func(w *world) {}, 60 + 100, keepBy},
		{"udp-blocked", func(w *world) { clear(w.udp) }, 60 + 300, 3 * keepBy},
		{"controller-silent", func(w *world) { w.udp["d1:8801"] = 105 }, 60 + 100, keepBy},
	} {
		for _, last := range []string{"", "d1"} {
			zones := []proto.Zone{zoneOf("paris", 0, 0)}
			for _, id := range dead {
				zones = append(zones, zoneOf(id, 0, 0))
			}
			w := granted(t, Config{LastZone: last}, zones, "d2", "paris")
			w.rtt["https://paris/a"], w.udp["paris:8801"] = 100, 100
			w.silence(dead...)
			tt.change(w)
			w.run(3000)
			w.wantState(In)
			o, at := first[OpenControl](w)
			grace := 0.0
			if last != "" {
				grace = tt.grace
			}
			if o.Grant.Router != "paris-1" || at > tt.at+grace {
				t.Errorf("%s, last zone %q: control to %s at %v ms, want paris-1 by %v\n%s", tt.name, last, o.Grant.Router, at, tt.at+grace, w.lines())
			}
			if last != "" {
				w.record("last-zone-dead-" + tt.name)
			}
		}
	}
}

func TestOneZoneIsNoChoice(t *testing.T) {
	w := granted(t, Config{}, []proto.Zone{zoneOf("paris", 0, 0)}, "paris")
	w.run(3000)
	w.wantState(In)
	wantControl(t, w, "paris-1", 60)
	w.wantWhy("The best meeting zone is PARIS, 20 ms away.")
}

func TestUDPAloneDoesNotChoose(t *testing.T) {
	for _, tt := range []struct {
		name   string
		last   string
		grants []string
		change func(w *world)
		router string
		at     float64
	}{
		{"a zone without a grant, since its controllers may be dead", "", []string{"b"}, func(w *world) {
			w.udp["a:8801"], w.udp["b:8801"] = 20, 60
			w.rtt["https://b/a"] = 60
		}, "a-1", 60 + 60 + 20}, // its controller's answer, and the route asked for
		{"for longer than a better zone's controller may take", "", []string{"b"}, func(w *world) {
			w.udp["b:8801"], w.rtt["https://b/a"] = 60, 60
			delete(w.rtt, "https://a/a")
		}, "b-1", 60 + 180},
		{"against the zone used last, for little", "b", []string{"a", "b"}, func(w *world) {
			w.udp["b:8801"], w.rtt["https://b/a"] = 26, 26
		}, "b-1", 60 + 26},
		{"where it is dead everywhere", "", []string{"a", "b"}, func(w *world) {
			clear(w.udp)
			w.rtt["https://b/a"] = 30
		}, "a-1", 60 + 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := granted(t, Config{LastZone: tt.last}, []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}, tt.grants...)
			tt.change(w)
			w.run(3000)
			w.wantState(In)
			wantControl(t, w, tt.router, tt.at)
		})
	}
}

// Where UDP passes and TLS does not, having chosen by UDP must not keep the tunnels waiting (S14).
func TestTunnelsRaceThoughUDPHasChosen(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}
	w := granted(t, Config{}, zones, "a", "b")
	clear(w.rtt)
	answer := w.lookup
	w.lookup = func(try int) (Event, float64) {
		e, ms := answer(try)
		done := e.(LookupDone)
		done.Answer.Tunnels = []string{"https://t1"}
		return done, ms
	}
	w.tunnels["https://t1"] = 50
	direct := w.control
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Via == "" {
			return nil, nil // TLS does not pass
		}
		return direct(o)
	}
	w.run(4000)
	w.wantState(In)
	wantControl(t, w, "a-1", 80)
	if o, at := last[OpenControl](w); o.Via != "https://t1" || at != 710 {
		t.Errorf("control via %q at %v ms, want through the tunnel at 710", o.Via, at)
	}
	w.record("udp-chooses-tunnel")
}

// Grants that lapse while the choice waits are no grants.
func TestLapsedGrantsDoNotChoose(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 50, 0), zoneOf("b", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	g := grantOf("a", "a-1", false)
	g.Expires = 1_001_040 // server time is 1,000,000 at the answer; a second of margin
	w.lookup = func(int) (Event, float64) { return w.answer(zones, g), 60 }
	w.silence("b")
	w.run(3000)
	w.wantState(In)
	if r, _ := find[Route](w); len(r) != 1 {
		t.Errorf("%d routes asked for, want one", len(r))
	}
}

// What was opened ahead over the old network may have used up the credentials of the grants.
func TestANetworkThatChangesWhileZonesAreMeasuredNeedsAFreshGrant(t *testing.T) {
	w := granted(t, Config{}, []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}, "a", "b")
	w.at(70, NetworkChanged{})
	w.run(3000)
	w.wantState(In)
	if r, at := first[Route](w); r.Zone != "a" || at != 120 {
		t.Errorf("asked zone %s for a route at %v ms, want a when its controller has answered at 120", r.Zone, at)
	}
	w.record("udp-network-changed")
}

// TestUDPThatAnswersNoProbeHasHadItsStart: what the probes did not get through, the first rung need not show again. The
// other rungs start as if it had begun with them.
func TestUDPThatAnswersNoProbeHasHadItsStart(t *testing.T) {
	for _, udp := range []bool{true, false} {
		w := granted(t, Config{Rungs: allRungs}, []proto.Zone{zoneOf("a", 0, 0)}, "a")
		if !udp {
			delete(w.udp, "a:8801")
		}
		w.media = func(s StartTransport) (Event, float64) { return nil, 0 }
		w.run(3000)
		began := map[proto.Rung]float64{}
		starts, at := find[StartTransport](w)
		for i, s := range starts {
			if _, again := began[s.Rung]; s.Group == proto.GroupAudio && !again {
				began[s.Rung] = at[i]
			}
		}
		from := began[proto.UDP8801]
		if !udp {
			from = 60 // the lookup's answer, and with it the probes
		}
		tcp, tls := began[proto.TCP8801], began[proto.TLS443]
		if began[proto.UDP8801] < 60 || tls-tcp < 240 || tcp < began[proto.UDP8801] || tcp != max(from+tls-tcp, began[proto.UDP8801]) {
			t.Errorf("UDP answers %v: rungs began at %v ms, want the second %v after %v", udp, began, tls-tcp, from)
		}
	}
}

// A path that long datagrams do not pass is told; that one of several was lost is no such path.
func TestLongDatagramsThatGetLostAreTold(t *testing.T) {
	zones := []proto.Zone{zoneOf("oslo", 0, 0), zoneOf("paris", 0, 0)}
	zones[0].Probes = append(zones[0].Probes, "oslo:3478")
	for name, tt := range map[string]struct {
		short map[string]bool
		told  bool
	}{
		"long-lost":      {map[string]bool{"oslo:8801": true, "oslo:3478": true}, true},
		"long-lost-once": {map[string]bool{"oslo:8801": true, "paris:8801": true}, false},
	} {
		w := granted(t, Config{}, zones, "oslo", "paris")
		w.rtt["https://oslo/a"], w.udp["oslo:8801"], w.udp["oslo:3478"], w.short = 10, 10, 10, tt.short
		w.run(5000)
		wantControl(t, w, "oslo-1", 70)
		if told := slices.Contains(w.m.Explain().Summary, SayShort()); told != tt.told {
			t.Errorf("%s: told %v, want %v:\n%s", name, told, tt.told, w.lines())
		}
		w.record(name)
	}
}
