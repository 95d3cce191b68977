package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"parley/sys/link"
)

func TestDelayIsExact(t *testing.T) {
	bubble(t, func(w *world) {
		w.net.Link(w.a, w.b, Link{Delay: 30 * time.Millisecond})
		from, to := w.socket(w.a, "0.0.0.0:0"), w.socket(w.b, "[::]:8801")
		time.Sleep(7 * time.Millisecond)
		dst := netip.AddrPortFrom(w.b.Addr(), 8801)
		w.send(from, dst, "hello")
		got := w.collect(to, time.Second)
		want := []arrival{{text: "hello", from: netip.AddrPortFrom(w.a.Addr(), from.LocalAddr().Port()),
			local: w.b.Addr(), at: 7*time.Millisecond + w.net.OneWay(w.a, w.b)}}
		if !reflect.DeepEqual(got, want) {
			w.Errorf("arrived %+v, want %+v", got, want)
		}
		if d := w.net.OneWay(w.a, w.b) - 30*time.Millisecond; d < 0 || d > time.Microsecond {
			w.Errorf("the link adds %v of its own, want less than 1 µs", d)
		}
		if w.net.OneWay(w.a, w.b) == w.net.OneWay(w.b, w.a) {
			w.Error("both directions take equally long to the nanosecond")
		}
	})
}

func TestAnswersFromTheAddressAsked(t *testing.T) {
	bubble(t, func(w *world) {
		second := netip.MustParseAddr("203.0.113.2")
		c := w.net.Host("c", HostOpts{Addrs: []netip.Addr{netip.MustParseAddr("203.0.113.1"), second}})
		server, client := w.socket(c, "[::]:8801"), w.socket(w.a, "0.0.0.0:0")
		w.send(client, netip.AddrPortFrom(second, 8801), "?")
		asked := w.collect(server, time.Second)
		if len(asked) != 1 || asked[0].local != second {
			w.Fatalf("asked %+v, want one at %v", asked, second)
		}
		b := []byte("!")
		server.WriteBatch([]link.Message{{Buf: b, N: 1, Addr: asked[0].from, Local: asked[0].local}})
		got := w.collect(client, time.Second)
		if len(got) != 1 || got[0].from != netip.AddrPortFrom(second, 8801) {
			w.Errorf("answers %+v, want one from %v", got, second)
		}
		w.send(server, addrPort("[2001:db8::1]:9"), "no route from an IPv4 host: skipped")
	})
}

func TestLoopbackAndIPv6(t *testing.T) {
	bubble(t, func(w *world) {
		server, client := w.socket(w.b, "[::]:8801"), w.socket(w.a, "[::]:0")
		own := w.socket(w.a, "127.0.0.1:8801")
		w.send(client, addrPort("127.0.0.1:8801"), "to myself")
		w.send(client, netip.AddrPortFrom(w.b.Addrs()[1], 8801), "over IPv6")
		if got := texts(w.collect(own, time.Second)); !slices.Equal(got, []string{"to myself"}) {
			w.Errorf("loopback got %q", got)
		}
		got := w.collect(server, time.Second)
		if len(got) != 1 || got[0].from.Addr() != w.a.Addrs()[1] {
			w.Errorf("IPv6 got %+v", got)
		}
	})
}

func TestSegmentsAndDSCP(t *testing.T) {
	bubble(t, func(w *world) {
		server, client := w.socket(w.b, "[::]:8801"), w.socket(w.a, "0.0.0.0:0")
		var marks []uint8
		w.net.Tap(func(p Packet) {
			if p.Event == Arrived {
				marks = append(marks, p.DSCP)
			}
		})
		client.WriteBatch([]link.Message{{Buf: []byte("aaabbbc"), N: 7, Segment: 3, DSCP: 46,
			Addr: netip.AddrPortFrom(w.b.Addr(), 8801)}})
		if got := texts(w.collect(server, time.Second)); !slices.Equal(got, []string{"aaa", "bbb", "c"}) {
			w.Errorf("segments %q", got)
		}
		if !slices.Equal(marks, []uint8{46, 46, 46}) {
			w.Errorf("marks %v, want three of 46", marks)
		}
	})
}

