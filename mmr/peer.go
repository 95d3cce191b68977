package mmr

import (
	"slices"
	"strings"
	"time"

	"parley/core/forward"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

const (
	// maxPeers bounds the seats of one shard, those included whose control channel is still to come.
	maxPeers = 20000
	// orphanFor is how long a transport may stand without its control channel: a page makes them in the lobby,
	// a minute before the click that opens it at most.
	orphanFor = 75 * time.Second
)

// peer is one seat as its shard sees it. Owned by the shard. It comes to be with the first transport or
// with the control channel, whichever is first, and takes part once the meeting has admitted it.
//
//	transport up ──► orphan ──(control channel)──► attached ──(meeting admits)──► admitted
//	                   │ 75 s                          │ meeting removes             │
//	                   └────────────► gone ◄───────────┴─────────────────────────────┘
type peer struct {
	key         peerKey
	room        *room  // nil while an orphan
	fingerprint string // what the token promises; checked before a transport is released
	admitted    bool
	banned      bool // ejected: its tickets are refused until the tombstone expires
	since       time.Time
	clock       uint64 // what the wall clock of its reports is known by, to all shards
	bannedUntil time.Time

	recv     uint32 // index in shard.byRecv, valid while admitted
	slots    []slotLeg
	spent    map[uint32]rtp.Seq // next numbers of SSRCs that no leg has now, see shard.spend
	oneGroup bool               // all media on the audio group's transport
	twcc     [proto.NGroups]bool

	conns  []*conn                       // peer connections, newest last; two while one replaces another
	active [proto.NGroups]*rtc.Transport // what we send on

	out      [proto.NGroups]outbox
	sources  [proto.NKinds]source
	bindings []binding // SSRC -> stream
	ssrc     uint32    // of our RTCP towards this peer
	newSince time.Time // newCount streams have come since then, see streamsFor
	newCount int

	reportAt    time.Time
	sentAt      [proto.NGroups]time.Time // anything authenticated, on what we send on
	sentPackets uint64
	sentBytes   uint64
	gotPackets  uint64
	gotBytes    uint64
}

// conn is one peer connection of a seat: the transports whose credentials came together. Transport-wide
// numbers, both ways, are one sequence space of it (never of one transport).
type conn struct {
	peer       *peer
	nonce      uint32
	transports [proto.NGroups]*rtc.Transport
	recorder   forward.Recorder // arrivals of what it sends
	sent       uint16           // next transport-wide number of what we send
	feedbackAt time.Time
	heard      bool // there may be something to give feedback on
}

// source is one thing the peer sends.
type source struct {
	open    bool // the gate: packets may pass
	streams [3]forward.StreamID
	spent   time.Duration // of its allowance, as it was at spentAt; see spend
	spentAt time.Time
}

// group is the transport a kind travels on for this peer.
func (p *peer) group(k proto.Kind) proto.Group {
	if p.oneGroup {
		return proto.GroupAudio
	}
	return k.Group()
}

// transportUp is the mux's news that a transport has its keys. It waits for the control channel, or is
// taken into use if that stands already.
func (s *shard) transportUp(now time.Time, t *rtc.Transport, fingerprint string) {
	a := t.Tag.(*association)
	p := s.havePeer(now, a.key)
	if p.fingerprint != "" && !strings.EqualFold(fingerprint, p.fingerprint) {
		s.drops[DropFingerprint]++
		t.Close(now)
		return
	}
	var c *conn
	for _, have := range p.conns {
		if have.nonce == a.nonce {
			c = have
		}
	}
	if c == nil {
		if len(p.conns) >= 3 { // a client makes a second before it breaks the first; more is abuse
			s.closeConn(now, p.conns[max(slices.IndexFunc(p.conns, func(c *conn) bool { return !c.used() }), 0)])
		}
		c = &conn{peer: p, nonce: a.nonce}
		p.conns = append(p.conns, c)
	}
	old := c.transports[a.group]
	a.conn = c
	c.transports[a.group] = t
	a.fingerprint = fingerprint
	switch used := p.active[a.group]; {
	case !p.admitted:
	case used == nil, used == old: // whose peer connection is no more: decoders begin anew
		s.activate(now, p, a.group, t)
	default:
		t.Release() // it is used once the other side has shown that it has the keys too, see succeed
	}
	if old != nil && old != t {
		s.detach(now, old) // last: with nothing in its place the peer connection would be forgotten
	}
}

const (
	// successionAfter is how long a transport in use may be silent before one that stands beside it takes over
	// without a word from the other side: some have nothing to say of what they only receive.
	successionAfter = 1500 * time.Millisecond
	// farewellFor is how long a transport that another has taken over from is still received.
	farewellFor = time.Second
)

// succeed lets a transport take over that has carried something authentic: so the other side has its keys, which the
// handshake alone does not show here, where its last word is ours and may be lost.
func (s *shard) succeed(now time.Time, t *rtc.Transport) {
	a := t.Tag.(*association)
	if p := a.conn.peer; p.active[a.group] != t && a.leftAt.IsZero() {
		s.activate(now, p, a.group, t)
	}
}

// successions looks after transports that stand beside the one in use.
func (s *shard) successions(now time.Time, p *peer) {
	for i := len(p.conns) - 1; i >= 0; i-- {
		for g, t := range p.conns[i].transports {
			if t == nil || p.active[g] == t {
				continue
			}
			switch a, used := t.Tag.(*association), p.active[g]; {
			case a.leftAt.IsZero() && (used == nil || now.Sub(used.MediaAt()) >= successionAfter):
				s.activate(now, p, proto.Group(g), t)
			case !a.leftAt.IsZero() && now.Sub(a.leftAt) >= farewellFor:
				s.detach(now, t)
			}
		}
	}
}

// used reports whether a transport of the peer connection is what we send on.
func (c *conn) used() bool {
	for g, t := range c.transports {
		if t != nil && c.peer.active[g] == t {
			return true
		}
	}
	return false
}

// activate puts a transport into use. What its predecessor still carries here is taken for a moment.
func (s *shard) activate(now time.Time, p *peer, g proto.Group, t *rtc.Transport) {
	old := p.active[g]
	t.Release()
	if old != nil && old != t {
		s.sendBox(now, p, g)
	}
	s.clearBox(p, g) // what has a number is sealed with the keys before or never
	p.active[g] = t
	if a, ok := t.Tag.(*association); ok {
		a.leftAt = time.Time{}
	}
	if old != nil && old != t {
		if a, ok := old.Tag.(*association); ok {
			a.leftAt = now
		}
	}
	for i := range p.slots {
		if sl := &p.slots[i]; p.group(sl.kind) == g {
			s.fwd.Rekeyed(sl.leg)
		}
	}
	p.reportAt, p.sentAt[g] = now, time.Time{} // the other side learns from a report that this transport lives
	s.soon(now, p)
	if p.room != nil {
		s.tell(p.room, pathUp{id: p.key.id, group: g, rung: t.Rung()})
	}
	if old == nil {
		s.retable(now, p, g)
		return
	}
	for i := range p.slots { // what was on its way over the old one is lost: decoders begin anew
		if sl := &p.slots[i]; sl.source != 0 && p.group(sl.kind) == g && !sl.kind.IsAudio() {
			s.fwd.Picture(now, sl.leg)
		}
	}
}

// retable publishes anew what a peer receives in a group whose transport has come or gone.
func (s *shard) retable(now time.Time, p *peer, g proto.Group) {
	topo := s.topos[p.room]
	if topo == nil {
		return
	}
	for i := range p.slots {
		if sl := &p.slots[i]; sl.source != 0 && p.group(sl.kind) == g {
			topo.touched[sl.source] = true
		}
	}
	s.publishNow(topo, now)
}

// detach forgets one transport and closes it.
func (s *shard) detach(now time.Time, t *rtc.Transport) {
	s.forget(now, t)
	t.Close(now)
}

// forget takes a transport out of its peer connection, and the connection out of its peer when it was
// the last.
func (s *shard) forget(now time.Time, t *rtc.Transport) {
	a, _ := t.Tag.(*association)
	if a == nil || a.conn == nil {
		return
	}
	c, p := a.conn, a.conn.peer
	a.conn = nil
	empty := true
	for g := range c.transports {
		if c.transports[g] == t {
			c.transports[g] = nil
		}
		empty = empty && c.transports[g] == nil
	}
	for g := range p.active {
		if p.active[g] == t {
			p.active[g] = nil
		}
	}
	if empty {
		for i, have := range p.conns {
			if have == c {
				p.conns = append(p.conns[:i], p.conns[i+1:]...)
				break
			}
		}
	}
	if p.room == nil && len(p.conns) == 0 && !p.banned {
		s.losePeer(now, p.key)
	}
}

func (s *shard) closeConn(now time.Time, c *conn) {
	for _, t := range c.transports {
		if t != nil {
			s.detach(now, t)
		}
	}
}

// transportDown is the mux's news that a transport has ended by itself.
func (s *shard) transportDown(now time.Time, t *rtc.Transport, why rtc.Reason) {
	a, _ := t.Tag.(*association)
	if a == nil || a.conn == nil {
		return
	}
	p := a.conn.peer
	wasActive := false
	for g := range p.active {
		wasActive = wasActive || p.active[g] == t
	}
	s.forget(now, t)
	if wasActive && p.room != nil {
		s.tell(p.room, pathDown{id: p.key.id, group: a.group, why: why.String()})
		s.retable(now, p, a.group)
		s.soon(now, p) // another may stand beside it
	}
}

// attach ties a seat to its meeting once the control channel's hello has been verified. Transports that
// were quicker are checked against the token's fingerprint now.
func (s *shard) attach(now time.Time, r *room, key peerKey, fingerprint string) {
	p := s.havePeer(now, key)
	p.banned = false
	p.room = r
	p.fingerprint = fingerprint
	for _, c := range append([]*conn(nil), p.conns...) {
		for _, t := range c.transports {
			if t != nil && !strings.EqualFold(t.Tag.(*association).fingerprint, fingerprint) {
				s.drops[DropFingerprint]++
				s.detach(now, t)
			}
		}
	}
}

// admitPeer lets a seat take part: legs for its slots, media released.
func (s *shard) admitPeer(now time.Time, key peerKey, slots []proto.Slot, oneGroup bool, ssrc uint32) {
	p := s.peers[key]
	if p == nil {
		return
	}
	p.oneGroup = oneGroup
	if p.admitted {
		s.reset(now, p, slots)
		return
	}
	p.admitted = true
	p.ssrc = ssrc | 1
	p.reportAt = now.Add(reportEvery)
	p.recv = s.takeReceiver(p)
	s.timers.set(p.recv, now, now.Add(lifeEvery))
	p.setSlots(slots)
	for _, c := range append([]*conn(nil), p.conns...) {
		for g, t := range c.transports {
			if t != nil {
				s.activate(now, p, proto.Group(g), t)
			}
		}
	}
}

func (s *shard) takeReceiver(p *peer) uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.byRecv[i] = p
		return i
	}
	s.byRecv = append(s.byRecv, p)
	return uint32(len(s.byRecv) - 1)
}

