package mmr

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/sys/link"
)

// exchange is a shard's dealings with the plane's other shards: none where there is one shard. Owned by the
// shard, but for rest.
//
// A participant is one shard's for good (see places). Datagrams come to whatever socket the kernel
// thinks fit, so a shard hands on what is for another: a check by its user name, everything else by its
// address, which the owner has made known (eventPath) once a check from there was valid. Sources are
// followed across shards by mirrors: see forward's pipes.
type exchange struct {
	s    *shard
	out  []*lane // by shard; nil for itself
	in   []*lane
	rest atomic.Int32 // what the shard's goroutine may be woken from

	routes  map[netip.AddrPort]route // whose path an address is, its own included
	hosts   map[hostOf]int           // paths of other shards from one host
	guesses map[netip.AddrPort]int   // of addresses without a path: the shard their check was for
	guessAt time.Time                // when guesses are forgotten

	mirrors map[origin]forward.StreamID
	origins map[forward.StreamID]origin
	asking  []forward.StreamID // mirrors that may need a key frame
	askAt   time.Time

	lingering []lingering // in order of time

	jammed   bool // the sockets wait for a lane, as of lookedAt
	jamLeft  time.Duration
	lookedAt time.Time

	taking bool    // lanes are being looked into
	fill   float64 // the most of half a lane that was found taken, or taken in one turn, since the shard asked

	packets []forward.Packet
	froms   []forward.Borrowed
	ms      []link.Message
	mine    []link.Message
}

// origin is a stream of another shard's.
type origin struct {
	shard  int
	stream forward.StreamID
}

// route is the shard an address belongs to, and its paths from there: a socket may reach several of our addresses.
type route struct{ shard, paths int }

// hostOf is a host and a shard that has paths from there.
type hostOf struct {
	host  netip.Addr
	shard int
}

// What a shard's goroutine rests in.
const (
	restNotAtAll int32 = iota
	restUrgent         // woken by what is urgent
	restIdle           // woken by anything
)

// connectShards gives every shard a lane to every other.
func connectShards(all []*shard) {
	if len(all) < 2 {
		return
	}
	for _, s := range all {
		s.exchange = &exchange{
			s: s, out: make([]*lane, len(all)), in: make([]*lane, len(all)),
			routes: map[netip.AddrPort]route{}, hosts: map[hostOf]int{}, guesses: map[netip.AddrPort]int{},
			mirrors: map[origin]forward.StreamID{}, origins: map[forward.StreamID]origin{},
		}
	}
	for i, from := range all {
		for j, to := range all {
			if i != j {
				l := newLane(to, len(all))
				from.exchange.out[j], to.exchange.in[i] = l, l
			}
		}
	}
}

// wire tells each shard the wires of its receivers.
func (p *Plane) wire(r *room, wires []meeting.Wire) {
	own := map[*shard][]meeting.Wire{}
	for _, w := range wires {
		s := p.shardOf(r.key(w.ID))
		own[s] = append(own[s], w)
	}
	for s, wires := range own {
		s.do(func(now time.Time) { s.wire(now, r, wires) })
	}
}

// nudge wakes the shard where what has been put in a lane for it should not wait. Safe from any goroutine.
func (s *shard) nudge(urgent bool) {
	switch rest := s.exchange.rest.Load(); {
	case rest == restNotAtAll, rest == restUrgent && !urgent:
		return
	case !s.exchange.rest.CompareAndSwap(rest, restNotAtAll):
		return // it, or another, was quicker
	}
	s.cmds.Lock()
	defer s.cmds.Unlock()
	if s.cmds.poller != nil {
		s.cmds.poller.Wake()
		return
	}
	select {
	case s.cmds.wake <- struct{}{}:
	default:
	}
}

// resting notes that the shard is about to wait, and reports false where it must not: something has come.
func (s *shard) resting(how int32) bool {
	if s.exchange == nil {
		return true
	}
	s.exchange.rest.Store(how)
	for _, l := range s.exchange.in {
		if l != nil && l.waiting() {
			s.exchange.rest.Store(restNotAtAll)
			return false
		}
	}
	return true
}

// rested notes that the wait is over.
func (s *shard) rested() {
	if s.exchange != nil {
		s.exchange.rest.Store(restNotAtAll)
	}
}

// take does with what others have put in their lanes.
func (x *exchange) take(now time.Time) {
	if x.taking {
		return
	}
	x.taking = true
	defer func() { x.taking = false }()
	for i, l := range x.in {
		if l == nil {
			continue
		}
		x.fill = max(x.fill, 2*l.datagrams.filled(), 2*l.events.filled())
		for r := l.returns.get(); r != nil; r = l.returns.get() {
			x.s.fwd.Return(*r)
			x.out[i].lent--
		}
		l.returns.release()
		for e := l.events.get(); e != nil; e = l.events.get() {
			x.handle(now, i, e)
			if e.kind == eventLoan { // nothing of the other shard's is held any longer
				e.loan.Data = nil
			} else {
				*e = event{}
			}
		}
		x.admit(now)
		l.events.release()
		x.takeDatagrams(now, l)
	}
	if len(x.asking) > 0 && !now.Before(x.askAt) {
		x.askAgain(now)
	}
	x.unfollow(now)
}

