package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
)

// Who examines a network learns every way to the zones, without a meeting and without getting in.
func TestTheNetworkIsToldWithoutAMeeting(t *testing.T) {
	w := newTestSite(t, func(c *Config) { c.Tunnels = []string{"https://tunnel.example"} })
	eu := w.zone("eu", 48.86, 2.35, "mmr-1 0/200", "mmr-2 0/200", "mmr-3 0/200")
	eu.Routers[0].Load, eu.Routers[1].Draining = 0.9, true
	eu.Routers[2].Marks = []int{56, 40, 40}
	w.announce(eu)
	own := w.zone("dmz", 0, 0, "mmr-9 0/200")
	own.Hosting = "connector:c7"
	w.announce(own)

	got := w.ask("", "GET", "/network", nil).want(t, 200)
	a := into[proto.NetworkAnswer](t, got)
	if a.V != proto.Version || a.ServerTime != w.now().UnixMilli() || a.YourAddr == "" || !slices.Equal(a.Tunnels, []string{"https://tunnel.example"}) {
		t.Errorf("answer %+v", a)
	}
	if len(a.Zones) != 1 || a.Zones[0].ID != "eu" || len(a.Zones[0].Controllers) == 0 || len(a.Zones[0].Probes) == 0 {
		t.Fatalf("zones %+v, want eu alone: a connector's zone is its organisation's", a.Zones)
	}
	var ids []string
	for _, r := range a.Zones[0].Routers {
		ids = append(ids, r.ID)
		if r.URL == "" || len(r.Candidates) == 0 {
			t.Errorf("router %+v", r)
		}
	}
	if got := a.Zones[0].Routers[0].Marks; !slices.Equal(got, []int{56, 40, 40}) {
		t.Errorf("marks %v, want the router's own", got)
	}
	if !slices.Equal(ids, []string{"mmr-3", "mmr-1"}) {
		t.Errorf("routers %v, want those that take people, the idle one first", ids)
	}
	if text := string(got.body); strings.Contains(text, "token") || strings.Contains(text, "grant") {
		t.Errorf("the answer has more than addresses: %s", text)
	}
}

func TestExaminingIsLimited(t *testing.T) {
	w := newTestSite(t, nil)
	for range maxExamined {
		w.ask("", "GET", "/network", nil).want(t, 200)
	}
	e := into[proto.Error](t, w.ask("", "GET", "/network", nil).want(t, 429))
	if e.Code != proto.CodeSlowDown || e.RetryAfter < 1 || e.RetryAfter > 60 {
		t.Errorf("refused with %+v", e)
	}
	w.askFrom("192.0.2.77:1", "", "GET", "/network", nil, nil).want(t, 200) // another address
	w.pass(time.Minute)
	w.ask("", "GET", "/network", nil).want(t, 200)
}
