package join

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/wire/proto"
)

// TestALobbyIsInNoHurry: the channel stands, and its hello waits for a click.
func TestALobbyIsInNoHurry(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlStands{o.Attempt}, ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt}}, []float64{60, 50_000, 50_020}
	}
	w.run(49_000)
	w.wantState(Connecting)
	w.run(51_000)
	w.wantState(In)
	if opens, _ := find[OpenControl](w); len(opens) != 1 {
		t.Errorf("%d control channels\n%s", len(opens), w.lines())
	}
	if audio, at := w.used(proto.GroupAudio); len(audio) != 1 || at[0] > 300 {
		t.Errorf("audio used %v at %v, want it up before the click", audio, at)
	}
	w.record("lobby")
}

// TestMediaLostInTheWaitingRoomIsNoReasonToGiveUp: there is time for it once a host has opened the door.
func TestMediaLostInTheWaitingRoomIsNoReasonToGiveUp(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	lost := false
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, WaitingRoom{Attempt: o.Attempt}, Welcomed{Attempt: o.Attempt}}, []float64{60, 80, 90_000}
	}
	w.media = func(s StartTransport) (Event, float64) {
		if lost {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(5000)
	lost = true
	for g := range 2 {
		w.at(6000, TransportLost{Attempt: w.m.lanes[g].inUse.id})
	}
	w.run(91_000)
	w.wantState(In)
	w.run(120_000)
	w.wantState(Over)
	w.record("waiting-media")
}

func TestKilledRouterIsReplacedWithinASecond(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.route = func(r Route) (Event, float64) {
		if r.Lost == "a-1" {
			return RouteDone{Controller: r.Controller, Grant: grantOf("a", "a-2", true)}, 320 // it pinged the suspect first
		}
		return RouteDone{Controller: r.Controller, Grant: grantOf("a", "a-1", false)}, 20
	}
	w.run(9000)
	w.at(10_000, ControlLost{Attempt: w.m.control.id, Text: "connection reset"})
	w.run(12_500)
	w.wantState(In)
	if r, at := last[Route](w); r.Lost != "a-1" || at != 10_000 {
		t.Errorf("route %+v at %v", r, at)
	}
	if u, at := last[UseTransport](w); at > 11_000 || u.Group == proto.GroupAudio {
		t.Errorf("media back at %v ms (%v)", at, u)
	}
	if j, _ := last[Joined](w); j.Router != "a-2" || !j.Resumed {
		t.Errorf("joined %+v", j)
	}
	w.wantWhy("control", "server a-1", "connection reset")
	w.record("router-killed")
}

func TestLostControlChannelAloneKeepsMedia(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.run(9000)
	before, _ := find[StartTransport](w)
	w.at(10_000, ControlLost{Attempt: w.m.control.id})
	w.run(12_000)
	w.wantState(In)
	after, _ := find[StartTransport](w)
	if len(after) != len(before) {
		t.Errorf("%d transports started anew though the router is the same", len(after)-len(before))
	}
	w.record("control-lost")
}

func TestRouterThatForgotUsGetsFreshTransports(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt}}, []float64{60, 80}
	}
	w.run(9000)
	w.at(10_000, ControlLost{Attempt: w.m.control.id})
	w.run(12_000)
	if all, _ := find[StartTransport](w); len(all) != 6 {
		t.Errorf("%d transports started in all, want 6", len(all))
	}
}

func TestControllersGoneRouterAlive(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.run(9000)
	w.route = func(Route) (Event, float64) { return nil, 0 }
	w.at(10_000, ControlLost{Attempt: w.m.control.id})
	w.run(12_000)
	w.wantState(In)
	w.wantWhy("no controller answers; trying the last server itself")
	w.record("controllers-gone")
}

func TestGivesUpAfter30s(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.run(9000)
	w.route = func(r Route) (Event, float64) {
		return RouteFailed{Controller: r.Controller, Text: "network unreachable"}, 1
	}
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlLost{Attempt: o.Attempt, Text: "network unreachable"}}, []float64{1}
	}
	w.at(10_000, ControlLost{Attempt: w.m.control.id, Text: "reset"})
	w.run(60_000)
	f, at := first[Failed](w)
	if at != 40_000 || f.Refused || f.WebURL == "" {
		t.Errorf("failed at %v: %+v", at, f)
	}
	if r, _ := find[Route](w); len(r) > 20 {
		t.Errorf("%d routes asked in 30 s", len(r))
	}
	w.record("gives-up")
}

