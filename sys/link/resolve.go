package link

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Resolve finds the addresses of a name as a host would when it dials it.
func Resolve(ctx context.Context, h Host, name string) ([]netip.Addr, error) {
	r, ok := h.(interface {
		Resolve(ctx context.Context, name string) ([]netip.Addr, error)
	})
	if !ok {
		return nil, errors.New("this host can't resolve names")
	}
	return r.Resolve(ctx, name)
}

// AddressesOf are the addresses of a host, those it is reached at first.
func AddressesOf(h Host) []netip.Addr {
	if a, ok := h.(interface{ Addrs() []netip.Addr }); ok {
		return a.Addrs()
	}
	return nil
}

// Resolve asks the system.
func (realHost) Resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// Addrs are this machine's.
func (realHost) Addrs() []netip.Addr { return Addresses() }
