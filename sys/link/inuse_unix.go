//go:build !windows

package link

import (
	"errors"
	"syscall"
)

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// isTransient tells, of a failed read, what an earlier datagram met (an ICMP error, a full buffer) from
// what befell the socket.
func isTransient(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
		syscall.EMSGSIZE, syscall.EPERM, syscall.EACCES, syscall.ENOBUFS, syscall.EINTR,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
