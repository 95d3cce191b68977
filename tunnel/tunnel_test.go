package tunnel

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/lab"
	"parley/sys/bus"
	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a tunnel between a client and two servers of zone "eu": controller "zc", which serves HTTPS, and
// router "mmr", which echoes datagrams.
type world struct {
	*testing.T
	net     *lab.Net
	bus     *bus.Bus
	site    *trust.Site
	tunnel  *Server
	host    *lab.Host // the tunnel's
	client  *lab.Host
	meeting proto.MeetingID
	mu      sync.Mutex
	said    []func() // announcements, repeated each second; guarded by mu
	lookups []*http.Request
}

func inWorld(t *testing.T, limits Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: lab.NewNet(1), meeting: trust.NewMeetingID()}
		w.net.Default(lab.Link{Delay: 10 * time.Millisecond})
		w.host, w.client = w.net.Host("tunnel", lab.HostOpts{}), w.net.Host("client", lab.HostOpts{})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var err error
		w.site, err = trust.OpenSite(t.TempDir(), time.Now())
		must(err)
		w.bus, err = bus.Start(bus.Config{})
		must(err)
		verifier, err := trust.NewVerifier(w.site.Keys())
		must(err)
		w.tunnel, err = New(Config{ID: "t1", URL: "https://tunnel", Site: "https://meet.test", Host: w.host, Bus: w.bus, Verifier: verifier,
			TLS: &tls.Config{RootCAs: w.site.CA().Pool()}, Limits: limits})
		must(err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- w.tunnel.Run(ctx) }()
		front := w.serve(w.host, w.tunnel.Handler())
		servers := []*lab.Server{
			w.serve(w.net.Host("zc", lab.HostOpts{}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, "controller "+r.Host) })),
			w.serve(w.net.Host("meet.test", lab.HostOpts{}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.lookups = append(w.lookups, r)
				fmt.Fprint(rw, "lookup")
			})),
		}
		echo := w.echo("mmr")
		w.says("eu", "zc", "https://zc")
		w.routes("eu", "mmr", netip.AddrPortFrom(w.addr("mmr"), 8801).String())
		go func() {
			for ctx.Err() == nil {
				w.mu.Lock()
				for _, say := range w.said {
					say()
				}
				w.mu.Unlock()
				time.Sleep(time.Second)
			}
		}()
		time.Sleep(1100 * time.Millisecond)
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			front.Close()
			for _, s := range servers {
				s.Close()
			}
			echo.Close()
			time.Sleep(2 * time.Second)
			w.bus.Close()
			w.net.Close()
			time.Sleep(time.Second)
		}()
		f(t, w)
	})
}

func (w *world) serve(h *lab.Host, handler http.Handler) *lab.Server {
	w.Helper()
	cert, err := w.site.CA().Issue([]string{h.Name()}, nil, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	s, err := lab.Serve(h, netip.AddrPortFrom(h.Addr(), 443), handler, cert)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

func (w *world) addr(host string) netip.Addr {
	a, err := w.client.Resolve(context.Background(), host)
	if err != nil {
		w.Fatal(err)
	}
	return a[0]
}

// echo answers datagrams on a new host's UDP 8801.
func (w *world) echo(name string) link.PacketConn {
	h := w.net.Host(name, lab.HostOpts{})
	c, err := h.ListenPacket(netip.AddrPortFrom(h.Addr(), 8801))
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		ms := room()
		for {
			n, err := c.ReadBatch(ms)
			if err != nil {
				return
			}
			c.WriteBatch(ms[:n])
		}
	}()
	return c
}

// says announces a controller, routes a router.
func (w *world) says(zone, id, url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, func() {
		w.bus.Publish(fmt.Sprintf(proto.SubjectController, zone, id), proto.ControllerAnnounce{V: proto.Version, ID: id, Zone: zone, URL: url})
	})
}

func (w *world) routes(zone, id, addr string, meetings ...proto.MeetingID) {
	w.routesAt(zone, id, "https://"+id, addr, meetings...)
}

func (w *world) routesAt(zone, id, url, addr string, meetings ...proto.MeetingID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, func() {
		a := proto.RouterAnnounce{V: proto.Version, ID: id, Zone: zone, URL: url, Candidates: []proto.Candidate{{Rung: proto.UDP8801, Addr: addr}}}
		for _, m := range meetings {
			a.Meetings = append(a.Meetings, proto.MeetingLoad{ID: m})
		}
		w.bus.Publish(fmt.Sprintf(proto.SubjectRouter, zone, id), a)
	})
}

func (w *world) token() string {
	w.Helper()
	t, err := w.site.SignTunnel(w.meeting, 7, []string{"eu"}, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return t
}

func (w *world) roots() *tls.Config { return &tls.Config{RootCAs: w.site.CA().Pool()} }

// to is the way to a server with a token.
func (w *world) to(zone, server, token string) *link.Tunnel {
	return &link.Tunnel{Host: w.client, URL: "https://tunnel", TLS: w.roots(), Zone: zone, Server: server,
		Token: func(context.Context, string) (string, error) { return token, nil }}
}

func code(err error) proto.Code {
	if pe, ok := errors.AsType[*proto.Error](err); ok {
		return pe.Code
	}
	return ""
}

// S14: once a tunnel stands, the client reaches controllers and routers through it, with TLS to the real server.
func TestStreamsReachTheRealServer(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		client := link.HTTPClient(w.to("eu", "zc", w.token()), w.roots())
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://zc/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if string(b) != "controller zc" || err != nil || resp.TLS.PeerCertificates[0].VerifyHostname("zc") != nil {
			t.Errorf("got %q, %v", b, err)
		}
	})
}

func TestDatagramsReachTheRouter(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		st, err := w.to("eu", "mmr", w.token()).Packets(context.Background(), netip.AddrPort{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		ms := room()
		for i := range 100 {
			b := []byte(fmt.Sprint("datagram ", i))
			if _, err := st.WriteBatch([]link.Message{{Buf: b, N: len(b)}}); err != nil {
				t.Fatal(err)
			}
			n, err := st.ReadBatch(ms)
			if err != nil || n != 1 || string(ms[0].Buf[:ms[0].N]) != string(b) {
				t.Fatalf("%d: got %d, %q, %v", i, n, ms[0].Buf[:ms[0].N], err)
			}
		}
	})
}

// What is refused, and counted.
// TCP, TLS, and the upgrade with the first message behind it: 20 ms each.
func TestAStreamStandsAfterThreeRoundTrips(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		start := time.Now()
		s, err := w.to("eu", "mmr", w.token()).Packets(t.Context(), netip.AddrPort{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if took := time.Since(start); took > 65*time.Millisecond {
			t.Errorf("%v, want three round trips of 20 ms", took)
		}
	})
}

func TestAFirstMessageThatMustWaitWaits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refuses bool
		within  time.Duration
	}{
		{"a box that refuses it", true, 150 * time.Millisecond},
		{"a box that drops it", false, 1700 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				early := 0
				box := w.serve(w.net.Host("box", lab.HostOpts{}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					r.Host = "tunnel"
					w.tunnel.Handler().ServeHTTP(lab.EarlyDoor(rw, tt.refuses, &early), r)
				}))
				defer box.Close()
				way := w.to("eu", "mmr", w.token())
				way.URL, way.Patient = "https://box", new(atomic.Bool)
				for i, within := range []time.Duration{tt.within, 85 * time.Millisecond} {
					start := time.Now()
					s, err := way.Packets(t.Context(), netip.AddrPort{})
					if err != nil {
						t.Fatal(err)
					}
					s.Close()
					if took := time.Since(start); took > within {
						t.Errorf("stream %d after %v, want within %v", i, took, within)
					}
				}
				if early != 1 {
					t.Errorf("%d messages came too early, want the first alone", early)
				}
			})
		})
	}
}

