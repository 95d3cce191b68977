package web

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

// S14: clients are told of the tunnels that live, with a token for them.
func TestTunnelsAreOffered(t *testing.T) {
	w := newTestSite(t, func(c *Config) { c.Tunnels = []string{"https://fixed.example.org"} })
	w.zone("par", 48.85, 2.35, "par-1 0/200")
	said := func(subject, id, url string, load float64) {
		t.Helper()
		b, err := json.Marshal(proto.TunnelAnnounce{V: proto.Version, ID: id, URL: url, Load: load})
		if err != nil {
			t.Fatal(err)
		}
		w.srv.hearTunnel(fmt.Sprintf(proto.SubjectTunnel, subject), b)
	}
	said("t1", "t1", "https://busy.example.org", 0.9)
	said("t2", "t2", "/tunnel", 0.1)
	said("t3", "t1", "https://liar.example.org", 0) // in another's name
	m := w.meeting(testToken, nil)
	want := []string{"https://fixed.example.org", "/tunnel", "https://busy.example.org"}
	a := w.joined("", newPerson(t, "Ann").request(m))
	if !slices.Equal(a.Tunnels, want) {
		t.Errorf("tunnels %q, want %q", a.Tunnels, want)
	}
	v, err := trust.NewVerifier(w.site.Keys())
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Tunnel(a.TunnelToken, w.now())
	if err != nil || c.Meeting != a.Meeting.ID || c.Participant != a.Participant || !slices.Equal(c.Zones, []string{"par"}) {
		t.Errorf("token %+v, %v", c, err)
	}
	if !slices.Equal(a.Zones[0].ControllerIDs, []string{"zc-par"}) {
		t.Errorf("controllers' ids %q", a.Zones[0].ControllerIDs)
	}

	rec := httptest.NewRecorder()
	w.srv.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "https://meet.test/", nil))
	policy := rec.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, " https://busy.example.org ") || !strings.Contains(policy, " wss://fixed.example.org") || strings.Contains(policy, "liar") {
		t.Errorf("a page may connect to %s", policy)
	}

	w.pass(time.Minute)
	w.zone("par", 48.85, 2.35, "par-1 0/200")
	if a := w.joined("", newPerson(t, "Bob").request(m)); !slices.Equal(a.Tunnels, want[:1]) {
		t.Errorf("tunnels of a minute ago: %q", a.Tunnels)
	}
}
