package link

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poller lets one thread wait for several sockets, and be woken, without the runtime's poller. It is for
// a loop that reads with TryRead and does all its work on the thread that reads: there a wake-up of a
// goroutine for each datagram costs more than everything done with it (bench "video 1→100", 20 November
// 2026: 50 µs for each change from idle to busy).
type Poller struct {
	fds    []unix.PollFd // the eventfd first, then the sockets, then what is set aside
	urgent int           // how many come before what is set aside

	mu   sync.Mutex
	wake int // guarded by mu; −1 once closed
}

// NewPoller takes the sockets out of the runtime's poller and makes one for them. Datagrams that match one
// of patient can wait: where the kernel allows they are set aside, for TryReadAside. nil without an error:
// they are not sockets of this kernel, and their ReadBatch is the way to read them.
func NewPoller(conns []PacketConn, patient ...Sieve) (*Poller, error) {
	for _, c := range conns {
		if u, ok := c.(*udpConn); !ok {
			return nil, nil
		} else if _, ok := u.sock.(netSocket); !ok {
			return nil, nil
		}
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &Poller{wake: wake, fds: []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}}}
	var set []unix.PollFd
	for _, c := range conns {
		u := c.(*udpConn)
		s, err := u.sock.(netSocket).detach()
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("taking a socket out of the runtime's poller: %w", err)
		}
		u.sock, u.reader.direct, u.writer.direct = s, true, true
		p.fds = append(p.fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
		if len(patient) > 0 && u.setAside(s, patient) {
			set = append(set, unix.PollFd{Fd: int32(u.aside.Load().sock.fd), Events: unix.POLLIN})
		}
	}
	p.urgent = len(p.fds)
	p.fds = append(p.fds, set...)
	slackMonitor()
	return p, nil
}

// SetsAside reports whether anything is set aside.
func (p *Poller) SetsAside() bool { return len(p.fds) > p.urgent }

// Wait returns when a datagram is there to read, set aside or not, when Wake was called, or after d;
// negative: without a bound. It may return for nothing.
func (p *Poller) Wait(d time.Duration) { p.wait(p.fds, d) }

// WaitUrgent is Wait that what is set aside does not end.
func (p *Poller) WaitUrgent(d time.Duration) { p.wait(p.fds[:p.urgent], d) }

// Pause is Wait that datagrams do not end: what arrives meanwhile is read together.
func (p *Poller) Pause(d time.Duration) { p.wait(p.fds[:1], d) }

// rawWait is how long a wait may be for the runtime not to be told of it: a shard that serves anybody. A thread it knows to be in the
// kernel is taken its P from and given another at each call, and the runtime's monitor looks every 20 µs
// whether to: 40 % of the processor's time in the measurement that led here. Untold, a stop of the world
// waits for us, but its signal ends the wait at once.
const rawWait = 100 * time.Millisecond

func (p *Poller) wait(fds []unix.PollFd, d time.Duration) {
	if d < 0 || d > rawWait {
		poll(fds, d)
	} else {
		start := time.Now()
		for left := d; rawPoll(fds, left) == unix.EINTR; {
			// The runtime wanted this thread for a moment; it got it on the way here.
			if left = d - time.Since(start); left <= 0 {
				break
			}
		}
	}
	if fds[0].Revents != 0 {
		clearEvent(int(fds[0].Fd))
	}
}

// rawPoll is a call of its own, for where one is the runtime may take the thread.
//
//go:noinline
func rawPoll(fds []unix.PollFd, d time.Duration) syscall.Errno {
	ts := unix.NsecToTimespec(int64(d))
	_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	return errno
}

// Wake ends a Wait or Pause, or the next one. Safe from any goroutine.
func (p *Poller) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wake >= 0 {
		raiseEvent(p.wake)
	}
}

// Close must follow the last Wait. The sockets stay open.
func (p *Poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := unix.Close(p.wake)
	p.wake = -1
	return err
}
