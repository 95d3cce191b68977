//go:build !linux

package link

// Share makes several sockets of one on Linux.
func Share(PacketConn, int, ...Sieve) ([]PacketConn, error) { return nil, nil }

// Steer chooses among the sockets that Share made.
func Steer([]PacketConn, []int, ...Sieve) {}
