package mmr

import (
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
	// maxStreams bounds what one participant can make us remember: three camera layers, microphone,
	// screen and its sound, each with its retransmissions, and room for a change of SSRCs.
	maxStreams = 16
	// streamsFor is in how long a participant may have maxStreams new ones twice over: each is a new table
	// for the meeting and a key frame asked for.
	streamsFor = time.Second
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
	bannedUntil time.Time

	recv     uint32 // index in shard.byRecv, valid while admitted
	slots    []slotLeg
	oneGroup bool // all media on the audio group's transport
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

// slotLeg is one receive slot of a peer.
type slotLeg struct {
	ssrc   uint32 // of what we send in it
	rtx    uint32 // of retransmissions
	kind   proto.Kind
	leg    forward.LegID  // 0 until the slot is first wired
	source proto.SourceID // what it is wired to, 0 nothing
}

// source is one thing the peer sends.
type source struct {
	open    bool // the gate: packets may pass
	streams [3]forward.StreamID
}

// binding says which stream an SSRC carries.
type binding struct {
	ssrc     uint32
	kind     proto.Kind
	layer    int8
	repairs  uint32 // for retransmissions: the SSRC repaired; 0 for media
	stream   forward.StreamID
	lastSeen time.Time
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
			s.closeConn(now, p.conns[0])
		}
		c = &conn{peer: p, nonce: a.nonce}
		p.conns = append(p.conns, c)
	}
	if old := c.transports[a.group]; old != nil && old != t {
		s.detach(now, old)
	}
	a.conn = c
	c.transports[a.group] = t
	a.fingerprint = fingerprint
	if p.admitted {
		s.activate(now, p, a.group, t)
	}
}

