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
