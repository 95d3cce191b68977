package lab

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"sync"
	"time"

	"parley/lab/heap"
)

// Net is one simulated internet. Safe for concurrent use.
type Net struct {
	seed uint64
	t0   time.Time

	// mu guards everything in the simulation: hosts, sockets, links and events. It is never held over
	// a wait other than a Cond's.
	mu       sync.Mutex
	hosts    map[string]*Host
	routes   map[netip.Addr]*Host // who has an address
	names    map[string][]netip.Addr
	paths    map[[2]*Host]*path
	standard Link
	taps     []func(Packet)
	queue    heap.Heap[event, *event]
	timer    *time.Timer
	running  bool // run is handling events and will set the timer itself
	inFlight int
	quiet    *sync.Cond
	spare    [][]byte // datagram buffers for reuse
	closed   bool
}

// NewNet makes an empty internet; seed decides all its chances.
func NewNet(seed uint64) *Net {
	n := &Net{
		seed: seed, t0: time.Now(),
		hosts: map[string]*Host{}, routes: map[netip.Addr]*Host{}, names: map[string][]netip.Addr{}, paths: map[[2]*Host]*path{},
		standard: Link{}.filled(),
	}
	n.quiet = sync.NewCond(&n.mu)
	return n
}

// Now is the time since the net began.
func (n *Net) Now() time.Duration { return time.Duration(n.now()) }

func (n *Net) now() int64 { return int64(time.Since(n.t0)) }

// Name makes a DNS name point at these addresses. A host's own name points at it from the start.
func (n *Net) Name(name string, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = addrs
}

// Tap calls f for every packet's sending, arrival and drop. f runs inside the simulation: it must not
// call the Net, a host or a socket, and Packet.Data is its own only until it returns.
func (n *Net) Tap(f func(Packet)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taps = append(n.taps, f)
}

// Quiet waits until nothing is in flight. What a host does on the last arrival may come after.
func (n *Net) Quiet() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.inFlight > 0 {
		n.quiet.Wait()
	}
}

// Close ends the net: every socket of every host closes at once and nothing arrives any more.
func (n *Net) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, h := range n.hosts {
		h.closeSocketsLocked(false)
	}
	n.queue, n.inFlight = nil, 0
	if n.timer != nil {
		n.timer.Stop()
	}
	n.quiet.Broadcast()
}

// at runs an event at when; key and seq order it among others of the same instant. n.mu is held.
func (n *Net) at(e event) {
	if n.closed {
		return
	}
	if e.pkt != nil {
		n.inFlight++
	}
	if !n.queue.Push(e) || n.running {
		return
	}
	if d := time.Duration(e.when - n.now()); n.timer == nil {
		n.timer = time.AfterFunc(d, n.run)
	} else {
		n.timer.Reset(d)
	}
}

// run handles what is due and sets the timer for what is next.
func (n *Net) run() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = true
	now := n.now()
	for len(n.queue) > 0 && n.queue[0].when <= now {
		e := n.queue.Pop()
		if e.pkt == nil {
			e.fn()
			continue
		}
		n.arrive(e.pkt)
		if n.inFlight--; n.inFlight == 0 {
			n.quiet.Broadcast()
		}
	}
	n.running = false
	if len(n.queue) > 0 {
		n.timer.Reset(time.Duration(n.queue[0].when - now))
	}
}

// send puts a packet of host from on its way; what cannot travel is dropped with its reason.
func (n *Net) send(from *Host, p *packet) {
	p.from, p.to, p.sentAt = from, nil, n.now()
	switch {
	case from.down:
		n.drop(p, HostDown)
		return
	case !from.owns(p.src.Addr()):
		n.drop(p, NoRoute) // the host has moved to other addresses
		return
	}
	n.hop(from, p)
}

// hop takes a packet from one host to the next on its way. A host that forwards for others would call
// it again, with addresses rewritten or not.
func (n *Net) hop(from *Host, p *packet) {
	to := n.nextHop(from, p.dst.Addr())
	if p.to = to; to == nil {
		n.drop(p, NoRoute)
		return
	}
	if to != from {
		if r, ok := match(from.rules, p); ok {
			n.drop(p, r)
			return
		}
	}
	n.path(from, to).send(n, p)
}

// nextHop is the host a packet from from to dst goes to next; nil when there is no way.
func (n *Net) nextHop(from *Host, dst netip.Addr) *Host {
	if from.owns(dst) {
		return from
	}
	return n.routes[dst]
}

// arrive hands a packet to the socket it is for.
func (n *Net) arrive(p *packet) {
	h := p.to
	switch {
	case h.down:
		n.drop(p, HostDown)
	case !h.owns(p.dst.Addr()):
		n.drop(p, NoRoute)
	case p.proto == UDP:
		h.arriveUDP(p)
	default:
		h.arriveTCP(p)
	}
}

// drop ends a packet's way. A stream's segment goes back to its sender, who tries again.
func (n *Net) drop(p *packet, why Reason) {
	n.tap(p, Dropped, why)
	switch {
	case p.conn != nil:
		p.conn.lost(p, why)
	case p.proto == UDP:
		n.recycle(p)
	}
}

func (n *Net) tap(p *packet, e Event, why Reason) {
	if len(n.taps) == 0 {
		return
	}
	v := p.view(time.Duration(n.now()), e, why)
	for _, f := range n.taps {
		f(v)
	}
}

// buffer copies b into a datagram buffer.
func (n *Net) buffer(b []byte) []byte {
	if k := len(n.spare); k > 0 && len(b) <= spareLen {
		buf := n.spare[k-1]
		n.spare = n.spare[:k-1]
		return append(buf[:0], b...)
	}
	return append(make([]byte, 0, max(spareLen, len(b))), b...)
}

// spareLen holds any datagram of an Ethernet path.
const spareLen = 1536

func (n *Net) recycle(p *packet) {
	if cap(p.data) == spareLen && len(n.spare) < 4096 {
		n.spare = append(n.spare, p.data)
	}
	p.data = nil
}

// hash names something for the whole life of the net and of every net like it.
func hash(parts ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, parts...)
	return h.Sum64()
}

// event is something that will happen: a packet's arrival, or fn.
type event struct {
	when     int64
	key, seq uint64
	pkt      *packet
	fn       func()
}

// Before makes events a heap, the earliest first.
func (a *event) Before(b *event) bool {
	switch {
	case a.when != b.when:
		return a.when < b.when
	case a.key != b.key:
		return a.key < b.key
	}
	return a.seq < b.seq
}
