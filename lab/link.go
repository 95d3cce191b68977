package lab

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Link is how one host reaches another, in one direction.
type Link struct {
	Delay  time.Duration // one way; 0: 5 ms. Always lengthened by a few ns, see Net.OneWay
	Jitter time.Duration // up to this much more, evenly spread; order is kept
	Loss   float64       // chance 0..1 that a packet is lost
	// Duplicate is the chance that a datagram arrives twice.
	Duplicate float64
	// Reorder is the chance that a datagram is held back by HoldBack and overtaken.
	Reorder  float64
	HoldBack time.Duration // 0: 5 ms
	Rate     int64         // bits per second, headers included; 0: no limit
	Queue    int           // bytes that may wait for Rate; 0: 100 ms of it, at least 32 KiB
	MTU      int           // longest IP packet in bytes; 0: 1500. Longer datagrams are dropped
	Block    []Rule        // what this direction drops
	Bleach   bool          // DSCP marks are cleared
}

// loopbackDelay is how long a host takes to reach itself.
const loopbackDelay = 10 * time.Microsecond

func (l Link) filled() Link {
	if l.Delay <= 0 {
		l.Delay = 5 * time.Millisecond
	}
	if l.HoldBack <= 0 {
		l.HoldBack = 5 * time.Millisecond
	}
	if l.Queue <= 0 {
		l.Queue = max(32<<10, int(l.Rate/8/10))
	}
	if l.MTU <= 0 {
		l.MTU = 1500
	}
	return l
}

// path is a link in use. Guarded by Net.mu.
type path struct {
	from, to *Host
	key      uint64
	seq      uint64
	phase    int64 // this direction's own nanoseconds
	own      bool  // link was set for this pair, not taken from the net's default
	link     Link
	freeAt   int64 // when all that was sent has left
	lastAt   int64 // the last arrival: later packets arrive no earlier
	chances  map[flow]*rand.Rand
}

// flow has its own chances, so that what two sockets send at one instant cannot exchange its fate.
type flow struct {
	proto    Proto
	src, dst netip.AddrPort
}

// path finds or makes the direction from a to b. n.mu is held.
func (n *Net) path(a, b *Host) *path {
	p := n.paths[[2]*Host{a, b}]
	if p == nil {
		// Cantor's pairing: unlike for any other pair, and small. In the order of the hosts' making.
		sum := int64(a.index + b.index)
		p = &path{from: a, to: b, key: hash("link", a.name, b.name), link: n.standard,
			phase: sum*(sum+1)/2 + int64(b.index), chances: map[flow]*rand.Rand{}}
		if a == b {
			p.own, p.link = true, Link{Delay: loopbackDelay, MTU: 65536}.filled()
		}
		n.paths[[2]*Host{a, b}] = p
	}
	return p
}

// Default is the link between every pair that has none of its own; it may change at any time.
func (n *Net) Default(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.standard = l.filled()
	for _, p := range n.paths {
		if !p.own {
			p.link = n.standard
		}
	}
}

// Link sets both directions between a and b; packets under way are not touched.
func (n *Net) Link(a, b *Host, l Link) {
	n.LinkOneWay(a, b, l)
	n.LinkOneWay(b, a, l)
}

// LinkOneWay sets the direction from a to b.
func (n *Net) LinkOneWay(a, b *Host, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(a, b)
	p.own, p.link = true, l.filled()
}

// Change alters both directions between a and b where they stand; f may call the net.
func (n *Net) Change(a, b *Host, f func(*Link)) {
	for _, pair := range [][2]*Host{{a, b}, {b, a}} {
		n.mu.Lock()
		l := n.path(pair[0], pair[1]).link
		n.mu.Unlock()
		f(&l)
		n.LinkOneWay(pair[0], pair[1], l)
	}
}

// OneWay is exactly how long a packet takes from a to b without jitter and rate.
func (n *Net) OneWay(a, b *Host) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.path(a, b).delay()
}

func (l *path) delay() time.Duration { return l.link.Delay + time.Duration(l.phase) }

// send puts p on the wire: block, MTU, queue, chance, delay.
func (l *path) send(n *Net, p *packet) {
	if r, ok := match(l.link.Block, p); ok {
		n.drop(p, r)
		return
	}
	size := p.wireLen()
	if p.proto == UDP && size > l.link.MTU {
		n.drop(p, TooBig)
		return
	}
	now := p.sentAt
	leaves := now
	if l.link.Rate > 0 {
		start := max(now, l.freeAt)
		if waiting := float64(start-now) / 1e9 * float64(l.link.Rate) / 8; waiting > float64(l.link.Queue) {
			n.drop(p, QueueFull)
			return
		}
		l.freeAt = start + int64(float64(size)*8*1e9/float64(l.link.Rate))
		leaves = l.freeAt
	}
	n.tap(p, Sent, NoReason)
	if l.link.Bleach {
		p.dscp = 0
	}
	if l.link.Loss > 0 && l.chance(n, p).Float64() < l.link.Loss {
		n.drop(p, Lost)
		return
	}
	arrives := leaves + int64(l.delay())
	if l.link.Jitter > 0 {
		arrives += l.chance(n, p).Int64N(int64(l.link.Jitter) + 1)
	}
	if p.proto == UDP && l.link.Reorder > 0 && l.chance(n, p).Float64() < l.link.Reorder {
		arrives += int64(l.link.HoldBack)
	} else {
		arrives = max(arrives, l.lastAt)
		l.lastAt = arrives
	}
	l.deliver(n, p, arrives)
	if p.proto == UDP && l.link.Duplicate > 0 && l.chance(n, p).Float64() < l.link.Duplicate {
		twin := *p
		twin.data = n.buffer(p.data)
		l.deliver(n, &twin, arrives)
	}
}

func (l *path) deliver(n *Net, p *packet, at int64) {
	l.seq++
	n.at(event{when: at, key: l.key, seq: l.seq, pkt: p})
}

func (l *path) chance(n *Net, p *packet) *rand.Rand {
	f := flow{p.proto, p.src, p.dst}
	r := l.chances[f]
	if r == nil {
		r = rand.New(rand.NewPCG(n.seed, hash(l.key, f.proto, f.src, f.dst)))
		l.chances[f] = r
	}
	return r
}
