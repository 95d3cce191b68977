package rtc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/proto"
)

// errWayClosed says that a way was given up from this side.
var errWayClosed = errors.New("rtc: way closed")

// Way is one rung of the ladder on which a transport tries to reach its router (S11). Several may be tried
// at once: they share the transport's credentials, keys and sequence numbers, so media moves from one to
// another without a gap. The router sends where authentic packets come from.
//
//	Try ──► trying ──check answered, keys stand──► up ──Use──► in use
//	           └──────────── Close, socket gone ───┴──────────────┴──► over
type Way struct {
	c      *Conn
	rung   proto.Rung
	ctx    context.Context // of its dials
	cancel context.CancelCauseFunc
	works  chan struct{} // closed with the first answer of a route
	proof  chan struct{} // closed when something else than answers to checks has come over it
	once   sync.Once
	proven sync.Once

	heardAt time.Time // of the last authentic packet over it; guarded by Conn.mu
}

// carried takes note of what has come over the way: DTLS, or a packet that is authentic.
func (w *Way) carried() { w.proven.Do(func() { close(w.proof) }) }

// Try begins to reach the router over a rung. Candidates of other rungs are left out; TLS 443 needs none.
// What goes wrong is told by Wait.
func (c *Conn) Try(rung proto.Rung, remote []proto.Candidate) *Way {
	w := &Way{c: c, rung: rung, works: make(chan struct{}), proof: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancelCause(c.ctx)
	c.mu.Lock()
	if c.err == nil {
		c.ways = append(c.ways, w)
	}
	c.mu.Unlock()
	addrs := addresses(rung, remote)
	var err error
	switch rung {
	case proto.UDP8801:
		err = w.overUDP(addrs)
	case proto.TCP8801:
		err = w.overTCP(addrs)
	case proto.TLS443:
		err = w.overTLS()
	default:
		err = ErrNoCandidate
	}
	if err != nil {
		w.end(err)
	}
	return w
}

// addresses are those of one rung that can be read.
func addresses(rung proto.Rung, remote []proto.Candidate) []netip.AddrPort {
	var out []netip.AddrPort
	for _, r := range remote {
		if r.Rung != rung || len(out) >= maxRoutes {
			continue
		}
		if addr, err := netip.ParseAddrPort(r.Addr); err == nil {
			out = append(out, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
		}
	}
	return out
}

// overUDP binds a socket per address family and makes a route of every address.
func (w *Way) overUDP(addrs []netip.AddrPort) error {
	sockets := map[bool]link.PacketConn{}
	var routes []*route
	var firstErr error
	for _, addr := range addrs {
		v6 := addr.Addr().Is6()
		pc := sockets[v6]
		if pc == nil {
			var err error
			if pc, err = w.c.listen(addr); err != nil {
				if firstErr == nil {
					firstErr = err
				}
				continue
			}
			sockets[v6] = pc
		}
		routes = append(routes, newRoute(pc, addr, w))
	}
	if len(routes) == 0 {
		if firstErr != nil {
			return fmt.Errorf("%w: %w", ErrNoCandidate, firstErr)
		}
		return ErrNoCandidate
	}
	w.c.add(routes)
	for _, pc := range sockets {
		w.c.spawn(func() { w.c.read(pc) })
	}
	return nil
}

// overTCP connects to every address at once; each that answers is a route.
func (w *Way) overTCP(addrs []netip.AddrPort) error {
	if len(addrs) == 0 {
		return ErrNoCandidate
	}
	var mu sync.Mutex
	left := len(addrs)
	for _, addr := range addrs {
		w.c.spawn(func() {
			conn, err := w.c.cfg.Host.Dial(w.ctx, "tcp", addr.String())
			if err == nil {
				w.stream(link.Framed(conn, w.rung))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				w.end(fmt.Errorf("connecting to the router: %w", err))
			}
		})
	}
	return nil
}

// overTLS opens the stream its owner knows how to.
func (w *Way) overTLS() error {
	if w.c.cfg.TLS == nil {
		return ErrNoCandidate
	}
	w.c.spawn(func() {
		s, err := w.c.cfg.TLS(w.ctx)
		if err != nil {
			w.end(err)
			return
		}
		w.stream(s)
	})
	return nil
}

// stream makes a route of a connection that stands.
func (w *Way) stream(s *link.Stream) {
	c := w.c
	c.mu.Lock()
	if c.err != nil || w.ctx.Err() != nil {
		c.mu.Unlock()
		s.Close()
		return
	}
	c.sockets = append(c.sockets, s)
	c.mu.Unlock()
	c.add([]*route{newRoute(s, s.RemoteAddr(), w)})
	c.spawn(func() { c.read(s) })
}

// listen binds a socket of the family of a remote address. The Conn closes it.
func (c *Conn) listen(remote netip.AddrPort) (link.PacketConn, error) {
	any := netip.IPv4Unspecified()
	if remote.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	pc, err := c.cfg.Host.ListenPacket(netip.AddrPortFrom(any, 0))
	if err != nil {
		return nil, fmt.Errorf("binding a media socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		pc.Close()
		return nil, c.err
	}
	c.sockets = append(c.sockets, pc)
	return pc, nil
}

// add takes routes in and sends the first check on each; on a transport without a route, or where the others have
// brought DTLS no answer for a while, what it has to say follows at once.
func (c *Conn) add(routes []*route) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if routes[0].way.ctx.Err() != nil { // given up meanwhile
		for _, r := range routes {
			c.retireLocked(r.pc, time.Time{})
		}
		c.mu.Unlock()
		return
	}
	c.routes = append(c.routes, routes...)
	first := c.cur.Load() == nil
	c.mu.Unlock()
	now := time.Now()
	for _, r := range routes {
		c.check(r, now)
	}
	c.mu.Lock()
	if first && c.cur.Load() == nil {
		c.turnLocked(routes[0])
	} else {
		c.besideLocked(now, routes[0])
	}
	c.mu.Unlock()
	c.wakeChecks()
}

// spawn starts a goroutine that Close waits for; none once the transport has ended.
func (c *Conn) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.wg.Go(f)
	}
}

