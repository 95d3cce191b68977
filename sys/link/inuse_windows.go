package link

import (
	"errors"
	"syscall"
)

// Winsock's own numbers; package syscall maps POSIX names to invented ones on Windows.
const (
	wsaEMsgSize     = syscall.Errno(10040)
	wsaEAddrInUse   = syscall.Errno(10048)
	wsaENetDown     = syscall.Errno(10050)
	wsaENetUnreach  = syscall.Errno(10051)
	wsaENetReset    = syscall.Errno(10052)
	wsaEConnReset   = syscall.Errno(10054)
	wsaENoBufs      = syscall.Errno(10055)
	wsaEHostUnreach = syscall.Errno(10065)
)

func isInUse(err error) bool { return errors.Is(err, wsaEAddrInUse) }

// isTransient tells, of a failed read, what an earlier datagram met from what befell the socket. A port
// unreachable message shows as WSAECONNRESET or WSAENETRESET on the next call.
func isTransient(err error) bool {
	for _, e := range []syscall.Errno{
		wsaEMsgSize, wsaENetDown, wsaENetUnreach, wsaENetReset, wsaEConnReset, wsaENoBufs,
		wsaEHostUnreach, syscall.WSAEACCES,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
