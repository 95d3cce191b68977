package join

import (
	"strings"
	"testing"

	"parley/wire/proto"
)

func TestJoinsTheNearestZone(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("paris", 0, 0), zoneOf("tokyo", 0, 0))
	w.rtt["https://tokyo/a"], w.udp["tokyo:8801"] = 220, 220
	w.run(5000)
	w.wantState(In)
	r, at := first[Route](w)
	if r.Zone != "paris" || at != 120 { // lookup 60, cold ping 60; the probe has told that Tokyo can't win
		t.Errorf("routed to %s at %v ms, want paris at 120", r.Zone, at)
	}
	if o, _ := first[OpenControl](w); o.Grant.Router != "paris-1" {
		t.Errorf("control to %s", o.Grant.Router)
	}
	if _, at := first[Joined](w); at != 220 {
		t.Errorf("joined at %v ms, want 220", at)
	}
	starts, times := find[StartTransport](w)
	if len(starts) != 3 || starts[0].Group != proto.GroupAudio || starts[1].Group != proto.GroupVideo || starts[2].Group != proto.GroupContent {
		t.Fatalf("transports %+v, want audio, video, content", starts)
	}
	if times[0] != 140 || times[1] != 140 || times[2] != 2220 { // with the grant; content 2 s after joining
		t.Errorf("transports at %v", times)
	}
	w.wantWhy("Audio runs over UDP 8801.")
	w.wantWhy("zone TOKYO", "no answer within 60 ms")
	w.record("nearest")
}

func TestHomeGrantIsUsedAtOnceAndWinsOverTheNearestZone(t *testing.T) {
	zones := []proto.Zone{zoneOf("paris", 0, 0), zoneOf("tokyo", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	w.rtt["https://tokyo/a"] = 220
	w.lookup = func(int) (Event, float64) {
		return w.answer(zones, grantOf("paris", "paris-1", false), grantOf("tokyo", "tokyo-1", true)), 60
	}
	w.run(4000)
	w.wantState(In)
	if o, at := first[OpenControl](w); o.Grant.Router != "tokyo-1" || at != 60 {
		t.Errorf("control to %s at %v, want tokyo-1 with the lookup answer", o.Grant.Router, at)
	}
	if r, _ := find[Route](w); len(r) != 0 {
		t.Errorf("asked for a route though the home is known")
	}
	if c, _ := find[Candidate](w); len(c) == 0 {
		t.Errorf("zones were not measured beside it")
	}
	w.wantWhy("The meeting runs in zone TOKYO")
	w.record("home-grant")
}

func TestFiveDeadZonesAddNothing(t *testing.T) {
	alive := newWorld(t, Config{}, zoneOf("paris", 0, 0))
	alive.run(3000)
	_, want := first[Joined](alive)

	zones := []proto.Zone{zoneOf("paris", 0, 0)}
	for _, id := range []string{"d1", "d2", "d3", "d4", "d5"} {
		zones = append(zones, zoneOf(id, 0, 0))
	}
	w := newWorld(t, Config{}, zones...)
	for _, z := range zones[1:] {
		delete(w.rtt, z.Controllers[0])
		delete(w.udp, z.Probes[0])
	}
	w.run(3000)
	if _, got := first[Joined](w); got != want {
		t.Errorf("joined at %v ms with five dead zones, %v without", got, want)
	}
	w.record("five-dead-zones")
}

func TestSilentNearestZoneCosts400msAtMost(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("near", 0, 0), zoneOf("far", 100, 0))
	delete(w.rtt, "https://near/a")
	delete(w.udp, "near:8801")
	w.rtt["https://far/a"] = 100
	w.run(4000)
	r, at := first[Route](w)
	if r.Zone != "far" || at > 60+300+400 {
		t.Errorf("routed to %s at %v ms, want far within 400 ms of its answer at 360", r.Zone, at)
	}
	w.wantState(In)
	w.wantWhy("zone NEAR", "no answer within")
	w.record("nearest-silent")
}

func TestDecides(t *testing.T) {
	type z struct {
		id          string
		bias, floor int
		rtt         float64 // 0: silent
		udp         float64 // 0: silent
	}
	tests := []struct {
		name  string
		last  string
		zones []z
		want  string
		at    float64
	}{
		{"geography excludes the silent", "", []z{{"a", 0, 0, 40, 40}, {"b", 0, 80, 0, 0}}, "a", 180},
		{"where UDP is open, silence of one round trip is enough", "", []z{{"a", 90, 0, 40, 40}, {"b", 0, 0, 0, 0}}, "a", 60 + 130},
		{"bias decides between equals", "", []z{{"a", 30, 0, 20, 20}, {"b", 0, 0, 20, 20}}, "b", 120},
		{"the third answer and as long as the slowest again", "",
			[]z{{"a", 90, 0, 50, 0}, {"b", 90, 0, 55, 0}, {"c", 90, 0, 60, 0}, {"d", 0, 0, 0, 0}}, "a", 60 + 180 + 60},
		{"UDP dead in one zone only costs it 50 ms", "", []z{{"a", 0, 0, 60, 0}, {"b", 0, 0, 80, 80}}, "b", 300},
		{"UDP dead everywhere costs nobody", "", []z{{"a", 0, 0, 60, 0}, {"b", 0, 0, 70, 0}}, "a", 240},
		{"stays with the last zone", "b", []z{{"a", 0, 0, 30, 30}, {"b", 0, 0, 33, 33}}, "b", 60 + 99},
		{"waits for the last zone as long as 10 ms more take", "b", []z{{"a", 0, 0, 30, 30}, {"b", 0, 0, 38, 38}}, "b", 60 + 114},
		{"does not wait for one that is further", "b", []z{{"a", 0, 0, 30, 30}, {"b", 0, 0, 42, 42}}, "a", 60 + 90},
		{"nor for ever", "b", []z{{"a", 0, 0, 30, 0}, {"b", 0, 0, 0, 0}}, "a", 60 + 90 + 30},
		{"leaves the last zone", "b", []z{{"a", 0, 0, 20, 20}, {"b", 0, 0, 60, 60}}, "a", 120}, // 40 ms and 0.33
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var zones []proto.Zone
			for _, z := range tt.zones {
				zones = append(zones, zoneOf(z.id, z.bias, z.floor))
			}
			w := newWorld(t, Config{LastZone: tt.last}, zones...)
			clear(w.rtt)
			clear(w.udp)
			for _, z := range tt.zones {
				if z.rtt > 0 {
					w.rtt["https://"+z.id+"/a"] = z.rtt
				}
				if z.udp > 0 {
					w.udp[z.id+":8801"] = z.udp
				}
			}
			w.run(3000)
			r, at := first[Route](w)
			if r.Zone != tt.want || at != tt.at {
				t.Errorf("chose %s at %v ms, want %s at %v\n%s", r.Zone, at, tt.want, tt.at, w.lines())
			}
		})
	}
}

