package link

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxBatch is how many entries one system call takes. Batches over 16 gained nothing in the
	// measurements of the kernel's floor; 64 lets a burst be read in one go.
	maxBatch = 64
	// The kernel's bounds on one UDP_SEGMENT send.
	maxSegments   = 64
	maxUDPPayload = 65507
)

// udpConn is a UDP socket moved by recvmmsg and sendmmsg.
type udpConn struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	local  netip.AddrPort
	v6     bool // the socket's family; true for a dual-stack one
	any    bool // bound to a wildcard: addresses come and go by packet-info
	gso    atomic.Bool
	recv   int
	send   int
	meter  meter
	reader transfer
	writer writer
}

// transfer is one direction's pending system call. Guarded by mu; the call's closure is made once.
type transfer struct {
	mu    sync.Mutex
	ring  ring
	n     int // entries offered, then moved
	done  int
	errno syscall.Errno
	call  func(fd uintptr) bool
}

// writer is the sending direction: where each entry of the ring begins in the caller's messages.
type writer struct {
	transfer
	start  [maxBatch + 1]cursor
	proven bool // a segmented send has succeeded on this socket
}

// cursor is a place in the messages being sent: byte off of message i.
type cursor struct{ i, off int }

func listenUDP(addr netip.AddrPort) (PacketConn, error) {
	conn, err := bindUDP(addr)
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &udpConn{conn: conn, raw: raw, any: addr.Addr().IsUnspecified()}
	c.local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if !isWildcard6(c.local) {
		c.local = unmap(c.local)
	}
	c.v6 = c.local.Addr().Is6()
	var soErr error
	if err := raw.Control(func(fd uintptr) { soErr = c.setup(int(fd)) }); err != nil {
		soErr = err
	}
	if soErr != nil {
		conn.Close()
		return nil, soErr
	}
	c.reader.call = func(fd uintptr) bool { return c.reader.move(unix.SYS_RECVMMSG, fd) }
	c.writer.call = func(fd uintptr) bool { return c.writer.move(unix.SYS_SENDMMSG, fd) }
	return c, nil
}

// setup asks for buffers and packet-info, and learns whether the kernel knows UDP_SEGMENT.
func (c *udpConn) setup(fd int) error {
	c.recv = setBuffer(fd, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE)
	c.send = setBuffer(fd, unix.SO_SNDBUF, unix.SO_SNDBUFFORCE)
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	c.gso.Store(err == nil)
	if !c.any {
		return nil
	}
	if c.v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// setBuffer is best effort: without the privilege the system's maximum holds (net.core.rmem_max).
func setBuffer(fd, opt, force int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, socketBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, socketBuffer)
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
	if err != nil {
		return 0
	}
	return n / 2 // socket(7): the kernel doubles what it grants, for its own bookkeeping
}

// move does one system call; false asks the runtime to wait until the socket is ready.
func (t *transfer) move(trap, fd uintptr) bool {
	n, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&t.ring.hdrs[0])), uintptr(t.n),
		unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN {
		return false
	}
	t.done, t.errno = int(n), errno
	if errno != 0 {
		t.done = 0
	}
	return true
}

func (c *udpConn) ReadBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(ms), maxBatch)
	r.ring.grow(n)
	for i := range n {
		r.ring.want(i, ms[i].Buf, c.any)
	}
	for {
		r.n = n
		if err := c.raw.Read(r.call); err != nil {
			return 0, plain(err)
		}
		switch {
		case r.errno == 0:
			for i := range r.done {
				r.ring.got(i, &ms[i])
				if !c.any {
					ms[i].Local = c.local.Addr()
				}
			}
			c.meter.received.Add(uint64(r.done))
			return r.done, nil
		case !isTransient(r.errno):
			return 0, r.errno
		}
		// An ICMP error of some earlier datagram: reading it has cleared it.
	}
}

func (c *udpConn) WriteBatch(ms []Message) (int, error) {
	w := &c.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring.grow(min(len(ms), maxBatch))
	if !c.gso.Load() {
		w.ring.grow(maxBatch) // one message may become many datagrams
	}
	var sent, skipped, split uint64
	defer func() {
		c.meter.sent.Add(sent)
		c.meter.skipped.Add(skipped)
		c.meter.split.Add(split)
	}()
	whole := -1 // the one message whose segmented send was refused: cut it here
	for at := (cursor{}); at.i < len(ms); {
		n := c.fill(ms, at, whole)
		w.n, w.done, w.errno = n, 0, 0
		if n > 0 {
			if err := c.raw.Write(w.call); err != nil {
				return at.i, plain(err)
			}
		}
		for k := range w.done {
			sent += c.datagrams(ms, w.start[k], whole)
		}
		at = w.start[w.done]
		if w.errno == 0 {
			continue
		}
		segmented := c.segments(&ms[at.i], at, whole)
		switch {
		case segmented && (w.errno == unix.EIO || w.errno == unix.EINVAL):
			// EIO: the device cannot checksum segments. EINVAL: the segment does not fit this path's
			// MTU, or this kernel refuses it always; the latter only if it never once worked.
			if w.errno == unix.EIO || !w.proven {
				c.gso.Store(false)
			}
			whole = at.i
			split++
			w.ring.grow(maxBatch)
		case w.errno == unix.EINTR:
		case w.errno == unix.EBADF || w.errno == unix.ENOTSOCK:
			return at.i, net.ErrClosed
		default:
			skipped++
			at = w.start[1]
		}
	}
	return len(ms), nil
}

// segments tells whether the entry beginning at at goes out by UDP_SEGMENT.
func (c *udpConn) segments(m *Message, at cursor, whole int) bool {
	return m.Segment > 0 && m.N-at.off > m.Segment && at.i != whole && c.gso.Load()
}

// entry is how many bytes of m the entry at at takes, and its segment size (0: one plain datagram).
func (c *udpConn) entry(m *Message, at cursor, whole int) (n, segment int) {
	rest := m.N - at.off
	switch {
	case m.Segment <= 0:
		return rest, 0
	case !c.segments(m, at, whole):
		return min(rest, m.Segment), 0
	}
	most := min(maxSegments, max(1, maxUDPPayload/m.Segment)) * m.Segment
	return min(rest, most), m.Segment
}

// datagrams counts what the entry at at puts on the wire.
func (c *udpConn) datagrams(ms []Message, at cursor, whole int) uint64 {
	n, segment := c.entry(&ms[at.i], at, whole)
	if segment == 0 {
		return 1
	}
	c.writer.proven = true
	return uint64((n + segment - 1) / segment)
}

// fill readies entries from at on and notes where each begins.
func (c *udpConn) fill(ms []Message, at cursor, whole int) int {
	w, n := &c.writer, 0
	for ; n < len(w.ring.hdrs) && at.i < len(ms); n++ {
		m := &ms[at.i]
		size, segment := c.entry(m, at, whole)
		w.ring.put(n, m, m.Buf[at.off:at.off+size], segment, c.v6, c.any)
		w.start[n] = at
		if at.off += size; at.off >= m.N {
			at = cursor{i: at.i + 1}
		}
	}
	w.start[n] = at
	return n
}

func (c *udpConn) LocalAddr() netip.AddrPort { return c.local }

func (c *udpConn) SetReadDeadline(t time.Time) error { return plain(c.conn.SetReadDeadline(t)) }

func (c *udpConn) Close() error { return plain(c.conn.Close()) }

func (c *udpConn) features() Features {
	return Features{GSO: c.gso.Load(), Batch: true, GrantedRecv: c.recv, GrantedSend: c.send}
}

func (c *udpConn) counters() Counters { return c.meter.counters() }
