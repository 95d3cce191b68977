package mmr

import (
	"log/slog"

	"parley/sys/link"
)

// Sockets is what the system grants the plane's UDP sockets: of several the least, and what all of them lost.
type Sockets struct {
	GSO      bool   // a receiver's packets leave as one send (UDP_SEGMENT)
	GRO      bool   // a sender's packets arrive as one (UDP_GRO)
	Aside    bool   // what can wait wakes nobody
	Receive  int    // bytes of buffer
	Overflow uint64 // datagrams the system dropped because they were not read in time
}

// Sockets says what is in use by now: what a system refuses is noticed when it is first asked for. ok is
// false where the sockets are not the kernel's. Safe from any goroutine.
func (p *Plane) Sockets() (all Sockets, ok bool) {
	for _, c := range p.sockets() {
		f, known := link.FeaturesOf(c)
		if !known {
			return Sockets{}, false
		}
		if !ok {
			all = Sockets{GSO: true, GRO: true, Aside: true, Receive: f.GrantedRecv}
		}
		ok = true
		all.GSO, all.GRO, all.Aside = all.GSO && f.GSO, all.GRO && f.GRO, all.Aside && f.Aside
		all.Receive = min(all.Receive, f.GrantedRecv)
		n, _ := link.CountersOf(c)
		all.Overflow += n.Overflow
	}
	return all, ok
}

// warn tells the operator, once, where the system gives less room for bursts than was asked for.
func (s Sockets) warn(log *slog.Logger) {
	if s.Receive > 0 && s.Receive < link.SocketBuffer {
		log.Warn("the media socket's receive buffer is smaller than asked for: bursts may be lost; raise the limit",
			"bytes", s.Receive, "asked", link.SocketBuffer, "limit", link.ReceiveLimit)
	}
}
