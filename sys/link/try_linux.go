package link

import (
	"golang.org/x/sys/unix"
)

// tryRead is ReadBatch with a call that never asks the runtime to wait.
func (c *udpConn) tryRead(ms []Message) (int, error) {
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
	r.n = n
	if err := c.sock.Read(c.readNow); err != nil {
		return 0, plain(err)
	}
	if r.errno != 0 {
		if r.errno == unix.EAGAIN || isTransient(r.errno) {
			return 0, nil
		}
		return 0, r.errno
	}
	return c.take(ms), nil
}

// readNow is one pass of tryRead: what it would wait for is told as EAGAIN.
func (c *udpConn) readNow(fd uintptr) bool {
	if !c.reader.move(unix.SYS_RECVMMSG, fd) {
		c.reader.done, c.reader.errno = 0, unix.EAGAIN
	}
	return true
}
