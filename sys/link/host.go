package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Real is the host this process runs on.
func Real() Host { return realHost{} }

type realHost struct{}

// dialTimeout bounds one TCP connect when the caller's context does not: longer than any decision of
// the joining process waits, shorter than the two minutes of the kernel.
const dialTimeout = 30 * time.Second

// otherFamily is how long IPv6 may be silent before IPv4 is tried beside it (RFC 8305 section 8 allows no less). A
// join makes two or three connections one after the other, and IPv6 that leads nowhere costs this each time.
const otherFamily = 100 * time.Millisecond

func (realHost) ListenPacket(addr netip.AddrPort) (PacketConn, error) {
	if !addr.IsValid() {
		return nil, errors.New("listening on UDP: no address given")
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	c, err := listenUDP(addr)
	if err != nil && isWildcard6(addr) && errors.Is(err, syscall.EAFNOSUPPORT) {
		// A kernel without IPv6: [::] means "every address", so IPv4 alone is all there is.
		c, err = listenUDP(netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
	}
	if err != nil {
		return nil, listenError("UDP", addr, err)
	}
	return c, nil
}

func (realHost) Listen(addr netip.AddrPort) (net.Listener, error) {
	if !addr.IsValid() {
		return nil, errors.New("listening on TCP: no address given")
	}
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	network := "tcp"
	if addr.Addr().Is4() {
		network = "tcp4"
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), network, addr.String())
	if err != nil && isWildcard6(addr) && errors.Is(err, syscall.EAFNOSUPPORT) {
		ln, err = lc.Listen(context.Background(), "tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()).String())
	}
	if err != nil {
		return nil, listenError("TCP", addr, err)
	}
	return ln, nil
}

func (realHost) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, FallbackDelay: otherFamily}
	return d.DialContext(ctx, network, addr)
}

// bindUDP opens the socket in the family the address asks for: [::] is dual-stack, 0.0.0.0 IPv4 alone.
func bindUDP(addr netip.AddrPort, lc net.ListenConfig) (*net.UDPConn, error) {
	network := "udp"
	switch {
	case addr.Addr().Is4():
		network = "udp4"
	case !isWildcard6(addr):
		network = "udp6"
	}
	c, err := lc.ListenPacket(context.Background(), network, addr.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func isWildcard6(addr netip.AddrPort) bool {
	return addr.Addr().Is6() && addr.Addr().IsUnspecified()
}

// listenError names the address and, where it is the cause, the port taken.
func listenError(proto string, addr netip.AddrPort, err error) error {
	if isInUse(err) {
		return fmt.Errorf("%s %v: %w", proto, addr, ErrInUse)
	}
	if errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%s %v needs a privilege to bind: %w", proto, addr, err)
	}
	return fmt.Errorf("listening on %s %v: %w", proto, addr, err)
}

// unmap gives an address in the form Message promises: IPv4 as IPv4.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// plain takes the wrapping off net's errors: they carry addresses, which must not reach a log.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
