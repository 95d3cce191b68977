package lab

import (
	"cmp"
	"maps"
	"slices"
	"syscall"
	"time"
)

// The other half of TCP: what its ends say to each other. Everything here runs with Net.mu held.

const (
	// window is what one stream has under way on a link without a rate, bytes.
	window = 256 << 10
	// chunk is a segment on a link that neither loses nor has a rate, where smaller ones would only
	// cost events.
	chunk = 64 << 10

	synTimeout    = int64(time.Second)            // RFC 6298 §2: first retransmission of a SYN
	maxSYNs       = 7                             // then 127 s have passed, as on Linux
	minRTO        = int64(200 * time.Millisecond) // Linux
	maxRTO        = int64(time.Minute)
	streamTimeout = int64(15 * time.Minute) // about Linux's tcp_retries2
)

// send fills in a segment's addresses and puts it on its way.
func (c *Conn) send(p *packet) {
	p.proto, p.src, p.dst, p.conn = TCP, c.t.local, c.t.remote, c
	p.ack = c.expect
	if p.firstAt == 0 {
		p.firstAt = c.h.n.now()
	}
	c.h.n.send(c.h, p)
}

// reset tells the peer that the stream is gone. Nobody repeats a lost reset.
func (c *Conn) reset() { c.h.refuse(c.t) }

func (h *Host) refuse(t tuple) {
	h.n.send(h, &packet{proto: TCP, kind: RST, src: t.local, dst: t.remote})
}

// pump sends what the window allows, then our FIN.
func (c *Conn) pump() {
	if c.state != open {
		return
	}
	size, limit := c.room()
	for len(c.out) > 0 && int(c.next-c.acked) < limit && c.state == open {
		k := min(size, len(c.out))
		p := &packet{kind: Data, seq: c.next, data: c.out[:k:k]}
		c.out = c.out[k:]
		c.next += uint64(k)
		c.send(p)
		if c.limit > 0 && len(c.out) < c.limit && len(c.out)+k >= c.limit {
			c.cond.Broadcast() // a writer waits for this
		}
	}
	if len(c.out) > 0 {
		return
	}
	c.out = nil
	if c.finish && !c.finSent {
		c.finSent, c.finishAt = true, c.next
		c.next++
		c.send(&packet{kind: FIN, seq: c.finishAt})
	}
}

// room is the length of a segment and what may be under way: on a link with a rate its
// bandwidth-delay product and half its queue, so that a bulk stream leaves room for others.
func (c *Conn) room() (segment, limit int) {
	to := c.h.n.nextHop(c.h, c.t.remote.Addr())
	if to == nil {
		return chunk, window
	}
	l := c.h.n.path(c.h, to).link
	if l.Rate == 0 && l.Loss == 0 {
		return chunk, window
	}
	segment = max(l.MTU-40, 64)
	if l.Rate == 0 {
		return segment, window
	}
	bdp := int(float64(l.Rate) / 8 * float64(c.rtt) / 1e9)
	return segment, min(window, max(4*segment, bdp+l.Queue/2))
}

// lost hears that a segment was dropped, and sends it again when a real stack would have noticed.
func (c *Conn) lost(p *packet, why Reason) {
	if c.state == over {
		return
	}
	now := c.h.n.now()
	p.tries++
	wait := minRTO
	switch {
	case p.kind == SYN && why == Rejected:
		c.later(int64(time.Millisecond), func() { c.end(syscall.ECONNREFUSED) })
		return
	case p.kind == SYN || p.kind == SYNACK:
		if p.tries > maxSYNs {
			c.end(syscall.ETIMEDOUT)
			return
		}
		wait = synTimeout << (p.tries - 1)
	case p.kind == ACK:
		if c.ackAgain {
			return
		}
		c.ackAgain = true
		c.later(max(minRTO, 2*c.rtt), func() {
			c.ackAgain = false
			if c.state == open {
				c.send(&packet{kind: ACK, tries: p.tries})
			}
		})
		return
	case now-p.firstAt > streamTimeout:
		c.end(syscall.ETIMEDOUT)
		return
	case p.tries == 1 && (why == Lost || why == QueueFull):
		wait = max(c.rtt, int64(time.Millisecond)) // fast retransmission (RFC 5681 §3.2)
	default:
		wait = min(max(minRTO, 2*c.rtt)<<min(p.tries-1, 10), maxRTO)
	}
	again := *p
	c.later(wait, func() {
		if c.state == open || again.kind == SYN && c.state == connecting || again.kind == SYNACK && c.state == answering {
			c.send(&again)
		}
	})
}

