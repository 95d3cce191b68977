package scenario

import (
	"testing"
	"time"

	"parley/client"
	"parley/lab"
)

// Round trips from click to the first sound that the router accepts, all servers 100 ms away there and back,
// on addresses of their own. The bubble's clock counts the network alone.

const trip = 100 * time.Millisecond

// alike are zones that are all as far away as the site.
func alike(names ...string) (out []place) {
	for _, name := range names {
		out = append(out, place{name: name, delay: trip / 2, routers: 1})
	}
	return out
}

// distant puts a person half a round trip from everything.
func distant(p *person, _ *client.Config) {
	p.host = p.w.host("host-"+p.name, nil)
	p.w.net.Link(p.host, p.w.siteHost, lab.Link{Delay: trip / 2})
}

// heardAfter is how long after the click the first sound of a person was let through.
func (w *world) heardAfter(p *person, m meetingInfo, click time.Time) float64 {
	w.Helper()
	j := p.WaitJoined()
	node, _ := w.Router(j.Router)
	var at time.Time
	w.until(5*time.Second, p.name+" is heard", func() bool {
		for _, s := range node.Routers()[0].Seats(m.ID) {
			if s.Participant == j.Participant && !s.HeardAt.IsZero() {
				at = s.HeardAt
				return true
			}
		}
		return false
	})
	return float64(at.Sub(click)) / float64(trip)
}

// wantTrips checks a count of round trips. What the network does not take: sound is sent every 20 ms, and of it
// one packet may come a moment too early; the router looks at it a turn later.
func wantTrips(t *testing.T, what string, got, most float64) {
	t.Helper()
	t.Logf("%s: %.2f round trips", what, got)
	if got > most+0.4 {
		t.Errorf("%s: first sound after %.2f round trips, want %.1f", what, got, most)
	}
}

// Cold: lookup 3 (TCP, TLS, the request); then beside each other the control channel (TCP, TLS, and the hello
// half a round trip later at the router) and DTLS behind the first check.
func TestColdRoundTrips(t *testing.T) {
	for name, zones := range map[string][]place{"one zone": alike("oslo"), "three zones": alike("oslo", "paris", "tokyo")} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, zones, func(t *testing.T, w *world) {
				m := w.Meeting(nil)
				click := time.Now()
				wantTrips(t, "the first to come", w.heardAfter(w.Join("anna", m, distant, performs), m, click), 5.5)
				click = time.Now()
				wantTrips(t, "the next", w.heardAfter(w.Join("ben", m, distant, performs), m, click), 5.5)
			})
		})
	}
}

// Five zones that take connections or packets and never answer cost nothing (S9).
func TestFiveDeadZonesCostNoRoundTrip(t *testing.T) {
	inWorld(t, alike("a", "b", "oslo", "c", "d", "e"), func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			w.Zone(name).Silence()
		}
		m := w.Meeting(nil)
		click := time.Now()
		p := w.Join("anna", m, distant, performs)
		wantTrips(t, "with five dead zones", w.heardAfter(p, m, click), 5.5)
	})
}

// Warm: a connection to the site stands. Lookup 1, and the rest of a cold join.
func TestWarmRoundTrips(t *testing.T) {
	inWorld(t, alike("oslo", "paris"), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		p := w.Join("anna", m, distant, performs, waits(client.WaitSite))
		w.pass(2 * time.Minute)
		if count[client.Ready](p) != 1 || count[client.Phase](p) > 0 {
			t.Errorf("ready %d times, and %d phases before Enter, want one and none", count[client.Ready](p), count[client.Phase](p))
		}
		click := time.Now()
		p.Enter()
		wantTrips(t, "warm", w.heardAfter(p, m, click), 3.5)
	})
}

// From the lobby: the hello, and sound right behind it.
func TestLobbyRoundTrips(t *testing.T) {
	for _, tt := range []struct {
		name string
		wait time.Duration
		most float64
		then func(w *world, p *person) // half-way
	}{
		{"soon", 5 * time.Second, 0.5, nil},
		{"within a minute", 55 * time.Second, 0.5, nil},
		{"later, when all is released", 10 * time.Minute, 5.5, nil},
		// The site's grants have lapsed by then: fresh ones are asked for.
		{"after the network has changed", 50 * time.Second, 0.5, func(_ *world, p *person) { p.NetworkChanged() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, alike("oslo", "paris"), func(t *testing.T, w *world) {
				m := w.Meeting(nil)
				helen := w.Join("helen", m, distant, hosts, performs)
				helen.WaitMedia()
				p := w.Join("anna", m, distant, performs, waits(client.WaitLobby))
				var sound int
				w.net.Tap(func(k lab.Packet) {
					if k.Event == lab.Sent && k.From == p.host.Name() && isMedia(k) {
						sound++
					}
				})
				w.pass(tt.wait / 2)
				if tt.then != nil {
					tt.then(w, p)
				}
				w.pass(tt.wait / 2)
				if n := len(helen.Roster()); n != 1 || sound > 0 {
					t.Errorf("before Enter the host sees %d people, want herself alone, and %d packets of sound were sent", n, sound)
				}
				if count[client.Ready](p) != 1 {
					t.Errorf("ready %d times, want once", count[client.Ready](p))
				}
				click := time.Now()
				p.Enter()
				wantTrips(t, "from the lobby", w.heardAfter(p, m, click), tt.most)
				if j := p.WaitJoined(); float64(j.MS) > (tt.most+1.5)*100 {
					t.Errorf("joined after %d ms by its own account", j.MS)
				}
				w.pass(2 * time.Second)
				if helen.Hears("anna") < 90 || helen.Sees("anna") < 15 {
					t.Errorf("the host got %d sounds and %d pictures in 2 s", helen.Hears("anna"), helen.Sees("anna"))
				}
			})
		})
	}
}

// waits makes a person wait for Enter.
func waits(how client.Wait) option {
	return func(_ *person, c *client.Config) { c.Wait = how }
}
