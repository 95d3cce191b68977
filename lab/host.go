package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/sys/link"
)

// HostOpts says what a host is made with.
type HostOpts struct {
	Addrs []netip.Addr // none: an address of 198.18.0.0/15, made from the order of the hosts
	IPv6  bool         // with no Addrs: an address of 2001:db8::/64 too
	Names []string     // DNS names besides the host's own
}

// Host is a machine of the net; a link.Host. Safe for concurrent use. Its fields are guarded by
// Net.mu.
type Host struct {
	n     *Net
	name  string
	index int

	addrs     []netip.Addr
	rules     []Rule
	down      bool
	udp       map[netip.AddrPort]*PacketConn
	listeners map[netip.AddrPort]*Listener
	conns     map[tuple]*Conn
	nextPort  uint16
}

var _ link.Host = (*Host)(nil)

// Ephemeral ports (RFC 6335 §6).
const firstEphemeral, lastEphemeral = 49152, 65535

// Host makes a machine. Names are unique; so are addresses.
func (n *Net) Host(name string, opts HostOpts) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts[name] != nil {
		panic("lab: two hosts named " + name)
	}
	h := &Host{n: n, name: name, index: len(n.hosts),
		udp: map[netip.AddrPort]*PacketConn{}, listeners: map[netip.AddrPort]*Listener{},
		conns: map[tuple]*Conn{}, nextPort: firstEphemeral}
	addrs := opts.Addrs
	if len(addrs) == 0 {
		i := h.index + 1
		addrs = append(addrs, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}))
		if opts.IPv6 {
			addrs = append(addrs, netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 14: byte(i >> 8), 15: byte(i)}))
		}
	}
	n.hosts[name] = h
	h.setAddrs(addrs)
	n.names[name] = addrs
	for _, alias := range opts.Names {
		n.names[alias] = addrs
	}
	return h
}

func (h *Host) setAddrs(addrs []netip.Addr) {
	for _, a := range h.addrs {
		delete(h.n.routes, a)
	}
	h.addrs = nil
	for _, a := range addrs {
		a = a.Unmap()
		if other := h.n.routes[a]; other != nil {
			panic(fmt.Sprintf("lab: %s and %s both have %v", other.name, h.name, a))
		}
		h.n.routes[a] = h
		h.addrs = append(h.addrs, a)
	}
}

// Move gives the host other addresses, as a phone that changes networks: sockets bound to an old one
// reach nobody any more. Its name points at the new ones.
func (h *Host) Move(addrs ...netip.Addr) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.setAddrs(addrs)
	h.n.names[h.name] = h.addrs
}

// Name is the host's name.
func (h *Host) Name() string { return h.name }

// Addr is the host's first address.
func (h *Host) Addr() netip.Addr { return h.Addrs()[0] }

// Addrs is every address of the host, loopback excepted.
func (h *Host) Addrs() []netip.Addr {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return append([]netip.Addr(nil), h.addrs...)
}

// Block makes the host's firewall drop what it sends and a rule matches, besides earlier rules;
// loopback passes.
func (h *Host) Block(rules ...Rule) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.rules = append(h.rules[:len(h.rules):len(h.rules)], rules...)
}

// Unblock removes all the firewall's rules.
func (h *Host) Unblock() {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.rules = nil
}

// Down cuts the host off in silence, as a freeze or a pulled cable does: nothing leaves, nothing
// arrives, loopback neither. Its programs run on. Up ends it.
func (h *Host) Down() { h.setDown(true) }

// Up ends Down. Streams go on with their next retransmission.
func (h *Host) Up() { h.setDown(false) }

func (h *Host) setDown(down bool) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.down = down
}

// Kill closes every socket of the host, as the kernel does for a process that dies: peers of its
// streams get a reset, its own users net.ErrClosed. It may bind anew afterwards.
func (h *Host) Kill() {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	h.closeSocketsLocked(true)
}

func (h *Host) closeSocketsLocked(reset bool) {
	for _, c := range h.udp {
		c.closeLocked()
	}
	for _, l := range h.listeners {
		l.closeLocked()
	}
	for _, c := range sorted(h.conns) {
		if reset {
			c.reset()
		}
		c.closed = true
		c.end(net.ErrClosed)
	}
}

// owns tells whether a packet to a ends here.
func (h *Host) owns(a netip.Addr) bool { return a.IsLoopback() || h.n.routes[a] == h }

// Source is the address this host sends from to another now; the zero Addr where it has none of that family.
func (h *Host) Source(to netip.AddrPort) netip.Addr {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	a, _ := h.source(netip.IPv6Unspecified(), to.Addr())
	return a
}

