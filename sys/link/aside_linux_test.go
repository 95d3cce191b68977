package link

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// Datagrams that begin with a digit above 4, then with a letter from a to f, can wait.
var patient = []Sieve{{First: [2]byte{'5', '9'}, Second: [2]byte{'a', 'f'}}, {First: [2]byte{'0', '0'}, Second: [2]byte{'z', 'z'}}}

func TestWhatCanWaitIsSetAside(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			reader, err := Real().ListenPacket(netip.MustParseAddrPort(addr))
			if err != nil {
				t.Skip(err) // a kernel without IPv6
			}
			t.Cleanup(func() { reader.Close() })
			p, err := NewPoller([]PacketConn{reader}, patient...)
			if err != nil || !p.SetsAside() {
				t.Fatalf("poller %v, %v", p, err)
			}
			t.Cleanup(func() { p.Close() })
			sender := loopback(t)
			to := netip.AddrPortFrom(sender.LocalAddr().Addr(), reader.LocalAddr().Port())
			for _, text := range []string{"5a", "9fx", "0zxy", "4a", "5g", "5", "", "0a", "9`", ":a"} {
				if n, err := sender.WriteBatch([]Message{{Buf: []byte(text), N: len(text), Addr: to}}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			read := func(try func([]Message) (int, error)) (got []string) {
				for {
					ms := []Message{{Buf: make([]byte, 10)}, {Buf: make([]byte, 10)}}
					n, err := try(ms)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range ms[:n] {
						if m.Addr != sender.LocalAddr() || m.Local != to.Addr() {
							t.Errorf("%q came from %v to %v", m.Buf[:m.N], m.Addr, m.Local)
						}
						got = append(got, string(m.Buf[:m.N]))
					}
					if n == 0 {
						return got
					}
				}
			}
			equal(t, "set aside", read(func(ms []Message) (int, error) { return TryReadAside(reader, ms) }), "5a", "9fx", "0zxy")
			urgent := read(func(ms []Message) (int, error) { n, _, err := TryRead(reader, ms); return n, err })
			equal(t, "urgent", urgent, "4a", "5g", "5", "", "0a", "9`", ":a")
		})
	}
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: %q, want %q", what, got, want)
			return
		}
	}
}

func TestWhatIsSetAsideEndsAWaitUnlessItIsForUrgentOnes(t *testing.T) {
	reader, sender := loopback(t), loopback(t)
	p, err := NewPoller([]PacketConn{reader}, patient...)
	if err != nil || !p.SetsAside() {
		t.Fatalf("poller %v, %v", p, err)
	}
	t.Cleanup(func() { p.Close() })
	say(t, sender, reader, "5a")
	p.Wait(-1)
	const wait = 30 * time.Millisecond
	start := time.Now()
	p.WaitUrgent(wait)
	if took := time.Since(start); took < wait {
		t.Errorf("the wait ended after %v", took)
	}
	say(t, sender, reader, "4a")
	p.WaitUrgent(-1)
}

func TestAPortWithSomethingSetAsideIsTaken(t *testing.T) {
	reader := loopback(t)
	p, err := NewPoller([]PacketConn{reader}, patient...)
	if err != nil || !p.SetsAside() {
		t.Fatalf("poller %v, %v", p, err)
	}
	t.Cleanup(func() { p.Close() })
	if _, err := Real().ListenPacket(reader.LocalAddr()); !errors.Is(err, ErrInUse) {
		t.Errorf("binding it again: %v", err)
	}
	reader.Close()
	again, err := Real().ListenPacket(reader.LocalAddr())
	if err != nil {
		t.Fatalf("once it is closed: %v", err)
	}
	again.Close()
}
