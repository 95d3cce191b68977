package link

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout is how long the peer may leave sent bytes without an answer before the connection ends
// (TCP_USER_TIMEOUT): as long as consent lasts.
const userTimeout = 10 * time.Second

// setUnsent bounds the bytes the kernel takes ahead of what it sends (TCP_NOTSENT_LOWAT), and the time it
// waits for the peer's answer. Best effort. TCP_NODELAY is on by default in this language.
func setUnsent(c *net.TCPConn, bytes int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
	})
}

// setMark sets a connection's code point; of a dual-stack socket both, since either family may be under it.
func setMark(c *net.TCPConn, dscp uint8) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, int(dscp)<<2)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(dscp)<<2)
	})
}
