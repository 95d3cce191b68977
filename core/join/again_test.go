package join

import (
	"strings"
	"testing"

	"parley/wire/proto"
)

// gone makes every zone but b silent from ten seconds on, for so long (ms): the control channel breaks, the controllers
// say nothing, and the routers refuse.
func (w *world) gone(forMS float64) {
	w.run(9000)
	w.wantState(In)
	route, admit := w.route, w.control
	off := func() bool { return w.ms() < 10_000+forMS }
	w.route = func(r Route) (Event, float64) {
		if r.Zone != "b" && off() {
			return nil, 0
		}
		return route(r)
	}
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Grant.Zone != "b" && off() {
			return []Event{ControlLost{Attempt: o.Attempt, Text: "connection refused"}}, []float64{20}
		}
		return admit(o)
	}
	delete(w.rtt, "https://a/a")
	delete(w.udp, "a:8801")
	w.at(10_000, ControlLost{Attempt: w.m.control.id, Text: "connection reset"})
}

// A zone is taken out of service while people meet in it, and the site has another by now: who finds nobody where the
// site sent them once asks it again.
func TestTheSiteIsAskedAgainWhereNobodyIsLeft(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	b := []proto.Zone{zoneOf("b", 0, 0)}
	w.gone(100_000)
	w.rtt["https://b/a"], w.udp["b:8801"] = 20, 20
	w.lookup = func(int) (Event, float64) { return w.answer(b), 60 }
	w.run(50_000)
	w.wantState(In)
	if j, at := last[Joined](w); j.Zone != "b" || !j.Resumed || at > 10_000+15_000+1000 {
		t.Errorf("joined %+v at %v\n%s", j, at, w.lines())
	}
	if l, at := find[Lookup](w); len(l) != 2 || at[1] != 25_000 {
		t.Errorf("lookups at %v", at)
	}
	w.record("site-again")
}

// Asking the site ends nothing earlier: a router that comes back within the time for trying is entered, whatever the
// site says meanwhile.
func TestAskingTheSiteAgainEndsNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lookup func(w *world) Event // nil: silence
		n      int                  // lookups
	}{
		{"site-again-silent", func(*world) Event { return nil }, 2},
		{"site-again-down", func(*world) Event { return LookupFailed{Text: "no route"} }, 4},
		{"site-again-refuses", func(*world) Event { return LookupFailed{Code: proto.CodeNoSuchMeeting, Text: "no such meeting"} }, 2},
		{"site-again-slow", func(*world) Event { return LookupFailed{Code: proto.CodeSlowDown, RetryAfter: 10} }, 3},
		{"site-again-same", func(w *world) Event { return w.answer([]proto.Zone{zoneOf("a", 0, 0)}) }, 2},
		{"site-again-worse", func(w *world) Event { return w.answer([]proto.Zone{zoneOf("a", 0, 0), zoneOf("c", 0, 0)}) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
			w.gone(22_000)
			w.lookup = func(int) (Event, float64) { return tt.lookup(w), 40 }
			w.run(60_000)
			w.wantState(In)
			if j, at := last[Joined](w); at > 40_000 {
				t.Errorf("joined %+v at %v\n%s", j, at, w.lines())
			}
			if l, at := find[Lookup](w); len(l) != tt.n {
				t.Errorf("%d lookups at %v, want %d", len(l), at, tt.n)
			}
			w.record(tt.name)
		})
	}
}

// What the site says is told where nothing else has helped, and no later than before.
func TestWhatTheSiteRefusesIsToldInTheEnd(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	w.gone(100_000)
	w.lookup = func(int) (Event, float64) {
		return LookupFailed{Code: proto.CodeEnded, Text: "The meeting is over."}, 40
	}
	w.run(60_000)
	if f, at := first[Failed](w); f.Code != proto.CodeEnded || at != 40_000 {
		t.Errorf("failed at %v: %+v", at, f)
	}
}

// Somebody guesses at the meeting's passcode, so that the site makes strangers wait: who joins waits as told.
func TestWhoIsToldToWaitWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		told []int   // seconds, of each answer that is none
		want float64 // when it is over; 0: it joins
	}{
		{"slow-down", []int{3, 5, 2}, 0},
		{"slow-down-unsaid", []int{0, 0, 0, 0, 0}, 0},
		{"slow-down-long", []int{20}, 60},
		{"slow-down-on", []int{8, 8}, 8120},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, Config{}, zoneOf("a", 0, 0))
			find := w.lookup
			w.lookup = func(n int) (Event, float64) {
				if n < len(tt.told) {
					return LookupFailed{Code: proto.CodeSlowDown, Text: "Too many wrong tries.", RetryAfter: tt.told[n]}, 60
				}
				return find(n)
			}
			w.run(30_000)
			w.record(tt.name)
			if tt.want == 0 {
				w.wantState(In)
				return
			}
			if f, at := first[Failed](w); f.Code != proto.CodeSlowDown || !f.Refused || !strings.Contains(f.Text, "wrong tries") || at != tt.want {
				t.Errorf("failed at %v: %+v", at, f)
			}
		})
	}
}

// Who has been in the meeting and has to look it up again from another address gives the site as long as a router,
// whether it makes strangers wait or is out of reach.
func TestAMemberIsNotPutOutByTheSite(t *testing.T) {
	for name, none := range map[string]LookupFailed{
		"member-waits": {Code: proto.CodeSlowDown, RetryAfter: 6},
		"member-tries": {Text: "no route"},
	} {
		w := newWorld(t, Config{}, zoneOf("a", 0, 0))
		find, admit := w.lookup, w.control
		w.run(60_000)
		old := true
		w.lookup = func(n int) (Event, float64) {
			if w.ms() < 80_000 {
				return none, 60
			}
			old = false
			return find(n)
		}
		w.control = func(o OpenControl) ([]Event, []float64) {
			if old {
				return []Event{ControlUp{o.Attempt}, Refused{Attempt: o.Attempt, Code: proto.CodeTokenExpired}}, []float64{60, 80}
			}
			return admit(o)
		}
		w.at(60_000, NetworkChanged{})
		w.run(100_000)
		w.wantState(In)
		w.record(name)
	}
}

// A meeting server whose clock is wrong takes every hello for an old one: who is refused after a new lookup too is told
// what the server says of its clock.
func TestAServersWrongClockIsTold(t *testing.T) {
	const says = "By the clock of meeting server a-1 this request is 75 s old. That clock may be wrong."
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	w.control = func(o OpenControl) ([]Event, []float64) {
		return []Event{ControlUp{o.Attempt}, Refused{Attempt: o.Attempt, Code: proto.CodeTokenExpired, Text: says}}, []float64{60, 80}
	}
	w.run(20_000)
	if f, _ := first[Failed](w); f.Code != proto.CodeTokenExpired || !strings.HasSuffix(f.Text, "a new one too. "+says) {
		t.Errorf("failed: %+v", f)
	}
	w.record("server-clock")
}

// A router that was out of reach once, and is entered directly later, is not called out of reach any more.
func TestARouterThatIsReachedAfterAllIsNotBlamed(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	admit := w.control
	w.control = func(o OpenControl) ([]Event, []float64) {
		if w.ms() < 8000 {
			return nil, nil
		}
		return admit(o)
	}
	w.run(7000)
	w.wantWhy("can't be reached directly")
	w.run(20_000)
	w.wantState(In)
	if told := w.lines(); strings.Contains(told, "can't be reached") {
		t.Errorf("the report says\n%s", told)
	}
	w.record("router-reached-after-all")
}
