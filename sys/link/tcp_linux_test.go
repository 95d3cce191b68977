package link

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStreamsAreMarkedAndBounded(t *testing.T) {
	s, _ := pair(t)
	m := message([]byte("x"))
	m.DSCP = 46
	s.WriteBatch([]Message{m})
	raw, err := s.pipe.(*framed).conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for _, c := range []struct {
			name             string
			level, opt, want int
		}{
			{"IP_TOS", unix.IPPROTO_IP, unix.IP_TOS, 46 << 2},
			{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, firstAhead},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10_000},
			{"TCP_THIN_LINEAR_TIMEOUTS", unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1},
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		} {
			if got, err := unix.GetsockoptInt(int(fd), c.level, c.opt); err != nil || got != c.want {
				t.Errorf("%s is %d, want %d: %v", c.name, got, c.want, err)
			}
		}
	})
}
