package node

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// TestOnePortServesPagesAndTURN: a browser's TURN connection to 443 has no ALPN and begins with a STUN
// message; it is asked for its name and password (RFC 8489 §9.2.4).
func TestOnePortServesPagesAndTURN(t *testing.T) {
	n, ready, err := Up(t.Context(), loopback(t.TempDir()), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	conf := link.ClientTLS(n.Site().CA().Pool())
	https, _, media := n.Addrs()
	conn, err := tls.Dial("tcp", https.String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	id := []byte("twelve bytes")
	allocate := append([]byte{0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42}, id...)
	allocate = append(allocate, 0, 0x19, 0, 4, 17, 0, 0, 0) // REQUESTED-TRANSPORT: UDP
	if _, err := conn.Write(allocate); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 20)
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	if answer[0] != 0x01 || answer[1] != 0x13 || !bytes.Equal(answer[8:], id) {
		t.Errorf("TURN answered %x, want an Allocate error", answer)
	}
	if status, _ := get(t, ready.Site+"/healthz", conf); status != 200 {
		t.Errorf("HTTPS beside it: %d", status)
	}

	rungs := n.Routers()[0].Announcement().Candidates
	want := []proto.Candidate{
		{Rung: proto.UDP8801, Addr: media.String()}, {Rung: proto.TCP8801, Addr: media.String()},
	}
	if len(rungs) != 3 || rungs[0] != want[0] || rungs[1] != want[1] || rungs[2].Rung != proto.TLS443 || !strings.HasPrefix(rungs[2].Addr, ":") {
		t.Errorf("candidates %v, want %v and TLS 443 on the host of the page", rungs, want)
	}
}

// TestASecondUDPPortIsOffered: for networks that let only 443 or 3478 out.
func TestASecondUDPPortIsOffered(t *testing.T) {
	cfg := Config{Data: t.TempDir(), Listen: Listen{HTTPS: "127.0.0.1:0"}, Site: "https://localhost", Web: &Web{}, Zones: []string{"a"},
		Router: &Router{Media: []string{"127.0.0.1:0"}, UDPExtra: []string{"127.0.0.1:0"}, NoTCP: true}}
	n, err := New(t.Context(), cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	got := n.Plane().Candidates()
	if len(got) != 2 || got[0].Rung != proto.UDP8801 || got[1].Rung != proto.UDP8801 || got[0].Addr == got[1].Addr {
		t.Errorf("candidates %v, want two of UDP", got)
	}
}

// Who comes back, or opens the control channel beside the page, resumes TLS on 443: no certificate is sent and
// nothing signed again, whatever protocol the second connection is for.
func TestTLSIsResumed(t *testing.T) {
	n, ready, err := Up(t.Context(), loopback(t.TempDir()), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	conf := link.ClientTLS(n.Site().CA().Pool())
	for i, protocols := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}, {"h2"}} {
		conf := conf.Clone() // the same cache of sessions
		conf.NextProtos = protocols
		c, err := tls.Dial("tcp", strings.TrimPrefix(ready.Site, "https://"), conf)
		if err != nil {
			t.Fatal(err)
		}
		state := c.ConnectionState()
		if want := i > 0; state.DidResume != want || state.NegotiatedProtocol != protocols[0] {
			t.Errorf("connection %d: resumed %v, want %v; speaks %q", i, state.DidResume, want, state.NegotiatedProtocol)
		}
		// The ticket comes with the first byte that is read.
		if protocols[0] == "http/1.1" {
			fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}

// Behind a balancer, everybody would else be one address to what counts by address.
func TestAPartCountsWhomABalancerSpeaksFor(t *testing.T) {
	n, err := New(t.Context(), Config{
		Data: t.TempDir(), Site: "https://meet.example.org", Listen: Listen{HTTPS: "127.0.0.1:0", Balancers: []string{"10.0.0.0/8"}},
		Web: &Web{}, Zone: &Zone{ID: "par", Server: "par-1"},
	}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, n)()
	route := func(peer, forwarded string) int {
		r := httptest.NewRequest("POST", "/zone/par/par-1/route", strings.NewReader("{}"))
		r.RemoteAddr, r.Header = peer, http.Header{"X-Forwarded-For": {forwarded}}
		w := httptest.NewRecorder()
		n.mux.ServeHTTP(w, r)
		return w.Code
	}
	for range 2000 { // far more than is allowed at once
		route("10.0.0.1:1", "192.0.2.1")
	}
	for _, c := range []struct {
		name, peer, forwarded string
		slowed                bool
	}{
		{"who asked so often", "10.0.0.1:1", "192.0.2.1", true},
		{"somebody else behind the same balancer", "10.0.0.1:1", "192.0.2.2", false},
		{"the same without the balancer", "192.0.2.1:1", "192.0.2.2", true},
		{"a stranger who says so", "192.0.2.3:1", "192.0.2.1", false},
	} {
		if got := route(c.peer, c.forwarded); (got == http.StatusTooManyRequests) != c.slowed || got == http.StatusNotFound {
			t.Errorf("%s: %d, want slowed %v", c.name, got, c.slowed)
		}
	}
}
