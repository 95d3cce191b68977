package link

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// withGSO switches segmentation off; true if the socket is now as wished.
func withGSO(c PacketConn, on bool) bool {
	u := c.(*udpConn)
	u.gso.Store(on && u.gso.Load())
	return u.gso.Load() == on
}

func TestAnswersFromTheAddressAsked(t *testing.T) {
	for _, wildcard := range []string{"0.0.0.0:0", "[::]:0"} {
		server := bind(t, wildcard)
		for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
			client := bind(t, "127.0.0.1:0")
			send(t, client, Message{Buf: []byte("?"), N: 1, Addr: at(server, ip)})
			asked := receive(t, server, 1)
			if got := asked[0].Local; got != netip.MustParseAddr(ip) {
				t.Errorf("%s: arrived at %v, want %s", wildcard, got, ip)
			}
			send(t, server, asked...)
			if got, want := receive(t, client, 1)[0].Addr, at(server, ip); got != want {
				t.Errorf("%s: answered from %v, want %v", wildcard, got, want)
			}
		}
	}
}

// TestDSCPArrives reads the mark off a plain socket, together with a source and segments.
func TestDSCPArrives(t *testing.T) {
	for _, tc := range []struct {
		name, client, server string
		level, kind          int
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1", unix.IPPROTO_IP, unix.IP_RECVTOS},
		{"IPv4 wildcard with a source", "0.0.0.0:0", "127.0.0.1", unix.IPPROTO_IP, unix.IP_RECVTOS},
		{"IPv4 peer of a dual-stack socket", "[::]:0", "127.0.0.1", unix.IPPROTO_IP, unix.IP_RECVTOS},
		{"IPv6", "[::]:0", "::1", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := bind(t, tc.client)
			server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(tc.server)})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			raw, err := server.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), tc.level, tc.kind, 1) })
			if err != nil {
				t.Fatal(err)
			}
			to := server.LocalAddr().(*net.UDPAddr).AddrPort()
			to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
			local := netip.MustParseAddr(tc.server)
			var ms []Message
			var want []int
			for _, dscp := range []uint8{46, 34, 0, 56} {
				ms = append(ms, Message{Buf: make([]byte, 30), N: 30, Segment: 20, Addr: to, Local: local, DSCP: dscp})
				want = append(want, int(dscp)<<2, int(dscp)<<2)
			}
			send(t, client, ms...)
			for i, w := range want {
				b, oob := make([]byte, 100), make([]byte, 100)
				n, on, _, from, err := server.ReadMsgUDPAddrPort(b, oob)
				if err != nil {
					t.Fatal(err)
				}
				if from.Addr().Unmap() != local {
					t.Errorf("datagram %d from %v, want %v", i, from.Addr(), local)
				}
				if size := []int{20, 10}[i%2]; n != size {
					t.Errorf("datagram %d of %d bytes, want %d", i, n, size)
				}
				if got := tos(t, oob[:on]); got != w {
					t.Errorf("datagram %d has TOS %#x, want %#x", i, got, w)
				}
			}
		})
	}
}

func tos(t *testing.T, oob []byte) int {
	t.Helper()
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range cmsgs {
		if m.Header.Type == unix.IP_TOS || m.Header.Type == unix.IPV6_TCLASS {
			return int(m.Data[0])
		}
	}
	return -1
}

// TestReadsTellTheMark: what a datagram arrived with, on every kind of socket, trains included.
func TestReadsTellTheMark(t *testing.T) {
	for _, tc := range []struct{ client, server, to string }{
		{"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		{"127.0.0.1:0", "0.0.0.0:0", "127.0.0.1"},
		{"127.0.0.1:0", "[::]:0", "127.0.0.1"}, // IPv4 on a dual-stack socket
		{"[::1]:0", "[::]:0", "::1"},
		{"[::1]:0", "[::1]:0", "::1"},
	} {
		for _, merged := range []bool{false, true} {
			client, server := bind(t, tc.client), bind(t, tc.server)
			if merged && !Merge(server) {
				t.Log("this kernel does not merge datagrams")
				continue
			}
			to := netip.AddrPortFrom(netip.MustParseAddr(tc.to), server.LocalAddr().Port())
			for _, dscp := range []uint8{46, 0, 34, 63} {
				send(t, client, Message{Buf: make([]byte, 30), N: 30, Addr: to, DSCP: dscp})
				if got, want := receive(t, server, 1)[0].Mark, dscp+1; got != want {
					t.Errorf("%s to %s, merged %v: mark %d, want %d", tc.client, tc.server, merged, got, want)
				}
			}
		}
	}
}

// TestRefusedSegmentationIsRemembered: what the kernel refuses as a train leaves one by one, all of it; and once it
// has refused trains to two hosts, it is asked no more.
func TestRefusedSegmentationIsRemembered(t *testing.T) {
	message := func(n, segment int) Message { return Message{Buf: make([]byte, n), N: n, Segment: segment} }
	for _, tc := range []struct {
		name string
		out  []Message
	}{
		{"one message of segments", []Message{message(1, 0), message(2500, 1000), message(1, 0)}},
		{"neighbours", []Message{message(1, 0), message(1000, 0), message(1000, 0), message(500, 0), message(1, 0)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, second, client := bind(t, "127.0.0.1:0"), bind(t, "127.0.0.2:0"), bind(t, "127.0.0.1:0")
			if !withGSO(client, true) {
				t.Skip("no UDP_SEGMENT on this system")
			}
			// The kernel answers EIO or EINVAL to segments of a socket without checksums.
			var err error
			client.(*udpConn).sock.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
			})
			if err != nil {
				t.Fatal(err)
			}
			for round, server := range []PacketConn{first, second, second, first} {
				for i := range tc.out {
					tc.out[i].Addr = server.LocalAddr()
				}
				send(t, client, tc.out...)
				var got []int
				for _, m := range receive(t, server, 5) {
					got = append(got, m.N)
				}
				if want := [5]int{1, 1000, 1000, 500, 1}; [5]int(got) != want {
					t.Errorf("round %d: lengths %v, want %v", round, got, want)
				}
			}
			if f, _ := FeaturesOf(client); f.GSO {
				t.Error("GSO still on after refusals")
			}
			if c, _ := CountersOf(client); c.Sent != 20 || c.Skipped != 0 || c.Split < 1 || c.Split > 2 {
				t.Errorf("counters %+v, want 20 sent and two split at most", c)
			}
		})
	}
}

