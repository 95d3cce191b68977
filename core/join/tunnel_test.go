package join

import (
	"slices"
	"strings"
	"testing"

	"parley/wire/proto"
)

// tunnelWorld is a network from which nothing but tunnels can be reached.
func tunnelWorld(t *testing.T, cfg Config, grants ...proto.Grant) *world {
	zones := []proto.Zone{zoneOf("a", 0, 0)}
	w := newWorld(t, cfg, zones...)
	clear(w.rtt)
	clear(w.udp)
	w.lookup = func(int) (Event, float64) {
		e := w.answer(zones, grants...)
		e.Answer.Tunnels = []string{"https://t1", "https://t2"}
		return e, 60
	}
	w.tunnels["https://t2"] = 50
	admit := w.control
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Via == "" && w.rtt["https://a/a"] == 0 {
			return nil, nil
		}
		return admit(o)
	}
	w.media = func(s StartTransport) (Event, float64) {
		if s.Via == "" && w.rtt["https://a/a"] == 0 {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	return w
}

// A connection without the tunnel may be refused late: that says nothing of the tunnel.
func TestALateRefusalBesideTheTunnelSpoilsNothing(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	w.at(870, PingFailed{Controller: "https://a/a", Text: "connection reset"}) // the tunnel is up since 810
	w.run(4000)
	w.wantState(In)
	if o, at := first[OpenControl](w); o.Via != "https://t2" || at > 1500 {
		t.Errorf("control via %q at %v ms", o.Via, at)
	}
	w.record("tunnel-late-refusal")
}

// The site's grant needs no controller, so a router is tried at once; where it does not answer either,
// the tunnel takes over at once and not when that attempt has timed out.
func TestAGrantAtHandGoesThroughTheTunnelToo(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs}, grantOf("a", "a-3", false))
	w.run(4000)
	w.wantState(In)
	o, at := find[OpenControl](w)
	if len(o) != 2 || o[0].Via != "" || o[1].Via != "https://t2" || o[1].Grant.Router != "a-3" {
		t.Errorf("control attempts %+v at %v", o, at)
	}
	// The tunnel is up at 810: nothing waits for a controller's answer through it.
	if j, _ := first[Joined](w); j.MS != 890 {
		t.Errorf("joined after %d ms, want 890", j.MS)
	}
	if u, at := find[UseTransport](w); len(u) < 2 || u[0].Rung != proto.TLS443 || at[1] > 1500 {
		t.Errorf("transports in use %+v at %v", u, at)
	}
	w.wantWhy("Audio runs over TLS 443 through the tunnel.")
	w.record("tunnel-grant")
}

// A tunnel that accepts and never answers delays nothing, and three at a time are enough.
func TestTunnelsRaceThreeAtATime(t *testing.T) {
	w := tunnelWorld(t, Config{})
	lookup := w.lookup
	w.lookup = func(n int) (Event, float64) {
		e, ms := lookup(n)
		done := e.(LookupDone)
		done.Answer.Tunnels = []string{"https://dead1", "https://dead2", "https://dead3", "https://t2"}
		return done, ms
	}
	w.at(2000, TunnelFailed{URL: "https://dead1", Text: "no answer in time"})
	w.run(4000)
	w.wantState(In)
	if d, at := find[DialTunnel](w); len(d) != 4 || !slices.Equal(at, []float64{660, 760, 860, 2000}) {
		t.Errorf("tunnels dialled at %v", at)
	}
	w.record("tunnel-three")
}

// Where the lookup itself needed a tunnel, the race starts with the answer.
func TestALookupThroughATunnelStartsTheRaceAtOnce(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	lookup := w.lookup
	w.lookup = func(n int) (Event, float64) {
		e, ms := lookup(n)
		done := e.(LookupDone)
		done.Via = "https://t2"
		return done, ms
	}
	w.run(4000)
	w.wantState(In)
	if d, at := first[DialTunnel](w); d.URL != "https://t2" || at != 60 {
		t.Errorf("dialled %s at %v, want the lookup's own tunnel at 60", d.URL, at)
	}
	w.wantWhy("the site", "through the tunnel https://t2")
	w.record("tunnel-lookup")
}

