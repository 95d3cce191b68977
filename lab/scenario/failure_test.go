package scenario

import (
	"net/netip"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/node"
	"parley/wire/proto"
)

// both waits until two people hear and see each other anew, and tells how long it took.
func both(w *world, what string, limit time.Duration, a, b *person) time.Duration {
	w.Helper()
	a.Forget()
	b.Forget()
	return w.until(limit, what, func() bool {
		return a.Hears(b.name) > 0 && b.Hears(a.name) > 0 && a.Sees(b.name) > 0 && b.Sees(a.name) > 0
	})
}

// A changed network is repaired by rejoining media (design §4): at once where the machine says so, and by
// evidence where it does not.
func TestAChangedNetworkIsRepairedByRejoiningMedia(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m, performs)
		anna.WaitMedia()
		ben.WaitMedia()
		w.pass(5 * time.Second)
		seat := mustSelf(anna)

		anna.host.Move(netip.MustParseAddr("203.0.113.1"))
		anna.NetworkChanged()
		if took := both(w, "media is back", 5*time.Second, anna, ben); took > 500*time.Millisecond {
			t.Errorf("media was back %v after a change that was told, want four round trips of 20 ms and a key frame", took)
		}
		w.pass(10 * time.Second)

		anna.host.Move(netip.MustParseAddr("203.0.113.2"))
		// What was on its way before the move still arrives.
		w.pass(50 * time.Millisecond)
		if took := both(w, "media is back", 10*time.Second, anna, ben); took > 4*time.Second {
			t.Errorf("media was back %v after a change that nobody told", took)
		}
		if got := mustSelf(anna); got != seat {
			t.Errorf("anna has seat %d, had %d", got, seat)
		}
		for _, e := range every[client.RosterChange](ben) {
			if len(e.Gone) > 0 {
				t.Errorf("ben saw %v leave", e.Gone)
			}
		}
	})
}

// With the web infrastructure lost running meetings go on, and tokens issued still admit (design §6).
func TestWithTheWebInfrastructureLostMeetingsGoOnAndTokensStillAdmit(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m, performs)
		anna.WaitMedia()
		ben.WaitMedia()
		late := w.Stranger("late").MustLookup(m)
		w.Stop("meet.test")
		w.siteHost.Down()
		w.pass(30 * time.Second)
		both(w, "they hear and see each other", time.Second, anna, ben)
		home := ben.WaitJoined().Router
		for _, zone := range []string{"oslo", "tokyo"} {
			g, code := late.Route(zone, late.answer.Token)
			if code != "" {
				t.Fatalf("route at %s without the web infrastructure: %s", zone, code)
			}
			if zone == "oslo" && g.Router != home {
				t.Errorf("sent to %s, the meeting is on %s", g.Router, home)
			}
		}
		if got := late.Say(home, late.Hello(home)).outcome(); got != "welcome" {
			t.Errorf("a token issued before: %s", got)
		}
		anna.NetworkChanged() // and who has to come again may
		both(w, "anna is back", 5*time.Second, anna, ben)
	})
}

// A router that is stopped says so, and its people meet again on another one.
func TestPeopleOfAStoppedRouterMeetAgainOnAnother(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m, performs)
		anna.WaitMedia()
		ben.WaitMedia()
		w.pass(3 * time.Second)
		home := ben.WaitJoined().Router
		began := time.Now()
		w.Stop(home)
		anna.rest()
		ben.rest()
		w.until(20*time.Second, "both are in again", func() bool {
			return count[client.Joined](anna) > 0 && count[client.Joined](ben) > 0
		})
		a, b := anna.WaitJoined(), ben.WaitJoined()
		if a.Router == home || a.Router != b.Router {
			t.Errorf("anna is on %s, ben on %s, and %s was stopped", a.Router, b.Router, home)
		}
		both(w, "media is back", 5*time.Second, anna, ben)
		// Nobody waits for announcements that do not come: the router has said that it stops.
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("media was back after %v", took)
		}
	})
}

