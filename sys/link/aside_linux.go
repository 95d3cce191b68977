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
	if c.aside.Load() != nil {
		return true // made by Share
	}
	a, err := c.joinAside(main.fd)
	if err != nil {
		unix.SetsockoptInt(main.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
		return false
	}
	if steer(main.fd, sieveProgram(what, 1, 0)) != nil {
		a.sock.Close()
		unix.SetsockoptInt(main.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
		return false
	}
	c.aside.Store(a)
	return true
}

// joinAside makes the second socket of c, which is bound to main, in the group of that.
func (c *udpConn) joinAside(main int) (*aside, error) {
	sa, err := unix.Getsockname(main)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	domain := unix.AF_INET
	if _, six := sa.(*unix.SockaddrInet6); six {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	a := &aside{sock: &pollSocket{fd: fd, wake: wake}}
	if err = a.bind(main, domain, sa); err == nil {
		setBuffer(fd, unix.SO_RCVBUF, unix.SO_RCVBUFFORCE)
		err = c.tellAll(fd)
	}
	if err != nil {
		a.sock.Close()
		return nil, err
	}
	a.call = func(fd uintptr) bool {
		if !c.reader.move(unix.SYS_RECVMMSG, fd) {
			c.reader.done, c.reader.errno = 0, unix.EAGAIN
		}
		return true
	}
	return a, nil
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

// steer gives the group a socket is in the program that chooses among its sockets.
func steer(fd int, code []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		uintptr(unsafe.Pointer(&prog)), unsafe.Sizeof(prog), 0)
	if errno != 0 {
		return os.NewSyscallError("setsockopt", errno)
	}
	return nil
}

// sieveProgram is what the kernel runs on each datagram, to choose among 2 n sockets in the order they were
// bound: by the sender's port one of use, which are of the first n, or where the datagram can wait that one's
// second. The payload begins at 0, the network header at SKF_NET_OFF, and a load beyond the end gives the
// first socket.
func sieveProgram(what []Sieve, n int, use ...int) []unix.SockFilter {
	const netOff = 0xfff00000 // SKF_NET_OFF, −0x100000
	one := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	last := len(use) - 1
	var code []unix.SockFilter
	if last > 0 {
		code = []unix.SockFilter{
			one(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, netOff),
			one(unix.BPF_ALU|unix.BPF_RSH|unix.BPF_K, 4),
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 4, Jf: 2},
			one(unix.BPF_LD|unix.BPF_H|unix.BPF_ABS, netOff+20), // behind a header of IPv4
			one(unix.BPF_JMP|unix.BPF_JA, 1),
			one(unix.BPF_LD|unix.BPF_H|unix.BPF_ABS, netOff+40), // or IPv6
			one(unix.BPF_ALU|unix.BPF_MOD|unix.BPF_K, uint32(len(use))),
		}
	}
	for i, to := range use[:last] {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(i), Jf: 2},
			one(unix.BPF_LD|unix.BPF_IMM, uint32(to)),
			one(unix.BPF_JMP|unix.BPF_JA, uint32(3*(last-i)-2))) // past what is left of this choice
	}
	code = append(code, one(unix.BPF_LD|unix.BPF_IMM, uint32(use[last])))
	code = append(code, one(unix.BPF_ST, 0))
	for _, s := range what {
		// Where a byte is out of its range, on to the next sieve: past what is left of this one.
		code = append(code,
			one(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, 0),
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(s.First[0]), Jf: 7},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(s.First[1]), Jt: 6},
			one(unix.BPF_LD|unix.BPF_B|unix.BPF_ABS, 1),
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(s.Second[0]), Jf: 4},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: uint32(s.Second[1]), Jt: 3},
			one(unix.BPF_LD|unix.BPF_MEM, 0),
			one(unix.BPF_ALU|unix.BPF_ADD|unix.BPF_K, uint32(n)),
			one(unix.BPF_RET|unix.BPF_A, 0))
	}
	return append(code, one(unix.BPF_LD|unix.BPF_MEM, 0), one(unix.BPF_RET|unix.BPF_A, 0))
}

// tryReadAside is tryRead of what was set aside.
func (c *udpConn) tryReadAside(ms []Message) (int, error) {
	a := c.aside.Load()
	if a == nil || len(ms) == 0 {
		return 0, nil
	}
	return c.tryReadFrom(a.sock, a.call, &a.lost, ms)
}