func TestGoodGrantSkipsRoute(t *testing.T) {
	zones := []proto.Zone{zoneOf("paris", 0, 0)}
	for _, tt := range []struct {
		name    string
		expires int64
		routes  int
	}{
		{"fresh", 1_010_000, 0},
		{"lapsed", 1_000_500, 1}, // server time is 1,000,000 at the answer; a second of margin
	} {
		w := newWorld(t, Config{}, zones...)
		g := grantOf("paris", "paris-9", false)
		g.Expires = tt.expires
		w.lookup = func(int) (Event, float64) { return w.answer(zones, g), 60 }
		w.run(3000)
		w.wantState(In)
		if r, _ := find[Route](w); len(r) != tt.routes {
			t.Errorf("%s: %d routes, want %d", tt.name, len(r), tt.routes)
		}
		w.record("grant-" + tt.name)
	}
}

func TestRouteGoesToTheNextControllerThenTheNextZone(t *testing.T) {
	a := zoneOf("a", 0, 0)
	a.Controllers = []string{"https://a/1", "https://a/2"}
	w := newWorld(t, Config{}, a, zoneOf("b", 50, 0))
	w.rtt["https://b/a"] = 20
	w.route = func(r Route) (Event, float64) {
		switch r.Controller {
		case "https://a/1":
			return nil, 0
		case "https://a/2":
			return RouteFailed{Controller: r.Controller, Code: proto.CodeNoRouter, Text: "none alive"}, 20
		}
		return RouteDone{Controller: r.Controller, Grant: grantOf("b", "b-1", false)}, 20
	}
	w.run(4000)
	w.wantState(In)
	r, at := find[Route](w)
	if len(r) != 3 || r[2].Zone != "b" || at[1]-at[0] != 600 || at[2]-at[1] != 20 {
		t.Errorf("routes %+v at %v", r, at)
	}
	w.wantWhy("none alive")
	w.record("route-fails")
}

