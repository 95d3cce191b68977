package join

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley/wire/proto"
)

// TestAnyTraces records what comes of random events, so that the twin goes where no story leads.
func TestAnyTraces(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		one := func(p float64) bool { return r.Float64() < p }
		zones := []proto.Zone{zoneOf("a", r.IntN(30), 0), zoneOf("b", r.IntN(60), r.IntN(80)), zoneOf("c", 5, 30)}
		zones[0].Controllers = append(zones[0].Controllers, "https://a/b")
		cfg := Config{Rungs: allRungs, LastZone: "b", NoProbes: seed%2 == 1, OneGroup: one(0.2)}
		w := newWorld(t, cfg, zones[:1+r.IntN(3)]...)
		answer := w.answer(zones, grantOf("a", "a-1", one(0.2)))
		answer.RTT = float64(r.IntN(200)) / 4
		answer.Answer.Tunnels = []string{"t", "t2"}
		w.handle(Start{})
		w.handle(answer)
		for n := 0; n < 120 && w.m.State() != Over; n++ {
			wake, _ := w.m.Wake()
			w.now = w.now.Add(time.Duration(r.IntN(250)) * time.Millisecond)
			if !wake.IsZero() && one(0.5) {
				w.now = wake.Add(time.Millisecond - 1).Truncate(time.Millisecond)
			}
			w.handle(anyEvent(r, w.m, answer))
		}
		w.record(fmt.Sprintf("any-%d", seed))
	}
}

// anyEvent is a random event, more often than not about something that is under way.
func anyEvent(r *rand.Rand, m *Mind, answer LookupDone) Event {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	id := max(1, m.nextID-r.IntN(5))
	g := grantOf(pick("a", "b"), pick("a-1", "a-2"), r.IntN(4) == 0)
	g.Expires += int64(r.IntN(30_000))
	g.Groups = g.Groups[:2+r.IntN(2)]
	ctrl := pick("https://a/a", "https://a/b", "https://b/a", "https://c/a", m.reach.asked.controller)
	code := proto.Code(pick("", "moved", "router_full", "token_expired", "internal"))
	events := []Event{
		answer, LookupFailed{Text: "no route"}, NetworkChanged{}, NeedContent{},
		PingDone{Controller: ctrl, Seq: r.IntN(3), RTT: float64(r.IntN(600)) / 2, Load: 0.5, Via: pick("", m.zones.via)},
		PingFailed{Controller: ctrl, Via: pick("", m.zones.via)},
		ProbeDone{Addr: "a:8801", RTT: float64(r.IntN(60)) / 2, Padded: r.IntN(2) == 0}, ProbeFailed{Addr: "b:8801"},
		TunnelUp{"t"}, TunnelFailed{URL: "t2"}, RouteDone{ctrl, g}, RouteFailed{Controller: ctrl, Code: code, Text: "why", Grant: &g},
		ControlUp{m.control.id}, Welcomed{Attempt: m.control.id, Groups: g.Groups, Resumed: r.IntN(2) == 0}, WaitingRoom{Attempt: id},
		Refused{Attempt: m.control.id, Code: proto.Code(pick("moved", "token_expired", "shutdown")), Grant: &g}, ControlLost{Attempt: id},
		TransportUp{Attempt: id}, TransportFailed{Attempt: id}, TransportLost{Attempt: id}, TransportUp{Attempt: max(1, id-1)}, Tick{}, Tick{},
		PathMoved{Attempt: id, Rung: proto.Rung(pick("udp-8801", "tls-443"))}, ControlStands{m.control.id}, PathSilent{id}, PathHeard{id}, PathSilent{max(1, id-1)}, PathLoss{Group: proto.Group(r.IntN(3)), Loss: float64(r.IntN(2)) / 2},
	}
	return events[r.IntN(len(events))]
}
