package tunnel

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/lab"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/sys/trust"
	"parley/wire/proto"
)

// inPageWorld has, besides, a controller and a router that say what they were asked, and TURN behind the tunnel's
// port 443 as in a real process.
func inPageWorld(t *testing.T, limits Limits, f func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, limits, func(t *testing.T, w *world) {
		ctl := w.serve(w.net.Host("ctl", lab.HostOpts{}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			rw.Header().Set("Retry-After", "7")
			rw.WriteHeader(http.StatusServiceUnavailable)
			json.NewEncoder(rw).Encode(map[string]any{"asked": r.Method + " " + r.Host + r.URL.Path, "body": string(body), "cookie": r.Header.Get("Cookie"), "for": r.Header.Get("X-Forwarded-For")})
		}))
		router := w.serve(w.net.Host("router", lab.HostOpts{}), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			ws, err := link.AcceptWebSocket(rw, r, link.WSAccept{})
			if err != nil {
				return
			}
			defer ws.CloseNow()
			for {
				b, err := ws.Read(r.Context())
				if err != nil {
					return
				}
				if string(b) == "end" {
					ws.Close(4001, "bye")
					return
				}
				ws.Write(r.Context(), []byte(r.Host+r.URL.Path+" "+string(b)))
			}
		}))
		echo := w.echo("router-media")
		cert, err := w.site.CA().Issue([]string{"tunnel"}, nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ln, err := w.host.Listen(netip.AddrPortFrom(w.host.Addr(), 444))
		if err != nil {
			t.Fatal(err)
		}
		demux := link.NewDemux(ln, link.DemuxConfig{TLS: link.ServerTLS(cert), STUN: w.tunnel.ServeTURN})
		defer func() {
			ctl.Close()
			router.Close()
			echo.Close()
			demux.Close()
		}()
		w.says("eu", "ctl", "https://ctl")
		w.routesAt("eu", "router", "https://router", netip.AddrPortFrom(w.addr("router-media"), 8801).String(), w.meeting)
		time.Sleep(1100 * time.Millisecond)
		f(t, w)
	})
}

// post sends a page's request.
func (w *world) post(path string, m any) (status int, answer map[string]any, h http.Header) {
	w.Helper()
	client := link.HTTPClient(w.client, w.roots())
	defer client.CloseIdleConnections()
	body, err := json.Marshal(m)
	if err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequest("POST", "https://tunnel"+path, strings.NewReader(string(body)))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("Cookie", "a=b")
	req.Header.Set("X-Forwarded-For", "192.0.2.99")
	resp, err := client.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer, resp.Header
}

// A page's pings and routes reach the controller by its own name, with nothing of the page's but the body, and its
// address, for those who count by that and take a tunnel's word.
func TestAPageAsksControllersThroughTheTunnel(t *testing.T) {
	inPageWorld(t, Limits{}, func(t *testing.T, w *world) {
		for path, tt := range map[string]struct {
			m           proto.TunnelRequest
			asked, body string
		}{
			"ping":  {proto.TunnelRequest{V: 1, Token: w.token()}, "GET ctl/ping", ""},
			"route": {proto.TunnelRequest{V: 1, Token: w.token(), Route: proto.RouteRequest{V: 1, Token: "mine", Lost: "m"}}, "POST ctl/route", `{"v":1,"token":"mine","lost":"m"}`},
		} {
			status, got, h := w.post("/server/eu/ctl/"+path, tt.m)
			if status != http.StatusServiceUnavailable || h.Get("Retry-After") != "7" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Timing-Allow-Origin") != "*" {
				t.Errorf("%s: status %d, header %v", path, status, h)
			}
			if got["asked"] != tt.asked || got["body"] != tt.body || got["cookie"] != "" || got["for"] != w.client.Addr().String() {
				t.Errorf("%s: the controller got %v", path, got)
			}
		}
	})
}

// control opens a page's control channel.
func (w *world) control(zone, server, token string) *link.WebSocket {
	w.Helper()
	ws, err := link.DialWebSocket(context.Background(), link.WSDial{Host: w.client, URL: "https://tunnel/server/" + zone + "/" + server + "/control", TLS: w.roots(),
		Header: http.Header{"Origin": {"https://meet.test"}}})
	if err != nil {
		w.Fatal(err)
	}
	b, err := json.Marshal(proto.TunnelRequest{V: 1, Token: token})
	if err != nil {
		w.Fatal(err)
	}
	if err := ws.Write(context.Background(), b); err != nil {
		w.Fatal(err)
	}
	return ws
}