func TestRouterFullIsAskedAgainThenToldPlainly(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	n := 0
	w.route = func(r Route) (Event, float64) {
		if n++; n < 3 {
			return RouteFailed{Controller: r.Controller, Code: proto.CodeRouterFull, Text: "full"}, 20
		}
		return RouteDone{Controller: r.Controller, Grant: grantOf("a", "a-2", false)}, 20
	}
	w.run(9000)
	w.wantState(In)

	w = newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.route = func(r Route) (Event, float64) {
		return RouteFailed{Controller: r.Controller, Code: proto.CodeRouterFull, Text: "full"}, 20
	}
	w.run(9000)
	if f, _ := first[Failed](w); f.Code != proto.CodeRouterFull || !f.Refused {
		t.Errorf("failed %+v", f)
	}
	w.record("router-full")
}

// A zone without room is no reason to stay outside: the next best is asked at once, and no controller of the
// full one again.
func TestAFullZoneSendsToTheNextOneAtOnce(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0), zoneOf("b", 0, 0))
	w.route = func(r Route) (Event, float64) {
		if r.Zone == "a" {
			return RouteFailed{Controller: r.Controller, Code: proto.CodeRouterFull, Text: "full"}, 20
		}
		return RouteDone{Controller: r.Controller, Grant: grantOf("b", "b-1", false)}, 20
	}
	w.run(4000)
	w.wantState(In)
	r, at := find[Route](w)
	if len(r) != 2 || r[0].Zone != "a" || r[1].Zone != "b" || at[1]-at[0] != 20 {
		t.Errorf("routes %+v at %v, want b asked when a has answered", r, at)
	}
	w.record("zone-full")
}

func TestMovedIsFollowedButNotForEver(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Grant.Router == "a-1" {
			g := grantOf("b", "b-7", true)
			return []Event{ControlUp{o.Attempt}, Refused{Attempt: o.Attempt, Code: proto.CodeMoved, Grant: &g}}, []float64{60, 80}
		}
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt}}, []float64{60, 80}
	}
	w.run(3000)
	w.wantState(In)
	if j, _ := first[Joined](w); j.Router != "b-7" {
		t.Errorf("joined %s, want b-7", j.Router)
	}
	closed, _ := find[CloseTransport](w)
	if len(closed) != 2 {
		t.Errorf("%d transports of the wrong router closed, want 2", len(closed))
	}
	w.record("moved")

	w = newWorld(t, Config{}, zoneOf("a", 0, 0))
	n := 0
	w.control = func(o OpenControl) ([]Event, []float64) {
		n++
		g := grantOf("b", []string{"x", "y"}[n%2], true)
		return []Event{ControlUp{o.Attempt}, Refused{Attempt: o.Attempt, Code: proto.CodeMoved, Grant: &g}}, []float64{60, 80}
	}
	w.run(40000)
	w.wantState(Over)
	if n > 40 {
		t.Errorf("%d routers tried in 30 s", n)
	}
}

func TestLookupIsRetriedButARefusalIsNot(t *testing.T) {
	w := newWorld(t, Config{WebURL: "https://site/j/1"}, zoneOf("a", 0, 0))
	w.lookup = func(try int) (Event, float64) { return LookupFailed{Text: "connection refused"}, 10 }
	w.run(20000)
	l, at := find[Lookup](w)
	if len(l) != 4 || at[1] != 510 || at[2] != 1520 || at[3] != 3530 {
		t.Errorf("lookups at %v, want pauses of 0.5, 1 and 2 s", at)
	}
	if f, _ := first[Failed](w); f.Refused || f.WebURL == "" || len(f.Tried) == 0 {
		t.Errorf("failed %+v", f)
	}
	w.record("lookup-unreachable")

	w = newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.lookup = func(int) (Event, float64) {
		return LookupFailed{Code: proto.CodeNoSuchMeeting, Text: "No such meeting, or a wrong passcode."}, 60
	}
	w.run(20000)
	f, ms := first[Failed](w)
	if l, _ := find[Lookup](w); len(l) != 1 || !f.Refused || ms != 60 {
		t.Errorf("%d lookups, failed %+v at %v", len(l), f, ms)
	}
	w.record("wrong-passcode")

	w = newWorld(t, Config{}, zoneOf("a", 0, 0)) // silence
	w.lookup = func(int) (Event, float64) { return nil, 0 }
	w.run(20000)
	if _, ms := first[Failed](w); ms != 15000 {
		t.Errorf("gave up at %v ms", ms)
	}
}