// removePeer drops a seat: streams, legs and transports. A ban keeps the key, so that its tickets stay
// refused until the tombstone expires.
func (s *shard) removePeer(now time.Time, key peerKey, banUntil time.Time) {
	p := s.peers[key]
	if p == nil {
		s.ban(now, banUntil, key)
		return
	}
	if p.banned && banUntil.IsZero() {
		return // removed already, when it was ejected: the ban stays
	}
	for _, b := range p.bindings {
		if b.repairs == 0 {
			s.dropStream(b.stream)
		}
	}
	p.bindings = nil
	if p.room != nil {
		if topo := s.topos[p.room]; topo != nil {
			topo.forget(p)
			s.markDirty(topo, now)
		}
	}
	for g := range p.out {
		s.clearBox(p, proto.Group(g))
	}
	for _, sl := range p.slots {
		s.fwd.RemoveLeg(sl.leg)
	}
	if p.admitted {
		s.timers.stop(p.recv)
		s.byRecv[p.recv] = nil
		s.free = append(s.free, p.recv)
	}
	p.admitted, p.room = false, nil
	for len(p.conns) > 0 {
		s.closeConn(now, p.conns[0])
	}
	s.losePeer(now, key)
	s.ban(now, banUntil, key)
}

// ban refuses a seat's tickets until then, if that is to come.
func (s *shard) ban(now, until time.Time, key peerKey) {
	if until.After(now) {
		p := s.havePeer(now, key)
		p.banned, p.bannedUntil = true, until
	}
}

// tell gives a room news; the shard never waits for one.
func (s *shard) tell(r *room, ev any) {
	if !r.news.put(ev) {
		s.drops[DropEvents]++
	}
}
