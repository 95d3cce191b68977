package mmr

import (
	"container/list"
	"context"
	"net/http"
	"net/netip"
)

const (
	// maxPending bounds control channels without a hello: each costs a TLS connection.
	maxPending = 4000
	// maxPendingFrom bounds those of one address: an office comes to a meeting through one, at the same minute.
	maxPendingFrom = 64
)

// pending is the control channels that have not said hello yet: a page opens its own when its person comes to
// the lobby, so that a click costs no more than the hello. Guarded by Server.mu.
type pending struct {
	oldest list.List // of *waiter
	from   map[netip.Addr]*list.List
}

// waiter is one such channel.
type waiter struct {
	addr     netip.Addr
	end      context.CancelFunc
	all, own *list.Element // nil once it has left
}

// enter takes a channel in. Where there are too many the oldest goes, of the same address first: who waits
// longest is least likely to come, and can open another.
func (p *pending) enter(addr netip.Addr, end context.CancelFunc) *waiter {
	own := p.from[addr]
	switch {
	case own != nil && own.Len() >= maxPendingFrom:
		p.expel(own)
	case p.oldest.Len() >= maxPending:
		p.expel(&p.oldest)
	}
	own = p.from[addr] // which went with its last
	if own == nil {
		own = list.New()
		if p.from == nil {
			p.from = make(map[netip.Addr]*list.List)
		}
		p.from[addr] = own
	}
	w := &waiter{addr: addr, end: end}
	w.all, w.own = p.oldest.PushBack(w), own.PushBack(w)
	return w
}

func (p *pending) expel(of *list.List) {
	w := of.Front().Value.(*waiter)
	p.leave(w)
	w.end()
}

// leave forgets a channel that has said hello, or has ended. Twice is as good as once.
func (p *pending) leave(w *waiter) {
	if w.all == nil {
		return
	}
	p.oldest.Remove(w.all)
	own := p.from[w.addr]
	own.Remove(w.own)
	if own.Len() == 0 {
		delete(p.from, w.addr)
	}
	w.all, w.own = nil, nil
}

// clientAddr is the address a request came from; the zero one where that is no IP address.
func clientAddr(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap()
}
