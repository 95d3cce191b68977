package mmr

import (
	"slices"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/trust"
)

// Who is carried by which of several shards. People of one meeting send to each other, so one shard takes all of
// a small meeting: what goes from shard to shard costs about as much again as forwarding it (bench "meeting
// 15×15" with -shards 1,2, 20 November 2026: 1.75 times). Which one is settled when the first of them comes; a
// meeting that grows large has its further people wherever there is most room, each for good.

const (
	// together is how many of a meeting share a shard before others take some: a meeting that costs a tenth
	// of one.
	together = 50
	// placeKept is for how long a place is kept for who has no transport and no control channel: longer than
	// any handshake takes, and who comes back finds what a meeting forgets a little later.
	placeKept = time.Minute
	// placesEvery is how often places nobody has taken are looked for.
	placesEvery = 10 * time.Second
)

// places is that record. Safe for concurrent use: shards and meetings ask it when somebody comes, for checks
// and for changes of what flows, and for no packet of media.
type places struct {
	together int
	most     int             // places there may be
	steer    func(use []int) // has datagrams come to the shards that have people; called with mu held

	mu       sync.Mutex // guards all below
	seats    map[peerKey]*place
	meetings map[meetingKey]*gathering
	load     []int // seats by shard
	used     []int // shards with people, as steer knows it
	sweepAt  time.Time
}

// place is one seat's.
type place struct {
	shard int
	held  bool      // the shard has the seat
	at    time.Time // last asked for, while it has not
}

// meetingKey names one meeting on one router.
type meetingKey struct {
	router  uint32
	meeting uint64
}

// gathering is where a meeting's people are.
type gathering struct {
	home  int // the shard that takes them first
	there int // so many of them
	all   int
}

func newPlaces(shards, together int, steer func(use []int)) *places {
	return &places{
		together: together, most: 2 * shards * maxPeers, steer: steer,
		seats: map[peerKey]*place{}, meetings: map[meetingKey]*gathering{}, load: make([]int, shards),
	}
}

// find is the shard a seat has its place on, if it has one, and whether that shard has the seat.
func (p *places) find(key peerKey) (shard int, known, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.seats[key]
	if s == nil {
		return 0, false, false
	}
	return s.shard, true, s.held
}

// take is find for somebody who may come: they are given a place if they have none. False: there are too many.
func (p *places) take(now time.Time, key peerKey) (shard int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now.Before(p.sweepAt) {
		p.sweepAt = now.Add(placesEvery)
		p.sweepLocked(now)
	}
	s := p.seats[key]
	if s == nil {
		if len(p.seats) >= p.most {
			return 0, false
		}
		s = &place{shard: p.chooseLocked(meetingKey{key.router, key.meeting})}
		p.seats[key] = s
		p.load[s.shard]++
		p.steerLocked()
	}
	s.at = now
	return s.shard, true
}

// chooseLocked finds a place for one more of a meeting.
func (p *places) chooseLocked(key meetingKey) int {
	g := p.meetings[key]
	if g == nil {
		g = &gathering{home: p.emptiestLocked()}
		p.meetings[key] = g
	}
	g.all++
	at := g.home
	if g.there >= p.together {
		at = p.emptiestLocked()
	}
	if at == g.home {
		g.there++
	}
	return at
}

// steerLocked leaves out shards without people: one that had only to hand on what comes would be woken for it.
func (p *places) steerLocked() {
	used := p.used[:0:0]
	for i, n := range p.load {
		if n > 0 {
			used = append(used, i)
		}
	}
	if len(used) > 0 && !slices.Equal(used, p.used) {
		p.used = used
		p.steer(used)
	}
}

// emptiestLocked is the shard with the fewest people.
func (p *places) emptiestLocked() int { return slices.Index(p.load, slices.Min(p.load)) }

// hold keeps a seat's place for as long as the shard has the seat.
func (p *places) hold(key peerKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.seats[key]; s != nil {
		s.held = true
	}
}

// release says that the shard has the seat no more.
func (p *places) release(now time.Time, key peerKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.seats[key]; s != nil {
		s.held, s.at = false, now
	}
}

// sweepLocked forgets places that nobody has taken for long.
func (p *places) sweepLocked(now time.Time) {
	for key, s := range p.seats {
		if s.held || now.Sub(s.at) < placeKept {
			continue
		}
		delete(p.seats, key)
		p.load[s.shard]--
		m := meetingKey{key.router, key.meeting}
		g := p.meetings[m]
		g.all--
		if s.shard == g.home {
			g.there--
		}
		if g.all == 0 {
			delete(p.meetings, m)
		}
	}
	p.steerLocked()
}

// shardOf is the shard that has a seat. Of a seat that nobody has it is the first, which has nothing of it either.
func (p *Plane) shardOf(key peerKey) *shard {
	if len(p.shards) == 1 {
		return p.shards[0]
	}
	i, _, _ := p.places.find(key)
	return p.shards[i]
}

// steer has the kernel give datagrams to the shards that have people.
func (p *Plane) steer(use []int) {
	for i := range p.conns {
		all := make([]link.PacketConn, len(p.shards))
		for k, s := range p.shards {
			all[k] = s.conns[i]
		}
		link.Steer(all, use, patient[:]...)
	}
}

// seat gives a participant their place, and is the shard that has it.
func (p *Plane) seat(now time.Time, key peerKey) *shard {
	if len(p.shards) == 1 {
		return p.shards[0]
	}
	i, _ := p.places.take(now, key)
	return p.shards[i]
}

// shardFor is the shard of whom a ticket names. Only one that is good gives a place to who has none: what
// nobody has verified is to cost no memory. False: nobody's.
func (p *Plane) shardFor(now time.Time, ufrag []byte) (*shard, bool) {
	seat, ok := trust.PeekTicket(ufrag)
	if !ok || len(p.shards) == 1 {
		return p.shards[0], ok
	}
	key := peerKey{seat.Router, seat.Meeting, seat.Participant}
	i, known, held := p.places.find(key)
	if held {
		return p.shards[i], true
	}
	if tn := (*p.tenants.Load())[key.router]; tn != nil {
		if t, _, good := tn.key.Open(string(ufrag)); good && !now.After(t.Expires) {
			i, known = p.places.take(now, key)
		}
	}
	return p.shards[i], known
}

// havePeer is a seat of this shard's, made if there is none.
func (s *shard) havePeer(now time.Time, key peerKey) *peer {
	p := s.peers[key]
	if p == nil {
		p = &peer{key: key, since: now, clock: s.plane.clocks.Add(1)}
		s.peers[key] = p
		if s.exchange != nil {
			s.plane.places.hold(key)
		}
	}
	return p
}

// losePeer forgets a seat.
func (s *shard) losePeer(now time.Time, key peerKey) {
	delete(s.peers, key)
	s.tidySpare()
	if s.exchange != nil {
		s.plane.places.release(now, key)
	}
}
