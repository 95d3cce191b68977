//go:build !linux

package link

// withGSO: the portable path always cuts segments itself.
func withGSO(_ PacketConn, on bool) bool { return !on }
