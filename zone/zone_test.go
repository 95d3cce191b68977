package zone

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/sys/bus"
	"parley/sys/monitor"
	"parley/sys/trust"
	"parley/wire/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const meetingA proto.MeetingID = "AAAAAAAAAAAAAAAAAAAAAA"

// world is a site on an in-process bus: controllers under test, and routers and a web infrastructure
// that are no more than what they say on the bus.
type world struct {
	t       *testing.T
	site    *trust.Site
	bus     *bus.Bus
	metrics *monitor.Metrics
	home    atomic.Pointer[proto.ClaimAnswer] // what the web answers; nil: silence
	asked   atomic.Int32                      // how often it was asked
}

// inWorld runs f in a bubble: a second of announcements costs nothing.
func inWorld(t *testing.T, f func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		site, err := trust.OpenSite(t.TempDir(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b, err := bus.Start(bus.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			b.Close()
			time.Sleep(time.Second)
		})
		w := &world{t: t, site: site, bus: b, metrics: monitor.NewMetrics()}
		w.home.Store(&proto.ClaimAnswer{})
		w.serve(proto.SubjectHome, func(ctx context.Context, _ []byte) (any, error) {
			w.asked.Add(1)
			if a := w.home.Load(); a != nil {
				return *a, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		f(t, w)
	})
}

func (w *world) serve(subject string, h func(context.Context, []byte) (any, error)) {
	w.t.Helper()
	stop, err := w.bus.Serve(subject, "test", h)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(stop)
}

// controller starts one.
func (w *world) controller(zone, id string, change func(*Config)) *Server {
	w.t.Helper()
	v, err := trust.NewVerifier(w.site.Keys())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := Config{Zone: zone, ID: id, URL: "/zone/" + zone + "/" + id, Bus: w.bus, Verifier: v,
		ZoneKey: w.site.ZoneKey(zone), Metrics: w.metrics}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	synctest.Wait()
	return s
}

// router is a fake: it announces each second and answers pings, until told to stop.
type router struct {
	w      *world
	said   proto.RouterAnnounce
	stop   chan struct{}
	frozen atomic.Bool
}

func (w *world) router(zone, id string, change func(*proto.RouterAnnounce)) *router {
	w.t.Helper()
	r := &router{w: w, stop: make(chan struct{}), said: proto.RouterAnnounce{
		V: proto.Version, ID: id, Zone: zone, URL: "/mmr/" + id, Fingerprint: "sha-256 " + id, Shards: 1,
		MaxPeople: 200, MaxMeetings: 100, Candidates: []proto.Candidate{{Rung: proto.UDP8801, Addr: "192.0.2.1:8801"}}}}
	if change != nil {
		change(&r.said)
	}
	w.serve(fmt.Sprintf(proto.SubjectPingRouter, id), func(ctx context.Context, _ []byte) (any, error) {
		if r.frozen.Load() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return r.said, nil
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if !r.frozen.Load() {
				if err := w.bus.Publish(fmt.Sprintf(proto.SubjectRouter, zone, id), r.said); err != nil {
					return
				}
			}
			select {
			case <-time.After(time.Second):
			case <-r.stop:
				return
			}
		}
	}()
	w.t.Cleanup(func() { close(r.stop); <-ended })
	synctest.Wait()
	return r
}

func (w *world) token(change func(*proto.Claims)) string {
	w.t.Helper()
	c := proto.Claims{Audience: []string{"zone:fra", "zone:par"}, Meeting: meetingA, Participant: 5, Role: proto.RoleParticipant,
		Expires: time.Now().Add(time.Hour).Unix(), Confirm: proto.Confirm{Key: "k"}}
	if change != nil {
		change(&c)
	}
	tok, err := w.site.SignClaims(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return tok
}

// ask sends POST /route and returns the grant, or the refusal's code.
func (w *world) ask(s *Server, req proto.RouteRequest) (proto.Grant, proto.Code) {
	w.t.Helper()
	if req.V == 0 {
		req.V = proto.Version
	}
	body, err := json.Marshal(req)
	if err != nil {
		w.t.Fatal(err)
	}
	rec := w.post(s, string(body), "text/plain;charset=UTF-8", "192.0.2.50:1000")
	if rec.Code != http.StatusOK {
		var e proto.Error
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil || e.Text == "" || e.Code.HTTPStatus() != rec.Code {
			w.t.Errorf("refusal %d %q: %v", rec.Code, rec.Body, err)
		}
		return proto.Grant{}, e.Code
	}
	var a proto.RouteAnswer
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		w.t.Fatal(err)
	}
	g, err := trust.ReadGrant(a.Grant)
	if err != nil {
		w.t.Fatal(err)
	}
	w.checkGrant(g)
	return g, ""
}

// checkGrant opens the credentials as the router would.
func (w *world) checkGrant(g proto.Grant) {
	w.t.Helper()
	if len(g.Groups) != proto.NGroups || g.URL != "/mmr/"+g.Router || len(g.Candidates) != 1 {
		w.t.Errorf("grant %+v", g)
	}
	for _, c := range g.Groups {
		tk, pwd, ok := w.site.ZoneKey(g.Zone).Open(c.Ufrag)
		if !ok || pwd != c.Password || tk.Router != trust.RouterTag(g.Router) || tk.Meeting != trust.MeetingTag(g.Meeting) ||
			tk.Participant != g.Participant || tk.Group != c.Group {
			w.t.Errorf("credentials %+v open to %+v, %v", c, tk, ok)
		}
	}
	if left := time.Until(time.UnixMilli(g.Expires)); left <= 9*time.Second || left > 10*time.Second {
		w.t.Errorf("grant good for %v", left)
	}
}

func (w *world) post(s *Server, body, contentType, from string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/route", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.RemoteAddr = from
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, r)
	return rec
}

func hosts(meeting proto.MeetingID, epoch uint32) func(*proto.RouterAnnounce) {
	return func(a *proto.RouterAnnounce) {
		a.Meetings = []proto.MeetingLoad{{ID: meeting, People: 2, Epoch: epoch}}
	}
}

func TestPingTellsLoadToAnybody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		ping := func() (a proto.PingAnswer, h http.Header) {
			rec := httptest.NewRecorder()
			s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/ping", nil))
			if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != 200 {
				t.Fatalf("%d %v", rec.Code, err)
			}
			return a, rec.Header()
		}
		a, h := ping()
		if a.Zone != "fra" || a.ID != "zc1" || a.V != proto.Version || a.Time != time.Now().UnixMilli() || a.Load != 1 {
			t.Errorf("ping of an empty zone: %+v", a)
		}
		for k, want := range map[string]string{"Access-Control-Allow-Origin": "*", "Timing-Allow-Origin": "*", "Cache-Control": "no-store"} {
			if h.Get(k) != want {
				t.Errorf("%s: %q, want %q", k, h.Get(k), want)
			}
		}
		w.router("fra", "m1", func(a *proto.RouterAnnounce) { a.Load = 0.25 })
		time.Sleep(2 * time.Second)
		if a, _ := ping(); a.Load != 0.25 {
			t.Errorf("load %v, want 0.25", a.Load)
		}
	})
}

