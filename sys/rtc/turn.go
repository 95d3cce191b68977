package rtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v5"

	"parley/sys/link"
	"parley/wire/proto"
)

// turnRealm is the realm of the embedded TURN server (RFC 8489 §9.2).
const turnRealm = "parley"

const (
	// turnAllocateBy is how long a connection may be without an allocation: four round trips and patience.
	turnAllocateBy = 10 * time.Second
	// turnIdle ends a connection that says nothing at all: allocations are refreshed every few minutes.
	turnIdle = 15 * time.Minute
	// turnPort is the port of every relayed address: of the router's address, but not one it uses.
	turnPort = 49152
	// TURNOnlyPort stands for the router at its own addresses, as a peer of an allocation and nowhere else: a
	// browser that knows no other address of it stays on this rung (PROTOCOL.md §4.1).
	TURNOnlyPort = 49153
	// turnPeers bounds the streams of one allocation: a router has a handful of addresses.
	turnPeers = 8
)

var errNoRelay = errors.New("rtc: only UDP is relayed")

// TURNConfig is what ServeTURN needs; Refused may be nil.
type TURNConfig struct {
	// User is who a user name belongs to: at a router a ticket a check would be accepted for, since browsers
	// use the ICE credentials of their grant. Called from any goroutine. A connection is one user's: the first
	// name that belongs to anybody is the only one on it.
	User func(name string) (TURNUser, bool)
	// Refused counts packets and permissions for anybody but the user's peers.
	Refused *atomic.Uint64
}

// TURNUser is who uses a TURN connection, and what for; every field is required.
type TURNUser struct {
	Password string
	// Peers are a router's addresses: nothing else is relayed to.
	Peers []netip.AddrPort
	// Serve carries the packets of one peer address until the stream ends.
	Serve func(*link.Stream)
}

// ServeTURN is an embedded TURN server (RFC 8656) for one TLS connection of a browser that nothing else lets
// out (S11). There are no relay ports, and the only peer is a router, so there is nothing to be abused. It
// returns when the connection has ended.
func ServeTURN(conn net.Conn, cfg TURNConfig) error {
	r := &relay{conn: conn, cfg: cfg, out: make(chan relayed), over: make(chan struct{}), peers: map[netip.AddrPort]*relayPipe{}}
	l := &oneConn{conn: &turnConn{Conn: conn, relay: r}, over: r.over}
	srv, err := turn.NewServer(turn.ServerConfig{
		Realm:         turnRealm,
		LoggerFactory: silent{},
		InboundMTU:    link.MaxStreamPacket,
		AuthHandler: func(ra *turn.RequestAttributes) (string, []byte, bool) {
			u, ok := r.is(ra.Username)
			if !ok {
				return "", nil, false
			}
			return ra.Username, turn.GenerateAuthKey(ra.Username, turnRealm, u.Password), true
		},
		ListenerConfigs: []turn.ListenerConfig{{
			Listener: l, RelayAddressGenerator: r,
			PermissionHandler: func(_ net.Addr, ip net.IP) bool { return r.permits(ip) },
		}},
	})
	if err != nil {
		r.end()
		conn.Close()
		return fmt.Errorf("TURN server: %w", err)
	}
	timer := time.AfterFunc(turnAllocateBy, func() {
		if !r.allocated.Load() {
			conn.Close()
		}
	})
	defer timer.Stop()
	<-r.over
	srv.Close()
	r.wg.Wait()
	return nil
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	once atomic.Bool
	over chan struct{}
}

// Accept implements net.Listener.
func (l *oneConn) Accept() (net.Conn, error) {
	if !l.once.Swap(true) {
		return l.conn, nil
	}
	<-l.over
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l *oneConn) Close() error { return nil }

// Addr implements net.Listener.
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// turnConn is the client's connection as the TURN server sees it: it ends when it is idle, and its end is
// that of the relay.
type turnConn struct {
	net.Conn
	relay   *relay
	movedAt time.Time // of the deadline; of the reader
}

// Read implements net.Conn.
func (c *turnConn) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(c.movedAt) > time.Minute {
		c.movedAt = now
		if err := c.Conn.SetReadDeadline(now.Add(turnIdle)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

// Close implements net.Conn.
func (c *turnConn) Close() error {
	err := c.Conn.Close()
	c.relay.end()
	return err
}

// relay is the relayed side of one connection, in memory. Safe for concurrent use.
type relay struct {
	conn      net.Conn
	cfg       TURNConfig
	allocated atomic.Bool
	out       chan relayed  // to the client; unbuffered: what is taken is being written
	over      chan struct{} // closed by end
	wg        sync.WaitGroup

	mu     sync.Mutex
	closed bool
	name   string // of the user, "" before there is one
	user   TURNUser
	peers  map[netip.AddrPort]*relayPipe
}

// is reports whether a user name is this connection's.
func (r *relay) is(name string) (TURNUser, bool) {
	r.mu.Lock()
	user, known := r.user, r.name
	r.mu.Unlock()
	if known != "" || name == "" {
		return user, known == name && name != ""
	}
	user, ok := r.cfg.User(name)
	if !ok {
		return TURNUser{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.name == "" {
		r.name, r.user = name, user
	}
	return r.user, r.name == name
}

// known are the addresses the user may send to.
func (r *relay) known() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.user.Peers
}

// relayed is a packet on its way to the client.
type relayed struct {
	packet []byte // the sender's until taken
	from   netip.AddrPort
	taken  chan struct{}
}

// end closes all streams, once.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	close(r.over)
	for _, p := range r.peers {
		p.Close()
	}
}

func (r *relay) permits(ip net.IP) bool {
	addr, _ := netip.AddrFromSlice(ip)
	for _, p := range r.known() {
		if p.Addr() == addr.Unmap() {
			return true
		}
	}
	r.refuse()
	return false
}

func (r *relay) refuse() {
	if r.cfg.Refused != nil {
		r.cfg.Refused.Add(1)
	}
}

// Validate implements turn.RelayAddressGenerator.
func (r *relay) Validate() error { return nil }

// AllocatePacketConn implements turn.RelayAddressGenerator. The relayed address is a name for the client to
// use, and no socket.
func (r *relay) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	for _, p := range r.known() {
		if p.Addr().Is4() == (c.Network != "udp6") {
			r.allocated.Store(true)
			return r, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr(), turnPort)), nil
		}
	}
	return nil, nil, errNoRelay
}