func TestFlappingChannelIsNotReopenedInACircle(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt}, ControlLost{Attempt: o.Attempt}}, []float64{1, 2, 3}
	}
	w.run(30_000)
	if n, _ := find[OpenControl](w); len(n) > 12 {
		t.Errorf("%d channels opened in 30 s", len(n))
	}
}

func TestByeCodes(t *testing.T) {
	tests := []struct {
		code    proto.Code
		over    bool
		lookups int
	}{
		{proto.CodeEnded, true, 1},
		{proto.CodeEjected, true, 1},
		{proto.CodeReplaced, true, 1}, // coming back would throw the other one out, and so on
		{proto.CodeLocked, true, 1},
		{proto.CodeShutdown, false, 1},
		{proto.CodeLost, false, 1},
		{proto.CodeInternal, false, 1},
		{proto.CodeReplayed, false, 1},
		{proto.CodeTokenExpired, false, 2}, // a new token by lookup
	}
	for _, tt := range tests {
		w := newWorld(t, Config{}, zoneOf("a", 0, 0))
		w.run(9000)
		w.at(10_000, Refused{Attempt: w.m.control.id, Code: tt.code, Text: "why"})
		w.run(14_000)
		if got := w.m.State() == Over; got != tt.over {
			t.Errorf("%s: over %v, want %v", tt.code, got, tt.over)
		}
		if !tt.over {
			w.wantState(In)
		} else if f, _ := first[Failed](w); f.Code != tt.code || !f.Refused || f.Text != "why" {
			t.Errorf("%s: %+v", tt.code, f)
		}
		if l, _ := find[Lookup](w); len(l) != tt.lookups {
			t.Errorf("%s: %d lookups, want %d", tt.code, len(l), tt.lookups)
		}
	}
}

func TestNetworkChangeRejoinsMedia(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.run(9000)
	w.at(10_000, NetworkChanged{})
	w.run(13_000)
	w.wantState(In)
	all, at := find[StartTransport](w)
	if len(all) != 6 || at[3] != 10_020 {
		t.Errorf("%d transports, at %v", len(all), at)
	}
	w.record("network-changed")
}

var allRungs = []proto.Rung{proto.TLS443, proto.UDP8801, proto.TCP8801}

func TestLadder(t *testing.T) {
	tests := []struct {
		name  string
		last  proto.Rung
		up    map[proto.Rung]float64 // ms until up; missing: silent
		fail  map[proto.Rung]float64
		used  []proto.Rung // audio's, in order
		tried int          // audio attempts
	}{
		{"UDP works, TCP never starts", "", map[proto.Rung]float64{proto.UDP8801: 60}, nil, []proto.Rung{proto.UDP8801}, 1},
		{"UDP silent, TCP after H", "", map[proto.Rung]float64{proto.TCP8801: 60}, nil, []proto.Rung{proto.TCP8801}, 2},
		{"UDP late takes over", "", map[proto.Rung]float64{proto.UDP8801: 900, proto.TCP8801: 60}, nil, []proto.Rung{proto.TCP8801, proto.UDP8801}, 2},
		{"only TLS", "", map[proto.Rung]float64{proto.TLS443: 80}, nil, []proto.Rung{proto.TLS443}, 3},
		{"refused rungs pass at once", "", map[proto.Rung]float64{proto.TLS443: 80}, map[proto.Rung]float64{proto.UDP8801: 5, proto.TCP8801: 5}, []proto.Rung{proto.TLS443}, 3},
		{"last time's rung starts beside the first", proto.TLS443, map[proto.Rung]float64{proto.TLS443: 80}, nil, []proto.Rung{proto.TLS443}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Config{Rungs: allRungs, LastRung: tt.last}, zoneOf("a", 0, 0))
			w.media = func(s StartTransport) (Event, float64) {
				if ms, ok := tt.up[s.Rung]; ok {
					return TransportUp{Attempt: s.Attempt}, ms
				}
				if ms, ok := tt.fail[s.Rung]; ok {
					return TransportFailed{Attempt: s.Attempt, Text: "refused"}, ms
				}
				return nil, 0
			}
			w.run(4000)
			var used []proto.Rung
			all, _ := find[UseTransport](w)
			for _, u := range all {
				if u.Group == proto.GroupAudio {
					used = append(used, u.Rung)
				}
			}
			if len(used) != len(tt.used) || used[0] != tt.used[0] || used[len(used)-1] != tt.used[len(tt.used)-1] {
				t.Errorf("used %v, want %v\n%s", used, tt.used, w.lines())
			}
			tried := 0
			starts, _ := find[StartTransport](w)
			for _, s := range starts {
				if s.Group == proto.GroupAudio {
					tried++
				}
			}
			if tried != tt.tried {
				t.Errorf("%d attempts, want %d\n%s", tried, tt.tried, w.lines())
			}
		})
	}
}

