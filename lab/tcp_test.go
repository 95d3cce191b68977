package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listen runs f for every connection to h at port 443 until the bubble ends.
func (w *world) listen(h *Host, f func(net.Conn)) string {
	w.Helper()
	ln, err := h.Listen(addrPort("[::]:443"))
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	w.Cleanup(func() { ln.Close() })
	return h.Name() + ":443"
}

func (w *world) dial(h *Host, addr string) net.Conn {
	w.Helper()
	c, err := h.Dial(w.Context(), "tcp", addr)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func echo(c net.Conn) { io.Copy(c, c) }

func TestStreamTimes(t *testing.T) {
	bubble(t, func(w *world) {
		w.net.Link(w.a, w.b, Link{Delay: 50 * time.Millisecond})
		var accepted time.Duration
		addr := w.listen(w.b, func(c net.Conn) {
			accepted = w.net.Now()
			echo(c)
		})
		there, back := w.net.OneWay(w.a, w.b), w.net.OneWay(w.b, w.a)
		c := w.dial(w.a, addr)
		defer c.Close()
		if got, want := w.net.Now(), there+back; got != want {
			w.Errorf("the dial took %v, want one round trip, %v", got, want)
		}
		c.Write([]byte("hello"))
		b := make([]byte, 10)
		n, err := c.Read(b)
		if got, want := w.net.Now(), 2*(there+back); string(b[:n]) != "hello" || err != nil || got != want {
			w.Errorf("echo %q, %v at %v, want at %v", b[:n], err, got, want)
		}
		if want := 2*there + back; accepted != want {
			w.Errorf("accepted at %v, want %v", accepted, want)
		}
	})
}

func TestDialFailures(t *testing.T) {
	for _, tc := range []struct {
		name, addr string
		do         func(w *world)
		want       error
		at         time.Duration // to the second
	}{
		{"nobody listens", "b:80", func(*world) {}, syscall.ECONNREFUSED, 0},
		{"refused by a firewall", "b:443", func(w *world) { w.a.Block(Rule{Proto: TCP, Port: 443, Reject: true}) }, syscall.ECONNREFUSED, 0},
		{"dropped by a firewall", "b:443", func(w *world) { w.a.Block(Rule{Proto: TCP, Port: 443}) }, context.DeadlineExceeded, 30 * time.Second},
		{"nobody there", "192.0.2.7:443", func(*world) {}, context.DeadlineExceeded, 30 * time.Second},
		{"down", "b:443", func(w *world) { w.b.Down() }, context.DeadlineExceeded, 30 * time.Second},
		{"up after two tries", "198.18.0.2:443", func(w *world) { w.b.Down(); time.AfterFunc(2*time.Second, w.b.Up) }, nil, 3 * time.Second},
		{"first address dead, second alive", "twice:443", func(w *world) {
			w.net.Name("twice", netip.MustParseAddr("192.0.2.7"), w.b.Addr())
		}, nil, 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.listen(w.b, echo)
				tc.do(w)
				ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
				defer cancel()
				c, err := w.a.Dial(ctx, "tcp", tc.addr)
				if c != nil {
					c.Close()
				}
				if !errors.Is(err, tc.want) || w.net.Now().Truncate(time.Second) != tc.at {
					w.Errorf("%v at %v, want %v at %v", err, w.net.Now(), tc.want, tc.at)
				}
			})
		})
	}
	bubble(t, func(w *world) {
		_, err := w.a.Dial(w.Context(), "tcp", "nowhere.example:443")
		if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
			w.Errorf("unknown name: %v", err)
		}
		if _, err := w.a.Dial(w.Context(), "tcp", "192.0.2.7:443"); !errors.Is(err, syscall.ETIMEDOUT) || w.net.Now().Truncate(time.Second) != 127*time.Second {
			w.Errorf("no context: %v at %v, want ETIMEDOUT at 127 s", err, w.net.Now())
		}
	})
}

func TestHalfCloseAndBigStream(t *testing.T) {
	const size = 4 << 20
	for _, tc := range []struct {
		name     string
		link     Link
		min, max time.Duration
	}{
		{"plain", Link{Delay: 10 * time.Millisecond}, 300 * time.Millisecond, 500 * time.Millisecond},
		{"8 Mbit/s", Link{Delay: 10 * time.Millisecond, Rate: 8_000_000}, 4200 * time.Millisecond, 5 * time.Second},
		{"1% lost", Link{Delay: 10 * time.Millisecond, Loss: 0.01}, 300 * time.Millisecond, 5 * time.Second},
		{"20% lost", Link{Delay: 10 * time.Millisecond, Loss: 0.2}, time.Second, 2 * time.Minute},
		{"jitter", Link{Delay: 10 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.01}, 300 * time.Millisecond, 10 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.net.Link(w.a, w.b, tc.link)
				want := []byte(strings.Repeat("0123456789abcdef", size/16))
				addr := w.listen(w.b, func(c net.Conn) {
					b, err := io.ReadAll(c)
					if !bytes.Equal(b, want) || err != nil {
						w.Errorf("the server read %d bytes, %v; want %d", len(b), err, size)
					}
					c.Write([]byte("got it"))
				})
				c := w.dial(w.a, addr)
				defer c.Close()
				for i := 0; i < size; i += 1000 {
					c.Write(want[i:min(i+1000, size)])
				}
				c.(*Conn).CloseWrite()
				if _, err := c.Write([]byte{1}); !errors.Is(err, syscall.EPIPE) {
					w.Errorf("write after CloseWrite: %v, want EPIPE", err)
				}
				b, err := io.ReadAll(c)
				if took := w.net.Now(); string(b) != "got it" || err != nil || took < tc.min || took > tc.max {
					w.Errorf("answer %q, %v after %v; want it between %v and %v", b, err, took, tc.min, tc.max)
				}
			})
		})
	}
}

