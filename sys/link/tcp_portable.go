//go:build !linux

package link

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// setUnsent makes the send buffer small where the system knows no bound on unsent bytes. Best effort.
func setUnsent(c *net.TCPConn, bytes int) { _ = c.SetWriteBuffer(4 * bytes) }

// setMark sets a connection's code point. Best effort: Windows marks by policy only.
func setMark(c *net.TCPConn, dscp uint8) {
	_ = ipv4.NewConn(c).SetTOS(int(dscp) << 2)
	_ = ipv6.NewConn(c).SetTrafficClass(int(dscp) << 2)
}
