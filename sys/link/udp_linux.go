package link

import (
	"errors"
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
	maxSegments = 64
	// maxTrained is the longest datagram gathered unasked: one that needs fragments cannot be a segment,
	// and its refusal would say nothing about the socket.
	maxTrained = 1452
	// maxGather is how many messages one send takes together: a frame's packets, or several of audio.
	maxGather     = 16
	maxUDPPayload = 65507
)

// udpConn is a UDP socket moved by recvmmsg and sendmmsg.
type udpConn struct {
	sock   socket
	local  netip.AddrPort
	v6     bool // the socket's family; true for a dual-stack one
	any    bool // bound to a wildcard: addresses come and go by packet-info
	gso    atomic.Bool
	gro    atomic.Bool
	recv   int
	send   int
	meter  meter
	reader transfer
	writer writer
	// tryCall is readNow, a value made once.
	tryCall func(fd uintptr) bool
	aside   atomic.Pointer[aside] // what can wait comes here; nil: there is none
}

// transfer is one direction's pending system call. Guarded by mu; the call's closure is made once.
type transfer struct {
	mu    sync.Mutex
	ring  ring
	n     int // entries offered, then moved
	done  int
	errno syscall.Errno
	call  func(fd uintptr) bool
	// direct is set once the socket has left the runtime's poller.
	direct bool
}

// writer is the sending direction: where each entry of the ring begins in the caller's messages.
type writer struct {
	transfer
	start  [maxBatch + 1]cursor
	proven bool       // a segmented send has succeeded on this socket
	doubt  netip.Addr // before that, the first host to which one was refused
}

// refused takes note of a segmented send to a host that was refused, and reports whether the socket can do none at all.
// EIO: the device cannot checksum segments. EMSGSIZE, before Linux 6.13 EINVAL: the segment does not fit this path's
// MTU. EINVAL may also be a kernel that refuses always: if it never once worked, and for two hosts not.
func (w *writer) refused(errno syscall.Errno, to netip.Addr) bool {
	if errno == unix.EINVAL && !w.proven && !w.doubt.IsValid() {
		w.doubt = to
	}
	return errno == unix.EIO || errno == unix.EINVAL && !w.proven && w.doubt != to
}

// cursor is a place in the messages being sent: byte off of message i.
type cursor struct{ i, off int }

func listenUDP(addr netip.AddrPort) (PacketConn, error) {
	conn, err := bindUDP(addr, net.ListenConfig{})
	if err != nil {
		return nil, err
	}
	return newUDP(conn, addr)
}

// newUDP readies a socket bound to addr.
func newUDP(conn *net.UDPConn, addr netip.AddrPort) (PacketConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	c := &udpConn{sock: netSocket{conn, raw}, any: addr.Addr().IsUnspecified()}
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
	c.tryCall = c.readNow
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
	return c.tellAll(fd)
}

// tellAll asks for what is told beside each datagram that arrives.
func (c *udpConn) tellAll(fd int) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) // counts what the socket loses; best effort
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1)  // the mark of IPv4, on a dual-stack socket too; best effort
	if c.v6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
	}
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
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, SocketBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, SocketBuffer)
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, opt)
	if err != nil {
		return 0
	}
	return n / 2 // socket(7): the kernel doubles what it grants, for its own bookkeeping
}

// move does one system call; false asks to wait until the socket is ready. A direct one is not told to the
// runtime: it does not block.
func (t *transfer) move(trap, fd uintptr) bool {
	call := unix.Syscall6
	if t.direct {
		call = unix.RawSyscall6
	}
	n, _, errno := call(trap, fd, uintptr(unsafe.Pointer(&t.ring.hdrs[0])), uintptr(t.n),
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
		r.ring.want(i, ms[i].Buf)
	}
	for {
		r.n = n
		if err := c.sock.Read(r.call); err != nil {
			return 0, plain(err)
		}
		switch {
		case r.errno == 0:
			return c.take(ms, &c.meter.overflow), nil
		case !isTransient(r.errno):
			return 0, r.errno
		}
		// An ICMP error of some earlier datagram: reading it has cleared it.
	}
}

