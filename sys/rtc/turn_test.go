package rtc

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/turn/v5"

	"parley/sys/link"
	"parley/wire/proto"
)

// tcpPipe is an end of net.Pipe that has addresses.
type tcpPipe struct {
	net.Conn
	local, remote *net.TCPAddr
}

func (p tcpPipe) LocalAddr() net.Addr  { return p.local }
func (p tcpPipe) RemoteAddr() net.Addr { return p.remote }

// turnWorld is a TURN server for one connection whose router echoes.
type turnWorld struct {
	client  net.Conn
	foreign atomic.Uint64
	streams atomic.Int64
	rung    proto.Rung
	from    netip.AddrPort
	ended   chan struct{}
}

func (w *turnWorld) echo(st *link.Stream) {
	w.streams.Add(1)
	w.rung, w.from = st.Rung(), st.RemoteAddr()
	defer st.Close()
	ms := []link.Message{{Buf: make([]byte, 2048)}}
	for {
		n, err := st.ReadBatch(ms)
		if err != nil {
			return
		}
		st.WriteBatch(ms[:n])
	}
}

var turnOther = netip.MustParseAddrPort("203.0.113.2:8801")

var turnPeer = netip.MustParseAddrPort("203.0.113.1:8801")

func startTURN() *turnWorld {
	w := &turnWorld{ended: make(chan struct{})}
	a, b := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 5000}, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 443}
	client, server := net.Pipe()
	w.client = tcpPipe{client, a, b}
	go func() {
		defer close(w.ended)
		ServeTURN(tcpPipe{server, b, a}, TURNConfig{
			Refused: &w.foreign,
			User: func(name string) (TURNUser, bool) {
				peers := []netip.AddrPort{turnPeer, netip.MustParseAddrPort("203.0.113.1:443")}
				if name == "other" {
					peers = []netip.AddrPort{turnOther}
				}
				return TURNUser{Password: "secret", Peers: peers, Serve: w.echo}, name == "ticket" || name == "other"
			},
		})
	}()
	return w
}

// dial makes a TURN client on the connection.
func (w *turnWorld) dial(t *testing.T, name, password string) *turn.Client {
	t.Helper()
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: "203.0.113.1:443", STUNServerAddr: "203.0.113.1:443", Conn: turn.NewSTUNConn(w.client),
		Username: name, Password: password, Realm: turnRealm, LoggerFactory: silent{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTURNReachesTheRouterAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTURN()
		c := w.dial(t, "ticket", "secret")
		relay, err := c.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2048)
		// The first packet goes as an indication, later ones by channel.
		for i, text := range []string{"a", "b", strings.Repeat("x", 1200)} {
			if _, err := relay.WriteTo([]byte(text), net.UDPAddrFromAddrPort(turnPeer)); err != nil {
				t.Fatal(err)
			}
			n, from, err := relay.ReadFrom(buf)
			if err != nil || string(buf[:n]) != text || from.String() != turnPeer.String() {
				t.Fatalf("packet %d: got %d bytes from %v: %v", i, n, from, err)
			}
			time.Sleep(time.Second)
		}
		if w.rung != proto.TLS443 || w.from != netip.MustParseAddrPort("198.51.100.7:5000") || w.streams.Load() != 1 {
			t.Errorf("rung %q from %v, %d streams", w.rung, w.from, w.streams.Load())
		}
		// The port that stands for the router here alone.
		only := netip.AddrPortFrom(turnPeer.Addr(), TURNOnlyPort)
		if _, err := relay.WriteTo([]byte("c"), net.UDPAddrFromAddrPort(only)); err != nil {
			t.Fatal(err)
		}
		if n, from, err := relay.ReadFrom(buf); err != nil || string(buf[:n]) != "c" || from.String() != only.String() {
			t.Fatalf("got %d bytes from %v: %v", n, from, err)
		}
		for _, foreign := range []string{"203.0.113.1:22", "203.0.113.9:8801", "127.0.0.1:8801", "169.254.169.254:80"} {
			before := w.foreign.Load()
			relay.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(foreign)))
			time.Sleep(time.Second)
			if w.foreign.Load() == before {
				t.Errorf("nothing counted for %s", foreign)
			}
		}
		if w.streams.Load() != 2 {
			t.Errorf("%d streams, want 2", w.streams.Load())
		}
		relay.Close()
		c.Close()
		w.client.Close()
		<-w.ended
	})
}

func TestTURNWantsATicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTURN()
		c := w.dial(t, "ticket", "guess")
		began := time.Now()
		if _, err := c.Allocate(); err == nil {
			t.Error("allocated with a wrong password")
		}
		<-w.ended // though the client has not gone
		if took := time.Since(began); took > turnAllocateBy+time.Second {
			t.Errorf("kept for %v", took)
		}
		c.Close()
		w.client.Close()
	})
}

// Whoever has named one user can't send to another's router.
func TestAConnectionIsOneUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTURN()
		c := w.dial(t, "ticket", "guess")
		if _, err := c.Allocate(); err == nil {
			t.Fatal("allocated with a wrong password")
		}
		c.Close()
		c = w.dial(t, "other", "secret")
		if _, err := c.Allocate(); err == nil {
			t.Error("another user's allocation on the same connection")
		}
		c.Close()
		w.client.Close()
		<-w.ended
	})
}