// wakeChecks makes keepChecking look at once.
func (c *Conn) wakeChecks() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Rung is the step of the ladder.
func (w *Way) Rung() proto.Rung { return w.rung }

// Port is the router's port that the way goes to; 0 where it has not answered.
func (w *Way) Port() uint16 {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.routes, func(r *route) bool { return r.way == w && r.answered })
	if at < 0 {
		return 0
	}
	return c.routes[at].remote.Port()
}

// Carries is closed once something else than answers to checks has come over the way.
func (w *Way) Carries() <-chan struct{} { return w.proof }

// HeardAt is when the last authentic packet came over this way, zero before the first: what comes over another way of
// the same transport says nothing of it.
func (w *Way) HeardAt() time.Time {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return w.heardAt
}

// A way that has carried nothing yet is tried with a few packets, so often.
const (
	proveEvery = 100 * time.Millisecond
	maxProofs  = 10
)

// Wait returns when the router has answered over this way, keys stand, and something else than answers to
// checks has come over it; or with the reason why that can't be any more.
func (w *Way) Wait(ctx context.Context) error {
	for _, ready := range [...]chan struct{}{w.works, w.c.stands} {
		select {
		case <-ready:
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	// The router sends where authentic packets come from, until they come from elsewhere again: so the answer to
	// this is a packet of its own over this way. A few are enough: what it sends here meanwhile may be lost.
	timer := time.NewTimer(proveEvery)
	defer timer.Stop()
	for asked := 0; ; {
		select {
		case <-w.proof:
			return nil
		default:
		}
		if asked++; asked <= maxProofs {
			if err := w.ask(); err != nil {
				return err
			}
			timer.Reset(proveEvery)
		}
		select {
		case <-w.proof:
			return nil
		case <-timer.C:
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ask sends the shortest authentic packet over the way, whichever is in use, and a check before it: a router that has
// had too many addresses of this transport may have forgotten this one.
func (w *Way) ask() error {
	c := w.c
	c.mu.Lock()
	at := slices.IndexFunc(c.routes, func(r *route) bool { return r.way == w && r.answered })
	if at < 0 {
		c.mu.Unlock()
		return ErrNoCandidate
	}
	r := c.routes[at]
	c.mu.Unlock()
	c.check(r, time.Now())
	return c.writeOn(r, hello(), (*srtp.Context).SealRTCP)
}

// Done is closed when the way is over; Err then says why.
func (w *Way) Done() <-chan struct{} { return w.ctx.Done() }

// Err is why the way is over, nil while it is not.
func (w *Way) Err() error { return context.Cause(w.ctx) }

// Use moves the transport to this way: packets go over it from now on, and after a round of media those
// of the router too. The way left behind still receives.
func (w *Way) Use() error {
	c := w.c
	c.mu.Lock()
	at := slices.IndexFunc(c.routes, func(r *route) bool { return r.way == w && r.answered })
	if at < 0 || c.err != nil {
		c.mu.Unlock()
		return ErrNoCandidate
	}
	was := c.cur.Load()
	if was == nil || was.way != w {
		c.cur.Store(c.routes[at])
	}
	c.mu.Unlock()
	c.wakeChecks()
	if was != nil && was.way == w {
		return nil
	}
	return c.WriteRTCP(hello())
}

// Close gives the way up. What the router has already sent over it is still received for a second, where
// the transport has another way; where it has none, the transport ends.
func (w *Way) Close() { w.end(errWayClosed) }

// end takes the way off its transport, once.
func (w *Way) end(why error) {
	w.once.Do(func() {
		w.cancel(why)
		c := w.c
		c.mu.Lock()
		c.ways = slices.DeleteFunc(c.ways, func(x *Way) bool { return x == w })
		last := len(c.ways) == 0
		now := time.Now()
		for _, r := range c.routes {
			if r.way == w {
				c.retireLocked(r.pc, now)
			}
		}
		if cur := c.cur.Load(); cur != nil && cur.way == w && !last {
			c.turnAwayLocked(w)
		}
		c.mu.Unlock()
		if last {
			if errors.Is(why, errWayClosed) {
				why = ErrClosed
			}
			c.fail(why)
		}
		c.wakeChecks()
	})
}

// turnAwayLocked goes on over the best other way: one that has answered, else any.
func (c *Conn) turnAwayLocked(from *Way) {
	var best *route
	for _, r := range c.routes {
		if r.way != from && (best == nil || r.answered && !best.answered) {
			best = r
		}
	}
	if best != nil {
		c.turnLocked(best)
	}
}

// lose takes note of a socket that has ended: the way with no other is over.
func (c *Conn) lose(pc link.PacketConn, err error) {
	c.mu.Lock()
	var way *Way
	others := false
	for _, r := range c.routes {
		if r.pc == pc {
			way = r.way
		}
	}
	for _, r := range c.routes {
		others = others || r.way == way && r.pc != pc
	}
	leaving := slices.ContainsFunc(c.retired, func(r retired) bool { return r.pc == pc })
	c.mu.Unlock()
	if way != nil && !others && !leaving {
		way.end(err)
	}
}