func TestCutStreamGoesOn(t *testing.T) {
	bubble(t, func(w *world) {
		addr := w.listen(w.b, echo)
		c := w.dial(w.a, addr)
		defer c.Close()
		w.b.Down()
		c.Write([]byte("hello"))
		c.SetReadDeadline(time.Now().Add(3 * time.Second))
		b := make([]byte, 10)
		if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			w.Errorf("read from a host that is down: %v, want a deadline", err)
		}
		if n := c.(*Conn).Unsent(); n != 5 {
			w.Errorf("%d bytes unsent, want 5", n)
		}
		w.b.Up()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(b); string(b[:n]) != "hello" || err != nil {
			w.Errorf("after it is up: %q, %v", b[:n], err)
		}
		w.b.Down()
		c.Write([]byte("never"))
		c.SetReadDeadline(time.Time{})
		if _, err := c.Read(b); !errors.Is(err, syscall.ETIMEDOUT) {
			w.Errorf("read from a host that stays down: %v, want ETIMEDOUT", err)
		}
		w.b.Kill()
	})
}

func TestKillResetsPeers(t *testing.T) {
	bubble(t, func(w *world) {
		ended := make(chan error, 1)
		addr := w.listen(w.b, func(c net.Conn) {
			_, err := c.Read(make([]byte, 1))
			ended <- err
		})
		c := w.dial(w.a, addr)
		defer c.Close()
		time.Sleep(time.Second)
		w.b.Kill()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || w.net.Now() > 1100*time.Millisecond {
			w.Errorf("the peer's read: %v at %v, want a reset at once", err, w.net.Now())
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			w.Errorf("the killed host's read: %v, want net.ErrClosed", err)
		}
		if _, err := w.a.Dial(w.Context(), "tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			w.Errorf("dialling it: %v, want refused", err)
		}
		addr = w.listen(w.b, echo) // the restarted process
		w.dial(w.a, addr).Close()
	})
}

func TestClosedStreamsAreForgotten(t *testing.T) {
	bubble(t, func(w *world) {
		addr := w.listen(w.b, echo)
		for range 10 {
			c := w.dial(w.a, addr)
			c.Write([]byte("x"))
			c.Read(make([]byte, 1))
			c.Close()
			if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
				w.Errorf("read after close: %v, want net.ErrClosed", err)
			}
		}
		w.net.Quiet()
		if len(w.a.conns)+len(w.b.conns) > 0 {
			w.Errorf("%d and %d streams left", len(w.a.conns), len(w.b.conns))
		}
	})
}

func TestListenerClose(t *testing.T) {
	bubble(t, func(w *world) {
		ln, err := w.b.Listen(addrPort("0.0.0.0:443"))
		if err != nil {
			w.Fatal(err)
		}
		c := w.dial(w.a, "198.18.0.2:443")
		defer c.Close()
		w.net.Quiet() // its last ACK is there; nobody accepts
		accepted := make(chan error)
		ln.Close()
		go func() {
			_, err := ln.Accept()
			accepted <- err
		}()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			w.Errorf("accept: %v, want net.ErrClosed", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			w.Errorf("read of what nobody accepted: %v, want a reset", err)
		}
	})
}

// TestMovedHost: a stream of the old address dies, a new one stands.
func TestMovedHost(t *testing.T) {
	bubble(t, func(w *world) {
		addr := w.listen(w.b, echo)
		old := w.dial(w.a, addr)
		w.a.Move(netip.MustParseAddr("203.0.113.7"))
		old.Write([]byte("lost"))
		old.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := old.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			w.Errorf("read on the old address: %v, want a deadline", err)
		}
		old.Close()
		c := w.dial(w.a, addr)
		defer c.Close()
		if got := c.LocalAddr().String(); !strings.HasPrefix(got, "203.0.113.7:") {
			w.Errorf("the new stream is from %s", got)
		}
	})
}

func TestDefaultLinkChanges(t *testing.T) {
	bubble(t, func(w *world) {
		w.net.Link(w.a, w.a, Link{Delay: time.Second})
		before := w.net.OneWay(w.a, w.b)
		w.net.Default(Link{Delay: 70 * time.Millisecond})
		if got, want := w.net.OneWay(w.a, w.b), before+65*time.Millisecond; got != want {
			w.Errorf("one way takes %v, want %v", got, want)
		}
		if got := w.net.OneWay(w.a, w.a); got.Truncate(time.Millisecond) != time.Second {
			w.Errorf("a link of its own takes %v, want 1 s", got)
		}
	})
}