// A tunnel is for those who have no other way: when zones can be reached again, the client goes back, media
// without a gap.
func TestLeavesTheTunnelWhenTheDirectWayWorks(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	w.run(20_000)
	w.wantState(In)
	w.rtt["https://a/a"] = 20
	w.run(40_000)
	w.wantState(In)
	if o, _ := last[OpenControl](w); o.Via != "" {
		t.Errorf("control still via %q", o.Via)
	}
	up := map[proto.Group]int{}
	for _, x := range w.log {
		switch a := x.a.(type) {
		case UseTransport:
			up[a.Group] = a.Attempt
		case CloseTransport:
			if up[a.Group] == a.Attempt {
				t.Errorf("at %v ms %v lost its transport before another was up", x.ms, a.Group)
			}
		}
	}
	w.wantWhy("Video runs over UDP 8801.")
	w.wantWhy("a controller answers without it")
	w.record("tunnel-left")
}

// Zones that go out of reach in mid-meeting are reached through a tunnel, before the client gives up.
func TestGoesThroughATunnelWhenTheWayIsBlockedLater(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	w.rtt["https://a/a"] = 20
	route := w.route
	w.route = func(r Route) (Event, float64) {
		if r.Via == "https://t1" || r.Via == "" && w.rtt["https://a/a"] == 0 {
			return nil, 0
		}
		return route(r)
	}
	w.run(10_000)
	w.wantState(In)
	clear(w.rtt)
	c, _ := last[OpenControl](w)
	w.at(10_000, NetworkChanged{})
	w.run(45_000)
	w.wantState(In)
	o, at := last[OpenControl](w)
	if o.Attempt == c.Attempt || o.Via != "https://t2" || at > 10_000+15_000 {
		t.Errorf("control via %q at %v ms", o.Via, at)
	}
	w.wantWhy("Audio runs over TLS 443 through the tunnel.")
	w.record("tunnel-in-meeting")
}

// A tunnel that dies is replaced by the next one.
func TestAnotherTunnelTakesOver(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	dead := ""
	w.tunnels["https://t1"] = 20
	route, control := w.route, w.control
	w.route = func(r Route) (Event, float64) {
		if r.Via == dead {
			return RouteFailed{Controller: r.Controller, Text: "connection refused"}, 20
		}
		return route(r)
	}
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Via == dead {
			return []Event{ControlLost{Attempt: o.Attempt, Text: "connection refused"}}, []float64{20}
		}
		return control(o)
	}
	dead = "nothing yet"
	w.run(10_000)
	w.wantState(In)
	o, _ := last[OpenControl](w)
	if o.Via != "https://t1" {
		t.Fatalf("via %q", o.Via)
	}
	dead = "https://t1"
	w.at(10_000, ControlLost{Attempt: o.Attempt, Text: "the connection broke"})
	w.run(20_000)
	w.wantState(In)
	if o, at := last[OpenControl](w); o.Via != "https://t2" || at > 11_000 {
		t.Errorf("control via %q at %v ms", o.Via, at)
	}
	w.record("tunnel-dies")
}

// A certificate nobody here trusts is told at once: asking again gives the same one.
func TestAFinalLookupFailureIsNotRepeated(t *testing.T) {
	w := newWorld(t, Config{WebURL: "https://site/j/1"}, zoneOf("a", 0, 0))
	w.lookup = func(int) (Event, float64) {
		return LookupFailed{Text: "TLS is intercepted by ‘Corp CA’", Final: true}, 60
	}
	w.run(20_000)
	f, at := first[Failed](w)
	if l, _ := find[Lookup](w); len(l) != 1 || at != 60 || f.Refused || f.WebURL == "" || f.Text != "TLS is intercepted by ‘Corp CA’" {
		t.Errorf("%d lookups, failed at %v: %+v", len(l), at, f)
	}
	w.record("lookup-final")
}

// A person who is asked for a password may take longer than a network.
func TestAPersonHasTimeToAnswer(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	answer := w.answer([]proto.Zone{zoneOf("a", 0, 0)})
	w.lookup = func(int) (Event, float64) { return nil, 0 }
	w.at(50, Asking{For: "the proxy's password"})
	w.at(60_000, Asked{})
	w.at(61_000, answer)
	w.run(65_000)
	w.wantState(In)
	w.record("asked")

	w = newWorld(t, Config{}, zoneOf("a", 0, 0)) // silence after the answer
	w.lookup = func(int) (Event, float64) { return nil, 0 }
	w.at(50, Asking{For: "the proxy's password"})
	w.at(60_000, Asked{})
	w.run(80_000)
	if _, at := first[Failed](w); at != 75_000 {
		t.Errorf("gave up at %v ms", at)
	}
}

