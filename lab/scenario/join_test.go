package scenario

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// verbose shows what people go through and what servers log.
var verbose = os.Getenv("PARLEY_SCENARIO_LOG") != ""

// S9: comparing results the client knows that a path to each zone stands, and picks the one that
// performs best.
func TestTheClientPicksTheZoneThatPerformsBest(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		for _, zone := range []string{"oslo", "paris", "tokyo"} {
			p := w.Join("near-"+zone, w.Meeting(nil), near(zone))
			j := p.WaitJoined()
			if got := p.ZoneChosen(); got != zone || j.Zone != zone {
				t.Errorf("%s chose zone %q and landed in %q", p.name, got, j.Zone)
			}
			// Lookup, and the zone's answer to a probe: nobody waits for far zones.
			if _, after, _ := p.phase("zone"); after > 90*time.Millisecond {
				t.Errorf("%s took %v to choose", p.name, after)
			}
		}
	})
}

// S9: the client tries every zone controller; one that does not answer does not hold it up.
func TestNearestZoneSilentTakesTheNextWithin400ms(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.Zone("oslo").Silence()
		p := w.Join("anna", w.Meeting(nil))
		j := p.WaitJoined()
		if p.ZoneChosen() != "paris" || j.Zone != "paris" {
			t.Errorf("chose %q, landed in %q; want the next nearest", p.ZoneChosen(), j.Zone)
		}
		_, looked, _ := p.phase("lookup")
		_, chosen, _ := p.phase("zone")
		const answered = 2 * 80 * time.Millisecond // paris answers a UDP probe
		if wait := chosen - looked - answered; wait < 0 || wait > 400*time.Millisecond {
			t.Errorf("chose %v after the first answer, want within 400ms", wait)
		}
		if len(p.Explain().Summary) == 0 {
			t.Error("the join has no explanation")
		}
		found := false
		for _, a := range p.Explain().Attempts {
			found = found || strings.Contains(fmt.Sprint(a), "no answer within")
		}
		if !found {
			t.Error("the record does not say that the nearest zone was silent")
		}
	})
}

// S5, S10: everybody is routed to the meeting's home, whichever zone is best for them.
func TestPeopleWhoChoseDifferentZonesMeet(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		zones := []string{"oslo", "paris", "tokyo"}
		var all []*person
		for _, z := range zones {
			all = append(all, w.Join("from-"+z, m, near(z), performs))
		}
		routers := map[string]bool{}
		for i, p := range all {
			routers[p.WaitJoined().Router] = true
			w.until(3*time.Second, p.name+" has measured", func() bool { return p.ZoneChosen() != "" })
			if got := p.ZoneChosen(); got != zones[i] {
				t.Errorf("%s chose %q", p.name, got)
			}
			p.WaitMedia()
		}
		if len(routers) != 1 {
			t.Errorf("they are on routers %v, want one", routers)
		}
		w.pass(3 * time.Second)
		for _, p := range all {
			p.Forget()
		}
		w.pass(2 * time.Second)
		for _, p := range all {
			for _, q := range all {
				if p != q && (p.Hears(q.name) < 90 || p.Sees(q.name) < 18) {
					t.Errorf("%s got %d sounds and %d pictures of %s in 2 s, want 100 and 20",
						p.name, p.Hears(q.name), p.Sees(q.name), q.name)
				}
			}
		}
	})
}

// S5: a meeting has one home, however many come first.
func TestFiftyRacingFirstJoinsThroughThreeZonesEndOnOneRouter(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		zones := []string{"oslo", "paris", "tokyo"}
		var all []*person
		for i := range 50 {
			all = append(all, w.Person(fmt.Sprintf("p%02d", i), m, near(zones[i%3])))
		}
		for _, p := range all {
			p.SetOut()
		}
		routers := map[string]int{}
		for _, p := range all {
			routers[p.WaitJoined().Router]++
		}
		if len(routers) != 1 {
			t.Errorf("joined on %v, want one router", routers)
		}
		w.pass(2 * time.Second)
		if homes := w.Homes(m.ID); len(homes) != 1 || routers[homes[0]] != 50 {
			t.Errorf("homes %v, joined on %v", homes, routers)
		}
		for _, p := range all {
			if n := len(p.Roster()); n != 50 {
				t.Errorf("%s sees %d people, want 50", p.name, n)
			}
		}
		seats := map[proto.ParticipantID]bool{}
		for _, p := range all {
			id, _ := p.Self()
			seats[id] = true
		}
		if len(seats) != 50 {
			t.Errorf("%d different seats, want 50", len(seats))
		}
	})
}

// S9: where every zone is so far away that nothing has been measured when a router is tried all the same, a zone that
// answers ends that choice. To have tried a dead one costs a round trip at most, since a router that lives has heard the
// hello by then.
func TestADeadZoneAmongFarOnesCostsARoundTripAtMost(t *testing.T) {
	for name, obstacle := range map[string]option{
		"with UDP": func(*person, *client.Config) {},
		"without UDP": func(p *person, cfg *client.Config) {
			cfg.Rungs = []proto.Rung{proto.TCP8801}
			p.host = p.w.host("host-"+p.name, nil)
			p.host.Block(lab.Rule{Proto: lab.UDP})
		},
	} {
		t.Run(name, func(t *testing.T) {
			joined := func(dead int) (after time.Duration) {
				var places []place
				for i, name := range []string{"a", "b", "c"} {
					if i < dead {
						places = append(places, place{name: name, delay: 10 * time.Millisecond, routers: 1})
						continue
					}
					places = append(places, place{name: name, delay: time.Duration(300+10*i) * time.Millisecond, routers: 1})
				}
				inWorld(t, places, func(t *testing.T, w *world) {
					for _, z := range w.zones[:dead] {
						z.Silence()
					}
					p := w.Join("ann", w.Meeting(nil), obstacle)
					j := p.WaitJoined()
					after = time.Duration(j.MS) * time.Millisecond
					if blind := strings.Contains(fmt.Sprint(p.Explain().Attempts), "no controller answers yet"); dead > 0 && !blind {
						t.Errorf("no router was tried before anything was measured:\n%v", p.Explain().Attempts)
					}
				})
				return after
			}
			alive, dead := joined(0), joined(1)
			t.Logf("joined after %v, with a dead zone after %v", alive, dead)
			// The nearest of those alive is 620 ms away there and back, 20 more than without the dead one.
			if most := alive + (620+4*20)*time.Millisecond; dead > most {
				t.Errorf("joined after %v with a dead zone, %v without; want %v", dead, alive, most)
			}
		})
	}
}
