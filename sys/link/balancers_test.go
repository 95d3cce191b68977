package link

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestClientsAddressBehindBalancers(t *testing.T) {
	balancers := Balancers{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "192.0.2.9:1", nil, "192.0.2.9"},
		{"a client's own header is no proof", "192.0.2.9:1", []string{"198.51.100.1"}, "192.0.2.9"},
		{"behind a balancer", "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"only the last stranger counts", "10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"several headers are one list", "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		{"garbage ends it", "10.0.0.1:1", []string{"1.1.1.1, x"}, "10.0.0.1"},
		{"balancer without header", "10.0.0.1:1", nil, "10.0.0.1"},
		{"v6", "[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"mapped", "[::ffff:10.0.0.1]:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := balancers.Client(r); got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
		balancers.Behind(http.HandlerFunc(func(_ http.ResponseWriter, seen *http.Request) {
			if a, err := netip.ParseAddrPort(seen.RemoteAddr); err != nil || a.Addr().Unmap().String() != c.want {
				t.Errorf("%s: a handler sees %v, want %s", c.name, seen.RemoteAddr, c.want)
			}
		})).ServeHTTP(nil, r)
		if r.RemoteAddr != c.peer {
			t.Errorf("%s: the request was changed for others too", c.name)
		}
	}
}
