package tunnel

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/sys/bus"
	"parley/sys/link"
	"parley/wire/proto"
)

// freshFor is how long a server counts that is not heard of any more: three missed announcements.
const freshFor = 3 * time.Second

// maxServers bounds the registry: a bus has no more.
const maxServers = 20_000

// name is what clients call a server by.
type name struct{ zone, id string }

// target is an announced server.
type target struct {
	url      string            // base
	media    []netip.AddrPort  // a router's UDP 8801; nil for a controller
	meetings []proto.MeetingID // a router's
	marks    []int             // DSCP of a router's media; nil: the usual
	router   bool
	at       time.Time
}

// grants is the mark that datagrams to a router get where a client wishes for one: that, if media has it there.
func (t target) grants(wish int) uint8 {
	marks := t.marks
	if len(marks) == 0 {
		marks = []int{46, 34, 26}
	}
	if slices.Contains(marks, wish) {
		return uint8(wish & 63)
	}
	return 0
}

// registry is the servers that have announced themselves. Safe for concurrent use.
type registry struct {
	mu      sync.Mutex
	servers map[name]target
}

func newRegistry() *registry { return &registry{servers: map[name]target{}} }

func (g *registry) put(n name, t target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.servers) >= maxServers {
		for old, o := range g.servers {
			if t.at.Sub(o.at) > freshFor {
				delete(g.servers, old)
			}
		}
		if len(g.servers) >= maxServers {
			return
		}
	}
	g.servers[n] = t
}

// find is a server by name, if it lives.
func (g *registry) find(now time.Time, n name) (target, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.servers[n]
	return t, ok && now.Sub(t.at) <= freshFor
}

// hosts reports whether a router may be reached for a meeting: it hosts it, or none of these zones does yet.
func (g *registry) hosts(now time.Time, n name, t target, meeting proto.MeetingID, zones []string) bool {
	if slices.Contains(t.meetings, meeting) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for o, r := range g.servers {
		if o != n && slices.Contains(zones, o.zone) && now.Sub(r.at) <= freshFor && slices.Contains(r.meetings, meeting) {
			return false
		}
	}
	return true
}

// hearController takes an announcement in. The subject says who speaks: the bus lets a server speak for its
// own zone only.
func (s *Server) hearController(subject string, data []byte) {
	var a proto.ControllerAnnounce
	if json.Unmarshal(data, &a) != nil || !bus.ValidID(a.ID) || !bus.ValidID(a.Zone) || subject != fmt.Sprintf(proto.SubjectController, a.Zone, a.ID) {
		s.log.Warn("announcement of a controller refused", "subject", subject)
		return
	}
	s.registry.put(name{a.Zone, a.ID}, target{url: a.URL, at: time.Now()})
}

func (s *Server) hearRouter(subject string, data []byte) {
	var a proto.RouterAnnounce
	if json.Unmarshal(data, &a) != nil || !bus.ValidID(a.ID) || !bus.ValidID(a.Zone) || subject != fmt.Sprintf(proto.SubjectRouter, a.Zone, a.ID) {
		s.log.Warn("announcement of a router refused", "subject", subject)
		return
	}
	t := target{url: a.URL, router: true, marks: a.Marks, at: time.Now()}
	for _, c := range a.Candidates {
		if addr, err := netip.ParseAddrPort(c.Addr); err == nil && c.Rung == proto.UDP8801 {
			t.media = append(t.media, addr)
		}
	}
	for _, m := range a.Meetings {
		t.meetings = append(t.meetings, m.ID)
	}
	s.registry.put(name{a.Zone, a.ID}, t)
}

// errForbidden says that a server announces an address a tunnel does not go to.
var errForbidden = errors.New("its address is not one to go to")

// allowed refuses addresses that mean this machine or its own network's machinery, whoever announces them.
func (s *Server) allowed(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() {
		return s.cfg.Loopback
	}
	if in, ok := inside(a); ok && (in.IsLoopback() || !s.allowed(in)) {
		return false
	}
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsInterfaceLocalMulticast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// inside is the IPv4 address that a translator on the way would make of an IPv6 one: NAT64 (RFC 6052, RFC 8215), 6to4
// (RFC 3056), and the IPv4-compatible form (RFC 4291 §2.5.5.1).
func inside(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	switch hi := binary.BigEndian.Uint64(b[:]); {
	case hi == 0x64ff9b<<32 && binary.BigEndian.Uint32(b[8:]) == 0, hi>>16 == 0x64ff9b0001, hi == 0 && binary.BigEndian.Uint32(b[8:]) == 0:
		return netip.AddrFrom4([4]byte(b[12:])), true
	case hi>>48 == 0x2002:
		return netip.AddrFrom4([4]byte(b[2:])), true
	}
	return netip.Addr{}, false
}

// dial opens a connection to a server. A name is resolved once, and what was checked is what is dialled.
func (s *Server) dial(ctx context.Context, t target) (net.Conn, error) {
	u, err := url.Parse(t.url)
	if err != nil {
		return nil, errForbidden
	}
	if u.Host == "" {
		if s.cfg.Local == "" || !strings.HasPrefix(u.Path, "/") {
			return nil, errForbidden
		}
		return s.cfg.Host.Dial(ctx, "tcp", s.cfg.Local)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return s.dialChecked(ctx, u.Hostname(), port)
}

// dialChecked opens a connection to an address that a tunnel may go to.
func (s *Server) dialChecked(ctx context.Context, host, port string) (net.Conn, error) {
	addrs, err := link.Resolve(ctx, s.cfg.Host, host)
	if err != nil {
		return nil, err
	}
	err = errForbidden
	for _, a := range addrs {
		if !s.allowed(a) {
			continue
		}
		var c net.Conn
		if c, err = s.cfg.Host.Dial(ctx, "tcp", net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// mediaOf is the address of a router's UDP 8801 that this machine can send to.
func (s *Server) mediaOf(t target) (netip.AddrPort, bool) {
	mine := link.AddressesOf(s.cfg.Host)
	for _, a := range t.media {
		is4 := a.Addr().Unmap().Is4()
		if s.allowed(a.Addr()) && slices.ContainsFunc(mine, func(m netip.Addr) bool { return m.Unmap().Is4() == is4 }) {
			return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), true
		}
	}
	return netip.AddrPort{}, false
}
