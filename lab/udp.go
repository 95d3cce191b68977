package lab

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"parley/sys/link"
)

// receiveBuffer is what a UDP socket holds unread, bytes; the real host asks for the same.
const receiveBuffer = 4 << 20

// PacketConn is a UDP socket of a host; a link.PacketConn. Its fields are guarded by Net.mu.
type PacketConn struct {
	h      *Host
	local  netip.AddrPort
	cond   *sync.Cond
	queue  []*packet
	bytes  int
	until  deadline
	closed bool
}

// ListenPacket binds UDP as link.Host says.
func (h *Host) ListenPacket(addr netip.AddrPort) (link.PacketConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	addr, err := h.bindable(UDP, addr, func(a netip.AddrPort) bool { return h.udp[a] != nil })
	if err != nil {
		return nil, err
	}
	c := &PacketConn{h: h, local: addr, cond: sync.NewCond(&h.n.mu)}
	h.udp[addr] = c
	return c, nil
}

func (h *Host) arriveUDP(p *packet) {
	n := h.n
	c := bound(h.udp, p.dst)
	switch {
	case c == nil:
		n.drop(p, NoSocket)
	case c.bytes+len(p.data) > receiveBuffer:
		n.drop(p, BufferFull)
	default:
		n.tap(p, Arrived, NoReason)
		c.queue = append(c.queue, p)
		c.bytes += len(p.data)
		c.cond.Broadcast()
	}
}

// ReadBatch waits for datagrams as link.PacketConn says.
func (c *PacketConn) ReadBatch(ms []link.Message) (int, error) {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.until.hit:
			return 0, os.ErrDeadlineExceeded
		case len(c.queue) > 0 || len(ms) == 0:
			return c.take(ms), nil
		}
		c.cond.Wait()
	}
}

func (c *PacketConn) take(ms []link.Message) int {
	n := min(len(ms), len(c.queue))
	for i := range n {
		p := c.queue[i]
		m := &ms[i]
		m.N = copy(m.Buf, p.data)
		m.Addr, m.Local, m.Mark = p.src, p.dst.Addr(), p.dscp+1
		c.bytes -= len(p.data)
		c.h.n.recycle(p)
		c.queue[i] = nil
	}
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return n
}

// WriteBatch sends datagrams as link.PacketConn says; it never waits.
func (c *PacketConn) WriteBatch(ms []link.Message) (int, error) {
	n := c.h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	for i := range ms {
		m := &ms[i]
		dst := netip.AddrPortFrom(m.Addr.Addr().Unmap(), m.Addr.Port())
		src, ok := c.h.source(c.local.Addr(), dst.Addr())
		if local := m.Local.Unmap(); ok && local.IsValid() && c.local.Addr().IsUnspecified() {
			src, ok = local, local.Is4() == dst.Addr().Is4() && c.h.owns(local)
		}
		if !ok {
			continue // no route: skipped, as the kernel's answer is
		}
		step := m.N
		if m.Segment > 0 {
			step = m.Segment
		}
		for off := 0; off < m.N || off == 0; off += max(step, 1) {
			n.send(c.h, &packet{proto: UDP, src: netip.AddrPortFrom(src, c.local.Port()), dst: dst,
				dscp: m.DSCP & 63, data: n.buffer(m.Buf[off:min(off+step, m.N)])})
		}
	}
	return len(ms), nil
}

// LocalAddr is the bound address.
func (c *PacketConn) LocalAddr() netip.AddrPort { return c.local }

// SetReadDeadline bounds ReadBatch.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.until.set(c.cond, t)
	return nil
}

// Close frees the port; what is unread is lost.
func (c *PacketConn) Close() error {
	c.h.n.mu.Lock()
	defer c.h.n.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closeLocked()
	return nil
}

func (c *PacketConn) closeLocked() {
	c.closed, c.queue = true, nil
	c.until.set(c.cond, time.Time{})
	if c.h.udp[c.local] == c {
		delete(c.h.udp, c.local)
	}
	c.cond.Broadcast()
}