func TestProxyAndInspectionAreTold(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung != proto.TLS443 {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 200
	}
	w.lookup = func(int) (Event, float64) {
		e := w.answer([]proto.Zone{zoneOf("a", 0, 0)})
		e.Proxy, e.Inspected = "proxy.corp:3128", "Corp CA"
		return e, 60
	}
	w.run(3000)
	w.wantWhy("Servers are reached through the proxy proxy.corp:3128.")
	if _, at := first[UseTransport](w); at != 140+200 { // beside UDP, with the grant
		t.Errorf("media over TLS at %v ms, want 340", at)
	}
	w.wantWhy("TLS is opened and inspected on the way by ‘Corp CA’")
	w.record("proxy")
}

// Controllers are reached from here, and no router is, which has addresses of its own (S22): a tunnel leads there. That
// controllers go on to answer without it is no reason to leave it each quarter of a minute.
func TestARouterOutOfReachIsReachedThroughATunnel(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	admit, carry := w.control, w.media
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Via == "" {
			return nil, nil
		}
		return admit(o)
	}
	w.media = func(s StartTransport) (Event, float64) {
		if s.Via == "" {
			return nil, 0
		}
		return carry(s)
	}
	w.rtt["https://a/a"] = 20
	w.run(300_000)
	w.wantState(In)
	o, at := find[OpenControl](w)
	if len(o) != 2 || o[0].Via != "" || o[1].Via != "https://t1" || at[1] > 5500 {
		t.Errorf("%d control attempts at %v\n%s", len(o), at, w.lines())
	}
	w.wantWhy("The meeting servers of zone A can't be reached directly.")
	if told := w.lines(); strings.Contains(told, "nothing answers") {
		t.Errorf("controllers answer, and the report says\n%s", told)
	}
	w.record("router-out-of-reach")
}

// What was out of reach in one network may not be in the next: the tunnel is left there as any other is.
func TestARouterOutOfReachIsReachedFromAnotherNetwork(t *testing.T) {
	w := tunnelWorld(t, Config{Rungs: allRungs})
	admit, carry := w.control, w.media
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Via == "" {
			return nil, nil
		}
		return admit(o)
	}
	w.media = func(s StartTransport) (Event, float64) {
		if s.Via == "" {
			return nil, 0
		}
		return carry(s)
	}
	w.rtt["https://a/a"] = 20
	w.run(60_000)
	w.wantState(In)
	w.control, w.media = admit, carry
	w.at(60_001, NetworkChanged{})
	w.run(120_000)
	w.wantState(In)
	o, at := find[OpenControl](w)
	if l := len(o) - 1; o[l].Via != "" || at[l] > 76_000 {
		t.Errorf("the last control channel of %d is through %q, since %v", l+1, o[l].Via, at[l])
	}
	w.wantWhy("It began through a tunnel; servers answer directly by now, and it is not used any more.")
	w.record("router-in-another-network")
}

// Where there are no tunnels another zone may have a router that can be reached.
func TestAZoneWhoseRouterIsOutOfReachIsAskedLast(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0), zoneOf("b", 0, 0))
	w.rtt["https://b/a"], w.udp["b:8801"] = 120, 120
	admit, carry := w.control, w.media
	w.control = func(o OpenControl) ([]Event, []float64) {
		if o.Grant.Zone == "a" {
			return nil, nil
		}
		return admit(o)
	}
	w.media = func(s StartTransport) (Event, float64) {
		if s.Router == "a-1" {
			return nil, 0
		}
		return carry(s)
	}
	w.run(10_000)
	w.wantState(In)
	if j, at := last[Joined](w); j.Zone != "b" || at > 6000 {
		t.Errorf("joined %+v at %v", j, at)
	}
	w.wantWhy("The meeting servers of zone A can't be reached directly.")
	w.record("zone-out-of-reach")
}
