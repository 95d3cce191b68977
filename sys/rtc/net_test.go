package rtc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// wires is the network of a test: datagrams with a delay, and a filter that may lose them.
type wires struct {
	mu    sync.Mutex
	delay time.Duration
	lose  func(from, to netip.AddrPort, b []byte) bool
	seen  func(from, to netip.AddrPort, b []byte)
	conns map[netip.AddrPort]*memConn
	port  uint16
}

func newWires(delay time.Duration) *wires {
	return &wires{delay: delay, conns: map[netip.AddrPort]*memConn{}, port: 40000}
}

// filter loses the datagrams f says; nil loses none.
func (w *wires) filter(f func(from, to netip.AddrPort, b []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = f
}

// watch shows every datagram to f.
func (w *wires) watch(f func(from, to netip.AddrPort, b []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = f
}

// inject delivers a datagram as if from had sent it.
func (w *wires) inject(from, to netip.AddrPort, b []byte) {
	w.mu.Lock()
	if w.seen != nil {
		w.seen(from, to, b)
	}
	lost := w.lose != nil && w.lose(from, to, b)
	delay := w.delay
	w.mu.Unlock()
	if lost {
		return
	}
	b = slices.Clone(b)
	time.AfterFunc(delay, func() {
		w.mu.Lock()
		c := w.conns[to]
		w.mu.Unlock()
		if c != nil {
			c.push(from, b)
		}
	})
}

// memHost is a machine with one address.
type memHost struct {
	w    *wires
	addr netip.Addr
}

func (w *wires) host(addr string) *memHost { return &memHost{w, netip.MustParseAddr(addr)} }

func (h *memHost) ListenPacket(a netip.AddrPort) (link.PacketConn, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	port := a.Port()
	if port == 0 {
		h.w.port++
		port = h.w.port
	}
	at := netip.AddrPortFrom(h.addr, port)
	if h.w.conns[at] != nil {
		return nil, link.ErrInUse
	}
	c := &memConn{w: h.w, at: at}
	c.cond.L = &c.mu
	h.w.conns[at] = c
	return c, nil
}

func (h *memHost) Listen(netip.AddrPort) (net.Listener, error) {
	return nil, errors.ErrUnsupported
}

func (h *memHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

type memConn struct {
	w      *wires
	at     netip.AddrPort
	mu     sync.Mutex
	cond   sync.Cond
	queue  []link.Message
	closed bool
	late   bool
	timer  *time.Timer
}

func (c *memConn) push(from netip.AddrPort, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, link.Message{Buf: b, N: len(b), Addr: from, Local: c.at.Addr()})
	c.cond.Broadcast()
}

func (c *memConn) ReadBatch(ms []link.Message) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.late:
			return 0, os.ErrDeadlineExceeded
		case len(c.queue) > 0:
			n := 0
			for n < len(ms) && len(c.queue) > 0 {
				m := c.queue[0]
				c.queue = c.queue[1:]
				ms[n].N = copy(ms[n].Buf, m.Buf)
				ms[n].Addr, ms[n].Local = m.Addr, m.Local
				n++
			}
			return n, nil
		}
		c.cond.Wait()
	}
}

func (c *memConn) WriteBatch(ms []link.Message) (int, error) {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return 0, net.ErrClosed
	}
	for _, m := range ms {
		c.w.inject(c.at, m.Addr, m.Buf[:m.N])
	}
	return len(ms), nil
}

func (c *memConn) LocalAddr() netip.AddrPort { return c.at }

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.late = !t.IsZero() && time.Until(t) <= 0
	if !t.IsZero() && !c.late {
		c.timer = time.AfterFunc(time.Until(t), func() {
			c.mu.Lock()
			c.late = true
			c.cond.Broadcast()
			c.mu.Unlock()
		})
	}
	c.cond.Broadcast()
	return nil
}

func (c *memConn) Close() error {
	c.w.mu.Lock()
	delete(c.w.conns, c.at)
	c.w.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.cond.Broadcast()
	return nil
}

// router is a shard with a Mux: one goroutine that owns it and one that reads.
type router struct {
	t       *testing.T
	pc      link.PacketConn
	mux     *Mux
	cert    tls.Certificate
	posts   chan func(now time.Time)
	msgs    chan link.Message
	quit    chan struct{}
	wg      sync.WaitGroup
	release bool // in Up

	// owned by the loop
	up    []*Transport
	upAt  []time.Time
	down  map[*Transport]Reason
	got   []Inbound
	gotAt []time.Time
}

const password = "a password of sufficient length"

var routerAddr = netip.MustParseAddrPort("203.0.113.1:8801")

