package rtc

import (
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
)

// straysPerSecond is for how many packets a second all transports of a host are looked through; straysSaved of them may be
// saved up, so that a thousand people behind one NAT that gives all of their 3,000 transports other ports at once are
// back within a second. It is in proportion to what a shard carries: with those 3,000 it is 13 ms of a second for
// media and 57 for reports, however much is sent in their host's name (BenchmarkStray, 21 November 2026).
const (
	straysPerSecond = 1000
	straysSaved     = 2000
	strayCost       = time.Second / straysPerSecond
	// straysOpened is for how many transports one of them is opened at most. Their SSRC alone does not tell: browsers
	// that send no media all report as 1 (libwebrtc), and a native client reports as one on all its transports.
	straysOpened = 4
)

// hostKey is a peer's host on one link.
type hostKey struct {
	via  link.PacketConn
	addr netip.Addr
}

// host is the transports that send from one host. Owned by the goroutine of the Mux.
type host struct {
	transports []*Transport
	left       time.Duration // for looking, as it was at at
	at         time.Time
}

// rebound finds the transport of a peer whose NAT has changed its port, by its media or reports: a check would tell only
// seconds later. The host must be the one media came from so far, so that nobody is sent what they did not ask for,
// and the packet must turn out authentic and new; media that moves to another host waits for a check. It returns the
// new path and the packet, decrypted in place, or says why there is none.
func (m *Mux) rebound(now time.Time, key pathKey, b []byte, rtcp bool) (*path, []byte, Reason) {
	h := m.hosts[hostKey{key.via, key.addr.Addr()}]
	if h == nil {
		return nil, nil, ReasonUnknownAddr
	}
	h.left = min(h.left+max(now.Sub(h.at), 0), straysSaved*strayCost)
	if h.at = now; h.left < strayCost {
		return nil, nil, ReasonStrays
	}
	h.left -= strayCost
	why := ReasonUnknownAddr
	for _, t := range h.likely(b, rtcp) {
		if t == nil {
			break
		}
		var plain []byte
		if plain, _, why = t.open(now, append(m.scratch[:0], b...), rtcp); why != ReasonNone {
			continue
		}
		was := t.sendPath
		p := t.addPath(now, key)
		p.checkedAt, p.priority, p.nominated = was.checkedAt, was.priority, was.nominated
		return p, b[:copy(b, plain)], ReasonNone
	}
	return nil, nil, why
}

// likely is whose a packet may be, most likely first: of those that have sent with its SSRC, whose next number it is or
// nearly so.
func (h *host) likely(b []byte, rtcp bool) (found [straysOpened]*Transport) {
	var by [straysOpened]uint64 // how far ahead of its newest it would be
	for _, t := range h.transports {
		if !t.released {
			continue
		}
		ahead := t.in.Ahead(b, rtcp)
		if ahead == 0 {
			continue
		}
		for i := range found {
			if found[i] == nil || ahead < by[i] {
				found[i], t, by[i], ahead = t, found[i], ahead, by[i]
			}
			if t == nil {
				break
			}
		}
	}
	return found
}

// settle keeps the index of who sends from where, when a transport's send path changes.
func (m *Mux) settle(now time.Time, t *Transport, to *path) {
	var was, is hostKey
	if from := t.sendPath; from != nil {
		was = hostKey{from.key.via, from.key.addr.Addr()}
	}
	if t.sendPath = to; to != nil {
		is = hostKey{to.key.via, to.key.addr.Addr()}
	}
	if was != is {
		if h := m.hosts[was]; h != nil {
			h.transports = slices.DeleteFunc(h.transports, func(x *Transport) bool { return x == t })
			if len(h.transports) == 0 {
				delete(m.hosts, was)
			}
		}
		if to != nil {
			h := m.hosts[is]
			if h == nil {
				h = &host{left: straysSaved * strayCost, at: now}
				m.hosts[is] = h
			}
			h.transports = append(h.transports, t)
		}
	}
	if to == nil {
		return
	}
	before := t.rung
	if t.rung = rungOf(to.key.via); before != "" && before != t.rung && m.cfg.Moved != nil {
		m.cfg.Moved(now, t)
	}
}
