package web

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/wire/proto"
)

func TestHomeRouterIsTheOnlyGrant(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 48.85, 2.35, "par-1 0/200")
	tpe := w.zone("tpe", 25.04, 121.5, "tpe-1 0/200")
	m := w.meeting(testToken, nil)
	ann := newPerson(t, "Ann").request(m)
	if g := w.grants(w.joined("", ann)); len(g) != 2 || g[0].Zone == g[1].Zone {
		t.Errorf("no home yet: %+v", g)
	}
	var home proto.ClaimAnswer
	w.request(proto.SubjectHome, proto.HomeRequest{Meeting: proto.MeetingID(m.UUID)}, &home)
	if home != (proto.ClaimAnswer{}) {
		t.Errorf("home before any claim: %+v", home)
	}
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: proto.MeetingID(m.UUID), Router: "tpe-1", Zone: "tpe"}, &home)
	want := proto.ClaimAnswer{Router: "tpe-1", Zone: "tpe", Epoch: 1}
	if home != want {
		t.Errorf("claimed %+v", home)
	}
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: proto.MeetingID(m.UUID), Router: "par-1", Zone: "par"}, &home)
	if home != want {
		t.Errorf("second claimant got %+v", home)
	}
	g := w.grants(w.joined("", ann))
	if len(g) != 1 || g[0].Router != "tpe-1" || !g[0].Home || g[0].Epoch != 1 {
		t.Errorf("grants with a home: %+v", g)
	}

	// The zones moved it by themselves: the higher epoch is believed.
	tpe.Routers = append(tpe.Routers, tpe.Routers[0])
	tpe.Routers[1].ID = "tpe-2"
	tpe.Routers[1].Meetings = []proto.MeetingLoad{{ID: proto.MeetingID(m.UUID), People: 3, Epoch: 2}}
	w.announce(tpe)
	w.request(proto.SubjectHome, proto.HomeRequest{Meeting: proto.MeetingID(m.UUID)}, &home)
	if home.Router != "tpe-2" || home.Epoch != 2 {
		t.Errorf("home after the move: %+v", home)
	}
	if g := w.grants(w.joined("", ann)); len(g) != 1 || g[0].Router != "tpe-2" || g[0].Epoch != 2 {
		t.Errorf("grants after the move: %+v", g)
	}
}

func TestDeadHomeIsReplaced(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200", "par-2 0/200")
	m := w.meeting(testToken, nil)
	id := proto.MeetingID(m.UUID)
	var home proto.ClaimAnswer
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: id, Router: "par-1", Zone: "par"}, &home)

	w.pass(3500 * time.Millisecond) // par-1 falls silent; its controller announces the other one alone
	w.zone("par", 0, 0, "par-2 0/200")
	ann := newPerson(t, "Ann").request(m)
	if g := w.grants(w.joined("", ann)); len(g) != 1 || g[0].Router != "par-2" || g[0].Home {
		t.Errorf("grants with a dead home: %+v", g)
	}
	// It still answers when it is asked: it is not dead, only unheard.
	stop, err := w.bus.Serve(fmt.Sprintf(proto.SubjectPingRouter, "par-1"), "x", func(context.Context, []byte) (any, error) { return proto.RouterAnnounce{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: id, Router: "par-2", Zone: "par"}, &home)
	if home.Router != "par-1" {
		t.Errorf("a home that answers was replaced: %+v", home)
	}
	stop()
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: id, Router: "par-2", Zone: "par"}, &home)
	if home.Router != "par-2" || home.Epoch != 2 {
		t.Errorf("a dead home was not replaced: %+v", home)
	}
}

func TestRacingClaimsOverTheBusHaveOneWinner(t *testing.T) {
	w := newTestSite(t, nil)
	var routers []string
	for i := range 50 {
		routers = append(routers, fmt.Sprintf("r%d 0/200", i))
	}
	w.zone("par", 0, 0, routers...)
	m := w.meeting(testToken, nil)
	answers := make([]proto.ClaimAnswer, 50)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := w.bus.Request(ctx, proto.SubjectClaim, proto.ClaimRequest{Meeting: proto.MeetingID(m.UUID), Router: fmt.Sprint("r", i), Zone: "par"}, &answers[i])
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] || a.Epoch != 1 {
			t.Fatalf("two homes: %+v and %+v", answers[0], a)
		}
	}
}