// TestATrainTooLargeForItsPathLeavesInFragments: one receiver behind a small MTU gets what it is sent, and costs
// the others no train. Kernels say EINVAL or, lately, EMSGSIZE.
func TestATrainTooLargeForItsPathLeavesInFragments(t *testing.T) {
	server, client := bind(t, "[::1]:0"), bind(t, "[::1]:0")
	if !withGSO(client, true) {
		t.Skip("no UDP_SEGMENT on this system")
	}
	narrow := func(mtu int) {
		t.Helper()
		var err error
		client.(*udpConn).sock.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU, mtu)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	train := Message{Buf: make([]byte, 3900), N: 3900, Segment: 1300, Addr: server.LocalAddr()}
	send(t, client, train)
	receive(t, server, 3)
	narrow(1280)
	send(t, client, train)
	for i, m := range receive(t, server, 3) {
		if m.N != 1300 {
			t.Errorf("datagram %d has %d bytes, want 1300", i, m.N)
		}
	}
	if f, _ := FeaturesOf(client); !f.GSO {
		t.Error("no trains for anybody because of one path")
	}
	if c, _ := CountersOf(client); c != (Counters{Sent: 6, Split: 1}) {
		t.Errorf("counters %+v, want 6 sent and one split", c)
	}
}

func TestFeatures(t *testing.T) {
	f, ok := FeaturesOf(bind(t, "[::]:0"))
	if !ok || !f.Batch || f.GrantedRecv <= 0 || f.GrantedSend <= 0 {
		t.Errorf("features %+v, %v", f, ok)
	}
}

func TestNoAllocationPerBatch(t *testing.T) {
	server, client := bind(t, "0.0.0.0:0"), bind(t, "0.0.0.0:0")
	out, in := room(16, 1000), room(16, 1500)
	for i := range out {
		out[i].N, out[i].DSCP, out[i].Local = 1000, 46, netip.MustParseAddr("127.0.0.1")
		out[i].Addr = at(server, "127.0.0.1")
	}
	got := testing.AllocsPerRun(100, func() {
		send(t, client, out...)
		for n := 0; n < len(out); {
			k, err := server.ReadBatch(in)
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	})
	if got > 0 {
		t.Errorf("%v allocations per 16 datagrams sent and read, want 0", got)
	}
}

// TestNeighboursArriveAsTheyAre: whatever messages share a send, receivers see each for itself, in order.
func TestNeighboursArriveAsTheyAre(t *testing.T) {
	for _, gso := range []bool{true, false} {
		client := bind(t, "0.0.0.0:0")
		if !withGSO(client, gso) {
			t.Skip("no UDP_SEGMENT on this system")
		}
		servers := []PacketConn{bind(t, "127.0.0.1:0"), bind(t, "127.0.0.1:0")}
		var out []Message
		want := make([][]int, len(servers))
		for i, size := range []int{
			100, 100, 100, 40, // a train and its shorter end
			40, 41, 41, 40, // growing: a new train
			0, 10, 0, // empty datagrams ride alone
			2000, 2000, 1452, 1452, // too long to gather; the longest that is gathered
			7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // more than one send takes
		} {
			to := 0
			if i%13 == 5 { // another peer in between
				to = 1
			}
			m := Message{Buf: make([]byte, size), N: size, Addr: servers[to].LocalAddr(), DSCP: uint8(46 * (i / 20))}
			if size > 0 {
				m.Buf[0] = byte(i)
			}
			out = append(out, m)
			want[to] = append(want[to], i)
		}
		send(t, client, out...)
		for s, server := range servers {
			for k, m := range receive(t, server, len(want[s])) {
				w := out[want[s][k]]
				if !bytes.Equal(m.Buf, w.Buf) {
					t.Errorf("gso %v, server %d: datagram %d has %d bytes, want message %d of %d", gso, s, k, m.N, want[s][k], w.N)
				}
			}
		}
		if c, _ := CountersOf(client); c != (Counters{Sent: uint64(len(out))}) {
			t.Errorf("gso %v: counters %+v, want %d sent", gso, c, len(out))
		}
	}
}
