package link

import (
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lookAt is how to ask the kernel about a connection (TCP_INFO); nil where it is too old to say all that is wanted
// (before 4.19).
func lookAt(c *net.TCPConn) func(*held) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var info unix.TCPInfo
	told := false
	ask := func(fd uintptr) {
		size := uint32(unsafe.Sizeof(info))
		_, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		told = no == 0 && uintptr(size) >= unsafe.Offsetof(info.Dsack_dups)
	}
	look := func(h *held) bool {
		if raw.Control(ask) != nil || !told {
			return false
		}
		h.taken = info.Bytes_sent - info.Bytes_retrans + uint64(info.Notsent_bytes)
		h.acked = info.Bytes_acked
		if info.Min_rtt != ^uint32(0) {
			h.minRTT = time.Duration(info.Min_rtt) * time.Microsecond
		}
		return true
	}
	if !look(&held{}) {
		return nil
	}
	return look
}