func TestAbuseIsRefusedAndCounted(t *testing.T) {
	other := trust.NewMeetingID()
	forged := func(w *world) string {
		site, err := trust.OpenSite(w.TempDir(), time.Now())
		if err != nil {
			w.Fatal(err)
		}
		token, err := site.SignTunnel(w.meeting, 7, []string{"eu"}, time.Now())
		if err != nil {
			w.Fatal(err)
		}
		return token
	}
	for _, tt := range []struct {
		name         string
		zone, server string
		media        bool
		token        func(w *world) string
		want         Reason
		code         proto.Code
	}{
		{"a server nobody enrolled", "eu", "nobody", false, nil, ReasonTarget, proto.CodeForbidden},
		{"this machine by address", "eu", "127.0.0.1", false, nil, ReasonTarget, proto.CodeForbidden},
		{"the cloud's metadata by address", "eu", "169.254.169.254", false, nil, ReasonTarget, proto.CodeForbidden},
		{"any host by name", "eu", "meet.test:443", false, nil, ReasonTarget, proto.CodeForbidden},
		{"no server", "", "", false, nil, ReasonTarget, proto.CodeForbidden},
		{"a zone the token is not for", "us", "zc-us", false, nil, ReasonTarget, proto.CodeForbidden},
		{"media to a controller", "eu", "zc", true, nil, ReasonTarget, proto.CodeForbidden},
		{"a server that says it is this machine", "eu", "liar", false, nil, ReasonAddress, proto.CodeForbidden},
		{"a server that says it is the metadata service", "eu", "meta", false, nil, ReasonAddress, proto.CodeForbidden},
		{"a name that points at this machine", "eu", "rebind", false, nil, ReasonAddress, proto.CodeForbidden},
		{"a path on a site that is not here", "eu", "path", false, nil, ReasonAddress, proto.CodeForbidden},
		{"a router that says it is this machine", "eu", "mmr-liar", true, nil, ReasonAddress, proto.CodeForbidden},
		{"a server that does not answer", "eu", "dead", false, nil, ReasonDown, proto.CodeInternal},
		{"no token", "eu", "zc", false, func(*world) string { return "" }, ReasonToken, proto.CodeTokenInvalid},
		{"a token of another site", "eu", "zc", false, forged, ReasonToken, proto.CodeTokenInvalid},
		{"an old token", "eu", "zc", false, func(w *world) string {
			token := w.token()
			time.Sleep(trust.TunnelLife + trust.Leeway + time.Second)
			return token
		}, ReasonOld, proto.CodeTokenExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				w.says("us", "zc-us", "https://zc")
				w.says("eu", "liar", "https://127.0.0.1")
				w.says("eu", "meta", "http://169.254.169.254/latest/meta-data")
				w.says("eu", "path", "/zone/eu/x")
				w.net.Name("rebind.test", netip.MustParseAddr("127.0.0.1"))
				w.says("eu", "rebind", "https://rebind.test")
				w.says("eu", "dead", "https://client") // nobody listens there
				w.routes("eu", "mmr-liar", "127.0.0.1:53")
				time.Sleep(1100 * time.Millisecond)
				w.refused(tt.zone, tt.server, tt.media, tt.token, tt.want, tt.code)
			})
		})
	}
	for _, media := range []bool{false, true} {
		t.Run(fmt.Sprintf("another meeting's router, media %v", media), func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				at := netip.AddrPortFrom(w.addr("mmr"), 8801).String()
				w.routes("eu", "theirs", at, other)
				w.routes("eu", "ours", at, other, w.meeting)
				time.Sleep(1100 * time.Millisecond)
				w.refused("eu", "theirs", media, nil, ReasonMeeting, proto.CodeForbidden)
				st, err := w.to("eu", "ours", w.token()).Packets(context.Background(), netip.AddrPort{})
				if err != nil {
					t.Fatalf("the meeting's own router: %v", err)
				}
				st.Close()
			})
		})
	}
}

func (w *world) refused(zone, server string, media bool, token func(*world) string, want Reason, wantCode proto.Code) {
	w.Helper()
	text := ""
	if token != nil {
		text = token(w)
	} else {
		text = w.token()
	}
	var err error
	var c io.Closer
	if media {
		c, err = w.to(zone, server, text).Packets(context.Background(), netip.AddrPort{})
	} else {
		c, err = w.to(zone, server, text).Dial(context.Background(), "tcp", "127.0.0.1:22")
	}
	if err == nil {
		c.Close()
	}
	if code(err) != wantCode || w.tunnel.Refused()[want.String()] == 0 {
		w.Errorf("got %v; counted %v, want %v", err, w.tunnel.Refused(), want)
	}
}

