package link

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout is how long the peer may leave sent bytes without an answer before the connection ends
// (TCP_USER_TIMEOUT): as long as consent lasts.
const userTimeout = 10 * time.Second

// rtoMin is how long the kernel waits for an answer beyond the usual before it sends again (TCP_RTO_MIN_US, Linux 6.11):
// receivers hold answers back for 40 ms, and the kernel's own 200 ms are ten sounds.
const rtoMin = 80 * time.Millisecond

// setUnsent bounds the bytes the kernel takes ahead of what it sends (TCP_NOTSENT_LOWAT), and the time it
// waits for the peer's answer. Where little is under way it sends again without doubling that time each time
// (TCP_THIN_LINEAR_TIMEOUTS). Best effort. TCP_NODELAY is on by default in this language.
func setUnsent(c *net.TCPConn, bytes int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MIN_US, int(rtoMin/time.Microsecond))
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