// activate puts a transport into use. Its predecessor goes once the newer one stands: make before break.
func (s *shard) activate(now time.Time, p *peer, g proto.Group, t *rtc.Transport) {
	old := p.active[g]
	t.Release()
	p.active[g] = t
	if old != nil && old != t {
		s.detach(now, old)
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

// setSlots gives a seat its slots. A slot gets its leg when it is first wired: most of a table is never
// used, and a leg is the larger part of what a seat costs.
func (p *peer) setSlots(slots []proto.Slot) {
	p.slots = make([]slotLeg, len(slots))
	for i, sl := range slots {
		p.slots[i] = slotLeg{ssrc: sl.SSRC, rtx: sl.RTX, kind: sl.Kind}
	}
}

// needLeg makes the leg of a slot that has none yet. The first numbers are random, of the lower half: SRTP
// does not say how often a number has wrapped, and a receiver that lost the packets before the first wrap
// could decrypt nothing after it (RFC 3711 §3.3.1).
func (s *shard) needLeg(p *peer, slot int) {
	sl := &p.slots[slot]
	if sl.leg != 0 {
		return
	}
	seed := randomSeed()
	sl.leg = s.fwd.AddLeg(forward.LegConfig{
		Receiver: p.recv, Slot: uint16(slot), Kind: sl.kind, SSRC: sl.ssrc, RTX: sl.rtx,
		FirstSeq: rtp.Seq(seed & 0x7fff), FirstRTXSeq: rtp.Seq(seed >> 16 & 0x7fff), FirstTime: rtp.Time(randomSeed()),
		TWCC: p.twcc[sl.kind.Group()],
	})
}

// reset prepares a seat for the control channel that took it over: gates shut and slots empty until the
// meeting says otherwise. The same slots keep their legs, so their sequences go on; other ones are new.
func (s *shard) reset(now time.Time, p *peer, slots []proto.Slot) {
	for k := range p.sources {
		p.sources[k].open = false
	}
	topo := s.topos[p.room]
	for i := range p.slots {
		if topo != nil {
			topo.wire(p, i, 0, 0)
		}
	}
	same := len(slots) == len(p.slots)
	for i := 0; same && i < len(slots); i++ {
		have := &p.slots[i]
		same = slots[i].SSRC == have.ssrc && slots[i].RTX == have.rtx && slots[i].Kind == have.kind
	}
	if !same {
		for _, sl := range p.slots {
			s.fwd.RemoveLeg(sl.leg)
		}
		p.setSlots(slots)
	}
	if topo != nil {
		s.markDirty(topo, now)
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

// media takes one decrypted RTP packet of a participant to where forward can see it, or drops it with a
// reason. What a client says of itself counts for nothing here but its SSRC on its own transport.
func (s *shard) media(now time.Time, c *conn, t *rtc.Transport, data []byte, out []forward.Packet) []forward.Packet {
	p := c.peer
	var h rtp.Header
	if err := rtp.Parse(data, &h); err != nil {
		s.drops[DropMalformed]++
		return out
	}
	p.gotPackets++
	p.gotBytes += uint64(len(data))
	if e := h.Ext(data, proto.ExtTransportSeq); len(e) == 2 {
		c.recorder.Arrive(now, uint16(e[0])<<8|uint16(e[1]))
		if !c.heard {
			c.heard = true
			s.timers.sooner(p.recv, now, now.Add(feedbackEvery))
		}
	}
	b := s.bindingOf(now, p, &h, data)
	if b == nil {
		s.drops[DropUnknownStream]++
		return out
	}
	if p.group(b.kind) != t.Tag.(*association).group {
		s.drops[DropWrongGroup]++
		return out
	}
	if !p.sources[b.kind].open {
		s.drops[DropGateClosed]++
		return out
	}
	if !proto.PayloadFits(h.PT, b.kind) {
		s.drops[DropWrongPayload]++
		return out
	}
	b.lastSeen = now
	if b.kind.IsAudio() && s.holding {
		s.soundUntil = now.Add(soundFor)
	}
	if b.repairs == 0 {
		if proto.OriginalOf(h.PT) != 0 {
			s.drops[DropWrongPayload]++
			return out
		}
		return append(out, forward.Packet{Stream: b.stream, Data: data})
	}
	if h.PayloadLen <= 2 {
		return out // padding, sent to probe bandwidth
	}
	fixed, ok := forward.UnwrapRTX(s.rtxBuffer(), data, &h, b.repairs, proto.OriginalOf(h.PT))
	if !ok {
		s.drops[DropMalformed]++
		return out
	}
	return append(out, forward.Packet{Stream: b.stream, Data: fixed, Repaired: true})
}

// rtxBuffer is a piece of scratch that lasts until the next batch: repaired packets of one batch must
// not overwrite each other.
func (s *shard) rtxBuffer() []byte {
	if cap(s.unwrap)-len(s.unwrap) < maxDatagram {
		s.unwrap = make([]byte, 0, batchLen*maxDatagram)
	}
	n := len(s.unwrap)
	s.unwrap = s.unwrap[:n+maxDatagram]
	return s.unwrap[n : n : n+maxDatagram]
}

// bindingOf finds whose stream an SSRC is: announced over the control channel, or learnt from MID and
// RID in the packet itself, as browsers do it.
func (s *shard) bindingOf(now time.Time, p *peer, h *rtp.Header, data []byte) *binding {
	for i := range p.bindings {
		if p.bindings[i].ssrc == h.SSRC {
			return &p.bindings[i]
		}
	}
	mid := h.Ext(data, proto.ExtMID)
	if len(mid) == 0 {
		return nil
	}
	k, ok := proto.KindOfMID(string(mid))
	if !ok {
		return nil
	}
	layer, repair := int8(0), false
	if rid := h.Ext(data, proto.ExtRID); len(rid) > 0 {
		layer = layerOf(string(rid))
	} else if rrid := h.Ext(data, proto.ExtRepairedRID); len(rrid) > 0 {
		layer, repair = layerOf(string(rrid)), true
	}
	if layer < 0 {
		return nil
	}
	repair = repair || proto.OriginalOf(h.PT) != 0
	if !repair {
		return s.bind(now, p, k, layer, h.SSRC)
	}
	for i := range p.bindings {
		if m := &p.bindings[i]; m.kind == k && m.layer == layer && m.repairs == 0 {
			return s.bindRTX(p, m, h.SSRC)
		}
	}
	return nil
}

// tell posts an event to a room; the shard never waits for one.
func (s *shard) tell(r *room, ev any) {
	if !r.post(ev) {
		s.drops[DropEvents]++
	}
}

// layerOf is the layer number of a rid, −1 for one we did not offer.
func layerOf(rid string) int8 {
	if rid == "" {
		return 0
	}
	for i, r := range proto.RIDs {
		if r == rid {
			return int8(i)
		}
	}
	return -1
}

// bind makes a stream for an SSRC. A new SSRC for a layer replaces the old one.
func (s *shard) bind(now time.Time, p *peer, k proto.Kind, layer int8, ssrc uint32) *binding {
	for i := range p.bindings {
		if b := &p.bindings[i]; b.ssrc == ssrc {
			return b
		}
	}
	if now.Sub(p.newSince) >= streamsFor {
		p.newSince, p.newCount = now, 0
	}
	if p.newCount++; p.newCount > 2*maxStreams {
		return nil
	}
	for i := 0; i < len(p.bindings); i++ {
		b := &p.bindings[i]
		if b.kind == k && b.layer == layer {
			if b.repairs == 0 {
				s.dropStream(b.stream)
			}
			p.bindings = append(p.bindings[:i], p.bindings[i+1:]...)
			i--
		}
	}
	if len(p.bindings) >= maxStreams {
		return nil
	}
	clock := uint32(proto.ClockVideo)
	if k.IsAudio() {
		clock = proto.ClockAudio
	}
	id := s.fwd.AddStream(forward.StreamConfig{
		Source: uint32(proto.Source(p.key.id, k)), Layer: layer, Kind: k, SSRC: ssrc, Clock: clock,
	})
	s.owners[id] = p
	p.bindings = append(p.bindings, binding{ssrc: ssrc, kind: k, layer: layer, stream: id})
	p.sources[k].streams[layer] = id
	if topo := s.topos[p.room]; topo != nil {
		topo.streams(proto.Source(p.key.id, k), p.sources[k].streams)
		s.publishNow(topo, now)
	}
	return &p.bindings[len(p.bindings)-1]
}

func (s *shard) dropStream(id forward.StreamID) {
	s.fwd.RemoveStream(id)
	delete(s.owners, id)
	if s.exchange != nil {
		s.exchange.ended(id)
	}
}

func (s *shard) bindRTX(p *peer, media *binding, ssrc uint32) *binding {
	if len(p.bindings) >= maxStreams {
		return nil
	}
	p.bindings = append(p.bindings, binding{
		ssrc: ssrc, kind: media.kind, layer: media.layer, repairs: media.ssrc, stream: media.stream,
	})
	return &p.bindings[len(p.bindings)-1]
}

// announce takes the SSRCs a client stated over the control channel.
func (s *shard) announce(now time.Time, key peerKey, streams []proto.Stream) {
	p := s.peers[key]
	if p == nil || !p.admitted {
		return
	}
	for _, st := range streams[:min(len(streams), maxStreams)] {
		layer := layerOf(st.RID)
		if st.Kind >= proto.NKinds || st.SSRC == 0 || layer < 0 {
			continue
		}
		b := s.bind(now, p, st.Kind, layer, st.SSRC)
		if b != nil && st.RTX != 0 && st.RTX != st.SSRC {
			known := false
			for _, have := range p.bindings {
				known = known || have.ssrc == st.RTX
			}
			if !known {
				s.bindRTX(p, b, st.RTX)
			}
		}
	}
}
