package wire

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// port is an interface in memory: what is put in is read by the wire, what the wire writes is kept.
type port struct {
	in   chan []byte
	once sync.Once
	t0   time.Time

	mu  sync.Mutex
	got []got
}

type got struct {
	at   time.Duration
	data []byte
}

func newPort() *port { return &port{in: make(chan []byte, 100), t0: time.Now()} }

func (p *port) Read(b []byte) (int, error) {
	data, ok := <-p.in
	if !ok {
		return 0, io.EOF
	}
	return copy(b, data), nil
}

func (p *port) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, got{time.Since(p.t0), slices.Clone(b)})
	return len(b), nil
}

func (p *port) Close() error { p.once.Do(func() { close(p.in) }); return nil }

func (p *port) take() []got {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.got
	p.got = nil
	return out
}

var (
	home   = netip.MustParseAddrPort("198.51.100.2:5000")
	server = netip.MustParseAddrPort("203.0.113.10:8801")
	other  = netip.MustParseAddrPort("203.0.113.20:443")
	home6  = netip.MustParseAddrPort("[2001:db8:1::2]:5000")
	far6   = netip.MustParseAddrPort("[2001:db8:2::1]:8801")
)

// datagram makes an IP packet of n bytes.
func datagram(proto Proto, from, to netip.AddrPort, tos uint8, n int) []byte {
	b := make([]byte, n)
	head := 20
	if from.Addr().Is4() {
		b[0], b[1], b[8], b[9] = 0x45, tos, 64, byte(proto)
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		copy(b[12:], from.Addr().AsSlice())
		copy(b[16:], to.Addr().AsSlice())
	} else {
		head = 40
		b[0], b[1], b[6], b[7] = 0x60|tos>>4, tos<<4, byte(proto), 64
		binary.BigEndian.PutUint16(b[4:], uint16(n-40))
		copy(b[8:], from.Addr().AsSlice())
		copy(b[24:], to.Addr().AsSlice())
	}
	binary.BigEndian.PutUint16(b[head:], from.Port())
	binary.BigEndian.PutUint16(b[head+2:], to.Port())
	if proto == TCP {
		b[head+12], b[head+13] = 5<<4, 0x02
	}
	return b
}

// bubble runs f with a wire between two ports.
func bubble(t *testing.T, f func(w *Wire, near, far *port), classes ...Class) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPort(), newPort()
		w := New(Config{Near: near, Far: far, Seed: 1}, classes...)
		defer w.Close()
		f(w, near, far)
	})
}

func TestEachClassHasItsOwnLink(t *testing.T) {
	classes := []Class{
		{Net: netip.MustParsePrefix("203.0.113.10/32"), Proto: UDP, Up: Link{Delay: 30 * ms}, Down: Link{Delay: 10 * ms}},
		{Port: 443, Up: Link{Delay: 70 * ms}, Down: Link{Delay: 70 * ms}},
	}
	bubble(t, func(w *Wire, near, far *port) {
		near.in <- datagram(UDP, home, server, 0, 100)
		near.in <- datagram(TCP, home, other, 0, 100)
		near.in <- datagram(TCP, home, server, 0, 100) // matches none
		far.in <- datagram(UDP, server, home, 0, 100)
		far.in <- datagram(UDP, other, home, 0, 100)
		time.Sleep(time.Second)
		var at []time.Duration
		for _, g := range append(far.take(), near.take()...) {
			at = append(at, g.at)
		}
		if want := []time.Duration{0, 30 * ms, 70 * ms, 10 * ms, 70 * ms}; !slices.Equal(at, want) {
			t.Errorf("arrived at %v, want %v", at, want)
		}
	}, classes...)
}

func TestALinkThatChangesUnderWay(t *testing.T) {
	bubble(t, func(w *Wire, near, far *port) {
		near.in <- datagram(UDP, home, server, 0, 100)
		synctest.Wait()
		w.Set(Both(Link{Loss: 1}))
		near.in <- datagram(UDP, home, server, 0, 100)
		synctest.Wait()
		w.Set(Both(Link{}))
		near.in <- datagram(UDP, home, server, 0, 101)
		time.Sleep(time.Second)
		got := far.take()
		if len(got) != 2 || got[0].at != 50*ms || len(got[1].data) != 101 {
			t.Errorf("got %v, want the first after 50 ms and the third", got)
		}
		if n := w.Count(Up, Lost); n != 1 {
			t.Errorf("%d lost, want 1", n)
		}
	}, Both(Link{Delay: 50 * ms}))
}

