package link

import (
	"net"
	"net/netip"
)

// Addresses are the addresses of this machine that clients may be told: global and private ones of
// interfaces that are up, then loopback. Link-local ones are left out: they mean nothing without a zone.
func Addresses() []netip.Addr {
	var out, loop []netip.Addr
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch ip := p.Addr().Unmap(); {
		case ip.IsLoopback():
			loop = append(loop, ip)
		case ip.IsGlobalUnicast():
			out = append(out, ip)
		}
	}
	return append(out, loop...)
}

// Source is the address this machine sends from to another one now, as its routes are; the zero Addr where no route
// leads there. Nothing is sent. A Host with a method of this name is asked itself.
func Source(h Host, to netip.AddrPort) netip.Addr {
	if own, ok := h.(interface {
		Source(netip.AddrPort) netip.Addr
	}); ok {
		return own.Source(to)
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // connecting only looks the route up
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return unmap(c.LocalAddr().(*net.UDPAddr).AddrPort()).Addr()
}
