package load

import (
	"fmt"
	"net/netip"
	"time"

	"parley/sys/link"
)

// moveEvery is how often a mover's addresses change port.
const moveEvery = time.Second

// moveDue gives the last cfg.Movers people new ports when it is time, as a NAT does that forgets: the
// host stays, nothing is announced, and what still comes to the old port for a while is counted.
func (g *generator) moveDue() {
	if g.cfg.Movers == 0 || g.phase != Measuring || g.now < g.moveAt {
		return
	}
	g.moveAt = g.now + int64(moveEvery)
	for _, p := range g.people[max(0, len(g.people)-g.cfg.Movers):] {
		g.movePorts(p, func(*transport) { g.res.Moves++ })
	}
}

// movePorts gives a person's transports ports of their own, new ones each time, and calls moved for each.
func (g *generator) movePorts(p *person, moved func(*transport)) {
	for _, t := range p.transports {
		if t == nil || t.out == nil {
			continue
		}
		if err := g.net.move(t); err != nil {
			g.fault(err)
			return
		}
		moved(t)
	}
}

// move gives a transport a socket of its own with a new port. The one it had before stays until the next
// move, for what is on its way there.
func (s *sockets) move(t *transport) error {
	s.flush()
	c, err := s.host.ListenPacket(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	if err != nil {
		return fmt.Errorf("a new port for a transport: %w", err)
	}
	if s.merge {
		link.Merge(c)
	}
	s.retire(t.ports[0])
	t.socket = len(s.list)
	t.ports = [2]int{t.ports[1], t.socket}
	s.list = append(s.list, socket{conn: c, port: []*transport{t}})
	return nil
}

// retire closes a socket that move made, and keeps what it has counted. Its place stays empty: others
// go by theirs. 0, which is never one of move's, is left alone.
func (s *sockets) retire(i int) {
	k := &s.list[i]
	if i == 0 || k.conn == nil {
		return
	}
	if c, ok := link.CountersOf(k.conn); ok {
		s.retired += c.Overflow
	}
	k.conn.Close()
	k.conn = nil
}