func TestRouteRefusals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		if _, code := w.ask(s, proto.RouteRequest{Token: w.token(nil)}); code != proto.CodeNoRouter {
			t.Errorf("no router: %q", code)
		}
		w.router("fra", "m1", nil)
		w.router("par", "stray", nil)
		for _, c := range []struct {
			name string
			req  proto.RouteRequest
			want proto.Code
		}{
			{"good", proto.RouteRequest{Token: w.token(nil)}, ""},
			{"no token", proto.RouteRequest{}, proto.CodeTokenInvalid},
			{"forged", proto.RouteRequest{Token: w.token(nil) + "A"}, proto.CodeTokenInvalid},
			{"for other zones", proto.RouteRequest{Token: w.token(func(c *proto.Claims) { c.Audience = []string{"zone:nyc"} })}, proto.CodeTokenInvalid},
			{"expired", proto.RouteRequest{Token: w.token(func(c *proto.Claims) { c.Expires = time.Now().Add(-time.Hour).Unix() })}, proto.CodeTokenExpired},
			{"of the future", proto.RouteRequest{V: proto.Version + 1, Token: w.token(nil)}, ""},
			{"too old", proto.RouteRequest{V: -1, Token: w.token(nil)}, proto.CodeTooOld},
			{"an odd lost router", proto.RouteRequest{Token: w.token(nil), Lost: "a.*.>"}, ""},
		} {
			if g, code := w.ask(s, c.req); code != c.want || code == "" && g.Router != "m1" {
				t.Errorf("%s: %q %q, want %q", c.name, code, g.Router, c.want)
			}
		}
		for _, c := range []struct{ name, body, contentType string }{
			{"not JSON", "hello", "text/plain"},
			{"too long", `{"token":"` + strings.Repeat("x", maxRouteBody) + `"}`, "text/plain"},
			{"a form", "token=x", "application/x-www-form-urlencoded"},
			{"an array", "[]", "application/json"},
		} {
			if rec := w.post(s, c.body, c.contentType, "192.0.2.1:1"); rec.Code != 400 {
				t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
			}
		}
	})
}

