package link

import (
	"errors"
	"net/netip"
	"testing"
)

// shared makes n sockets of one, each with a poller that sets aside what can wait.
func shared(t *testing.T, first PacketConn, n int) []PacketConn {
	t.Helper()
	conns, err := Share(first, n, patient...)
	if err != nil || len(conns) != n {
		first.Close()
		t.Fatalf("%d sockets, %v", len(conns), err)
	}
	for _, c := range conns {
		t.Cleanup(func() { c.Close() })
		p, err := NewPoller([]PacketConn{c}, patient...)
		if err != nil || !p.SetsAside() {
			t.Fatalf("poller %v, %v", p, err)
		}
		t.Cleanup(func() { p.Close() })
	}
	return conns
}

func TestSharedSocketsEachHaveTheirPorts(t *testing.T) {
	const n = 3
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			first, err := Real().ListenPacket(netip.MustParseAddrPort(addr))
			if err != nil {
				t.Skip(err) // a kernel without IPv6
			}
			conns := shared(t, first, n)
			for _, c := range conns {
				if c.LocalAddr() != first.LocalAddr() {
					t.Errorf("bound to %v, want %v", c.LocalAddr(), first.LocalAddr())
				}
			}
			host := netip.MustParseAddr("127.0.0.1")
			if addr == "[::1]:0" {
				host = netip.MustParseAddr("::1")
			}
			to := netip.AddrPortFrom(host, first.LocalAddr().Port())
			want := [n][2]map[uint16]bool{}
			for i := range want {
				want[i] = [2]map[uint16]bool{{}, {}}
			}
			for range 30 {
				sender, err := Real().ListenPacket(netip.AddrPortFrom(host, 0))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { sender.Close() }) // not sooner: the next one could have the same port
				port := sender.LocalAddr().Port()
				for aside, text := range []string{"4a", "5a"} {
					want[port%n][aside][port] = true
					if k, err := sender.WriteBatch([]Message{{Buf: []byte(text), N: 2, Addr: to}}); k != 1 || err != nil {
						t.Fatal(k, err)
					}
				}
			}
			for i, c := range conns {
				for aside, try := range []func(PacketConn, []Message) (int, error){
					func(c PacketConn, ms []Message) (int, error) { k, _, err := TryRead(c, ms); return k, err }, TryReadAside,
				} {
					ms := make([]Message, 64)
					for j := range ms {
						ms[j].Buf = make([]byte, 10)
					}
					k, err := try(c, ms)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range ms[:k] {
						if !want[i][aside][m.Addr.Port()] {
							t.Errorf("socket %d (aside %d) got %q from port %d", i, aside, m.Buf[:m.N], m.Addr.Port())
						}
						delete(want[i][aside], m.Addr.Port())
					}
					if len(want[i][aside]) > 0 {
						t.Errorf("socket %d (aside %d) did not get what came from %v", i, aside, want[i][aside])
					}
				}
			}
			if other, err := Real().ListenPacket(first.LocalAddr()); !errors.Is(err, ErrInUse) {
				if err == nil {
					other.Close()
				}
				t.Errorf("another may have the port: %v", err)
			}
		})
	}
}

// What comes after Steer goes to the sockets named alone, evenly by port, and what can wait to their seconds.
func TestSharedSocketsThatAreLeftOutGetNothing(t *testing.T) {
	const n = 4
	first, err := Real().ListenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	conns := shared(t, first, n)
	for _, use := range [][]int{{2}, {0}, {3, 1}, {0, 2, 3}, {0, 1, 2, 3}} {
		Steer(conns, use, patient...)
		want := map[int]int{}
		for range 24 {
			sender, err := Real().ListenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			want[use[int(sender.LocalAddr().Port())%len(use)]]++
			for _, text := range []string{"4a", "5a"} {
				if k, err := sender.WriteBatch([]Message{{Buf: []byte(text), N: 2, Addr: first.LocalAddr()}}); k != 1 || err != nil {
					t.Fatal(k, err)
				}
			}
			sender.Close()
		}
		for i, c := range conns {
			for aside, try := range []func(PacketConn, []Message) (int, error){
				func(c PacketConn, ms []Message) (int, error) { k, _, err := TryRead(c, ms); return k, err }, TryReadAside,
			} {
				ms := make([]Message, 64)
				for j := range ms {
					ms[j].Buf = make([]byte, 10)
				}
				if k, err := try(c, ms); err != nil || k != want[i] {
					t.Errorf("%v: socket %d (aside %d) got %d datagrams, want %d: %v", use, i, aside, k, want[i], err)
				}
			}
		}
	}
	for _, c := range conns {
		c.Close()
	}
	Steer(conns, []int{1}, patient...) // too late, and of no harm
}

func TestOnlySocketsOfThisKernelAreShared(t *testing.T) {
	if conns, err := Share(nil, 2); conns != nil || err != nil {
		t.Errorf("%v, %v", conns, err)
	}
}
