package link

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lockFilter makes the kernel refuse any program for a socket from now on.
func lockFilter(t *testing.T, c PacketConn) {
	t.Helper()
	var err error
	if ctl := c.(*udpConn).sock.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1)
	}); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
}

// A kernel that takes no program for a port gives every datagram to its one socket, and the gauge says so.
func TestAKernelThatRefusesTheProgramSetsNothingAside(t *testing.T) {
	reader, sender := loopback(t), loopback(t)
	lockFilter(t, reader)
	p, err := NewPoller([]PacketConn{reader}, patient...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if f, ok := FeaturesOf(reader); !ok || f.Aside || p.SetsAside() {
		t.Errorf("features %+v, %v, sets aside %v; want nothing set aside", f, ok, p.SetsAside())
	}
	for _, text := range []string{"5a", "4a"} {
		say(t, sender, reader, text)
		p.Wait(20 * time.Second)
		ms := []Message{{Buf: make([]byte, 10)}}
		if n, _, err := TryRead(reader, ms); n != 1 || err != nil || string(ms[0].Buf[:ms[0].N]) != text {
			t.Errorf("%q did not come: %d, %v", text, n, err)
		}
	}
	if n, err := TryReadAside(reader, []Message{{Buf: make([]byte, 10)}}); n != 0 || err != nil {
		t.Errorf("%d set aside, %v", n, err)
	}
	if _, err := Real().ListenPacket(reader.LocalAddr()); !errors.Is(err, ErrInUse) {
		t.Errorf("another may have the port: %v", err)
	}
}

// Where it refuses to choose among several sockets there is one, as it was.
func TestAKernelThatRefusesTheProgramSharesNothing(t *testing.T) {
	first, sender := loopback(t), loopback(t)
	lockFilter(t, first)
	if conns, err := Share(first, 3, patient...); conns != nil || err != nil {
		t.Fatalf("%d sockets, %v; want none", len(conns), err)
	}
	for _, text := range []string{"5a", "4a"} {
		say(t, sender, first, text)
	}
	ms := []Message{{Buf: make([]byte, 10)}, {Buf: make([]byte, 10)}}
	for got := 0; got < 2; {
		if err := first.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := first.ReadBatch(ms)
		if err != nil {
			t.Fatalf("%d datagrams came: %v", got, err)
		}
		got += n
	}
	if _, err := Real().ListenPacket(first.LocalAddr()); !errors.Is(err, ErrInUse) {
		t.Errorf("another may have the port: %v", err)
	}
}

// refusing is a socket of which the kernel knows none of the newer options.
type refusing struct{ socket }

func (refusing) Control(func(uintptr)) error { return unix.ENOPROTOOPT }

// A kernel without UDP_GRO and UDP_SEGMENT gives and takes one datagram at a time, and the gauge says so.
func TestAKernelWithoutTrains(t *testing.T) {
	server, client := loopback(t), loopback(t)
	withGSO(client, false)
	u := server.(*udpConn)
	u.sock = refusing{u.sock}
	if Merge(server) {
		t.Error("merges what the kernel does not")
	}
	if f, _ := FeaturesOf(server); f.GRO {
		t.Errorf("features %+v, want no GRO", f)
	}
	if f, _ := FeaturesOf(client); f.GSO {
		t.Errorf("features %+v, want no GSO", f)
	}
	send(t, client, Message{Buf: make([]byte, 2500), N: 2500, Segment: 1000, Addr: server.LocalAddr()})
	for i, m := range receive(t, server, 3) {
		if want := [3]int{1000, 1000, 500}[i]; m.N != want || m.Segment != 0 || m.Addr != netip.AddrPort(client.LocalAddr()) {
			t.Errorf("datagram %d: %d bytes in parts of %d from %v, want %d from %v", i, m.N, m.Segment, m.Addr, want, client.LocalAddr())
		}
	}
	if c, _ := CountersOf(client); c != (Counters{Sent: 3}) {
		t.Errorf("counters %+v, want 3 sent", c)
	}
}

// One path that takes no segment, for its MTU is small, says nothing of a socket's others.
func TestOneSmallPathDoesNotEndSegmentation(t *testing.T) {
	a, b := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	type refusal struct {
		errno  syscall.Errno
		to     netip.Addr
		proven bool // by then
		want   bool
	}
	for _, c := range []struct {
		name string
		all  []refusal
	}{
		{"one host again and again", []refusal{{unix.EINVAL, a, false, false}, {unix.EINVAL, a, false, false}}},
		{"two hosts", []refusal{{unix.EINVAL, a, false, false}, {unix.EINVAL, b, false, true}}},
		{"two hosts, another served between", []refusal{{unix.EINVAL, a, false, false}, {unix.EINVAL, b, true, false}}},
		{"a newer kernel", []refusal{{unix.EMSGSIZE, a, false, false}, {unix.EMSGSIZE, b, false, false}}},
		{"a newer kernel, then one strange host", []refusal{{unix.EMSGSIZE, a, false, false}, {unix.EINVAL, b, false, false}}},
		{"no checksums", []refusal{{unix.EIO, a, true, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w writer
			for i, r := range c.all {
				w.proven = r.proven
				if got := w.refused(r.errno, r.to); got != r.want {
					t.Errorf("refusal %d: %v, want %v", i, got, r.want)
				}
			}
		})
	}
}