func TestLadderTraces(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	w.media = func(s StartTransport) (Event, float64) {
		switch s.Rung {
		case proto.UDP8801:
			return TransportUp{Attempt: s.Attempt}, 900
		case proto.TCP8801:
			return TransportUp{Attempt: s.Attempt}, 60
		}
		return nil, 0
	}
	w.run(4000)
	w.record("udp-takes-over")
}

// welcomes makes every welcome bring credentials of a set of its own, as routers do.
func welcomes(w *world) {
	n := 0
	w.control = func(o OpenControl) ([]Event, []float64) {
		n++
		set := string(rune('0' + n))
		return []Event{ControlUp{o.Attempt}, Welcomed{Attempt: o.Attempt, Resumed: w.m.control.everIn, Groups: []proto.Credentials{
			{Group: 0, Ufrag: "wa" + set}, {Group: 1, Ufrag: "wv" + set}, {Group: 2, Ufrag: "wc" + set}}}}, []float64{60, 80}
	}
}

func TestContentBelongsToTheSamePeerConnection(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	welcomes(w)
	w.run(5000)
	if s, _ := last[StartTransport](w); s.Credentials.Ufrag != "c" {
		t.Errorf("content started with %q, want the grant's, as audio and video", s.Credentials.Ufrag)
	}
}

// TestLostTransportMovesAllToFreshCredentials: the spare set of the welcome first, then a fresh grant and
// channel. A transport in use stays until its successor is up.
func TestLostTransportMovesAllToFreshCredentials(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	welcomes(w)
	w.run(9000)
	video := w.m.lanes[proto.GroupVideo].inUse.id
	w.at(10_000, TransportLost{Attempt: w.m.lanes[proto.GroupAudio].inUse.id, Text: "silent for 1.5 s"})
	w.run(10_050)
	if l := &w.m.lanes[proto.GroupVideo]; l.inUse == nil || l.inUse.id != video {
		t.Error("video was broken before its successor was made")
	}
	w.run(12_000)
	s, at := find[StartTransport](w)
	if len(s) != 6 || at[3] != 10_000 || s[3].Credentials.Ufrag != "wa1" || s[5].Credentials.Ufrag != "wc1" {
		t.Errorf("%d transports at %v: %+v", len(s), at, s)
	}
	if r, _ := find[Route](w); len(r) != 1 {
		t.Errorf("%d routes: the spare set makes one unnecessary", len(r))
	}
	if c, _ := find[CloseTransport](w); len(c) != 2 {
		t.Errorf("%d old transports closed, want video's and content's", len(c))
	}
	w.at(20_000, TransportLost{Attempt: w.m.lanes[proto.GroupAudio].inUse.id, Text: "silent for 1.5 s"})
	w.run(23_000)
	w.wantState(In)
	if r, at := find[Route](w); len(r) != 2 || at[1] != 20_000 {
		t.Errorf("%d routes at %v", len(r), at)
	}
	for g := range w.m.lanes {
		if w.m.lanes[g].inUse == nil || w.m.lanes[g].inUse.set != w.m.media.set {
			t.Errorf("%v is not on the fresh set", proto.Group(g))
		}
	}
	w.record("transport-lost")
}