func TestWhoSendsTooMuchIsTold(t *testing.T) {
	class := Both(Link{MTU: 1280})
	for _, tc := range []struct {
		name     string
		from, to netip.AddrPort
	}{{"IPv4", home, server}, {"IPv6", home6, far6}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(w *Wire, near, far *port) {
				near.in <- datagram(UDP, tc.from, tc.to, 0, 1281)
				near.in <- datagram(UDP, tc.from, tc.to, 0, 1280)
				time.Sleep(ms)
				if got := far.take(); len(got) != 1 || len(got[0].data) != 1280 {
					t.Errorf("%d packets passed, want the short one", len(got))
				}
				told := near.take()
				if len(told) != 1 {
					t.Fatalf("%d answers, want one", len(told))
				}
				var p, quoted Packet
				if !Parse(told[0].data, &p) || p.Src.Addr() != tc.to.Addr() || p.Dst.Addr() != tc.from.Addr() {
					t.Fatalf("the answer goes from %v to %v", p.Src, p.Dst)
				}
				mtu := int(binary.BigEndian.Uint32(p.Payload[4:]))
				if sum := checksumOf(&p); mtu != 1280 || sum != 0 {
					t.Errorf("MTU %d with checksum error %x, want 1280 and none", mtu, sum)
				}
				// The quoted packet is cut, so its length field reaches beyond it.
				full := append(slices.Clone(p.Payload[8:]), make([]byte, 1500)...)
				if !Parse(full, &quoted) || quoted.Src != tc.from || quoted.Dst != tc.to {
					t.Errorf("it quotes %v to %v", quoted.Src, quoted.Dst)
				}
			}, class)
		})
	}
}

// checksumOf is 0 where the checksum of an ICMP packet is right, computed over the packet as it is.
func checksumOf(p *Packet) uint16 {
	if p.Proto == ICMP {
		return checksum(0, p.Payload)
	}
	pseudo := append(slices.Clone(p.Bytes[8:40]), 0, 0, byte(len(p.Payload)>>8), byte(len(p.Payload)), 0, 0, 0, byte(ICMPv6))
	return checksum(0, append(pseudo, p.Payload...))
}

func TestTheTapSeesWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPort(), newPort()
		type seen struct {
			d    Direction
			dscp uint8
			syn  bool
		}
		var mu sync.Mutex
		var all []seen
		w := New(Config{Near: near, Far: far, Tap: func(d Direction, p *Packet) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, seen{d, p.DSCP(), p.SYN()})
		}}, Both(Link{Loss: 1}))
		defer w.Close()
		near.in <- datagram(UDP, home, server, 46<<2|1, 100)
		synctest.Wait()
		near.in <- datagram(TCP, home6, far6, 34<<2, 100)
		synctest.Wait()
		far.in <- datagram(UDP, far6, home6, 26<<2, 100)
		synctest.Wait()
		near.in <- []byte("not a packet")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []seen{{Up, 46, false}, {Up, 34, true}, {Down, 26, false}}; !slices.Equal(all, want) {
			t.Errorf("saw %v, want %v", all, want)
		}
		if n := w.Count(Up, Malformed); n != 1 {
			t.Errorf("%d malformed, want 1", n)
		}
	})
}

func TestParseSurvivesAnything(t *testing.T) {
	var p Packet
	for _, whole := range [][]byte{datagram(UDP, home, server, 0, 100), datagram(TCP, home6, far6, 0, 100)} {
		for n := range len(whole) {
			if Parse(whole[:n], &p) {
				t.Errorf("%d of %d bytes were taken for a packet", n, len(whole))
			}
		}
		for i := range 60 {
			broken := slices.Clone(whole)
			broken[i] ^= 0xff
			Parse(broken, &p)
		}
		if !Parse(whole, &p) {
			t.Error("a whole packet was refused")
		}
	}
}
