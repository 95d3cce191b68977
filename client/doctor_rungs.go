package client

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/stun"
)

// examineRungs tries every way of the ladder (S11) to a router of the best zone, for each medium with a socket,
// a connection and marks (S12) of its own. Without a meeting there are no keys, so a way works here when it
// answers a STUN check.
func (d *doctor) examineRungs(ctx context.Context) {
	z := d.seen.best()
	if z == nil {
		return
	}
	r := z.Routers[0]
	d.seen.marks, _ = marks(d.cfg.Marking, r.Marks)
	var wg sync.WaitGroup
	var mu sync.Mutex
	try := func(g proto.Group, rung proto.Rung, addr string, check func(ctx context.Context, s *seenRung) error) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, rungTimeout)
			defer cancel()
			s := seenRung{group: g, rung: rung, addr: addr, rtt: -1}
			if err := check(ctx, &s); err != nil {
				s.rtt = -1
				_, s.err = blame(err)
			}
			mu.Lock()
			defer mu.Unlock()
			d.seen.rungs = append(d.seen.rungs, s)
		})
	}
	for g, mark := range d.seen.marks {
		g := proto.Group(g)
		for _, c := range r.Candidates {
			switch c.Rung {
			case proto.UDP8801:
				try(g, c.Rung, c.Addr, func(ctx context.Context, s *seenRung) error { return d.checkUDP(ctx, s, mark) })
			case proto.TCP8801:
				try(g, c.Rung, c.Addr, func(ctx context.Context, s *seenRung) error {
					conn, err := d.host.Dial(ctx, "tcp", c.Addr)
					if err != nil {
						return err
					}
					s.rtt, err = checkStream(ctx, link.Framed(conn, c.Rung), mark)
					return err
				})
			}
		}
		router := absolute(d.site, r.URL)
		try(g, proto.TLS443, router, func(ctx context.Context, s *seenRung) error {
			ws, err := link.DialWebSocket(ctx, link.WSDial{Host: d.host, URL: router + "/media", TLS: d.cfg.TLS, MaxMessage: link.MaxStreamPacket})
			if err != nil {
				return err
			}
			s.rtt, err = checkStream(ctx, ws.Stream(proto.TLS443, netip.AddrPort{}), mark)
			return err
		})
	}
	for _, c := range r.Candidates {
		if c.Rung == proto.TLS443 && d.seen.turn == nil {
			s := &seenRung{rung: c.Rung, addr: c.Addr}
			d.seen.turn = s
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, rungTimeout)
				defer cancel()
				var err error
				if s.rtt, err = d.checkTURN(ctx, c.Addr); err != nil {
					s.rtt = -1
					_, s.err = blame(err)
				}
			})
		}
	}
	wg.Wait()
	order := func(s seenRung) int {
		return int(s.group)*1000 + slices.IndexFunc(r.Candidates, func(c proto.Candidate) bool { return c.Rung == s.rung && c.Addr == s.addr }) + rungOrder(s.rung)*100
	}
	slices.SortFunc(d.seen.rungs, func(a, b seenRung) int { return order(a) - order(b) })
}

// rungOrder is the ladder's.
func rungOrder(r proto.Rung) int {
	return slices.Index([]proto.Rung{proto.UDP8801, proto.TCP8801, proto.TLS443}, r)
}

var errNoAnswer = errors.New("no answer")

// checkUDP probes an address as media would, marked; where that is not answered, without the mark; and where it is,
// dressed as media, if the router knows that.
func (d *doctor) checkUDP(ctx context.Context, s *seenRung, dscp uint8) error {
	to, err := netip.ParseAddrPort(s.addr)
	if err != nil {
		return err
	}
	p, err := newProber(d.cfg.Host, family(to) == 1)
	if err != nil {
		return err
	}
	defer p.close()
	const tries, each = 5, 100 * time.Millisecond
	o := probeOf{length: probeLen, dscp: dscp, echo: true}
	b, last := p.burst(ctx, to, o, tries, each)
	if b.back == 0 && dscp != 0 {
		o.dscp = 0
		b, last = p.burst(ctx, to, o, tries, each)
		s.unmarked = b.back > 0
	}
	if b.back == 0 {
		return errNoAnswer
	}
	s.rtt, s.marked = b.least, last.marked
	if o.dressed = true; s.marked.told && !p.answers(ctx, to, o, b.least) {
		s.stunOnly = true
		return errNoAnswer
	}
	return nil
}

// answers reports whether one of several probes is answered, each given three round trips.
func (p *prober) answers(ctx context.Context, to netip.AddrPort, o probeOf, rtt time.Duration) bool {
	for range dressedTries {
		tctx, cancel := context.WithTimeout(ctx, max(3*rtt, 300*time.Millisecond))
		_, _, ok := p.ask(tctx, to, o)
		cancel()
		if ok {
			return true
		}
	}
	return false
}

// dressedTries is how many probes in a row have to get lost until it counts as a rule: one path in a thousand that
// loses a third of its packets.
const dressedTries = 6

// checkStream asks over a stream of packets, and closes it.
func checkStream(ctx context.Context, st *link.Stream, dscp uint8) (time.Duration, error) {
	defer st.Close()
	defer context.AfterFunc(ctx, func() { st.Close() })()
	var id stun.TxID
	rand.Read(id[:])
	m := stun.Build(nil, stun.BindingRequest, id)
	m.Padding(probeLen - stun.HeaderLen - 4)
	sent := time.Now()
	if _, err := st.WriteBatch([]link.Message{{Buf: m.Bytes(), N: m.Len(), Addr: st.RemoteAddr(), DSCP: dscp}}); err != nil {
		return 0, err
	}
	ms := []link.Message{{Buf: make([]byte, 2048)}}
	for {
		n, err := st.ReadBatch(ms)
		if err != nil {
			if ctx.Err() != nil {
				return 0, errNoAnswer
			}
			return 0, err
		}
		if n == 0 {
			continue
		}
		if res, err := stun.Parse(ms[0].Buf[:ms[0].N]); err == nil && res.Type() == stun.BindingSuccess && res.TxID() == id {
			return time.Since(sent), nil
		}
	}
}

// checkTURN asks a TURN server behind TLS without ALPN (RFC 8489 §6.2.2): the way of browsers. Without a host it is
// where the site is.
func (d *doctor) checkTURN(ctx context.Context, addr string) (time.Duration, error) {
	if strings.HasPrefix(addr, ":") {
		addr = net.JoinHostPort(d.site.Hostname(), addr[1:])
	}
	var conn net.Conn
	conn, err := d.host.DialTLS(ctx, "tcp", addr, d.tlsFor())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var id stun.TxID
	rand.Read(id[:])
	m := stun.Build(nil, stun.BindingRequest, id)
	sent := time.Now()
	if _, err := conn.Write(m.Bytes()); err != nil {
		return 0, err
	}
	b := make([]byte, stun.HeaderLen)
	if _, err := io.ReadFull(conn, b); err != nil {
		if ctx.Err() != nil {
			return 0, errNoAnswer
		}
		return 0, err
	}
	if !stun.IsSTUN(b) || [12]byte(b[8:20]) != [12]byte(id) {
		return 0, errors.New("something else answers in its place")
	}
	return time.Since(sent), nil
}