// source picks the address to send from to dst, given where the socket is bound.
func (h *Host) source(bound, dst netip.Addr) (netip.Addr, bool) {
	if !bound.IsUnspecified() {
		return bound, bound.Is4() == dst.Is4()
	}
	if bound.Is4() && !dst.Is4() {
		return netip.Addr{}, false
	}
	if dst.IsLoopback() {
		return dst, true
	}
	for _, a := range h.addrs {
		if a.Is4() == dst.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// bindable checks an address to bind and picks a port where it has none. taken is how the protocol
// sees a port at an address.
func (h *Host) bindable(proto Proto, addr netip.AddrPort, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	switch a := addr.Addr(); {
	case h.n.closed:
		return addr, net.ErrClosed
	case !a.IsValid():
		return addr, fmt.Errorf("listening on %v: no address given", proto)
	case !a.IsUnspecified() && !h.owns(a):
		return addr, fmt.Errorf("listening on %v %v: %w", proto, addr, syscall.EADDRNOTAVAIL)
	}
	if addr.Port() != 0 {
		if h.conflict(addr, taken) {
			return addr, fmt.Errorf("%v %v: %w", proto, addr, link.ErrInUse)
		}
		return addr, nil
	}
	for range lastEphemeral - firstEphemeral {
		if addr = netip.AddrPortFrom(addr.Addr(), h.ephemeral()); !h.conflict(addr, taken) {
			return addr, nil
		}
	}
	return addr, fmt.Errorf("listening on %v: no free port: %w", proto, link.ErrInUse)
}

func (h *Host) ephemeral() uint16 {
	p := h.nextPort
	if h.nextPort++; h.nextPort == 0 || p == lastEphemeral {
		h.nextPort = firstEphemeral
	}
	return p
}

// conflict tells whether binding addr meets a socket there, a wildcard one, or under a wildcard.
func (h *Host) conflict(addr netip.AddrPort, taken func(netip.AddrPort) bool) bool {
	port := addr.Port()
	candidates := []netip.Addr{addr.Addr(), netip.IPv6Unspecified()}
	if addr.Addr().Is4() {
		candidates = append(candidates, netip.IPv4Unspecified())
	}
	if addr.Addr().IsUnspecified() {
		candidates = append(candidates, netip.IPv4Unspecified(), netip.IPv6Unspecified(),
			netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
		candidates = append(candidates, h.addrs...)
	}
	for _, a := range candidates {
		if addr.Addr().Is4() && a.Is6() && !a.IsUnspecified() {
			continue
		}
		if taken(netip.AddrPortFrom(a, port)) {
			return true
		}
	}
	return false
}

// bound finds what is bound for a destination: at the address itself, else at a wildcard.
func bound[T any](m map[netip.AddrPort]*T, dst netip.AddrPort) *T {
	if s := m[dst]; s != nil {
		return s
	}
	if dst.Addr().Is4() {
		if s := m[netip.AddrPortFrom(netip.IPv4Unspecified(), dst.Port())]; s != nil {
			return s
		}
	}
	return m[netip.AddrPortFrom(netip.IPv6Unspecified(), dst.Port())]
}

// resolve gives the addresses of a host name or literal.
func (h *Host) resolve(name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if name == "localhost" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if addrs := h.n.names[strings.TrimSuffix(name, ".")]; len(addrs) > 0 {
		return addrs, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// Resolve gives the addresses of a name or literal.
func (h *Host) Resolve(_ context.Context, name string) ([]netip.Addr, error) { return h.resolve(name) }

// patience is how long a dial of several addresses waits for each but the last.
const patience = 2 * time.Second

// Dial opens a TCP connection to "host:port", trying the name's addresses in turn: round trip,
// refusal, or, to where nobody answers, ETIMEDOUT after two minutes or the context's end.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	name, service, err := net.SplitHostPort(addr)
	if err != nil {
		return fail(err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return fail(fmt.Errorf("port %q: %w", service, err))
	}
	all, err := h.resolve(name)
	if err != nil {
		return fail(err)
	}
	err = syscall.ENETUNREACH
	for i, a := range all {
		switch {
		case network == "tcp4" && !a.Is4(), network == "tcp6" && !a.Is6():
			continue
		case network != "tcp" && network != "tcp4" && network != "tcp6":
			return fail(net.UnknownNetworkError(network))
		}
		attempt, cancel := ctx, func() {}
		if i < len(all)-1 {
			attempt, cancel = context.WithTimeout(ctx, patience)
		}
		var c *Conn
		c, err = h.dial(attempt, netip.AddrPortFrom(a, uint16(port)))
		cancel()
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			break
		}
	}
	return fail(err)
}
