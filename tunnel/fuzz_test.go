package tunnel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"parley/sys/bus"
	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

// FuzzFirstMessage says anything to a tunnel, as the first message of a stream and as a page's request: without the
// site's token nothing is opened, and with it a known server of its zones only. What was opened is given back.
func FuzzFirstMessage(f *testing.F) {
	now := time.Now()
	site, err := trust.OpenSite(f.TempDir(), now)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := trust.NewVerifier(site.Keys())
	if err != nil {
		f.Fatal(err)
	}
	b, err := bus.Start(bus.Config{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{ID: "t1", URL: "https://tunnel", Site: "https://meet.test", Host: deadHost{}, Bus: b, Verifier: verifier})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.leave(); b.Close() })
	meeting := trust.NewMeetingID()
	token, err := site.SignTunnel(meeting, 7, []string{"eu"}, now)
	if err != nil {
		f.Fatal(err)
	}
	old, err := site.SignTunnel(meeting, 7, []string{"eu"}, now.Add(-48*time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	hear := func(hear func(string, []byte), subject, zone, id string, a any) {
		raw, err := json.Marshal(a)
		if err != nil {
			f.Fatal(err)
		}
		hear(fmt.Sprintf(subject, zone, id), raw)
	}
	announce := func() {
		for _, zone := range []string{"eu", "us"} {
			hear(s.hearController, proto.SubjectController, zone, "zc", proto.ControllerAnnounce{ID: "zc", Zone: zone, URL: "https://zc"})
			hear(s.hearRouter, proto.SubjectRouter, zone, "mmr", proto.RouterAnnounce{ID: "mmr", Zone: zone, URL: "https://mmr"})
		}
	}
	announce()
	for _, m := range []proto.TunnelOpen{
		{V: 1, Token: token, Zone: "eu", Server: "zc"},
		{V: 1, Token: token, Zone: "eu", Server: "mmr"},
		{V: 1, Token: token, Zone: "us", Server: "zc"},
		{V: 1, Token: old, Zone: "eu", Server: "zc"},
		{V: 1, Token: token[1:], Zone: "eu", Server: "zc"},
		{V: 1, Zone: "eu", Server: "../zc"},
	} {
		raw, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		for _, of := range []kind{anyServer, aController, aRouter} {
			f.Add(raw, uint8(of))
		}
	}
	f.Add([]byte(`{"v":1,"token":{}}`), uint8(0))
	f.Add([]byte(`[`), uint8(1))
	pages := s.Handler()
	f.Fuzz(func(t *testing.T, data []byte, of uint8) {
		announce() // they live
		var m proto.TunnelOpen
		if json.Unmarshal(data, &m) == nil {
			o, no := s.admit(m, kind(of%3))
			if no == nil {
				if m.Zone != "eu" || m.Server != "zc" && m.Server != "mmr" {
					t.Errorf("%s of zone %s is opened", m.Server, m.Zone)
				}
				if isRouter := m.Server == "mmr"; kind(of%3) == aRouter && !isRouter || kind(of%3) == aController && isRouter {
					t.Errorf("%s is opened as another kind", m.Server)
				}
				if o.claims.Meeting != meeting {
					t.Errorf("opened for meeting %s", o.claims.Meeting)
				}
				o.release()
			} else if no.err == nil || no.err.Code == "" {
				t.Errorf("refused without a word: %+v", no)
			}
		}
		path := [...]string{"ping", "route", "relay"}[of%3]
		r := httptest.NewRequest(http.MethodPost, "https://tunnel/server/eu/zc/"+path, bytes.NewReader(data))
		w := httptest.NewRecorder()
		if pages.ServeHTTP(w, r); w.Code == http.StatusOK || w.Code < 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("a page is answered %d, %q, by a server that nobody reaches", w.Code, w.Body)
		}
		s.limits.mu.Lock()
		defer s.limits.mu.Unlock()
		if s.limits.total != 0 || len(s.limits.unproven) != 0 {
			t.Errorf("%d streams and %d comers are left", s.limits.total, len(s.limits.unproven))
		}
	})
}

// deadHost reaches nobody.
type deadHost struct{ link.Host }

// Dial implements link.Host.
func (deadHost) Dial(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

// Resolve knows no name.
func (deadHost) Resolve(context.Context, string) ([]netip.Addr, error) { return nil, net.ErrClosed }

// Addrs are none.
func (deadHost) Addrs() []netip.Addr { return nil }
