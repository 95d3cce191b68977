package link

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// tryRead is ReadBatch with a call that never asks the runtime to wait.
func (c *udpConn) tryRead(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	return c.tryReadFrom(c.sock, c.tryCall, &c.meter.overflow, ms)
}

func (c *udpConn) tryReadFrom(sock socket, now func(fd uintptr) bool, lost *atomic.Uint64, ms []Message) (int, error) {
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(ms), maxBatch)
	r.ring.grow(n)
	for i := range n {
		r.ring.want(i, ms[i].Buf)
	}
	r.n = n
	if err := sock.Read(now); err != nil {
		return 0, plain(err)
	}
	if r.errno != 0 {
		if r.errno == unix.EAGAIN || isTransient(r.errno) {
			return 0, nil
		}
		return 0, r.errno
	}
	return c.take(ms, lost), nil
}

// readNow is one pass of tryRead: what it would wait for is told as EAGAIN.
func (c *udpConn) readNow(fd uintptr) bool {
	if !c.reader.move(unix.SYS_RECVMMSG, fd) {
		c.reader.done, c.reader.errno = 0, unix.EAGAIN
	}
	return true
}