func TestMeetingReports(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	_, token := w.member("mia@example.org")
	m := w.meeting(token, map[string]any{"settings": map[string]any{"join_before_host": true}})
	id := proto.MeetingID(m.UUID)
	path := fmt.Sprintf("/v2/meetings/%d", m.ID)
	wantStatus := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() { // the report is on its way
			if into[meetingBody](t, w.ask(token, "GET", path, nil).want(t, 200)).Status == want {
				return
			}
		}
		t.Fatalf("status is not %s", want)
	}
	var home proto.ClaimAnswer
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: id, Router: "par-1", Zone: "par"}, &home)
	wantStatus("started") // guests may begin it
	if err := w.bus.Publish(proto.SubjectEnded, proto.MeetingReport{Meeting: id, Router: "par-1", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	wantStatus("waiting") // everybody left
	w.joined("", newPerson(t, "Guest").request(m))
	w.request(proto.SubjectClaim, proto.ClaimRequest{Meeting: id, Router: "par-1", Zone: "par"}, &home)
	if home.Epoch != 2 {
		t.Errorf("claimed again: %+v", home)
	}
	if err := w.bus.Publish(proto.SubjectEnded, proto.MeetingReport{Meeting: id, Router: "par-1", Epoch: 2, ByHost: true}); err != nil {
		t.Fatal(err)
	}
	wantStatus("ended")
	if a := w.lookup("", newPerson(t, "Guest").request(m)); code(t, a) != proto.CodeEnded {
		t.Errorf("guest after the end: %d %s", a.status, a.body)
	}
}

func TestEjectedGetNoToken(t *testing.T) {
	w := newTestSite(t, nil)
	w.zone("par", 0, 0, "par-1 0/200")
	m := w.meeting(testToken, nil)
	eve := newPerson(t, "Eve").request(m)
	a := w.joined("", eve)
	if err := w.bus.Publish(proto.SubjectRevoke, proto.Revoke{Meeting: a.Meeting.ID, Seat: a.Participant, Expires: w.now().Add(time.Hour).Unix()}); err != nil {
		t.Fatal(err)
	}
	var again answer
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() { // the word is on its way
		if again = w.lookup("", eve); again.status != 200 {
			break
		}
	}
	if again.status != 403 || code(t, again) != proto.CodeEjected {
		t.Errorf("ejected: %d %s", again.status, again.body)
	}
	w.joined("", newPerson(t, "Ann").request(m))
}

func TestKeysOverTheBus(t *testing.T) {
	w := newTestSite(t, nil)
	var a proto.KeysAnswer
	w.request("parley.web.keys.par", proto.KeysRequest{Zone: "par"}, &a)
	key := w.site.ZoneKey("par")
	if a.Site != w.site.ID() || string(a.ZoneKey) != string(key[:]) || !cmp.Equal(a.Tokens, w.site.Keys()) {
		t.Errorf("keys: %+v", a)
	}
	if err := w.bus.Request(t.Context(), "parley.web.keys.par", proto.KeysRequest{Zone: "tpe"}, &a); err == nil {
		t.Error("another zone's key was served to who may ask for its own")
	}
}

func TestSilentZonesAreNotOffered(t *testing.T) {
	w := newTestSite(t, nil)
	m := w.meeting(testToken, nil)
	ann := newPerson(t, "Ann").request(m)
	if a := w.lookup("", ann); a.status != 503 || code(t, a) != proto.CodeNoRouter {
		t.Errorf("without zones: %d %s", a.status, a.body)
	}
	w.zone("par", 0, 0, "par-1 0/200")
	w.pass(3 * time.Second)
	w.zone("tpe", 0, 0, "tpe-1 200/200") // full
	if a := w.joined("", ann); len(a.Zones) != 2 || a.Zones[0].ID != "par" {
		t.Errorf("zones: %+v", a.Zones)
	}
	w.pass(3 * time.Second)
	a := w.joined("", ann)
	if len(a.Zones) != 1 || a.Zones[0].ID != "tpe" || len(a.Grants) != 0 {
		t.Errorf("zones %+v, %d grants: par is silent and tpe is full", a.Zones, len(a.Grants))
	}
	old := proto.ControllerAnnounce{V: 0, ID: "zc-old", Zone: "old", URL: "x", Hosting: "cloud"}
	w.announce(old)
	if a := w.joined("", ann); len(a.Zones) != 1 {
		t.Errorf("a controller without a version was believed: %+v", a.Zones)
	}
}

func TestAZoneSpeaksForItselfOnly(t *testing.T) {
	w := newTestSite(t, nil)
	a := w.zone("par", 0, 0, "par-1 0/200")
	ann := newPerson(t, "Ann").request(w.meeting(testToken, nil))
	evil := a
	evil.ID, evil.Zone, evil.URL = "zc-tpe", "tpe", "https://evil.example.org"
	if err := w.bus.Publish(fmt.Sprintf(proto.SubjectController, "par", "zc-par"), evil); err != nil {
		t.Fatal(err)
	}
	a.Routers = append(a.Routers, proto.RouterAnnounce{V: 1, ID: "tpe-1", Zone: "tpe", MaxPeople: 1e6})
	w.announce(a)
	got := w.joined("", ann)
	if len(got.Zones) != 1 || got.Zones[0].ID != "par" {
		t.Errorf("zones %+v", got.Zones)
	}
	if g := w.grants(got); len(g) != 1 || g[0].Router != "par-1" {
		t.Errorf("grants %+v", g)
	}
}
