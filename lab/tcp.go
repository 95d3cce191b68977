package lab

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// tuple names a stream at one of its ends.
type tuple struct{ local, remote netip.AddrPort }

// state is a stream's, at one end.
//
//	dial:    connecting --SYN-ACK--> open --both FINs, RST, Kill--> over
//	accept:  answering  --ACK------> open
type state uint8

const (
	connecting state = iota
	answering
	open
	over
)

// Conn is a TCP connection of a host; a net.Conn with CloseWrite. Its fields are guarded by Net.mu.
type Conn struct {
	h     *Host
	t     tuple
	key   uint64 // orders its timers among the net's events
	ticks uint64
	cond  *sync.Cond
	state state
	ln    *Listener // answering: who will accept it
	began int64     // when its handshake packet left
	rtt   int64

	out      []byte // written, not yet sent
	limit    int    // of out, for Write to wait; 0: none
	next     uint64 // stream position of the next byte to send
	acked    uint64 // what the peer has
	finishAt uint64 // position of our FIN, once finSent
	finish   bool   // no more writes: FIN after out
	finSent  bool

	in       []byte // arrived in order, unread
	expect   uint64 // position of the next byte to arrive
	early    map[uint64]*packet
	eof      bool // the peer's FIN has arrived in order
	ackAgain bool // an ACK was lost, another is on its timer

	closed bool  // Close was called, or the host killed
	err    error // why the stream broke
	rd, wr deadline
}

var _ net.Conn = (*Conn)(nil)

func (h *Host) newConn(t tuple, s state) *Conn {
	c := &Conn{h: h, t: t, key: hash("conn", t.local, t.remote), cond: sync.NewCond(&h.n.mu), state: s,
		began: h.n.now(), next: 1, acked: 1, expect: 1}
	h.conns[t] = c
	return c
}

// dial does the handshake: one round trip.
func (h *Host) dial(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	src, ok := h.source(netip.IPv6Unspecified(), to.Addr())
	if !ok {
		return nil, os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	t := tuple{remote: to}
	for {
		t.local = netip.AddrPortFrom(src, h.ephemeral())
		if h.conns[t] == nil && bound(h.listeners, t.local) == nil {
			break
		}
	}
	c := h.newConn(t, connecting)
	c.send(&packet{kind: SYN})
	stop := context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		c.cond.Broadcast()
	})
	defer stop()
	for {
		switch {
		case c.closed:
			return nil, net.ErrClosed
		case c.state == open:
			return c, nil
		case c.err != nil:
			return nil, os.NewSyscallError("connect", c.err)
		case ctx.Err() != nil:
			c.end(ctx.Err())
			return nil, ctx.Err()
		}
		c.cond.Wait()
	}
}

// Read waits for bytes as net.Conn says.
func (c *Conn) Read(b []byte) (int, error) {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fault("read", net.ErrClosed)
		case c.rd.hit:
			return 0, c.fault("read", os.ErrDeadlineExceeded)
		case len(c.in) > 0 || len(b) == 0:
			k := copy(b, c.in)
			if c.in = c.in[k:]; len(c.in) == 0 {
				c.in = nil
			}
			return k, nil
		case c.eof:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.fault("read", c.err)
		}
		c.cond.Wait()
	}
}

// Write copies b and returns; delay and rate are the network's, not the writer's. After LimitUnsent it
// waits first while as much as that has not been sent.
func (c *Conn) Write(b []byte) (int, error) {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fault("write", net.ErrClosed)
		case c.wr.hit:
			return 0, c.fault("write", os.ErrDeadlineExceeded)
		case c.err != nil:
			return 0, c.fault("write", c.err)
		case c.finish:
			return 0, c.fault("write", syscall.EPIPE)
		case c.limit == 0 || len(c.out) < c.limit:
			c.out = append(c.out, b...)
			c.pump()
			return len(b), nil
		}
		c.cond.Wait()
	}
}

// LimitUnsent makes Write wait while this many written bytes have not been sent (TCP_NOTSENT_LOWAT);
// 0: never.
func (c *Conn) LimitUnsent(bytes int) {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	c.limit = bytes
	c.cond.Broadcast()
}

// Unsent is how many written bytes the peer has not confirmed.
func (c *Conn) Unsent() int {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	return len(c.out) + int(c.next-c.acked)
}

// CloseWrite ends our direction after what is written; reading goes on.
func (c *Conn) CloseWrite() error {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	if c.closed || c.err != nil {
		return c.fault("close", net.ErrClosed)
	}
	c.finish = true
	c.pump()
	return nil
}

// Close ends both directions; what is written still goes out.
func (c *Conn) Close() error {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.closed, c.finish, c.in = true, true, nil
	c.rd.set(c.cond, time.Time{})
	c.wr.set(c.cond, time.Time{})
	if c.state == open {
		c.pump()
		c.settle()
	}
	c.cond.Broadcast()
	return nil
}

func (c *Conn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr is a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.t.local) }

// RemoteAddr is a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.t.remote) }

// SetDeadline bounds reads and writes.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.rd, &c.wr) }

// SetReadDeadline bounds reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.rd) }

// SetWriteDeadline bounds writes; as they never wait, only a time passed matters.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.wr) }

func (c *Conn) setDeadline(t time.Time, ds ...*deadline) error {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	if c.closed {
		return c.fault("set", net.ErrClosed)
	}
	for _, d := range ds {
		d.set(c.cond, t)
	}
	return nil
}

// Listener accepts a host's TCP connections; a net.Listener. Its fields are guarded by Net.mu.
type Listener struct {
	h      *Host
	local  netip.AddrPort
	cond   *sync.Cond
	ready  []*Conn
	closed bool
}

// Listen binds TCP as link.Host says.
func (h *Host) Listen(addr netip.AddrPort) (net.Listener, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	addr, err := h.bindable(TCP, addr, func(a netip.AddrPort) bool { return h.listeners[a] != nil })
	if err != nil {
		return nil, err
	}
	l := &Listener{h: h, local: addr, cond: sync.NewCond(&h.n.mu)}
	h.listeners[addr] = l
	return l, nil
}

// Accept waits for a connection whose handshake is done.
func (l *Listener) Accept() (net.Conn, error) {
	l.h.n.mu.Lock()
	defer l.h.n.mu.Unlock()
	for {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		}
		if len(l.ready) > 0 {
			c := l.ready[0]
			l.ready = slices.Delete(l.ready, 0, 1)
			return c, nil
		}
		l.cond.Wait()
	}
}

// Close stops listening and resets what nobody accepted.
func (l *Listener) Close() error {
	l.h.n.mu.Lock()
	defer l.h.n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.closeLocked()
	return nil
}

func (l *Listener) closeLocked() {
	l.closed = true
	if l.h.listeners[l.local] == l {
		delete(l.h.listeners, l.local)
	}
	for _, c := range l.ready {
		c.reset()
		c.end(syscall.ECONNRESET)
	}
	l.ready = nil
	l.cond.Broadcast()
}

// Addr is a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }
