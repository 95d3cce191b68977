package rtc

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/stun"
)

// check sends one connectivity check on a route (RFC 8445 §7.2.4). Every check nominates: there is one
// remote, and the router answers where authentic media comes from.
func (c *Conn) check(r *route, now time.Time) {
	var id stun.TxID
	rand.Read(id[:])
	c.mu.Lock()
	c.checks[c.nChecks%nChecks] = sentCheck{id, now, r}
	c.nChecks++
	r.sentAt = now
	r.nSent++
	c.mu.Unlock()

	b := stun.Build(make([]byte, 0, 256), stun.BindingRequest, id)
	b.Username(c.user)
	b.Priority(110<<24 | 65535<<8 | 255) // peer-reflexive, one component (RFC 8445 §5.1.2)
	b.Controlling(c.tie)
	b.UseCandidate()
	b.Integrity([]byte(c.cfg.Credentials.Password))
	b.Fingerprint()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.sendLocked(r, b.Bytes())
}

// answeredLocked takes an answer to a check: consent, the round trip, and a route that works.
func (c *Conn) answeredLocked(now time.Time, pc link.PacketConn, from netip.AddrPort, b []byte) {
	res, err := stun.Parse(b)
	if err != nil || res.Type() != stun.BindingSuccess {
		return
	}
	id := res.TxID()
	at := slices.IndexFunc(c.checks[:], func(s sentCheck) bool { return s.route != nil && s.id == id })
	if at < 0 {
		return
	}
	sent := c.checks[at]
	if sent.route.pc != pc || sent.route.remote != from || !res.CheckIntegrity([]byte(c.cfg.Credentials.Password)) {
		return
	}
	c.checks[at] = sentCheck{}
	c.heardAt = now
	if !sent.at.Before(sent.route.doubtAt) {
		sent.route.doubtAt = time.Time{}
	}
	cur := c.cur.Load()
	if cur == nil || cur == sent.route || !cur.answered {
		c.rtt = now.Sub(sent.at)
		c.mapped, _ = res.XORMappedAddress()
	}
	if sent.route.answered {
		return
	}
	sent.route.answered = true
	close(sent.route.works)
	if w := sent.route.way; !slices.ContainsFunc(c.routes, func(r *route) bool { return r.way == w && r != sent.route && r.answered }) {
		close(w.works)
	}
	switch {
	case cur == nil || !cur.answered:
		c.turnLocked(sent.route) // the first candidate is silent, this one is not
	case cur.way != sent.route.way:
		c.besideLocked(now, sent.route)
	}
	c.wakeChecks()
}

// keepChecking is the goroutine that checks until the transport ends.
func (c *Conn) keepChecking() {
	timer := time.NewTimer(consentEvery)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.kick:
			timer.Reset(c.untilCheck(time.Now()))
			continue
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(c.HeardAt()) >= clientLost {
			c.fail(ErrLost)
			return
		}
		c.retire(now)
		for _, r := range c.due(now) {
			c.check(r, now)
		}
		timer.Reset(c.untilCheck(now))
	}
}

// checkPace is how often a route is checked now, 0: not at all. Until one of its way answers: often; then
// that one alone, for consent.
func (c *Conn) checkPace(r *route) time.Duration {
	if r.answered && r.doubtAt.IsZero() {
		return consentEvery
	}
	for _, o := range c.routes {
		if !r.answered && o.way == r.way && o.answered {
			return 0
		}
	}
	if _, ok := r.pc.(*link.Stream); ok {
		return streamCheckEvery
	}
	// Addresses that stay silent are asked less and less: their checks would crowd a slow link.
	return checkEvery << min(r.nSent/8, 3)
}

// due is which routes to check now.
func (c *Conn) due(now time.Time) (out []*route) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.routes {
		if pace := c.checkPace(r); pace > 0 && now.Sub(r.sentAt) >= pace && r.way.ctx.Err() == nil {
			out = append(out, r)
		}
	}
	return out
}

// untilCheck is when to look again.
func (c *Conn) untilCheck(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := consentEvery
	if len(c.retired) > 0 {
		wait = retireAfter
	}
	for _, r := range c.routes {
		if pace := c.checkPace(r); pace > 0 && r.way.ctx.Err() == nil {
			wait = min(wait, r.sentAt.Add(pace).Sub(now))
		}
	}
	return max(wait, 0)
}

// retire closes the sockets left long enough ago.
func (c *Conn) retire(now time.Time) {
	c.mu.Lock()
	var gone []link.PacketConn
	c.retired = slices.DeleteFunc(c.retired, func(r retired) bool {
		if now.Sub(r.at) < retireAfter {
			return false
		}
		if i := slices.Index(c.sockets, r.pc); i >= 0 {
			c.sockets = slices.Delete(c.sockets, i, i+1)
		}
		c.routes = slices.DeleteFunc(c.routes, func(x *route) bool { return x.pc == r.pc })
		gone = append(gone, r.pc)
		return true
	})
	c.mu.Unlock()
	for _, pc := range gone {
		pc.Close() // a stream's waits for its writer
	}
}

// Recheck sends checks at once, and often until they are answered: this machine may be in another network now, and a
// router takes media from where a check came from. Sockets, keys and numbers stay.
func (c *Conn) Recheck() {
	now := time.Now()
	c.mu.Lock()
	for _, r := range c.routes {
		r.doubtAt, r.sentAt, r.nSent = now, time.Time{}, 0
	}
	c.mu.Unlock()
	c.wakeChecks()
}

// Rebind moves the transport to a new local socket, as after a change of network: same credentials, same
// keys, no handshake. It returns once the router has answered there, after one round trip; a round of
// media later the router sends there too. On error the transport stays where it was.
func (c *Conn) Rebind(ctx context.Context) error {
	old := c.cur.Load()
	if old == nil {
		return ErrNoCandidate
	}
	pc, err := c.listen(old.remote)
	if err != nil {
		return err
	}
	r := newRoute(pc, old.remote, old.way)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return c.err
	}
	c.routes = append(c.routes, r)
	c.mu.Unlock()
	c.spawn(func() { c.read(pc) })
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	c.check(r, time.Now())
	for waiting := true; waiting; {
		select {
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		case <-ctx.Done():
			c.leave(r.pc, time.Now().Add(-retireAfter))
			c.retire(time.Now())
			return context.Cause(ctx)
		case <-r.works:
			waiting = false
		case <-ticker.C:
			c.check(r, time.Now())
		}
	}
	c.cur.Store(r)
	c.leave(old.pc, time.Now())
	c.wakeChecks()
	return c.WriteRTCP(hello())
}

func (c *Conn) leave(pc link.PacketConn, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retireLocked(pc, at)
}

// retireLocked lets a socket go a second after at.
func (c *Conn) retireLocked(pc link.PacketConn, at time.Time) {
	if !slices.ContainsFunc(c.retired, func(r retired) bool { return r.pc == pc }) {
		c.retired = append(c.retired, retired{pc, at})
	}
}

// Probe asks a zone's UDP address for its round trip, and for this end's address as seen from there (S9). A
// padded probe is 1200 bytes both ways, which shows that the path carries media packets. It asks again
// every 500 ms until ctx ends.
func Probe(ctx context.Context, host link.Host, addr netip.AddrPort, padded bool) (rtt time.Duration, mapped netip.AddrPort, err error) {
	any := netip.IPv4Unspecified()
	if addr.Addr().Unmap().Is6() {
		any = netip.IPv6Unspecified()
	}
	pc, err := host.ListenPacket(netip.AddrPortFrom(any, 0))
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	defer pc.Close()
	size := 64
	if padded {
		size = 1200
	}
	defer context.AfterFunc(ctx, func() { pc.SetReadDeadline(time.Unix(1, 0)) })()
	sent := map[stun.TxID]time.Time{}
	ms := []link.Message{{Buf: make([]byte, readLen)}}
	for ctx.Err() == nil {
		var id stun.TxID
		rand.Read(id[:])
		b := stun.Build(make([]byte, 0, size), stun.BindingRequest, id)
		b.Padding(size - stun.HeaderLen - 4)
		now := time.Now()
		sent[id] = now
		if _, err := pc.WriteBatch([]link.Message{{Buf: b.Bytes(), N: b.Len(), Addr: addr}}); err != nil {
			return 0, netip.AddrPort{}, err
		}
		pc.SetReadDeadline(now.Add(probeEvery))
		if ctx.Err() != nil {
			break // the deadline just set may have undone the one of the end
		}
		for {
			if _, err := pc.ReadBatch(ms); err != nil {
				break
			}
			now := time.Now()
			res, err := stun.Parse(ms[0].Buf[:ms[0].N])
			if err != nil || res.Type() != stun.BindingSuccess || ms[0].Addr != addr || padded && res.Len() < size {
				continue
			}
			at, ours := sent[res.TxID()]
			mapped, ok := res.XORMappedAddress()
			if ours && ok {
				return now.Sub(at), mapped, nil
			}
		}
	}
	return 0, netip.AddrPort{}, context.Cause(ctx)
}

// probeEvery is how often an unanswered probe is repeated.
const probeEvery = 500 * time.Millisecond
