package link

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Share makes n sockets of one that was just bound: the kernel gives each the datagrams from every n-th
// port, so that n readers do not share a lock. What matches one of patient comes to each one's second
// socket, as with NewPoller, which must follow for each. The first was bound alone, so no other process
// has the port; who would join the group later gets nothing, for the program that chooses names these. nil
// without an error: c is not a socket of this kernel, or the kernel can't, and c is as it was.
func Share(c PacketConn, n int, patient ...Sieve) ([]PacketConn, error) {
	first, ok := c.(*udpConn)
	if !ok || n < 2 {
		return nil, nil
	}
	if _, ok := first.sock.(netSocket); !ok {
		return nil, nil
	}
	all := []*udpConn{first}
	err := first.reuse()
	for len(all) < n && err == nil {
		var next PacketConn
		if next, err = first.again(); err == nil {
			all = append(all, next.(*udpConn))
		}
	}
	for i := 0; i < len(all) && err == nil; i++ {
		u := all[i]
		var a *aside
		ctl := u.sock.Control(func(fd uintptr) { a, err = u.joinAside(int(fd)) })
		if ctl != nil {
			err = ctl
		}
		if err == nil {
			u.aside.Store(a)
		}
	}
	if err == nil {
		err = choose(first.sock, n, everyOf(n), patient)
	}
	if err != nil {
		for _, u := range all[1:] {
			u.Close()
		}
		if a := first.aside.Swap(nil); a != nil {
			a.sock.Close()
		}
		_ = first.sock.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 0) })
		return nil, nil
	}
	conns := make([]PacketConn, n)
	for i, u := range all {
		conns[i] = u
	}
	return conns, nil
}

// Steer has the kernel give what comes from now on to some of the sockets that Share made, by their places among
// them, each the datagrams from every so-many-th port. Best effort: whoever reads must hand on anyway.
func Steer(all []PacketConn, use []int, patient ...Sieve) {
	if len(all) < 2 || all[0] == all[1] || len(use) == 0 {
		return // one for all, where Share made none
	}
	first, ok := all[0].(*udpConn)
	if !ok {
		return
	}
	if a := first.aside.Load(); a != nil { // not the first itself, which NewPoller may be changing
		_ = choose(a.sock, len(all), use, patient)
	}
}

// choose has the kernel choose among n sockets and their seconds, of which s is one.
func choose(s socket, n int, use []int, patient []Sieve) error {
	var err error
	if ctl := s.Control(func(fd uintptr) { err = steer(int(fd), sieveProgram(patient, n, use...)) }); ctl != nil {
		return ctl
	}
	return err
}

// everyOf is 0 to n−1.
func everyOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// reuse lets others be bound to the address of c.
func (c *udpConn) reuse() error {
	var err error
	if ctl := c.sock.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); ctl != nil {
		return ctl
	}
	return err
}

// again binds another socket to the address of c.
func (c *udpConn) again() (PacketConn, error) {
	conn, err := bindUDP(c.local, net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if ctl := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); ctl != nil {
			return ctl
		}
		return err
	}})
	if err != nil {
		return nil, err
	}
	return newUDP(conn, c.local)
}