func TestNoControllerAnswersEndsAt5500msWithTheWebLink(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0), zoneOf("b", 0, 0))
	clear(w.rtt)
	clear(w.udp)
	w.run(9000)
	f, at := first[Failed](w)
	if at != 60+5500 || f.WebURL != "https://site/j/1" || len(f.Tried) < 2 {
		t.Errorf("failed at %v: %+v", at, f)
	}
	w.wantWhy("UDP 8801 seems to be blocked: none of 2 probes was answered.")
	w.record("no-controller")

	w = newWorld(t, Config{}, zoneOf("a", 0, 0)) // refused outright: no reason to wait
	w.refuse["https://a/a"] = true
	w.run(9000)
	if _, at := first[Failed](w); at != 80 {
		t.Errorf("failed at %v ms, want at once", at)
	}
}

func TestNoControllerAnswersTakesFirstTunnelWellBefore5500ms(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	clear(w.rtt)
	clear(w.udp)
	zones := []proto.Zone{zoneOf("a", 0, 0)}
	w.lookup = func(int) (Event, float64) {
		e := w.answer(zones)
		e.Answer.Tunnels = []string{"https://t1", "https://t2"}
		return e, 60
	}
	w.tunnels["https://t2"] = 50
	w.run(9000)
	w.wantState(In)
	if d, at := find[DialTunnel](w); len(d) != 2 || at[0] != 660 || at[1] != 760 {
		t.Errorf("tunnels dialled at %v", at)
	}
	if o, at := first[OpenControl](w); o.Via != "https://t2" || at > 1500 {
		t.Errorf("control via %q at %v ms", o.Via, at)
	}
	w.record("tunnel")
}

// TestTunnelThatComesUpAfterAControllerIsNotTaken: the direct way is known to work by then.
func TestTunnelThatComesUpAfterAControllerIsNotTaken(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 100, 0), zoneOf("b", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	clear(w.udp)
	w.rtt["https://a/a"] = 250 // its first answer takes 750 ms
	delete(w.rtt, "https://b/a")
	w.lookup = func(int) (Event, float64) {
		e := w.answer(zones)
		e.Answer.Tunnels = []string{"https://t1"}
		return e, 60
	}
	w.tunnels["https://t1"] = 200
	w.run(4000)
	w.wantState(In)
	if o, _ := first[OpenControl](w); o.Via != "" {
		t.Errorf("control via %q though a controller answered without", o.Via)
	}
	w.wantWhy("tunnel", "https://t1", "another path was faster")
	w.record("tunnel-late")
}

func TestNoControllerAnswersButTheOfferedRouterDoes(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	clear(w.rtt)
	clear(w.udp)
	w.lookup = func(int) (Event, float64) { return w.answer(zones, grantOf("a", "a-3", false)), 60 }
	w.run(9000)
	w.wantState(In)
	if _, at := first[OpenControl](w); at != 660 {
		t.Errorf("control at %v ms, want 660", at)
	}
	w.record("grant-unmeasured")
}

func TestWaitingRoom(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, WaitingRoom{Attempt: o.Attempt, Topic: "Weekly"}, Welcomed{Attempt: o.Attempt}}, []float64{60, 80, 90_000}
	}
	w.run(80_000)
	w.wantState(Lobby)
	first[Waiting](w)
	w.run(100_000)
	w.wantState(In)
	w.record("waiting-room")
}

func TestLeave(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.at(4000, Leave{})
	w.run(5000)
	w.wantState(Over)
	first[Left](w)
	if c, _ := find[CloseTransport](w); len(c) != 3 {
		t.Errorf("%d transports closed, want 3", len(c))
	}
	if at, _ := w.m.Wake(); !at.IsZero() {
		t.Errorf("still wants to wake")
	}
	w.record("leave")
}

// TestPage: a page sends no probes and leaves the choice of a rung to its browser: what it can't do is answered
// with a failure, which costs nothing.
func TestPage(t *testing.T) {
	w := newWorld(t, Config{NoProbes: true, Rungs: []proto.Rung{proto.UDP8801, proto.TCP8801}, LastRung: proto.TCP8801}, zoneOf("a", 0, 0), zoneOf("b", 0, 0))
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.TCP8801 {
			return TransportFailed{Attempt: s.Attempt, Text: "not here"}, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(5000)
	w.wantState(In)
	if p, _ := find[Probe](w); len(p) != 0 {
		t.Errorf("%d probes asked of a page", len(p))
	}
	w.wantWhy("Content runs over UDP 8801.")
	w.wantWhy("audio over tcp-8801", "not here")
	for _, s := range w.m.Explain().Summary {
		if strings.Contains(s, "blocked") {
			t.Errorf("the report says %q", s)
		}
	}
	w.record("page")
}
