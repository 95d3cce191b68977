package rtc

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"parley/sys/link"
)

// straysPerSecond is for how many packets a second all transports of a host are looked through; a second's worth may
// be saved up. A thousand people behind one NAT that gives all of them other ports at once need 1,500: each of
// their 3,000 transports is found halfway on average. It is in proportion to what a shard carries: 26 ms of a second
// with those 3,000, however much is sent in their host's name (BenchmarkStray, 21 November 2026).
const (
	straysPerSecond = 1000
	strayCost       = time.Second / straysPerSecond
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

// rebound finds the transport of a peer whose NAT has changed its port, by the SSRC of its media: a check
// would tell only seconds later. The host must be the one media came from so far, so that nobody is sent
// what they did not ask for, and the packet must turn out authentic and new; media that moves to another
// host waits for a check. Without one it says why.
func (m *Mux) rebound(now time.Time, key pathKey, b []byte) (*Transport, Reason) {
	at := 8 // of the SSRC
	if isRTCP(b) {
		at = 4
	}
	h := m.hosts[hostKey{key.via, key.addr.Addr()}]
	if h == nil || len(b) < at+4 {
		return nil, ReasonUnknownAddr
	}
	h.left = min(h.left+max(now.Sub(h.at), 0), time.Second)
	if h.at = now; h.left < strayCost {
		return nil, ReasonStrays
	}
	ssrc := binary.BigEndian.Uint32(b[at:])
	i := slices.IndexFunc(h.transports, func(t *Transport) bool { return t.released && t.in.Knows(ssrc) })
	if i < 0 {
		h.left -= strayCost
		return nil, ReasonUnknownAddr
	}
	h.left -= strayCost * time.Duration(i) / time.Duration(len(h.transports))
	return h.transports[i], ReasonNone
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
				h = &host{left: time.Second, at: now}
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
