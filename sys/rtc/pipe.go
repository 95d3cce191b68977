package rtc

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// pipe is the packet connection pion's DTLS runs on: datagrams come in by push and go out by write, which
// must not block. Nothing of it is a socket. Guarded by mu.
type pipe struct {
	write func(b []byte) // b is the callee's to keep only until it returns
	peer  net.Addr

	mu     sync.Mutex
	cond   sync.Cond
	queue  [][]byte
	muted  bool
	closed bool
	gen    int // of the deadline
	late   bool
	timer  *time.Timer
}

func newPipe(peer netip.AddrPort, write func(b []byte)) *pipe {
	p := &pipe{write: write, peer: net.UDPAddrFromAddrPort(peer)}
	p.cond.L = &p.mu
	return p
}

// push queues a copy of a datagram for the reader. It reports false where the queue is full.
func (p *pipe) push(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) >= pipeLen {
		return false
	}
	if !p.closed {
		p.queue = append(p.queue, append([]byte(nil), b...))
		p.cond.Signal()
	}
	return true
}

// mute discards all writes from now on, and ends the reader: DTLS state is dropped without a
// close_notify, which would end a browser's transport.
func (p *pipe) mute() {
	p.mu.Lock()
	p.muted = true
	p.mu.Unlock()
	p.Close()
}

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return 0, nil, net.ErrClosed
		case p.late:
			return 0, nil, os.ErrDeadlineExceeded
		case len(p.queue) > 0:
			n := copy(b, p.queue[0])
			p.queue[0] = nil
			p.queue = p.queue[1:]
			return n, p.peer, nil
		}
		p.cond.Wait()
	}
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.mu.Lock()
	silent := p.muted || p.closed
	p.mu.Unlock()
	if !silent {
		p.write(b)
	}
	return len(b), nil
}

// Close implements net.PacketConn.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.queue = true, nil
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cond.Broadcast()
	return nil
}

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return p.peer }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(t time.Time) error { return p.SetReadDeadline(t) }

// SetWriteDeadline implements net.PacketConn; writes never wait.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn. A deadline in the past interrupts a pending read at once.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.gen++
	p.late = false
	if t.IsZero() || p.closed {
		return nil
	}
	d := time.Until(t)
	if d <= 0 {
		p.late = true
		p.cond.Broadcast()
		return nil
	}
	gen := p.gen
	p.timer = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gen == gen {
			p.late = true
			p.cond.Broadcast()
		}
	})
	return nil
}
