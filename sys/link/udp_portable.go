//go:build !linux

package link

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// portableConn is a UDP socket of a system without recvmmsg and sendmmsg: one call for each datagram.
// The system chooses the source address; segmented messages are cut here.
type portableConn struct {
	conn  *net.UDPConn
	local netip.AddrPort
	v4    *ipv4.Conn
	v6    *ipv6.Conn // nil for an IPv4 socket
	recv  int
	send  int
	meter meter

	mu   sync.Mutex
	dscp uint8 // guarded by mu: the mark the socket carries now
}

func listenUDP(addr netip.AddrPort) (PacketConn, error) {
	conn, err := bindUDP(addr, net.ListenConfig{})
	if err != nil {
		return nil, err
	}
	c := &portableConn{conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), v4: ipv4.NewConn(conn)}
	if !isWildcard6(c.local) {
		c.local = unmap(c.local)
	}
	if c.local.Addr().Is6() {
		c.v6 = ipv6.NewConn(conn)
	}
	c.recv, c.send = bestBuffer(conn.SetReadBuffer), bestBuffer(conn.SetWriteBuffer)
	return c, nil
}

// bestBuffer halves the wish until the system grants it.
func bestBuffer(set func(int) error) int {
	for n := SocketBuffer; n >= 64<<10; n /= 2 {
		if set(n) == nil {
			return n
		}
	}
	return 0
}

func (c *portableConn) ReadBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	m := &ms[0]
	for {
		n, from, err := c.conn.ReadFromUDPAddrPort(m.Buf)
		if err != nil && n == 0 {
			if errors.Is(err, net.ErrClosed) || !isTransient(err) {
				return 0, plain(err)
			}
			continue // an ICMP error of some earlier datagram: reading it has cleared it
		}
		m.N, m.Addr, m.Local = n, unmap(from), netip.Addr{}
		if !c.local.Addr().IsUnspecified() {
			m.Local = c.local.Addr()
		}
		c.meter.received.Add(1)
		return 1, nil
	}
}

func (c *portableConn) WriteBatch(ms []Message) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ms {
		m := &ms[i]
		c.mark(m.DSCP & 63)
		step := m.N
		if m.Segment > 0 && m.Segment < m.N {
			step = m.Segment
		}
		for off := 0; off < m.N || off == 0; off += max(step, 1) {
			_, err := c.conn.WriteToUDPAddrPort(m.Buf[off:min(off+step, m.N)], m.Addr)
			switch {
			case err == nil:
				c.meter.sent.Add(1)
			case errors.Is(err, net.ErrClosed):
				return i, net.ErrClosed
			default:
				c.meter.skipped.Add(1)
			}
		}
	}
	return len(ms), nil
}

// mark sets the socket's code point where it differs. Best effort: Windows marks by policy only.
func (c *portableConn) mark(dscp uint8) {
	if dscp == c.dscp {
		return
	}
	c.dscp = dscp
	_ = c.v4.SetTOS(int(dscp) << 2)
	if c.v6 != nil {
		_ = c.v6.SetTrafficClass(int(dscp) << 2)
	}
}

func (c *portableConn) LocalAddr() netip.AddrPort { return c.local }

func (c *portableConn) SetReadDeadline(t time.Time) error { return plain(c.conn.SetReadDeadline(t)) }

func (c *portableConn) Close() error { return plain(c.conn.Close()) }

func (c *portableConn) features() Features {
	return Features{GrantedRecv: c.recv, GrantedSend: c.send}
}

func (c *portableConn) counters() Counters { return c.meter.counters() }
