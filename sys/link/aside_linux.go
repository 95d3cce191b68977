package link

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aside is a second socket on the port of a polled one, to which the kernel gives what can wait: a
// datagram that wakes nobody costs a tenth of one that does.
type aside struct {
	sock *pollSocket
	lost atomic.Uint64 // datagrams nobody read in time
	call func(fd uintptr) bool
}

// setAside binds the second socket and tells the kernel which datagrams are for it. Best effort: false
// where this kernel can't, and then every datagram comes to the first. The first was bound alone, so
// nobody else has the port; who would join the two later gets nothing, for the program names these.
func (c *udpConn) setAside(main *pollSocket, what []Sieve) bool {
	sa, err := unix.Getsockname(main.fd)
	if err != nil {
		return false
	}
	domain := unix.AF_INET
	if _, six := sa.(*unix.SockaddrInet6); six {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return false
	}
	a := &aside{sock: &pollSocket{fd: fd, wake: wake}}
	if err = a.bind(main.fd, domain, sa); err == nil {
		setBuffer(fd, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE)
		if err = c.tellAll(fd); err == nil {
			err = steer(fd, what)
		}
	}
	if err != nil {
		a.sock.Close()
		unix.SetsockoptInt(main.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
		return false
	}
	a.call = func(fd uintptr) bool {
		if !c.reader.move(unix.SYS_RECVMMSG, fd) {
			c.reader.done, c.reader.errno = 0, unix.EAGAIN
		}
		return true
	}
	c.aside.Store(a)
	return true
}

func (a *aside) bind(main, domain int, sa unix.Sockaddr) error {
	if domain == unix.AF_INET6 {
		only, err := unix.GetsockoptInt(main, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err == nil {
			err = unix.SetsockoptInt(a.sock.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
		}
		if err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	for _, fd := range [...]int{main, a.sock.fd} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(a.sock.fd, sa))
}

// steer gives a group of two sockets the program that chooses between them: 0 is the one bound first.
func steer(fd int, what []Sieve) error {
	code := sieveProgram(what)
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog), 0)
	if errno != 0 {
		return os.NewSyscallError("setsockopt", errno)
	}
	return nil
}

// sieveProgram is what the kernel runs on each datagram: the payload begins at 0, and a load beyond its
// end gives 0, the first socket.
func sieveProgram(what []Sieve) []unix.SockFilter {
	var code []unix.SockFilter
	load := func(at uint32) {
		code = append(code, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: at})
	}
	for _, s := range what {
		// Where a byte is out of its range, on to the next sieve: past what is left of this one.
		load(0)
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(s.First[0]), Jf: 5},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(s.First[1]), Jt: 4})
		load(1)
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(s.Second[0]), Jf: 2},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(s.Second[1]), Jt: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1})
	}
	return append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0})
}

// tryReadAside is tryRead of what was set aside.
func (c *udpConn) tryReadAside(ms []Message) (int, error) {
	a := c.aside.Load()
	if a == nil || len(ms) == 0 {
		return 0, nil
	}
	return c.tryReadFrom(a.sock, a.call, &a.lost, ms)
}
