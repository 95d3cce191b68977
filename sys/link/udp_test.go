package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func bind(t testing.TB, addr string) PacketConn {
	t.Helper()
	c, err := Real().ListenPacket(netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatalf("binding %s: %v", addr, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// at is where another socket reaches c.
func at(c PacketConn, ip string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), c.LocalAddr().Port())
}

func room(n, size int) []Message {
	ms := make([]Message, n)
	for i := range ms {
		ms[i].Buf = make([]byte, size)
	}
	return ms
}

func send(t testing.TB, c PacketConn, ms ...Message) {
	t.Helper()
	if n, err := c.WriteBatch(ms); n != len(ms) || err != nil {
		t.Fatalf("WriteBatch = %d, %v; want %d", n, err, len(ms))
	}
}

// receive reads exactly n datagrams, copied out of the reading room.
func receive(t testing.TB, c PacketConn, n int) []Message {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got []Message
	ms := room(32, 2048)
	for len(got) < n {
		k, err := c.ReadBatch(ms)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(got), n, err)
		}
		for _, m := range ms[:k] {
			m.Buf = bytes.Clone(m.Buf[:m.N])
			got = append(got, m)
		}
	}
	if len(got) != n {
		t.Fatalf("got %d datagrams, want %d", len(got), n)
	}
	return got
}

func TestBatchesBothWays(t *testing.T) {
	for _, tc := range []struct{ name, server, client, reach string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 wildcards", "0.0.0.0:0", "0.0.0.0:0", "127.0.0.1"},
		{"IPv4 to a dual-stack socket", "[::]:0", "127.0.0.1:0", "127.0.0.1"},
		{"dual-stack to IPv4", "127.0.0.1:0", "[::]:0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "[::1]:0", "::1"},
		{"IPv6 to a dual-stack socket", "[::]:0", "[::]:0", "::1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, client := bind(t, tc.server), bind(t, tc.client)
			var out []Message
			for i := range 100 { // more than one system call's worth
				b := fmt.Appendf(nil, "datagram %d", i)
				out = append(out, Message{Buf: b, N: len(b), Addr: at(server, tc.reach)})
			}
			send(t, client, out...)
			in := receive(t, server, len(out))
			for i, m := range in {
				if string(m.Buf) != string(out[i].Buf) {
					t.Errorf("datagram %d is %q, want %q", i, m.Buf, out[i].Buf)
				}
				if want := at(client, tc.reach); m.Addr != want {
					t.Errorf("datagram %d from %v, want %v", i, m.Addr, want)
				}
				if runtime.GOOS == "linux" && m.Local != netip.MustParseAddr(tc.reach) {
					t.Errorf("datagram %d arrived at %v, want %s", i, m.Local, tc.reach)
				}
			}
			send(t, server, in...) // the answer goes to Addr from Local
			for i, m := range receive(t, client, len(in)) {
				if want := at(server, tc.reach); m.Addr != want || string(m.Buf) != string(out[i].Buf) {
					t.Errorf("answer %d is %q from %v, want %q from %v", i, m.Buf, m.Addr, out[i].Buf, want)
				}
			}
		})
	}
}

func TestCloseAndDeadlines(t *testing.T) {
	c := bind(t, "127.0.0.1:0")
	if err := c.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadBatch(room(1, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %v, want os.ErrDeadlineExceeded", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := c.ReadBatch(room(1, 10))
		done <- err
	}()
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("pending read: %v, want net.ErrClosed", err)
	}
	if _, err := c.WriteBatch([]Message{{Addr: c.LocalAddr()}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v, want net.ErrClosed", err)
	}
	if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("deadline: %v, want net.ErrClosed", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v, want net.ErrClosed", err)
	}
}

func TestInUseNamesTheAddress(t *testing.T) {
	c := bind(t, "127.0.0.1:0")
	_, err := Real().ListenPacket(c.LocalAddr())
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "UDP "+c.LocalAddr().String()) {
		t.Errorf("second bind: %v; want ErrInUse naming %v", err, c.LocalAddr())
	}
	ln, err := Real().Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	_, err = Real().Listen(addr)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "TCP "+addr.String()) {
		t.Errorf("second listen: %v; want ErrInUse naming %v", err, addr)
	}
}