// flood sends k numbered datagrams of size bytes, every apart, and gives what arrived.
func flood(w *world, k, size int, every time.Duration) []arrival {
	w.Helper()
	from, to := w.socket(w.a, "0.0.0.0:0"), w.socket(w.b, "0.0.0.0:0")
	dst := netip.AddrPortFrom(w.b.Addr(), to.LocalAddr().Port())
	done := make(chan []arrival)
	go func() { done <- w.collect(to, time.Duration(k)*every+10*time.Second) }()
	for i := range k {
		w.send(from, dst, fmt.Sprintf("%0*d", size, i))
		time.Sleep(every)
	}
	return <-done
}

func TestLossFollowsTheSeed(t *testing.T) {
	run := func(seed uint64) (got []string) {
		bubble(t, func(w *world) {
			w.net.seed = seed
			w.net.Link(w.a, w.b, Link{Loss: 0.1})
			got = texts(flood(w, 2000, 5, time.Millisecond))
		})
		return got
	}
	first := run(1)
	if n := len(first); n < 1740 || n > 1860 {
		t.Errorf("%d of 2000 arrived at 10%% loss", n)
	}
	if !slices.Equal(first, run(1)) {
		t.Error("the same seed lost other packets")
	}
	if slices.Equal(first, run(2)) {
		t.Error("another seed lost the same packets")
	}
}

func TestRateAndQueue(t *testing.T) {
	bubble(t, func(w *world) {
		// 1000-byte IP packets at 800 kbit/s: 10 ms each. The queue holds 5 of them.
		w.net.Link(w.a, w.b, Link{Delay: 20 * time.Millisecond, Rate: 800_000, Queue: 5000})
		full := 0
		w.net.Tap(func(p Packet) {
			if p.Reason == QueueFull {
				full++
			}
		})
		got := flood(w, 10, 1000-28, 0)
		if len(got) != 6 || full != 4 {
			w.Fatalf("%d arrived and %d met a full queue, want 6 and 4", len(got), full)
		}
		for i, a := range got {
			if want := w.net.OneWay(w.a, w.b) + time.Duration(i+1)*10*time.Millisecond; a.at != want {
				w.Errorf("datagram %d at %v, want %v", i, a.at, want)
			}
		}
	})
}

func TestJitterReorderDuplicate(t *testing.T) {
	for _, tc := range []struct {
		name    string
		link    Link
		sorted  bool
		doubled bool
	}{
		{"jitter keeps the order", Link{Jitter: 20 * time.Millisecond}, true, false},
		{"reorder does not", Link{Reorder: 0.1}, false, false},
		{"duplicate", Link{Duplicate: 0.1}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.net.Link(w.a, w.b, tc.link)
				got := flood(w, 1000, 5, time.Millisecond)
				if s := slices.IsSorted(texts(got)); s != tc.sorted {
					w.Errorf("in order: %v, want %v", s, tc.sorted)
				}
				if n := len(got); (n > 1000) != tc.doubled || n < 1000 || n > 1150 {
					w.Errorf("%d arrived of 1000", n)
				}
				most := time.Duration(0)
				for _, a := range got {
					var i int
					fmt.Sscanf(a.text, "%d", &i)
					most = max(most, a.at-time.Duration(i)*time.Millisecond-w.net.OneWay(w.a, w.b))
				}
				if limit := max(tc.link.Jitter, 5*time.Millisecond); most > limit {
					w.Errorf("held back %v, want at most %v", most, limit)
				}
			})
		})
	}
}

