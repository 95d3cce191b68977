package node

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

// A tunnel hears who there is and says that it is there, in its own name; it gets no zone's keys.
func TestPermissionsOfATunnel(t *testing.T) {
	p, ok := permit(&x509.Certificate{Subject: pkix.Name{CommonName: "t1", OrganizationalUnit: []string{"role:tunnel"}}})
	if !ok || !slices.Equal(p.Publish, []string{"parley.tunnel.t1", proto.SubjectSite, proto.SubjectRenew}) {
		t.Errorf("may publish %q, %v", p.Publish, ok)
	}
	for _, s := range append(p.Publish, p.Subscribe...) {
		if strings.Contains(s, "keys") || strings.Contains(s, "claim") {
			t.Errorf("may use %s", s)
		}
	}
	if _, ok := permit(&x509.Certificate{Subject: pkix.Name{CommonName: "t.>", OrganizationalUnit: []string{"role:tunnel"}}}); ok {
		t.Error("a name that is a wildcard is let in")
	}
}

// parley up has a tunnel on the site's own origin: its controller and its router are reached through it.
func TestUpHasATunnel(t *testing.T) {
	n, ready, err := Up(t.Context(), loopback(t.TempDir(), "a"), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	conf := link.ClientTLS(n.Site().CA().Pool())
	token, err := n.Site().SignTunnel(trust.NewMeetingID(), 7, []string{"a"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	to := &link.Tunnel{Host: link.Real(), URL: ready.Site + "/tunnel", TLS: conf, Zone: "a", Server: "a-zc",
		Token: func(context.Context, string) (string, error) { return token, nil }}
	client := link.HTTPClient(to, conf)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var pong proto.PingAnswer
	for ctx.Err() == nil && pong.ID == "" { // until the controller has announced itself
		resp, err := client.Get(ready.Site + "/zone/a/a-zc/ping")
		if err == nil {
			json.NewDecoder(resp.Body).Decode(&pong)
			resp.Body.Close()
		}
	}
	if pong.Zone != "a" || pong.ID != "a-zc" {
		t.Errorf("through the tunnel: %+v; refused %v", pong, n.Tunnel().Refused())
	}
}