func TestRefusedMessageIsSkipped(t *testing.T) {
	server, client := bind(t, "127.0.0.1:0"), bind(t, "127.0.0.1:0")
	good := func(s string) Message { return Message{Buf: []byte(s), N: len(s), Addr: server.LocalAddr()} }
	v6 := good("an IPv6 peer of an IPv4 socket")
	v6.Addr = netip.MustParseAddrPort("[2001:db8::1]:9")
	long := Message{Buf: make([]byte, 70_000), N: 70_000, Addr: server.LocalAddr()}
	send(t, client, good("one"), v6, good("two"), long, good("three"), long)
	var got []string
	for _, m := range receive(t, server, 3) {
		got = append(got, string(m.Buf))
	}
	if fmt.Sprint(got) != "[one two three]" {
		t.Errorf("arrived %v, want [one two three]", got)
	}
	counters, ok := CountersOf(client)
	if want := (Counters{Sent: 3, Skipped: 3}); !ok || counters != want {
		t.Errorf("counters %+v, want %+v", counters, want)
	}
}

func TestSegments(t *testing.T) {
	for _, tc := range []struct {
		name    string
		n, size int
		want    []int // count and length of the last
	}{
		{"one", 100, 1200, []int{1, 100}},
		{"exact", 3600, 1200, []int{3, 1200}},
		{"shorter last", 3700, 1200, []int{4, 100}},
		{"over the kernel's 64 segments", 130 * 100, 100, []int{130, 100}},
		{"over one UDP payload", 66 * 1200, 1200, []int{66, 1200}},
	} {
		for _, gso := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, gso %v", tc.name, gso), func(t *testing.T) {
				server, client := bind(t, "127.0.0.1:0"), bind(t, "127.0.0.1:0")
				if !withGSO(client, gso) {
					t.Skip("no UDP_SEGMENT on this system")
				}
				buf := make([]byte, tc.n)
				for i := range buf {
					buf[i] = byte(i / tc.size)
				}
				send(t, client, Message{Buf: []byte("before"), N: 6, Addr: server.LocalAddr()},
					Message{Buf: buf, N: tc.n, Segment: tc.size, Addr: server.LocalAddr()},
					Message{Buf: []byte("after"), N: 5, Addr: server.LocalAddr()})
				got := receive(t, server, tc.want[0]+2)
				if string(got[0].Buf) != "before" || string(got[len(got)-1].Buf) != "after" {
					t.Errorf("neighbours %q and %q, want before and after", got[0].Buf, got[len(got)-1].Buf)
				}
				got = got[1 : len(got)-1]
				for i, m := range got {
					want := tc.size
					if i == len(got)-1 {
						want = tc.want[1]
					}
					if m.N != want || m.Buf[0] != byte(i) {
						t.Errorf("datagram %d: %d bytes of %d, want %d bytes of %d", i, m.N, m.Buf[0], want, byte(i))
					}
				}
				if c, _ := CountersOf(client); c.Sent != uint64(len(got)+2) {
					t.Errorf("sent %d datagrams, want %d", c.Sent, len(got)+2)
				}
			})
		}
	}
}

func BenchmarkWriteBatch(b *testing.B) {
	for _, tc := range []struct {
		name    string
		entries int
		segment int
		n       int
	}{
		{"16 datagrams of 1132", 16, 0, 1132},
		{"16 sends of 6 segments of 1132", 16, 1132, 6 * 1132},
	} {
		b.Run(tc.name, func(b *testing.B) {
			server, client := bind(b, "127.0.0.1:0"), bind(b, "127.0.0.1:0")
			ms := room(tc.entries, tc.n)
			packets := tc.entries
			for i := range ms {
				ms[i].N, ms[i].Segment, ms[i].DSCP = tc.n, tc.segment, 46
				ms[i].Addr = server.LocalAddr() // nobody reads: the buffer fills and the kernel drops
			}
			if tc.segment > 0 {
				packets *= tc.n / tc.segment
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.WriteBatch(ms); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*packets), "ns/packet")
		})
	}
}

func BenchmarkReadBatch(b *testing.B) {
	server, client := bind(b, "127.0.0.1:0"), bind(b, "127.0.0.1:0")
	out, in := room(32, 1132), room(32, 2048)
	for i := range out {
		out[i].N, out[i].Addr = 1132, server.LocalAddr()
	}
	b.ReportAllocs()
	packets := 0
	for b.Loop() {
		b.StopTimer()
		send(b, client, out...)
		b.StartTimer()
		for n := 0; n < len(out); {
			k, err := server.ReadBatch(in)
			if err != nil {
				b.Fatal(err)
			}
			n += k
			packets += k
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(packets), "ns/packet")
}