// raw sends bytes to the tunnel's front and gives the answer's status.
func (w *world) raw(text string) int {
	w.Helper()
	c, err := w.client.Dial(context.Background(), "tcp", "tunnel:443")
	if err != nil {
		w.Fatal(err)
	}
	tc := tls.Client(c, &tls.Config{RootCAs: w.site.CA().Pool(), ServerName: "tunnel"})
	defer tc.Close()
	if _, err := io.WriteString(tc, text); err != nil {
		w.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestRequestsThatAreUpToSomething(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		for name, tt := range map[string]struct {
			text string
			want int
		}{
			"another Host":                {"GET /stream HTTP/1.1\r\nHost: 169.254.169.254\r\n" + upgrade, http.StatusMisdirectedRequest},
			"another Host in the target":  {"GET http://127.0.0.1/stream HTTP/1.1\r\nHost: tunnel\r\n" + upgrade, http.StatusMisdirectedRequest},
			"another Host for a lookup":   {"POST /lookup HTTP/1.1\r\nHost: zc\r\nContent-Length: 2\r\n\r\n{}", http.StatusMisdirectedRequest},
			"CONNECT":                     {"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", http.StatusMisdirectedRequest},
			"two Hosts":                   {"GET /ping HTTP/1.1\r\nHost: tunnel\r\nHost: zc\r\n\r\n", http.StatusBadRequest},
			"two lengths":                 {"POST /lookup HTTP/1.1\r\nHost: tunnel\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}", http.StatusBadRequest},
			"huge headers":                {"GET /ping HTTP/1.1\r\nHost: tunnel\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
			"a path of the site":          {"GET /v2/users HTTP/1.1\r\nHost: tunnel\r\n\r\n", http.StatusNotFound},
			"a path that climbs":          {"POST /lookup/../v2/users HTTP/1.1\r\nHost: tunnel\r\nContent-Length: 0\r\n\r\n", http.StatusTemporaryRedirect},
			"the race, as it is meant":    {"GET /ping HTTP/1.1\r\nHost: tunnel\r\n\r\n", http.StatusOK},
			"the port that is meant":      {"GET /ping HTTP/1.1\r\nHost: Tunnel:443\r\n\r\n", http.StatusOK},
			"another port":                {"GET /ping HTTP/1.1\r\nHost: tunnel:80\r\n\r\n", http.StatusMisdirectedRequest},
			"a port in the name":          {"GET /ping HTTP/1.1\r\nHost: tunnel:443:443\r\n\r\n", http.StatusMisdirectedRequest},
			"a stream that is no upgrade": {"GET /stream HTTP/1.1\r\nHost: tunnel\r\n\r\n", http.StatusUpgradeRequired},
		} {
			if got := w.raw(tt.text); got != tt.want {
				t.Errorf("%s: status %d, want %d", name, got, tt.want)
			}
		}
		if got := w.tunnel.Refused(); got["host"] != 6 || got["path"] == 0 {
			t.Errorf("counted %v", got)
		}
		if len(w.lookups) != 0 {
			t.Errorf("%d requests reached the site", len(w.lookups))
		}
	})
}

// A tunnel goes to no address that means this machine or its network's machinery, in whatever dress.
func TestAddressesATunnelDoesNotGoTo(t *testing.T) {
	for _, tt := range []struct {
		addr  string
		alone bool // also where servers may be on loopback
		want  bool
	}{
		{"192.0.2.1", false, true}, {"10.0.0.1", false, true}, {"2001:db8::1", false, true}, {"fd00::1", false, true}, {"::ffff:192.0.2.1", false, true},
		{"127.0.0.1", false, false}, {"127.0.0.1", true, true}, {"::1", true, true}, {"::ffff:127.0.0.1", false, false},
		{"169.254.169.254", true, false}, {"::ffff:169.254.169.254", true, false}, {"fe80::1", true, false}, {"0.0.0.0", true, false}, {"::", true, false},
		{"224.0.0.1", true, false}, {"ff02::1", true, false}, {"255.255.255.255", true, false},
		{"64:ff9b::192.0.2.1", false, true}, // NAT64 (RFC 6052)
		{"64:ff9b::127.0.0.1", true, false}, {"64:ff9b::169.254.169.254", true, false}, {"64:ff9b::", true, false},
		{"64:ff9b:1::192.0.2.1", false, true}, {"64:ff9b:1:2:3:4:169.254.169.254", true, false}, // RFC 8215
		{"2002:c000:201::1", false, true}, // 6to4 (RFC 3056)
		{"2002:7f00:1::1", true, false}, {"2002:a9fe:a9fe::1", true, false},
		{"::169.254.169.254", true, false}, {"::127.0.0.1", true, false}, // IPv4-compatible (RFC 4291)
	} {
		s := &Server{cfg: Config{Loopback: tt.alone}}
		if got := s.allowed(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s, loopback %v: %v, want %v", tt.addr, tt.alone, got, tt.want)
		}
	}
}

// What a client marks leaves the tunnel so, if the router's media is marked so (S12), and the answers go on with it.
func TestMarksPassThroughTheTunnel(t *testing.T) {
	for _, tt := range []struct{ asked, want uint8 }{{46, 46}, {34, 34}, {0, 0}, {48, 0}, {200, 0}} {
		inWorld(t, Limits{}, func(t *testing.T, w *world) {
			var mu sync.Mutex
			var up []uint8
			w.net.Tap(func(p lab.Packet) {
				if p.Event == lab.Arrived && p.Dst.Port() == 8801 {
					mu.Lock()
					up = append(up, p.DSCP)
					mu.Unlock()
				}
			})
			way := w.to("eu", "mmr", w.token())
			way.Mark = tt.asked
			st, err := way.Packets(context.Background(), netip.AddrPort{})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			if _, err := st.WriteBatch([]link.Message{{Buf: []byte("hello"), N: 5}}); err != nil {
				t.Fatal(err)
			}
			if _, err := st.ReadBatch(room()); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(up) != 1 || up[0] != tt.want {
				t.Errorf("asked for %d: marks %v, want one of %d", tt.asked, up, tt.want)
			}
		})
	}
}

// The lookup passes without a token, to the site and nowhere else, and is slowed.
func TestLookupsPassToTheSite(t *testing.T) {
	inWorld(t, Limits{Lookups: 5}, func(t *testing.T, w *world) {
		client := link.HTTPClient(w.client, w.roots())
		defer client.CloseIdleConnections()
		var got []int
		for range 7 {
			req, _ := http.NewRequest("POST", "https://tunnel/lookup", strings.NewReader(`{"v":1}`))
			req.Header.Set("X-Forwarded-For", "192.0.2.99")
			req.Header.Set("Cookie", "a=b")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			got = append(got, resp.StatusCode)
		}
		if !slices.Equal(got, []int{200, 200, 200, 200, 200, 429, 429}) || w.tunnel.Refused()["lookups"] != 2 {
			t.Errorf("statuses %v, counted %v", got, w.tunnel.Refused())
		}
		r := w.lookups[0]
		if r.Host != "meet.test" || r.Header.Get("X-Forwarded-For") != w.client.Addr().String() || r.Header.Get("Cookie") != "" {
			t.Errorf("the site got host %q and header %v", r.Host, r.Header)
		}
	})
}

func TestATunnelSaysThatItServes(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		got := make(chan proto.TunnelAnnounce, 10)
		stop, err := w.bus.Subscribe(fmt.Sprintf(proto.SubjectTunnel, "*"), func(_ string, data []byte) {
			var a proto.TunnelAnnounce
			json.Unmarshal(data, &a)
			got <- a
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		c, err := w.to("eu", "zc", w.token()).Dial(context.Background(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		time.Sleep(2500 * time.Millisecond)
		var last proto.TunnelAnnounce
		for len(got) > 0 {
			last = <-got
		}
		if last.ID != "t1" || last.URL != "https://tunnel" || last.Streams != 1 {
			t.Errorf("announced %+v", last)
		}
	})
}