func TestDrops(t *testing.T) {
	to := func(p uint16) func(*world) netip.AddrPort {
		return func(w *world) netip.AddrPort { return netip.AddrPortFrom(w.b.Addr(), p) }
	}
	for _, tc := range []struct {
		name string
		size int
		to   func(*world) netip.AddrPort
		do   func(w *world)
		want Reason
	}{
		{"passes", 1472, to(8801), func(*world) {}, NoReason},
		{"over the MTU", 1473, to(8801), func(*world) {}, TooBig},
		{"nobody listens", 10, to(8802), func(*world) {}, NoSocket},
		{"nobody has it", 10, func(*world) netip.AddrPort { return addrPort("192.0.2.1:1") }, func(*world) {}, NoRoute},
		{"host's firewall", 10, to(8801), func(w *world) { w.a.Block(Rule{Proto: UDP, Port: 8801}) }, Blocked},
		{"another port", 10, to(8801), func(w *world) { w.a.Block(Rule{Proto: UDP, Port: 53}) }, NoReason},
		{"another protocol", 10, to(8801), func(w *world) { w.a.Block(Rule{Proto: TCP}) }, NoReason},
		{"by function", 10, to(8801), func(w *world) {
			w.a.Block(Rule{Match: func(p Packet) bool { return len(p.Data) == 10 }})
		}, Blocked},
		{"unblocked", 10, to(8801), func(w *world) { w.a.Block(Rule{}); w.a.Unblock() }, NoReason},
		{"link's rule", 10, to(8801), func(w *world) {
			w.net.Change(w.a, w.b, func(l *Link) { l.Block = []Rule{{To: w.b.Addr()}} })
		}, Blocked},
		{"sender down", 10, to(8801), func(w *world) { w.a.Down() }, HostDown},
		{"receiver down", 10, to(8801), func(w *world) { w.b.Down() }, HostDown},
		{"up again", 10, to(8801), func(w *world) { w.b.Down(); w.b.Up() }, NoReason},
		{"killed", 10, to(8801), func(w *world) { w.b.Kill() }, NoSocket},
		{"moved away", 10, to(8801), func(w *world) { w.b.Move(netip.MustParseAddr("203.0.113.9")) }, NoRoute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				from, _ := w.socket(w.a, "0.0.0.0:0"), w.socket(w.b, "0.0.0.0:8801")
				dst := tc.to(w)
				var last Packet
				w.net.Tap(func(p Packet) { last = p })
				tc.do(w)
				w.send(from, dst, string(make([]byte, tc.size)))
				w.net.Quiet()
				want := Dropped
				if tc.want == NoReason {
					want = Arrived
				}
				if last.Event != want || last.Reason != tc.want {
					w.Errorf("the datagram was %v (%v), want %v (%v)", last.Event, last.Reason, want, tc.want)
				}
			})
		})
	}
}

func TestSocketErrors(t *testing.T) {
	bubble(t, func(w *world) {
		c := w.socket(w.a, "0.0.0.0:8801")
		for _, addr := range []string{"0.0.0.0:8801", "[::]:8801", w.a.Addr().String() + ":8801", "127.0.0.1:8801"} {
			if _, err := w.a.ListenPacket(addrPort(addr)); !errors.Is(err, link.ErrInUse) {
				w.Errorf("binding %s besides 0.0.0.0:8801: %v, want ErrInUse", addr, err)
			}
		}
		if _, err := w.a.ListenPacket(addrPort("192.0.2.1:1")); err == nil {
			w.Error("bound an address of nobody")
		}
		done := make(chan error)
		read := func() {
			_, err := c.ReadBatch(make([]link.Message, 1))
			done <- err
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		go read()
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || w.net.Now() != time.Second {
			w.Errorf("read: %v at %v, want a deadline at 1 s", err, w.net.Now())
		}
		c.SetReadDeadline(time.Time{})
		go read()
		time.Sleep(time.Second)
		w.a.Kill()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			w.Errorf("read on a killed host: %v, want net.ErrClosed", err)
		}
		if _, err := c.WriteBatch(nil); !errors.Is(err, net.ErrClosed) {
			w.Errorf("write on a killed host: %v, want net.ErrClosed", err)
		}
		w.socket(w.a, "0.0.0.0:8801")
	})
}

func BenchmarkDatagrams(b *testing.B) {
	n := NewNet(1)
	defer n.Close()
	n.Default(Link{Delay: time.Nanosecond})
	x, y := n.Host("x", HostOpts{}), n.Host("y", HostOpts{})
	from, _ := x.ListenPacket(addrPort("0.0.0.0:0"))
	to, _ := y.ListenPacket(addrPort("0.0.0.0:1"))
	m := []link.Message{{Buf: make([]byte, 1200), N: 1200, Addr: netip.AddrPortFrom(y.Addr(), 1)}}
	in := []link.Message{{Buf: make([]byte, 1500)}}
	b.ReportAllocs()
	for b.Loop() {
		from.WriteBatch(m)
		to.ReadBatch(in)
	}
}
