package mmr_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"parley/lab"
	"parley/mmr"
	"parley/sys/rtc"
	"parley/wire/stun"
)

// onTCP runs a plane on a simulated internet, with no router behind it: every check is a stranger's.
func onTCP(t *testing.T, f func(t *testing.T, p *mmr.Plane, dial func(from string) net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNet(1)
		srv := n.Host("router", lab.HostOpts{})
		cert, err := rtc.NewCertificate(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p, err := mmr.NewPlane(mmr.PlaneConfig{Host: srv, Listen: []netip.AddrPort{netip.AddrPortFrom(srv.Addr(), 8801)}, Certificate: cert})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		hosts := map[string]*lab.Host{}
		f(t, p, func(from string) net.Conn {
			if hosts[from] == nil {
				hosts[from] = n.Host(from, lab.HostOpts{})
			}
			conn, err := hosts[from].Dial(ctx, "tcp", "router:8801")
			if err != nil {
				t.Fatal(err)
			}
			return conn
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		n.Close()
		time.Sleep(time.Second)
	})
}

// lasts is how long a connection is left open.
func lasts(conn net.Conn) time.Duration {
	began := time.Now()
	conn.SetReadDeadline(began.Add(time.Minute))
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(began)
}

func checkFrame(user string) []byte {
	b := stun.Build(make([]byte, 0, 256), stun.BindingRequest, stun.TxID{1})
	b.Username(user + ":x")
	b.Integrity([]byte("guess"))
	b.Fingerprint()
	return append([]byte{byte(b.Len() >> 8), byte(b.Len())}, b.Bytes()...)
}

func TestAStrangersConnectionIsClosedWithinFiveSeconds(t *testing.T) {
	const most = 6 * time.Second
	for _, c := range []struct {
		name string
		send func(conn net.Conn)
		why  string
	}{
		{"says nothing", func(net.Conn) {}, "stream_unproven"},
		{"dribbles", func(conn net.Conn) {
			for _, b := range checkFrame("nobody") {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(300 * time.Millisecond)
			}
		}, "stream_unproven"},
		{"sends checks of nobody", func(conn net.Conn) {
			for {
				if _, err := conn.Write(checkFrame("nobody")); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, "stream_unproven"},
		{"keeps it alive with empty frames", func(conn net.Conn) {
			for {
				if _, err := conn.Write([]byte{0, 0}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, "stream_unproven"},
		{"speaks something else", func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n") }, "stream_framing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onTCP(t, func(t *testing.T, p *mmr.Plane, dial func(string) net.Conn) {
				conn := dial("stranger")
				done := make(chan struct{})
				go func() { defer close(done); c.send(conn) }()
				if d := lasts(conn); d > most {
					t.Errorf("left open for %v", d)
				}
				conn.Close()
				<-done
				time.Sleep(time.Second)
				if n := p.Drops()[c.why]; n != 1 {
					t.Errorf("counted %v, want one %s", p.Drops(), c.why)
				}
			})
		})
	}
}

// TestOneAddressCannotTakeAllConnections: those of others go on being accepted.
func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	onTCP(t, func(t *testing.T, p *mmr.Plane, dial func(string) net.Conn) {
		var open []net.Conn
		for range 200 {
			open = append(open, dial("greedy"))
		}
		time.Sleep(time.Second)
		if n := p.Drops()["stream_crowd"]; n != 50 {
			t.Errorf("refused %d of 200 connections of one address, want 50: %v", n, p.Drops())
		}
		began := time.Now()
		other := dial("modest")
		if d := lasts(other); d < 3*time.Second {
			t.Errorf("another's connection was closed after %v, of %v", d, time.Since(began))
		}
		for _, c := range append(open, other) {
			c.Close()
		}
	})
}

func TestAPlaneBindsTCPAndUDPOfOnePort(t *testing.T) {
	onTCP(t, func(t *testing.T, p *mmr.Plane, dial func(string) net.Conn) {
		got := fmt.Sprint(p.Candidates())
		want := fmt.Sprintf("[{udp-8801 %v} {tcp-8801 %v}]", p.Addr(), p.Addr())
		if got != want {
			t.Errorf("candidates %s, want %s", got, want)
		}
	})
}