// wake is when something here is due by time; the zero time is never.
func (x *exchange) wake() (at time.Time) {
	if len(x.asking) > 0 {
		at = x.askAt
	}
	if len(x.lingering) > 0 && (at.IsZero() || x.lingering[0].at.Before(at)) {
		at = x.lingering[0].at
	}
	return at
}

// takeDatagrams receives what others' sockets got.
func (x *exchange) takeDatagrams(now time.Time, l *lane) {
	via := -1
	receive := func() {
		if len(x.ms) > 0 {
			x.s.take(now, x.s.conns[via], x.ms)
		}
		x.ms = x.ms[:0]
		x.s.listen()
	}
	for d := l.datagrams.get(); d != nil; d = l.datagrams.get() {
		if d.via < 0 || d.via >= len(x.s.conns) {
			continue
		}
		if d.via != via || len(x.ms) == batchLen {
			receive()
			via = d.via
		}
		x.ms = append(x.ms, link.Message{Buf: d.buf[:], N: d.n, Addr: d.addr, Local: d.local})
	}
	receive()
	l.datagrams.release()
}

// give puts what others are to have back, and shows them all that was put.
func (x *exchange) give() {
	x.froms = x.s.fwd.Borrowed(x.froms[:0])
	for _, b := range x.froms {
		if r := x.out[b.From].returns.put(); r != nil {
			*r = b.Slab
		}
	}
	for _, l := range x.out {
		if l != nil {
			x.fill = max(x.fill, 2*l.datagrams.fresh(), 2*l.events.fresh())
			l.flush()
			x.s.drops[DropLane] += l.lost
			l.lost = 0
		}
	}
}

// handle does what another shard has told.
func (x *exchange) handle(now time.Time, from int, e *event) {
	if e.kind == eventLoan {
		if e.loan.Audio {
			x.s.soundUntil = now.Add(soundFor)
		}
		id := x.mirrors[origin{from, e.loan.Stream}] // 0 of one that is gone: given back at once
		x.packets = append(x.packets, forward.Packet{
			Stream: id, Data: e.loan.Data, Repaired: e.loan.Repaired, Placed: e.loan.Placed, From: uint32(from), Slab: e.loan.Slab,
		})
		if len(x.packets) == batchLen {
			x.admit(now)
			x.s.listen()
		}
		return
	}
	x.admit(now) // in the order told
	switch e.kind {
	case eventWant:
		x.s.fwd.KeyFrameWanted(e.stream, e.ext, e.known)
		x.s.askSenderOf(now, e.stream)
	case eventReport:
		x.s.fwd.SenderReport(e.at, x.mirrors[origin{from, e.stream}], e.info)
	case eventFollow:
		x.followed(now, from, e)
	case eventStreams:
		x.mirror(now, from, e)
	case eventEnded:
		x.drop(x.mirrors[origin{from, e.stream}])
	case eventPath:
		x.learn(from, e.addr, e.on)
	}
}

// admit takes the loans collected so far.
func (x *exchange) admit(now time.Time) {
	if len(x.packets) == 0 {
		return
	}
	x.s.fwd.Admit(now, x.packets, &x.s.out)
	clear(x.packets)
	x.packets = x.packets[:0]
	x.s.emit(now)
}

// jam reports whether what comes had better stay in the sockets for now: a lane is nearly full, and sockets have room
// for much more. The shard's own people wait too, so it does that for jamMost at a stretch at most, and no more than
// half of the time, whatever becomes of the other shard. What finds no room then is lost.
func (x *exchange) jam(now time.Time) bool {
	since := now.Sub(x.lookedAt)
	if x.lookedAt = now; x.jammed {
		x.jamLeft -= since
	} else {
		x.jamLeft = min(x.jamLeft+since, jamMost)
	}
	x.jammed = x.jamLeft > 0 && slices.ContainsFunc(x.out, func(l *lane) bool { return l != nil && l.datagrams.taken() > jamFrom })
	return x.jammed
}

// lend gives a packet to the shards that follow its source.
func (x *exchange) lend(loan *forward.Loan) {
	for i, l := range x.out {
		if loan.Pipes&(1<<i) != 0 && (l == nil || !l.lend(loan)) {
			x.s.drops[DropLane]++
			x.s.fwd.Return(loan.Slab)
		}
	}
}