func TestNoMediaPathIsTold(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	clear(w.udp)
	w.media = func(StartTransport) (Event, float64) { return nil, 0 }
	w.run(3000)
	w.wantWhy("Audio is being connected.") // nothing is lost yet
	w.run(6000)
	w.wantWhy("Audio has no path.")
	w.run(40_000)
	f, at := first[Failed](w)
	if at > 16_000 || f.WebURL == "" {
		t.Errorf("failed at %v: %+v", at, f)
	}
	w.wantWhy("UDP 8801 seems to be blocked")
	w.record("no-media")
}

func TestMediaThatDiesForGoodIsTold(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	welcomes(w)
	w.run(9000)
	w.media = func(StartTransport) (Event, float64) { return nil, 0 }
	for g := range w.m.lanes {
		w.at(10_000, TransportLost{Attempt: w.m.lanes[g].inUse.id})
	}
	w.run(60_000)
	if f, at := first[Failed](w); at != 40_000 || f.WebURL == "" {
		t.Errorf("failed at %v: %+v", at, f)
	}
}

func TestContentStartsWhenSomebodyShares(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.at(600, NeedContent{})
	w.run(5000)
	if s, at := last[StartTransport](w); s.Group != proto.GroupContent || at != 600 {
		t.Errorf("%v at %v", s.Group, at)
	}
	one := newWorld(t, Config{OneGroup: true}, zoneOf("a", 0, 0))
	one.run(5000)
	if s, _ := find[StartTransport](one); len(s) != 1 {
		t.Errorf("one group: %d transports", len(s))
	}
}

// TestTraces replays every recorded trace, as the twin does: events in, the same actions out.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(traceDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var tr trace
		if err := json.Unmarshal(raw, &tr); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		m := New(tr.Config)
		for i, s := range tr.Steps {
			e, err := DecodeEvent(s.Event)
			if err != nil {
				t.Fatalf("%s step %d: %v", f, i, err)
			}
			m.Handle(t0.Add(millis(s.AtMS)), e)
			for n := 0; ; n++ {
				a, ok := m.Next()
				if !ok {
					if n != len(s.Actions) {
						t.Fatalf("%s step %d: %d actions, want %d", f, i, n, len(s.Actions))
					}
					break
				}
				got, err := EncodeAction(a)
				if err != nil {
					t.Fatal(err)
				}
				if n >= len(s.Actions) || string(got) != string(s.Actions[n]) {
					t.Fatalf("%s step %d: got action %s, want %v", f, i, got, s.Actions)
				}
			}
		}
	}
}

// TestAnyEventsAnyOrder: whatever comes, the machine neither panics nor spins, and what it has closed
// stays closed.
func TestAnyEventsAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		zones := []proto.Zone{zoneOf("a", 0, 0), zoneOf("b", 5, 30)}
		m := New(Config{Rungs: allRungs})
		w := newWorld(t, Config{}, zones...)
		now := t0
		open := map[int]bool{}
		for range 400 {
			id := r.IntN(30)
			g := grantOf("a", []string{"a-1", "a-2"}[r.IntN(2)], r.IntN(4) == 0)
			ctrl := []string{"https://a/a", "https://b/a", "nowhere"}[r.IntN(3)]
			codes := []proto.Code{"", proto.CodeMoved, proto.CodeRouterFull, proto.CodeTokenExpired, proto.CodeInternal, proto.CodeShutdown}
			code := codes[r.IntN(len(codes))]
			events := []Event{Start{}, w.answer(zones, g), LookupFailed{}, PingDone{Controller: ctrl, RTT: r.Float64() * 300}, PingFailed{Controller: ctrl},
				ProbeDone{Addr: "a:8801", RTT: 5}, ProbeFailed{Addr: "b:8801"}, TunnelUp{"t"}, TunnelFailed{URL: "t"}, RouteDone{ctrl, g},
				RouteFailed{Controller: ctrl, Code: code, Grant: &g}, ControlUp{id}, Welcomed{Attempt: id, Groups: g.Groups, Resumed: r.IntN(2) == 0}, WaitingRoom{Attempt: id},
				Refused{Attempt: id, Code: code, Grant: &g}, ControlLost{Attempt: id}, TransportUp{Attempt: id}, TransportFailed{Attempt: id},
				TransportLost{Attempt: id}, NeedContent{}, NetworkChanged{}, Tick{}, Tick{}, Tick{}}
			m.Handle(now, events[r.IntN(len(events))])
			for {
				a, ok := m.Next()
				if !ok {
					break
				}
				switch a := a.(type) {
				case StartTransport:
					open[a.Attempt] = true
				case CloseTransport:
					if !open[a.Attempt] {
						t.Fatalf("seed %d: closes transport %d, which is not open", seed, a.Attempt)
					}
					delete(open, a.Attempt)
				case UseTransport:
					if !open[a.Attempt] {
						t.Fatalf("seed %d: uses transport %d, which is closed", seed, a.Attempt)
					}
				}
			}
			at, why := m.Wake()
			if !at.IsZero() && !at.After(now) && !at.Equal(now) {
				// Time that has passed must have been dealt with by Handle.
				t.Fatalf("seed %d: %v lies %v in the past", seed, why, now.Sub(at))
			}
			if m.State() == Over {
				for _, a := range m.Explain().Attempts {
					if a.Outcome == Pending {
						t.Fatalf("seed %d: over, but still under way: %v", seed, a)
					}
				}
				break
			}
			if !at.IsZero() && r.IntN(2) == 0 {
				now = at
			} else {
				now = now.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			}
		}
	}
}

