package tunnel

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/lab"
	"parley/sys/link"
	"parley/wire/proto"
)

// Design §4 for a page behind a tunnel: 500 kbit/s to it with a queue of 100 ms, 2.5 Mbit/s of pictures offered, each
// medium on TURN of its own, and a router that goes on as if there were room. What is late is the tunnel's own to drop.
func TestSoundOfAPageIsNotLateBehindPictures(t *testing.T) {
	inPageWorld(t, Limits{}, func(t *testing.T, w *world) {
		h := w.net.Host("loud", lab.HostOpts{})
		media := netip.AddrPortFrom(h.Addr(), 8801)
		socket, err := h.ListenPacket(media)
		if err != nil {
			t.Fatal(err)
		}
		w.routesAt("eu", "loud", "https://router", media.String(), w.meeting)
		time.Sleep(1100 * time.Millisecond)
		_, answer, _ := w.post("/server/eu/loud/relay", proto.TunnelRequest{V: 1, Token: w.token()})
		var relays [2]net.PacketConn
		var to [2]netip.AddrPort
		in := room()
		for i := range relays { // sound, pictures
			c, err := w.allocate(fmt.Sprint(answer["username"]), fmt.Sprint(answer["credential"]))
			if err != nil {
				t.Fatal(err)
			}
			relays[i] = c
			if _, err := c.WriteTo([]byte("here"), net.UDPAddrFromAddrPort(media)); err != nil {
				t.Fatal(err)
			}
			if _, err := socket.ReadBatch(in); err != nil {
				t.Fatal(err)
			}
			to[i] = in[0].Addr
		}
		w.net.LinkOneWay(w.host, w.client, lab.Link{Delay: 20 * time.Millisecond, Rate: 500_000, Queue: 500_000 / 8 / 10})

		var late [2][]time.Duration
		var ends [2]sync.WaitGroup
		for i, c := range relays {
			ends[i].Go(func() {
				for buf := make([]byte, 2048); ; {
					if _, _, err := c.ReadFrom(buf); err != nil {
						return
					}
					late[i] = append(late[i], time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(buf)))))
				}
			})
		}
		send := func(i, size int) {
			b := make([]byte, size)
			binary.BigEndian.PutUint64(b, uint64(time.Now().UnixNano()))
			socket.WriteBatch([]link.Message{{Buf: b, N: size, Addr: to[i]}})
		}
		for range 1500 { // 30 s
			send(0, 100)
			for range 5 { // 6,250 bytes in 20 ms are 2.5 Mbit/s
				send(1, 1250)
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		for i, c := range relays {
			c.Close()
			ends[i].Wait()
			slices.Sort(late[i])
		}
		socket.Close()
		sound, pictures := late[0], len(late[1])
		if len(sound) < 1450 {
			t.Fatalf("%d of 1500 sounds arrived", len(sound))
		}
		t.Logf("sound one way: median %v, 99 of 100 %v, worst %v; %d of 1500 arrived, and %d of 7500 packets of pictures",
			sound[len(sound)/2], sound[len(sound)*99/100], sound[len(sound)-1], len(sound), pictures)
		if p99 := sound[len(sound)*99/100]; p99 > 400*time.Millisecond {
			t.Errorf("one sound in a hundred took longer than %v, want at most 400 ms", p99)
		}
		if pictures < 750 {
			t.Errorf("%d packets of pictures, want half of what the way carries at least", pictures)
		}
	})
}
