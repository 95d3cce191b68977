package link

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket as udpConn needs it. The functions given to Read and Write make one call that
// does not block; false asks to wait until the socket is ready.
type socket interface {
	Control(f func(fd uintptr)) error
	Read(f func(fd uintptr) (done bool)) error
	Write(f func(fd uintptr) (done bool)) error
	SetReadDeadline(t time.Time) error
	Close() error
}

// netSocket waits in the runtime's poller: the reader is a goroutine like any other.
type netSocket struct {
	conn *net.UDPConn
	raw  syscall.RawConn
}

func (s netSocket) Control(f func(uintptr)) error     { return s.raw.Control(f) }
func (s netSocket) Read(f func(uintptr) bool) error   { return s.raw.Read(f) }
func (s netSocket) Write(f func(uintptr) bool) error  { return s.raw.Write(f) }
func (s netSocket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }
func (s netSocket) Close() error                      { return s.conn.Close() }

// pollSocket is a socket the runtime's poller does not know: nothing is woken when a datagram arrives
// but the thread that waits for it, if one does.
type pollSocket struct {
	fd       int
	wake     int // eventfd that ends a wait
	closed   atomic.Bool
	deadline atomic.Int64 // of reads, nanoseconds since 1970; 0: none
	using    sync.RWMutex // held while fd is in use, so that Close does not give it away
}

// writeWait bounds how long a send waits for room in the socket's buffer: later media is of no use.
const writeWait = 5 * time.Millisecond

// errFull says that there was no room in the socket's buffer for writeWait.
var errFull = errors.New("the socket's send buffer is full")

// detach takes a socket out of the runtime's poller.
func (s netSocket) detach() (*pollSocket, error) {
	fd := -1
	var err error
	if ctl := s.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); ctl != nil {
		return nil, ctl
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	// Closing the original takes it out of the runtime's epoll set; the duplicate was never in it.
	if err := s.conn.Close(); err != nil {
		unix.Close(fd)
		unix.Close(wake)
		return nil, err
	}
	return &pollSocket{fd: fd, wake: wake}, nil
}

func (s *pollSocket) Control(f func(uintptr)) error {
	s.using.RLock()
	defer s.using.RUnlock()
	if s.closed.Load() {
		return net.ErrClosed
	}
	f(uintptr(s.fd))
	return nil
}

func (s *pollSocket) Read(f func(uintptr) bool) error {
	s.using.RLock()
	defer s.using.RUnlock()
	for {
		if s.closed.Load() {
			return net.ErrClosed
		}
		if f(uintptr(s.fd)) {
			return nil
		}
		wait := time.Duration(-1)
		if at := s.deadline.Load(); at != 0 {
			if wait = time.Until(time.Unix(0, at)); wait <= 0 {
				return os.ErrDeadlineExceeded
			}
		}
		fds := [2]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
		poll(fds[:], wait)
		if fds[1].Revents != 0 {
			clearEvent(s.wake)
		}
	}
}

func (s *pollSocket) Write(f func(uintptr) bool) error {
	s.using.RLock()
	defer s.using.RUnlock()
	var until time.Time
	for {
		if s.closed.Load() {
			return net.ErrClosed
		}
		if f(uintptr(s.fd)) {
			return nil
		}
		now := time.Now()
		if until.IsZero() {
			until = now.Add(writeWait)
		}
		if !now.Before(until) {
			return errFull
		}
		fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
		poll(fds[:], until.Sub(now))
	}
}

func (s *pollSocket) SetReadDeadline(t time.Time) error {
	at := int64(0)
	if !t.IsZero() {
		at = max(t.UnixNano(), 1)
	}
	s.deadline.Store(at)
	raiseEvent(s.wake)
	return nil
}

func (s *pollSocket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	raiseEvent(s.wake)
	s.using.Lock()
	defer s.using.Unlock()
	unix.Close(s.wake)
	return unix.Close(s.fd)
}

// poll waits for any of fds; negative: without a bound. Interruptions and faults end it like readiness.
func poll(fds []unix.PollFd, wait time.Duration) {
	var ts *unix.Timespec
	if wait >= 0 {
		t := unix.NsecToTimespec(int64(wait))
		ts = &t
	}
	_, _ = unix.Ppoll(fds, ts, nil)
}

// raiseEvent wakes whoever polls an eventfd.
func raiseEvent(fd int) {
	one := [8]byte{7: 1} // any value but zero and all ones, in either byte order
	_, _ = unix.Write(fd, one[:])
}

func clearEvent(fd int) {
	var b [8]byte
	_, _ = unix.Read(fd, b[:])
}