// later runs f after wait and a few microseconds of the stream's own: programs have timers of 20 and
// 200 ms too, and who of two goes first at one instant is the scheduler's whim.
func (c *Conn) later(wait int64, f func()) {
	c.ticks++
	c.h.n.at(event{when: c.h.n.now() + wait + 1 + int64(c.key%9973), key: c.key, seq: c.ticks, fn: f})
}

// arriveTCP hands a segment to its stream, or a SYN to a listener.
func (h *Host) arriveTCP(p *packet) {
	t := tuple{local: p.dst, remote: p.src}
	c := h.conns[t]
	if c == nil && p.kind == SYN {
		if ln := bound(h.listeners, p.dst); ln != nil {
			h.n.tap(p, Arrived, NoReason)
			c = h.newConn(t, answering)
			c.ln = ln
			c.send(&packet{kind: SYNACK})
			return
		}
	}
	if c == nil {
		p.conn = nil // the reset answers it; sending it again would not help
		h.n.drop(p, NoSocket)
		if p.kind != RST && p.kind != ACK {
			h.refuse(t)
		}
		return
	}
	h.n.tap(p, Arrived, NoReason)
	c.receive(p)
}

func (c *Conn) receive(p *packet) {
	if c.state == answering && p.kind != SYN && p.kind != RST {
		c.accept()
	}
	switch p.kind {
	case SYN:
		return
	case RST:
		if c.state == connecting {
			c.end(syscall.ECONNREFUSED)
		} else {
			c.end(syscall.ECONNRESET)
		}
		return
	case SYNACK:
		if c.state == connecting {
			c.state, c.rtt = open, c.h.n.now()-c.began
			c.cond.Broadcast()
		}
		c.send(&packet{kind: ACK})
		return
	case Data, FIN:
		c.take(p)
	}
	if c.state == over {
		return
	}
	if p.ack > c.acked {
		c.acked = p.ack
		c.pump()
	}
	c.settle()
}

// accept ends the handshake on the listening side.
func (c *Conn) accept() {
	c.state, c.rtt = open, c.h.n.now()-c.began
	ln := c.ln
	c.ln = nil
	if ln.closed {
		c.reset()
		c.end(syscall.ECONNRESET)
		return
	}
	ln.ready = append(ln.ready, c)
	ln.cond.Signal()
}

// take puts a segment in its place and confirms what is there without a gap.
func (c *Conn) take(p *packet) {
	if c.state != open {
		return
	}
	if c.closed && p.kind == Data {
		c.reset() // nobody will read it (RFC 9293 §3.6)
		c.end(syscall.ECONNRESET)
		return
	}
	switch {
	case p.seq > c.expect:
		if c.early == nil {
			c.early = map[uint64]*packet{}
		}
		c.early[p.seq] = p
	case p.seq == c.expect:
		for ; p != nil; p = c.early[c.expect] {
			delete(c.early, p.seq)
			if p.kind == FIN {
				c.expect++
				c.eof = true
				break
			}
			c.expect += uint64(len(p.data))
			c.in = append(c.in, p.data...)
		}
		c.cond.Broadcast()
	}
	c.send(&packet{kind: ACK})
}

// settle forgets a stream that both ends have closed.
func (c *Conn) settle() {
	if c.closed && c.eof && c.finSent && c.acked > c.finishAt {
		c.end(nil)
	}
}

// end takes the stream out of the host. A peer that has finished before it broke is still read to its
// end.
func (c *Conn) end(err error) {
	if c.state == over {
		return
	}
	c.state, c.err = over, err
	c.out, c.early = nil, nil
	if c.h.conns[c.t] == c {
		delete(c.h.conns, c.t)
	}
	c.rd.set(c.cond, time.Time{})
	c.wr.set(c.cond, time.Time{})
	c.cond.Broadcast()
}

// sorted is a host's streams in an order that does not depend on the map's.
func sorted(conns map[tuple]*Conn) []*Conn {
	return slices.SortedFunc(maps.Values(conns), func(a, b *Conn) int {
		return cmp.Or(a.t.local.Compare(b.t.local), a.t.remote.Compare(b.t.remote))
	})
}