func TestTombstones(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		w.router("fra", "m1", nil)
		revoke := func(seat proto.ParticipantID) {
			if err := w.bus.Publish(proto.SubjectRevoke, proto.Revoke{Meeting: meetingA, Seat: seat, Expires: time.Now().Add(time.Hour).Unix()}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		other := w.token(func(c *proto.Claims) { c.Participant = 6 })
		revoke(5)
		if _, code := w.ask(s, proto.RouteRequest{Token: w.token(nil)}); code != proto.CodeEjected {
			t.Errorf("ejected: %q", code)
		}
		if _, code := w.ask(s, proto.RouteRequest{Token: other}); code != "" {
			t.Errorf("somebody else: %q", code)
		}
		revoke(0)
		if _, code := w.ask(s, proto.RouteRequest{Token: other}); code != proto.CodeEnded {
			t.Errorf("ended: %q", code)
		}
		err := w.bus.Request(t.Context(), fmt.Sprintf(proto.SubjectGrant, "fra"), proto.GrantRequest{Meeting: meetingA, Participant: 6}, nil)
		if e, ok := err.(*proto.Error); !ok || e.Code != proto.CodeEnded {
			t.Errorf("a grant over the bus: %v", err)
		}
		time.Sleep(time.Hour + trust.Leeway + 2*time.Second)
		if s.mu.Lock(); len(s.revoked) != 0 {
			t.Errorf("%d tombstones left after their time", len(s.revoked))
		}
		s.mu.Unlock()
	})
}

func TestEverybodyOfAMeetingMeets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two := w.controller("fra", "zc1", nil), w.controller("fra", "zc2", nil)
		for i := range 5 {
			w.router("fra", fmt.Sprintf("m%d", i), nil)
		}
		first, _ := w.ask(one, proto.RouteRequest{Token: w.token(nil)})
		for i := range proto.ParticipantID(10) {
			tok := w.token(func(c *proto.Claims) { c.Participant = 10 + i })
			for _, s := range []*Server{one, two} {
				if g, _ := w.ask(s, proto.RouteRequest{Token: tok}); g.Router != first.Router || g.Participant != 10+i || g.Home {
					t.Errorf("seat %d to %q, the first to %q", 10+i, g.Router, first.Router)
				}
			}
		}
		if n := w.asked.Load(); n != 2 {
			t.Errorf("the web was asked %d times, want once by each controller", n)
		}
	})
}