// Controllers are restarted in mid-meeting, later a router: who joined before knows none of the keys that they sign
// with now, and finds the next router all the same.
func TestAfterControllersHaveRestartedPeopleStillFindTheNextRouter(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m, performs)
		anna.WaitMedia()
		ben.WaitMedia()
		w.pass(3 * time.Second)
		for _, z := range w.zones {
			zc := z.name + "-zc"
			w.Stop(zc)
			w.node(w.ctx, z.hosts[0], node.Config{Site: siteURL, TLS: w.certificate(zc),
				Zone: &node.Zone{ID: z.name, Name: z.name, Server: zc, URL: "https://" + zc}})
		}
		w.pass(10 * time.Second)
		home := ben.WaitJoined().Router
		anna.rest()
		ben.rest()
		w.Stop(home)
		w.until(5*time.Second, "both are in again", func() bool {
			return count[client.Joined](anna) > 0 && count[client.Joined](ben) > 0
		})
		if a, b := anna.WaitJoined(), ben.WaitJoined(); a.Router == home || a.Router != b.Router {
			t.Errorf("anna is on %s, ben on %s, and %s was stopped", a.Router, b.Router, home)
		}
		both(w, "media is back", 5*time.Second, anna, ben)
	})
}

// The web infrastructure comes back with what it knew: meetings, homes and seats (S2).
func TestARestartedWebInfrastructureKnowsWhereMeetingsLive(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		home := anna.WaitJoined().Router
		w.pass(3 * time.Second)
		w.Stop("meet.test")
		w.pass(10 * time.Second)
		w.site = w.node(w.ctx, w.siteHost, w.siteConfig)
		w.pass(steady)
		ben := w.Join("ben", m, near("tokyo"))
		if got := ben.WaitJoined().Router; got != home {
			t.Errorf("ben is on %s, the meeting on %s", got, home)
		}
		w.until(5*time.Second, "ben sees anna", func() bool { return ben.Sees("anna") > 0 })
		w.Join("carl", w.Meeting(nil)).WaitJoined()
	})
}

// S19: if one zone controller is down, the other takes over automatically.
func TestIfOneZoneControllerIsDownTheOtherTakesOver(t *testing.T) {
	zones := threeZones(2)
	zones[0].controllers = 2
	inWorld(t, zones, func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		home := anna.WaitJoined().Router
		w.pass(3 * time.Second)
		w.Stop("oslo-zc")
		w.Zone("oslo").hosts[0].Down() // and nobody answers at its address

		ben := w.Join("ben", m)
		if got := ben.WaitJoined().Router; got != home {
			t.Errorf("ben is on %s, the meeting on %s", got, home)
		}
		fresh := w.Join("carl", w.Meeting(nil))
		if j := fresh.WaitJoined(); j.Zone != "oslo" || fresh.ZoneChosen() != "oslo" {
			t.Errorf("a new meeting is in zone %s, chosen was %q", j.Zone, fresh.ZoneChosen())
		}
		late := w.Stranger("late").MustLookup(m)
		var a proto.RouteAnswer
		if code := late.post("https://oslo-zc2/route", "", proto.RouteRequest{V: proto.Version, Token: late.answer.Token}, &a); code != "" {
			t.Errorf("the other controller refuses a route: %s", code)
		}
		ben.NetworkChanged() // he asks for a route again
		both := w.until(5*time.Second, "ben is back", func() bool { return count[client.Joined](ben) == 2 })
		if both > time.Second {
			t.Errorf("with one controller down it took %v to come back", both)
		}
	})
}

// S19: a controller that starts places people at once: it asks its routers, and does not wait for their next word.
func TestAControllerThatStartsKnowsItsRoutersAtOnce(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		late := w.Stranger("late").MustLookup(w.Meeting(nil))
		w.pass(1100 * time.Millisecond) // not in step with the routers' announcements
		h := w.net.Host("oslo-new", lab.HostOpts{})
		w.node(w.ctx, h, node.Config{Site: siteURL, TLS: w.certificate("oslo-new"),
			Zone: &node.Zone{ID: "oslo", Name: "oslo", Server: "oslo-new", URL: "https://oslo-new"}})
		w.pass(200 * time.Millisecond)
		var a proto.RouteAnswer
		if code := late.post("https://oslo-new/route", "", proto.RouteRequest{V: proto.Version, Token: late.answer.Token}, &a); code != "" {
			t.Errorf("the new controller refuses a route: %s", code)
		}
	})
}