// AllocateListener implements turn.RelayAddressGenerator.
func (*relay) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoRelay
}

// AllocateConn implements turn.RelayAddressGenerator.
func (*relay) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errNoRelay }

// ReadFrom implements net.PacketConn for the TURN server: the next packet for the client. The server has
// written the one before when it comes for the next.
func (r *relay) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case x := <-r.out:
		n := copy(b, x.packet)
		x.taken <- struct{}{} // has room for one
		return n, net.UDPAddrFromAddrPort(x.from), nil
	case <-r.over:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn for the TURN server: a packet of the client for an address of the router.
// It waits until the one before has been taken: a client that sends too fast fills its own connection.
func (r *relay) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, errNoRelay
	}
	addr := netip.AddrPortFrom(u.AddrPort().Addr().Unmap(), u.AddrPort().Port())
	p := r.peer(addr)
	if p == nil {
		r.refuse()
		return len(b), nil
	}
	p.push(b)
	return len(b), nil
}

// peer is the stream's pipe for one of the router's addresses; nil for anybody else's.
func (r *relay) peer(addr netip.AddrPort) *relayPipe {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := false
	for _, p := range r.user.Peers {
		known = known || p == addr || p.Addr() == addr.Addr() && addr.Port() == TURNOnlyPort
	}
	if p := r.peers[addr]; p != nil && !p.isClosed() {
		return p
	}
	if !known || r.closed || len(r.peers) >= turnPeers && r.peers[addr] == nil {
		return nil
	}
	p := &relayPipe{r: r, peer: addr, over: make(chan struct{}), taken: make(chan struct{}, 1)}
	p.cond.L = &p.mu
	r.peers[addr] = p
	st := link.NewStream(p, link.StreamConfig{Rung: proto.TLS443, Local: addr, Remote: clientOf(r.conn)})
	serve := r.user.Serve
	r.wg.Go(func() { serve(st) })
	return p
}

// Close implements net.PacketConn: the allocation has ended, and with it the connection's use.
func (r *relay) Close() error {
	r.conn.Close()
	r.end()
	return nil
}

// LocalAddr implements net.PacketConn.
func (r *relay) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(r.known()[0]) }

// SetDeadline implements net.PacketConn.
func (*relay) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (*relay) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (*relay) SetWriteDeadline(time.Time) error { return nil }

// clientOf is the address of a connection's client.
func clientOf(c net.Conn) netip.AddrPort {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return netip.AddrPortFrom(t.AddrPort().Addr().Unmap(), t.AddrPort().Port())
	}
	return netip.AddrPort{}
}

// relayPipe is a link.StreamPipe between an allocation and one address of the router.
type relayPipe struct {
	r     *relay
	peer  netip.AddrPort
	over  chan struct{}
	taken chan struct{}

	mu     sync.Mutex
	cond   sync.Cond
	packet []byte // of the client, not yet read; nil: none
	room   []byte // of packet, for the next one
	closed bool
	late   bool
	gen    int // of the deadline
	timer  *time.Timer
}

func (p *relayPipe) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *relayPipe) push(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.packet != nil && !p.closed {
		p.cond.Wait()
	}
	if !p.closed && len(b) > 0 {
		p.packet = append(p.room[:0], b...)
		p.room = p.packet
		p.cond.Broadcast()
	}
}

// ReadPacket implements link.StreamPipe.
func (p *relayPipe) ReadPacket(b []byte) (int, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.packet == nil {
		switch {
		case p.closed:
			return 0, false, net.ErrClosed
		case p.late:
			return 0, false, os.ErrDeadlineExceeded
		}
		p.cond.Wait()
	}
	n := copy(b, p.packet)
	p.packet = nil
	p.cond.Broadcast()
	return n, false, nil
}

// WriteFrames implements link.StreamPipe.
func (p *relayPipe) WriteFrames(frames []byte) error {
	for len(frames) > 0 {
		var packet []byte
		packet, frames = link.NextFrame(frames)
		select {
		case p.r.out <- relayed{packet, p.peer, p.taken}:
			<-p.taken // at once: it is a copy
		case <-p.over:
			return net.ErrClosed
		}
	}
	return nil
}

// SetReadDeadline implements link.StreamPipe.
func (p *relayPipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.gen++
	p.late = false
	if t.IsZero() || p.closed {
		return nil
	}
	gen := p.gen
	p.timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gen == gen {
			p.late = true
			p.cond.Broadcast()
		}
	})
	return nil
}

// Limit implements link.StreamPipe.
func (p *relayPipe) Limit(unsent int) { link.LimitUnsent(p.r.conn, unsent) }

// Mark implements link.StreamPipe.
func (p *relayPipe) Mark(dscp uint8) { link.Mark(p.r.conn, dscp) }

// Conn implements link.StreamPipe.
func (p *relayPipe) Conn() net.Conn { return p.r.conn }

// Close implements link.StreamPipe. The allocation stays: a client may come back to it.
func (p *relayPipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.over)
		if p.timer != nil {
			p.timer.Stop()
		}
		p.cond.Broadcast()
	}
	return nil
}
