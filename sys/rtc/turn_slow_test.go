package rtc_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"parley/lab"
	"parley/sys/link"
	"parley/sys/rtc"
)

// TestTURNIsNotLateBehindVideo: 500 kbit/s down with a queue of 100 ms, 2.5 Mbit/s of pictures offered on the
// same connection as sound, by a sender that asks the stream for room as the router does.
func TestTURNIsNotLateBehindVideo(t *testing.T) {
	const oneWay = 25 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		n := lab.NewNet(1)
		n.Default(lab.Link{Delay: oneWay})
		srv, cli := n.Host("router", lab.HostOpts{}), n.Host("browser", lab.HostOpts{})
		n.LinkOneWay(srv, cli, lab.Link{Delay: oneWay, Rate: 500_000, Queue: 500_000 / 8 / 10})
		peer := netip.AddrPortFrom(srv.Addr(), 8801)
		cert, err := rtc.NewCertificate(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ln, err := srv.Listen(netip.AddrPortFrom(srv.Addr(), 443))
		if err != nil {
			t.Fatal(err)
		}
		demux := link.NewDemux(ln, link.DemuxConfig{TLS: link.ServerTLS(cert), STUN: func(c net.Conn) {
			rtc.ServeTURN(c, rtc.TURNConfig{
				User: func(string) (rtc.TURNUser, bool) {
					return rtc.TURNUser{Password: "pwd", Peers: []netip.AddrPort{peer}, Serve: sendAll}, true
				},
			})
		}})
		conn, err := cli.Dial(t.Context(), "tcp", "router:443")
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		c, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: "192.0.2.1:443", STUNServerAddr: "192.0.2.1:443", Realm: "parley", Username: "ufrag", Password: "pwd",
			Conn: turn.NewSTUNConn(secure), LoggerFactory: logging.NewDefaultLoggerFactory(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Listen(); err != nil {
			t.Fatal(err)
		}
		relay, err := c.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := relay.WriteTo([]byte("begin"), net.UDPAddrFromAddrPort(peer)); err != nil {
			t.Fatal(err)
		}
		var late []time.Duration
		pictures := 0
		began := time.Now()
		relay.SetReadDeadline(began.Add(30 * time.Second))
		for buf := make([]byte, 2048); ; {
			k, _, err := relay.ReadFrom(buf)
			if err != nil {
				break
			}
			if k > 500 {
				pictures += k
				continue
			}
			late = append(late, time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(buf)))))
		}
		slices.Sort(late)
		if len(late) < 1450 {
			t.Fatalf("%d of 1500 sounds", len(late))
		}
		t.Logf("sound one way: median %v, 99 of 100 %v, worst %v; pictures %d bit/s",
			late[len(late)/2], late[len(late)*99/100], late[len(late)-1], pictures*8/30)
		if p99 := late[len(late)*99/100]; p99 > 400*time.Millisecond {
			t.Errorf("one sound in a hundred took longer than %v, want at most 400 ms", p99)
		}
		if pictures*8/30 < 250_000 {
			t.Errorf("%d bit/s of pictures, want half the link at least", pictures*8/30)
		}
		relay.Close()
		c.Close()
		conn.Close()
		demux.Close()
		time.Sleep(time.Second)
		n.Close()
		time.Sleep(time.Second)
	})
}

// sendAll sends a sound of 100 bytes every 20 ms, and pictures as long as there is room.
func sendAll(st *link.Stream) {
	defer st.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		sound, picture := make([]byte, 100), make([]byte, 1200)
		for ctx.Err() == nil {
			binary.BigEndian.PutUint64(sound, uint64(time.Now().UnixNano()))
			st.WriteBatch([]link.Message{{Buf: sound, N: len(sound)}})
			for budget := 6000; budget > 0 && st.Room() >= len(picture); budget -= len(picture) { // 2.4 Mbit/s
				st.WriteBatch([]link.Message{{Buf: picture, N: len(picture)}})
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	ms := []link.Message{{Buf: make([]byte, 2048)}}
	for {
		if _, err := st.ReadBatch(ms); err != nil {
			return
		}
	}
}