func TestHomeInThisZone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		w.router("fra", "m1", nil)
		w.router("fra", "m2", hosts(meetingA, 3))
		g, _ := w.ask(s, proto.RouteRequest{Token: w.token(nil)})
		if g.Router != "m2" || !g.Home || g.Epoch != 3 || g.Zone != "fra" {
			t.Errorf("announced home: %+v", g)
		}
		if n := w.asked.Load(); n != 0 {
			t.Errorf("the web was asked %d times for what a router announces", n)
		}
		// Claimed a moment ago, not announced yet.
		other := w.token(func(c *proto.Claims) { c.Meeting = trust.NewMeetingID() })
		w.home.Store(&proto.ClaimAnswer{Router: "m1", Zone: "fra", Epoch: 1})
		if g, _ := w.ask(s, proto.RouteRequest{Token: other}); g.Router != "m1" || !g.Home || g.Epoch != 1 {
			t.Errorf("claimed home: %+v", g)
		}
		w.home.Store(&proto.ClaimAnswer{Ended: true})
		third := w.token(func(c *proto.Claims) { c.Meeting = trust.NewMeetingID() })
		if _, code := w.ask(s, proto.RouteRequest{Token: third}); code != proto.CodeEnded {
			t.Errorf("an ended meeting: %q", code)
		}
	})
}

func TestHomeInAnotherZone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fra := w.controller("fra", "zc1", nil)
		par := w.controller("par", "zp1", nil)
		w.router("fra", "m1", nil)
		there := w.router("par", "p1", nil)
		w.home.Store(&proto.ClaimAnswer{Router: "p1", Zone: "par", Epoch: 2})
		for _, s := range []*Server{fra, par} {
			g, code := w.ask(s, proto.RouteRequest{Token: w.token(nil)})
			if code != "" || g.Router != "p1" || g.Zone != "par" || !g.Home || g.Epoch != 2 {
				t.Errorf("through %s: %q %+v", s.cfg.ID, code, g)
			}
		}
		// A client of the far zone loses the home, and it is dead: it's moved within that zone at once.
		w.router("par", "p2", nil)
		there.frozen.Store(true)
		began := time.Now()
		g, code := w.ask(fra, proto.RouteRequest{Token: w.token(nil), Lost: "p1"})
		if code != "" || g.Router != "p2" || g.Home {
			t.Errorf("after a death: %q %+v", code, g)
		}
		if d := time.Since(began); d > 400*time.Millisecond {
			t.Errorf("took %v", d)
		}
		w.home.Store(&proto.ClaimAnswer{Router: "n1", Zone: "nyc", Epoch: 2})
		time.Sleep(homeKept)
		if _, code := w.ask(fra, proto.RouteRequest{Token: w.token(nil)}); code != proto.CodeNoRouter {
			t.Errorf("a zone without controllers: %q", code)
		}
	})
}

func TestWebTierLostTokensStillAdmit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		w.router("fra", "m1", nil)
		w.home.Store(nil)
		began := time.Now()
		if g, code := w.ask(s, proto.RouteRequest{Token: w.token(nil)}); g.Router != "m1" {
			t.Errorf("%q %+v", code, g)
		}
		if d := time.Since(began); d != 2*askTimeout {
			t.Errorf("the first waited %v, want both tries", d)
		}
		began = time.Now()
		if g, _ := w.ask(s, proto.RouteRequest{Token: w.token(nil)}); g.Router != "m1" || time.Since(began) != 0 {
			t.Errorf("the second waited %v", time.Since(began))
		}
	})
}

func TestLostRouterIsPingedBeforePlacing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", nil)
		home := w.router("fra", "m1", hosts(meetingA, 1))
		w.router("fra", "m2", nil)
		lost := proto.RouteRequest{Token: w.token(nil), Lost: "m1"}

		if g, _ := w.ask(s, lost); g.Router != "m1" || !g.Home {
			t.Errorf("the router lives, but the client was sent to %q", g.Router) // its own network was at fault
		}
		home.frozen.Store(true)
		time.Sleep(aliveKept)
		began := time.Now()
		if g, _ := w.ask(s, lost); g.Router != "m2" || g.Home {
			t.Errorf("the router is frozen, but the client was sent to %q", g.Router)
		}
		if d := time.Since(began); d != askTimeout {
			t.Errorf("took %v, want one ping's time", d)
		}
		if g, _ := w.ask(s, proto.RouteRequest{Token: w.token(func(c *proto.Claims) { c.Participant = 8 })}); g.Router != "m2" {
			t.Errorf("the next was sent to %q", g.Router)
		}
		home.frozen.Store(false)
		time.Sleep(1100 * time.Millisecond)
		if g, _ := w.ask(s, lost); g.Router != "m1" {
			t.Errorf("it announces itself again, but the client was sent to %q", g.Router)
		}
	})
}

func TestRateLimitPerNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.controller("fra", "zc1", func(c *Config) { c.RouteRate, c.RouteBurst = 1, 3 })
		codes := func(from string, n int) (got []int) {
			for range n {
				got = append(got, w.post(s, "{}", "", from).Code)
			}
			return got
		}
		for _, c := range []struct {
			from string
			want []int
		}{
			{"192.0.2.1:1", []int{426, 426, 426, 429, 429}},
			{"192.0.2.2:1", []int{426}},
			{"[::ffff:192.0.2.1]:9", []int{429}}, // the same address
			{"[2001:db8::1]:1", []int{426, 426, 426}},
			{"[2001:db8::2]:1", []int{429}}, // the same /64
			{"[2001:db8:0:1::2]:1", []int{426}},
		} {
			if got := codes(c.from, len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", c.from, got, c.want)
			}
		}
		time.Sleep(2 * time.Second)
		if got := codes("192.0.2.1:1", 3); !slices.Equal(got, []int{426, 426, 429}) {
			t.Errorf("two seconds later: %v", got)
		}
	})
}

func TestAnnouncesEachSecondAndAtChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var said []proto.ControllerAnnounce
		var at []time.Time
		stop, err := w.bus.Subscribe(fmt.Sprintf(proto.SubjectController, "fra", "*"), func(_ string, data []byte) {
			var a proto.ControllerAnnounce
			if err := json.Unmarshal(data, &a); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			said, at = append(said, a), append(at, time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		began := time.Now()
		s := w.controller("fra", "zc1", func(c *Config) { c.Name, c.Lat = "Frankfurt", 50 })
		time.Sleep(2500 * time.Millisecond)
		r := w.router("fra", "m1", nil)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		mu.Lock()
		var got []time.Duration
		for _, a := range at {
			got = append(got, a.Sub(began))
		}
		want := []time.Duration{0, time.Second, 2 * time.Second, 2550 * time.Millisecond}
		if !slices.Equal(got, want) {
			t.Errorf("announced at %v, want %v", got, want)
		}
		last := said[len(said)-1]
		if len(last.Routers) != 1 || last.Routers[0].ID != "m1" || last.Name != "Frankfurt" || last.Hosting != "cloud" ||
			last.Key != s.cfg.Signer.Key() || last.URL != "/zone/fra/zc1" || last.V != proto.Version {
			t.Errorf("announced %+v", last)
		}
		mu.Unlock()
		r.frozen.Store(true)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if last := said[len(said)-1]; len(last.Routers) != 0 {
			t.Errorf("a router silent for four seconds is still announced")
		}
		var b strings.Builder
		s.Debug(&b)
		if !strings.Contains(b.String(), "zone fra, controller zc1") {
			t.Errorf("debug page %q", b.String())
		}
	})
}

func TestStoppingControllerSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v, err := trust.NewVerifier(w.site.Keys())
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Config{Zone: "fra", ID: "zc9", Bus: w.bus, Verifier: v, ZoneKey: w.site.ZoneKey("fra")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, code := w.ask(s, proto.RouteRequest{Token: w.token(nil)}); code != proto.CodeShutdown {
			t.Errorf("code %q", code)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		v, err := trust.NewVerifier(nil)
		if err != nil {
			t.Fatal(err)
		}
		good := Config{Zone: "fra", ID: "zc1", Bus: w.bus, Verifier: v, ZoneKey: trust.ZoneKey{1}}
		for _, c := range []struct {
			name   string
			change func(*Config)
		}{
			{"zone with a dot", func(c *Config) { c.Zone = "a.b" }},
			{"no id", func(c *Config) { c.ID = "" }},
			{"no bus", func(c *Config) { c.Bus = nil }},
			{"no token keys", func(c *Config) { c.Verifier = nil }},
			{"no zone key", func(c *Config) { c.ZoneKey = trust.ZoneKey{} }},
		} {
			cfg := good
			c.change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Errorf("%s: taken", c.name)
			}
		}
	})
}