// take reads what the last call received back into the caller's messages, and says how many; lost is where
// that socket's losses are counted. Called with the reader's lock held.
func (c *udpConn) take(ms []Message, overflow *atomic.Uint64) int {
	r := &c.reader
	var datagrams uint64
	for i := range r.done {
		m := &ms[i]
		if lost := r.ring.got(i, m); lost != 0 {
			overflow.Store(uint64(lost))
		}
		if !c.any {
			m.Local = c.local.Addr()
		}
		datagrams += entry{bytes: m.N, segment: m.Segment}.datagrams()
	}
	c.meter.received.Add(datagrams)
	return r.done
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
	single := 0 // messages before this one go out without segmentation: it was refused
	for at := (cursor{}); at.i < len(ms); {
		n := c.fill(ms, at, single)
		w.n, w.done, w.errno = n, 0, 0
		switch err := c.sock.Write(w.call); {
		case err == errFull:
			skipped += uint64(len(ms) - at.i)
			return len(ms), nil
		case err != nil:
			return at.i, plain(err)
		}
		for k := range w.done {
			e := c.entry(ms, w.start[k], single)
			sent += e.datagrams()
			w.proven = w.proven || e.segment > 0
		}
		at = w.start[w.done]
		if w.errno == 0 {
			continue
		}
		e := c.entry(ms, at, single)
		switch {
		case e.segment > 0 && (w.errno == unix.EIO || w.errno == unix.EINVAL || w.errno == unix.EMSGSIZE):
			if w.refused(w.errno, ms[at.i].Addr.Addr()) {
				c.gso.Store(false)
			}
			single = at.i + e.messages
			split++
			w.ring.grow(maxBatch)
		case w.errno == unix.EINTR:
		case w.errno == unix.EBADF || w.errno == unix.ENOTSOCK:
			return at.i, net.ErrClosed
		default:
			skipped += uint64(e.messages)
			at = w.start[1]
		}
	}
	return len(ms), nil
}

// entry is one send: part of a message, a message, or several for one peer that fit one train.
type entry struct {
	bytes    int
	segment  int // 0: one plain datagram
	messages int
}

func (e entry) datagrams() uint64 {
	if e.segment == 0 {
		return 1
	}
	return uint64((e.bytes + e.segment - 1) / e.segment)
}

// entry is the send beginning at at. It depends on nothing but its arguments and c.gso, so it gives the
// same answer when the result of the send is counted.
func (c *udpConn) entry(ms []Message, at cursor, single int) entry {
	m := &ms[at.i]
	rest := m.N - at.off
	trains := at.i >= single && c.gso.Load()
	switch {
	case m.Segment <= 0 && trains:
		return train(ms[at.i:])
	case m.Segment <= 0:
		return entry{bytes: rest, messages: 1}
	case rest <= m.Segment || !trains:
		return entry{bytes: min(rest, m.Segment), messages: 1}
	}
	most := min(maxSegments, max(1, maxUDPPayload/m.Segment)) * m.Segment
	return entry{bytes: min(rest, most), segment: m.Segment, messages: 1}
}

// train gathers ms[0] and the messages after it that may leave in one segmented send: the same peer,
// source and mark, all of one length but the last, which may be shorter.
func train(ms []Message) entry {
	first := &ms[0]
	e := entry{bytes: first.N, messages: 1}
	if first.N == 0 || first.N > maxTrained {
		return e
	}
	for i := 1; i < min(len(ms), maxGather); i++ {
		m := &ms[i]
		if m.Segment > 0 || m.N == 0 || m.N > first.N || e.bytes+m.N > maxUDPPayload || m.Addr != first.Addr ||
			m.Local != first.Local || m.DSCP != first.DSCP {
			break
		}
		e.bytes += m.N
		e.messages++
		e.segment = first.N
		if m.N < first.N {
			break
		}
	}
	return e
}

// fill readies entries from at on and notes where each begins.
func (c *udpConn) fill(ms []Message, at cursor, single int) int {
	w, n := &c.writer, 0
	for ; n < len(w.ring.hdrs) && at.i < len(ms); n++ {
		m, e := &ms[at.i], c.entry(ms, at, single)
		w.start[n] = at
		if e.messages > 1 {
			w.ring.put(n, m, m.Buf[:m.N], e.segment, c.v6, c.any)
			w.ring.gather(n, ms[at.i+1:at.i+e.messages])
			at = cursor{i: at.i + e.messages}
			continue
		}
		w.ring.put(n, m, m.Buf[at.off:at.off+e.bytes], e.segment, c.v6, c.any)
		if at.off += e.bytes; at.off >= m.N {
			at = cursor{i: at.i + 1}
		}
	}
	w.start[n] = at
	return n
}

// merge asks for UDP_GRO.
func (c *udpConn) merge(on bool) bool {
	value := 0
	if on {
		value = 1
	}
	var err error
	set := func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, value) }
	if a := c.aside.Load(); c.sock.Control(set) != nil || err == nil && a != nil && a.sock.Control(set) != nil {
		return false
	}
	c.gro.Store(on && err == nil)
	return err == nil
}

func (c *udpConn) LocalAddr() netip.AddrPort { return c.local }

func (c *udpConn) SetReadDeadline(t time.Time) error { return plain(c.sock.SetReadDeadline(t)) }

func (c *udpConn) Close() error {
	err := c.sock.Close()
	if a := c.aside.Load(); a != nil {
		err = errors.Join(err, a.sock.Close())
	}
	return plain(err)
}

func (c *udpConn) features() Features {
	return Features{
		GSO: c.gso.Load(), GRO: c.gro.Load(), Batch: true, Aside: c.aside.Load() != nil, GrantedRecv: c.recv, GrantedSend: c.send,
	}
}

func (c *udpConn) counters() Counters {
	n := c.meter.counters()
	if a := c.aside.Load(); a != nil {
		n.Overflow += a.lost.Load()
	}
	return n
}