// The hello comes right behind the request, and a close is told on with its code.
func TestAPagesControlChannel(t *testing.T) {
	inPageWorld(t, Limits{}, func(t *testing.T, w *world) {
		ctx := context.Background()
		ws := w.control("eu", "router", w.token())
		defer ws.CloseNow()
		for _, text := range []string{"hello", "more"} {
			if err := ws.Write(ctx, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if b, err := ws.Read(ctx); err != nil || string(b) != "router/control "+text {
				t.Fatalf("got %q, %v", b, err)
			}
		}
		if n := w.tunnel.limits.open(); n != 1 {
			t.Errorf("%d streams open, want 1", n)
		}
		if err := ws.Write(ctx, []byte("end")); err != nil {
			t.Fatal(err)
		}
		if _, err := ws.Read(ctx); link.CloseCode(err) != 4001 {
			t.Errorf("got %v, want the router's close", err)
		}
	})
}

// allocate opens TURN at the tunnel with what pageRelay gave.
func (w *world) allocate(user, password string) (*rtc.TURNClient, error) {
	w.Helper()
	raw, err := w.client.Dial(context.Background(), "tcp", "tunnel:444")
	if err != nil {
		w.Fatal(err)
	}
	secure := tls.Client(raw, &tls.Config{RootCAs: w.site.CA().Pool(), ServerName: "tunnel"})
	if err := secure.Handshake(); err != nil {
		w.Fatal(err)
	}
	return rtc.DialTURN(secure, user, password)
}

// Media of a page goes by TURN to the router's UDP 8801, and nowhere else, as a stream like any other.
func TestAPagesMediaGoesToItsRouterAlone(t *testing.T) {
	inPageWorld(t, Limits{Bytes: 1 << 20}, func(t *testing.T, w *world) {
		token := w.token()
		time.Sleep(10 * time.Minute)
		_, answer, _ := w.post("/server/eu/router/relay", proto.TunnelRequest{V: 1, Token: token})
		user, password := fmt.Sprint(answer["username"]), fmt.Sprint(answer["credential"])
		peer, err := netip.ParseAddrPort(fmt.Sprint(answer["peer"]))
		if err != nil || peer != netip.AddrPortFrom(w.addr("router-media"), 8801) {
			t.Fatalf("peer %v, %v", answer["peer"], err)
		}
		time.Sleep(10 * time.Minute) // longer than the token is good for
		relay, err := w.allocate(user, password)
		if err != nil {
			t.Fatal(err)
		}
		defer relay.Close()
		buf := make([]byte, 2048)
		for i := range 3 {
			text := fmt.Sprint("packet ", i)
			if _, err := relay.WriteTo([]byte(text), net.UDPAddrFromAddrPort(peer)); err != nil {
				t.Fatal(err)
			}
			n, from, err := relay.ReadFrom(buf)
			if err != nil || string(buf[:n]) != text || from.String() != peer.String() {
				t.Fatalf("got %q from %v: %v", buf[:n], from, err)
			}
		}
		if n := w.tunnel.limits.open(); n != 1 {
			t.Errorf("%d streams open, want 1", n)
		}
		for _, foreign := range []string{w.addr("mmr").String() + ":8801", peer.Addr().String() + ":22", "127.0.0.1:8801", "169.254.169.254:80"} {
			before := w.tunnel.Refused()["target"]
			relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(foreign)))
			time.Sleep(time.Second)
			if w.tunnel.Refused()["target"] == before {
				t.Errorf("nothing counted for %s", foreign)
			}
		}
		big := make([]byte, 1200)
		for range 1000 {
			relay.WriteTo(big, net.UDPAddrFromAddrPort(peer))
			time.Sleep(time.Millisecond)
		}
		if n := w.tunnel.limits.uses[holder{w.meeting, 7}].bytes.Load(); n > 1<<20+64<<10 || w.tunnel.Refused()["bytes"] == 0 {
			t.Errorf("carried %d bytes, counted %v", n, w.tunnel.Refused())
		}
	})
}

// A page's browser says nothing of marks: its media has those of what its router sends (S12), and no others.
func TestAPagesMediaIsMarkedAsItsRouters(t *testing.T) {
	inPageWorld(t, Limits{}, func(t *testing.T, w *world) {
		h := w.net.Host("marking", lab.HostOpts{})
		media := netip.AddrPortFrom(h.Addr(), 8801)
		socket, err := h.ListenPacket(media)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		w.routesAt("eu", "marking", "https://router", media.String(), w.meeting)
		time.Sleep(1100 * time.Millisecond)
		_, answer, _ := w.post("/server/eu/marking/relay", proto.TunnelRequest{V: 1, Token: w.token()})
		relay, err := w.allocate(fmt.Sprint(answer["username"]), fmt.Sprint(answer["credential"]))
		if err != nil {
			t.Fatal(err)
		}
		defer relay.Close()
		in, buf := room(), make([]byte, 2048)
		for _, tt := range []struct{ sent, want uint8 }{{0, 0}, {34, 34}, {46, 46}, {48, 0}} {
			hello := func() link.Message {
				if _, err := relay.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(media)); err != nil {
					t.Fatal(err)
				}
				if _, err := socket.ReadBatch(in); err != nil {
					t.Fatal(err)
				}
				return in[0]
			}
			to := hello().Addr
			if _, err := socket.WriteBatch([]link.Message{{Buf: []byte("answer"), N: 6, Addr: to, DSCP: tt.sent}}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := relay.ReadFrom(buf); err != nil {
				t.Fatal(err)
			}
			if got := hello().Mark; got != tt.want+1 {
				t.Errorf("after the router sent with %d, what the page sends has %d, want %d", tt.sent, int(got)-1, tt.want)
			}
		}
	})
}

