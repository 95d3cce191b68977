package client

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/core/join"
	"parley/sys/link"
)

// families is the client's host: where IPv6 was found to lead nowhere, connections go over IPv4 first, and each saves the
// moment that silence costs. IPv6 keeps its chance behind it, since what was found may be over. Safe for concurrent use.
type families struct {
	link.Host
	four atomic.Bool // IPv4 first
	wg   sync.WaitGroup

	said join.Family // by the mind, the last time; owned by the loop
	kept bool        // what is written down of four; likewise
}

// otherFamily is how long one family may be silent before the other is tried beside it (RFC 8305 section 8).
const otherFamily = 100 * time.Millisecond

// Dial implements link.Host.
func (f *families) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if _, literal := netip.ParseAddr(host); !f.four.Load() || network != "tcp" || err != nil || literal == nil {
		return f.dial(ctx, network, addr)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		err  error
	}
	done := make(chan outcome)
	dial := func(network string) {
		c, err := f.Host.Dial(ctx, network, addr)
		select {
		case done <- outcome{c, err}:
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
		}
	}
	f.wg.Go(func() { dial("tcp4") })
	next := time.NewTimer(otherFamily)
	defer next.Stop()
	var first error
	for begun, ended := 1, 0; ; {
		select {
		case <-next.C:
			begun++
			f.wg.Go(func() { dial("tcp6") })
		case o := <-done:
			if o.err == nil {
				return o.conn, nil
			}
			if ended++; first == nil {
				first = o.err
			}
			if ended == 2 {
				return nil, first
			}
			if begun == 1 {
				next.Reset(0)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dial is the system's own choice, IPv6 first. Where IPv4 has won although it began later, it is first from now on.
func (f *families) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	began := time.Now()
	c, err := f.Host.Dial(ctx, network, addr)
	if err != nil || time.Since(began) < otherFamily {
		return c, err
	}
	if to, ok := c.RemoteAddr().(*net.TCPAddr); ok && to.AddrPort().Addr().Unmap().Is4() {
		f.wg.Go(func() {
			host, _, _ := net.SplitHostPort(addr)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			all, err := link.Resolve(ctx, f.Host, host)
			if err == nil && slices.ContainsFunc(all, func(a netip.Addr) bool { return a.Is6() && link.Source(f.Host, netip.AddrPortFrom(a, 443)).IsValid() }) {
				f.four.Store(true)
			}
		})
	}
	return c, nil
}

// Resolve finds a name's addresses, as link.Resolve wants it.
func (f *families) Resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	return link.Resolve(ctx, f.Host, name)
}

// Addrs are the machine's, as link.AddressesOf wants them.
func (f *families) Addrs() []netip.Addr { return link.AddressesOf(f.Host) }

// keepFamilies goes by what the probes say of IPv6 here too, and writes down what is news.
func (c *Client) keepFamilies(now time.Time) {
	f := c.families
	if said := c.mind.IPv6(); said != f.said {
		f.said = said
		if said != join.FamilyUnknown {
			f.four.Store(said == join.FamilySilent)
		}
	}
	if four := f.four.Load(); four != f.kept {
		f.kept = four
		c.keepOfNetwork(now, networkKey(), func(n *network) { n.FourFirst, n.At = four, now })
	}
}

// recall goes by what is remembered of the network this machine is in.
func (f *families) recall(n network) {
	f.four.Store(n.FourFirst)
	f.kept = n.FourFirst
}