// startRouter runs a router that admits user names beginning with "user"; those beginning with "late"
// are expired.
func startRouter(t *testing.T, w *wires, change func(*MuxConfig)) *router {
	t.Helper()
	cert, err := NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := w.host(routerAddr.Addr().String()).ListenPacket(routerAddr)
	if err != nil {
		t.Fatal(err)
	}
	r := &router{t: t, pc: pc, cert: cert, posts: make(chan func(time.Time), 256), msgs: make(chan link.Message, 1024),
		quit: make(chan struct{}), release: true, down: map[*Transport]Reason{}}
	cfg := MuxConfig{
		Certificate: cert,
		Admit: func(now time.Time, ufrag string) (Admission, bool) {
			switch {
			case len(ufrag) > 4 && ufrag[:4] == "user":
				return Admission{Password: password, Tag: ufrag}, true
			case len(ufrag) > 4 && ufrag[:4] == "late":
				return Admission{Password: password, Expired: true}, true
			}
			return Admission{}, false
		},
		Post: func(f func(time.Time)) {
			select {
			case r.posts <- f:
			default:
			}
		},
		Send: func(via link.PacketConn, m link.Message) { via.WriteBatch([]link.Message{m}) },
		Up: func(now time.Time, tr *Transport, fp string) {
			r.up, r.upAt = append(r.up, tr), append(r.upAt, now)
			if r.release {
				tr.Release()
			}
		},
		Down: func(now time.Time, tr *Transport, why Reason) {
			if old, twice := r.down[tr]; twice {
				t.Errorf("Down twice: %v, then %v", old, why)
			}
			r.down[tr] = why
		},
	}
	if change != nil {
		change(&cfg)
	}
	r.mux = NewMux(cfg)
	r.wg.Go(r.read)
	r.wg.Go(r.loop)
	t.Cleanup(r.stop)
	return r
}

func (r *router) stop() {
	select {
	case <-r.quit:
		return
	default:
	}
	close(r.quit)
	r.pc.Close()
	r.wg.Wait()
}

func (r *router) read() {
	for {
		ms := []link.Message{{Buf: make([]byte, 2048)}}
		if _, err := r.pc.ReadBatch(ms); err != nil {
			return
		}
		select {
		case r.msgs <- ms[0]:
		case <-r.quit:
			return
		}
	}
}

func (r *router) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if at := r.mux.Wake(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		select {
		case <-r.quit:
			r.mux.Close(time.Now())
			return
		case f := <-r.posts:
			f(time.Now())
		case m := <-r.msgs:
			now := time.Now()
			n := len(r.got)
			r.got = r.mux.Receive(now, r.pc, &m, r.got)
			for range r.got[n:] {
				r.gotAt = append(r.gotAt, now)
			}
		case <-timer.C:
			r.mux.Tick(time.Now())
		}
	}
}

// do runs f on the loop and waits for it.
func (r *router) do(f func(now time.Time)) {
	done := make(chan struct{})
	r.posts <- func(now time.Time) { f(now); close(done) }
	<-done
}

// sendTo seals a packet and sends it over the transport's path.
func (r *router) sendTo(tr *Transport, pkt []byte) {
	r.do(func(time.Time) {
		b, err := tr.SealRTP(nil, pkt)
		if err != nil {
			r.t.Errorf("sealing: %v", err)
			return
		}
		via, to, from, ok := tr.Path()
		if !ok {
			r.t.Error("no path")
			return
		}
		via.WriteBatch([]link.Message{{Buf: b, N: len(b), Addr: to, Local: from}})
	})
}

// transport is the one that came up last.
func (r *router) transport() (tr *Transport) {
	r.t.Helper()
	r.do(func(time.Time) {
		if len(r.up) > 0 {
			tr = r.up[len(r.up)-1]
		}
	})
	if tr == nil {
		r.t.Fatal("no transport is up")
	}
	return tr
}

func (r *router) counters() (c Counters) {
	r.do(func(time.Time) { c = r.mux.Counters() })
	return c
}

// dialConfig is that of a client of the router.
func (r *router) dialConfig(h link.Host, ufrag string) DialConfig {
	cert, err := NewCertificate(time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return DialConfig{
		Host:        h,
		Remote:      []proto.Candidate{{Rung: proto.TLS443, Addr: "203.0.113.1:443"}, {Rung: proto.UDP8801, Addr: routerAddr.String()}},
		Credentials: proto.Credentials{Ufrag: ufrag, Password: password},
		Fingerprint: Fingerprint(r.cert),
		Certificate: cert,
	}
}

// join dials and closes at the end of the test.
func (r *router) join(h link.Host, ufrag string) *Conn {
	r.t.Helper()
	c, err := Dial(r.t.Context(), r.dialConfig(h, ufrag))
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// rtpPacket is a small media packet.
func rtpPacket(ssrc uint32, seq uint16) []byte {
	return []byte{0x80, 111, byte(seq >> 8), byte(seq), 0, 0, 0, 1,
		byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc), 'h', 'e', 'y'}
}