// What a page may not do, refused and counted.
func TestPagesAreKeptToTheirServers(t *testing.T) {
	inPageWorld(t, Limits{}, func(t *testing.T, w *world) {
		other := trust.NewMeetingID()
		w.says("us", "ctl-us", "https://ctl")
		w.says("eu", "liar", "https://127.0.0.1")
		w.says("eu", "meta", "http://169.254.169.254/latest/meta-data")
		w.says("eu", "dead", "https://client")
		w.routesAt("eu", "theirs", "https://router", netip.AddrPortFrom(w.addr("router-media"), 8801).String(), other)
		w.routesAt("eu", "mmr-liar", "https://127.0.0.1", "127.0.0.1:53", w.meeting)
		time.Sleep(1100 * time.Millisecond)
		old := w.token()
		_, answer, _ := w.post("/server/eu/router/relay", proto.TunnelRequest{V: 1, Token: old})
		oldUser, oldPassword := fmt.Sprint(answer["username"]), fmt.Sprint(answer["credential"])
		time.Sleep(trust.TunnelLife + trust.Leeway + time.Second)
		good := w.token()
		for _, tt := range []struct {
			name, path, token string
			status            int
			want              Reason
		}{
			{"a server nobody enrolled", "/server/eu/nobody/ping", good, 403, ReasonTarget},
			{"a zone the token is not for", "/server/us/ctl-us/ping", good, 403, ReasonTarget},
			{"an address for a name", "/server/eu/127.0.0.1/ping", good, 403, ReasonTarget},
			{"a router for a controller", "/server/eu/router/ping", good, 403, ReasonTarget},
			{"a controller for a router", "/server/eu/ctl/relay", good, 403, ReasonTarget},
			{"this machine", "/server/eu/liar/ping", good, 403, ReasonAddress},
			{"the metadata service", "/server/eu/meta/route", good, 403, ReasonAddress},
			{"media of this machine", "/server/eu/mmr-liar/relay", good, 403, ReasonAddress},
			{"another meeting's router", "/server/eu/theirs/relay", good, 403, ReasonMeeting},
			{"a server that does not answer", "/server/eu/dead/ping", good, 500, ReasonDown},
			{"no token", "/server/eu/ctl/ping", "", 401, ReasonToken},
			{"an old token", "/server/eu/ctl/ping", old, 401, ReasonOld},
			{"a path of the server's that is not for clients", "/server/eu/ctl/api", good, 404, ReasonPath},
			{"a path that climbs", "/server/eu/ctl%2f../ping", good, 403, ReasonTarget},
		} {
			before := w.tunnel.Refused()[tt.want.String()]
			status, answer, _ := w.post(tt.path, proto.TunnelRequest{V: 1, Token: tt.token})
			if status != tt.status || w.tunnel.Refused()[tt.want.String()] != before+1 {
				t.Errorf("%s: status %d, %v; counted %v, want %d and %v", tt.name, status, answer, w.tunnel.Refused(), tt.status, tt.want)
			}
		}
		for name, server := range map[string]string{"another meeting's router": "theirs", "a controller": "ctl", "this machine": "mmr-liar"} {
			ws := w.control("eu", server, good)
			b, err := ws.Read(context.Background())
			if m, merr := proto.Decode(b); err != nil || merr != nil || m.(proto.Bye).Code != proto.CodeForbidden {
				t.Errorf("control channel to %s: got %q, %v", name, b, err)
			}
			ws.CloseNow()
		}
		_, answer, _ = w.post("/server/eu/router/relay", proto.TunnelRequest{V: 1, Token: good})
		user, password := fmt.Sprint(answer["username"]), fmt.Sprint(answer["credential"])
		for name, c := range map[string][2]string{
			"no user":                      {"", ""},
			"a guessed password":           {user, "guess"},
			"old credentials":              {oldUser, oldPassword},
			"another router than was told": {strings.Replace(user, ".router", ".theirs", 1), password},
			"a longer life":                {strings.Replace(user, "tunnel.", "tunnel.9", 1), password},
			"another holder":               {strings.Replace(user, ".7.", ".8.", 1), password},
		} {
			if relay, err := w.allocate(c[0], c[1]); err == nil {
				t.Errorf("%s: an allocation", name)
				relay.Close()
			}
		}
	})
}