// A laptop sleeps twice in a meeting, and is in another network each time: its clock stood still, so its hello is too
// old, and the meeting is looked up again. That this was needed before is no reason to give up.
func TestATokenIsRefreshedAfterEachSleep(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	old, find, admit := false, w.lookup, w.control
	w.lookup = func(try int) (Event, float64) { old = false; return find(try) }
	w.control = func(o OpenControl) ([]Event, []float64) {
		if old {
			return []Event{ControlUp{o.Attempt}, Refused{Attempt: o.Attempt, Code: proto.CodeTokenExpired}}, []float64{60, 80}
		}
		return admit(o)
	}
	for _, at := range [...]float64{60_000, 120_000, 180_000} {
		w.run(at)
		w.wantState(In)
		old = true
		w.at(at, NetworkChanged{})
	}
	w.run(190_000)
	w.wantState(In)
	w.record("slept-twice")
}

// The network goes as the lid is closed, and an hour later all is well again: who has tried nothing meanwhile, though
// its clock went on, begins to try.
func TestSleepIsNoTimeOfTrying(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	route := w.route
	w.run(9000)
	w.route = func(Route) (Event, float64) { return nil, 0 }
	w.at(10_000, NetworkChanged{})
	w.run(12_000)
	w.wantState(Routing)
	w.route = route
	w.now = w.now.Add(time.Hour)
	w.handle(NetworkChanged{})
	w.run(3_617_000)
	w.wantState(In)
	w.record("slept-lost")
}

// Who was without any network for 28 s, in a tunnel of a railway say, has all the time for trying once there is one.
func TestAnotherNetworkHasAllTheTimeForTrying(t *testing.T) {
	for _, tt := range []struct {
		name string
		NetworkChanged
	}{{"network-late", NetworkChanged{}}, {"network-late-kept", NetworkChanged{Kept: true}}} {
		w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
		lookup, route, admit := w.lookup, w.route, w.control
		w.run(9000)
		w.lookup = func(int) (Event, float64) { return nil, 0 }
		w.route = func(Route) (Event, float64) { return nil, 0 }
		w.control = func(OpenControl) ([]Event, []float64) { return nil, nil }
		w.at(10_000, ControlLost{Attempt: w.m.control.id, Text: "reset"})
		w.run(38_000)
		w.wantState(Routing)
		w.lookup, w.route = lookup, route
		w.control = func(o OpenControl) ([]Event, []float64) {
			events, at := admit(o)
			for i := range at {
				at[i] += 2000 // the radio wakes up
			}
			return events, at
		}
		w.at(38_001, tt.NetworkChanged)
		w.run(45_000)
		w.wantState(In)
		if j, at := last[Joined](w); !j.Resumed || at > 40_500 {
			t.Errorf("%s: joined %+v at %v", tt.name, j, at)
		}
		w.record(tt.name)
	}
}
