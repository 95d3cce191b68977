package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"parley/sys/link"
)

// sharedSockets is how many sockets all transports of a run on this machine share: enough for their
// receive buffers to hold a burst to a thousand receivers.
const sharedSockets = 8

// sockets moves the datagrams of all transports. Owned by the loop.
type sockets struct {
	host   link.Host
	merges bool // in some window
	merge  bool // now
	each   bool
	list   []socket
	next   uint32 // transports so far
	ms     []link.Message
	out    []link.Message // to be written, all by the same socket
	outOf  int
	arena  []byte

	retired uint64 // datagrams lost by sockets that are closed
}

type socket struct {
	conn link.PacketConn // nil: closed
	port []*transport    // by address, or the one that owns it
}

// loopback0 is the first address given to a transport.
const loopback0 = 127<<24 | 1<<16 | 1

// readLen is room for a datagram that is not merged.
const readLen = 2048

// open gives a transport a socket and an address. The server's address decides whether it can share.
func (s *sockets) open(t *transport, remote netip.AddrPort) error {
	shared := remote.Addr().IsLoopback() && remote.Addr().Is4() && !s.each
	want := sharedSockets
	if !shared {
		want = len(s.list) + 1
	}
	for len(s.list) < want {
		c, err := s.host.ListenPacket(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
		if err != nil {
			return fmt.Errorf("a socket for a transport: %w", err)
		}
		if s.merge && !link.Merge(c) {
			return errors.New("this system does not merge datagrams (UDP_GRO)")
		}
		s.list = append(s.list, socket{conn: c})
	}
	if s.ms == nil {
		size, n := readLen, 64
		if s.merges {
			size = link.MergeBufLen
		}
		room := make([]byte, n*size)
		s.ms = make([]link.Message, n)
		for i := range s.ms {
			s.ms[i].Buf = room[i*size : (i+1)*size]
		}
	}
	t.remote = remote
	if !shared {
		t.socket = len(s.list) - 1
		s.list[t.socket].port = []*transport{t}
		return nil
	}
	t.socket = int(s.next % sharedSockets)
	at := len(s.list[t.socket].port)
	s.list[t.socket].port = append(s.list[t.socket].port, t)
	s.next++
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], loopback0+uint32(at))
	t.local = netip.AddrFrom4(a)
	return nil
}

// setMerge lets the sockets receive with UDP_GRO from now on, or without.
func (s *sockets) setMerge(on bool) {
	if s.merge == on {
		return
	}
	s.merge = on
	for i := range s.list {
		switch c := s.list[i].conn; {
		case c == nil:
		case on:
			link.Merge(c)
		default:
			link.Unmerge(c)
		}
	}
}

// find is the transport a datagram arrived for.
func (k *socket) find(m *link.Message) *transport {
	if len(k.port) == 1 {
		return k.port[0]
	}
	if !m.Local.Is4() {
		return nil
	}
	a := m.Local.As4()
	at := binary.BigEndian.Uint32(a[:]) - loopback0
	if at >= uint32(len(k.port)) {
		return nil
	}
	return k.port[at]
}

// poll takes what has arrived. It reports whether there was anything.
func (s *sockets) poll(g *generator) bool {
	any := false
	for i := range s.list {
		k := &s.list[i]
		for k.conn != nil {
			n, ok, err := link.TryRead(k.conn, s.ms)
			if err != nil || !ok {
				if !ok {
					g.fault(errors.New("this system can't read without waiting"))
					g.cancel()
				}
				break
			}
			if n > 0 {
				any = true
				g.now = g.clock()
			}
			for j := range s.ms[:n] {
				m := &s.ms[j]
				if t := k.find(m); t != nil {
					g.arrived(t, m)
				}
			}
			if n < len(s.ms) {
				break
			}
		}
	}
	return any
}

// put queues a datagram of a transport; flush sends it.
func (s *sockets) put(t *transport, b []byte) {
	if len(s.out) > 0 && (s.outOf != t.socket || len(s.out) >= 64) || len(s.arena)+len(b) > cap(s.arena) {
		s.flush()
	}
	if s.arena == nil {
		s.arena = make([]byte, 0, 128<<10)
	}
	at := len(s.arena)
	s.arena = append(s.arena, b...)
	s.outOf = t.socket
	s.out = append(s.out, link.Message{Buf: s.arena[at:], N: len(b), Addr: t.remote, Local: t.local})
}

func (s *sockets) flush() {
	if len(s.out) > 0 {
		s.list[s.outOf].conn.WriteBatch(s.out)
	}
	s.out, s.arena = s.out[:0], s.arena[:0]
}

// overflow is what the sockets have lost for want of reading.
func (s *sockets) overflow() (n uint64) {
	n = s.retired
	for i := range s.list {
		if s.list[i].conn == nil {
			continue
		}
		if c, ok := link.CountersOf(s.list[i].conn); ok {
			n += c.Overflow
		}
	}
	return n
}

func (s *sockets) close() {
	for i := range s.list {
		if s.list[i].conn != nil {
			s.list[i].conn.Close()
		}
	}
}
