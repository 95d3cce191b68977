package mmr

import (
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/wire/proto"
	"parley/wire/rtp"
)

const (
	// lifeEvery is how long nothing may go out on a transport that is up: then an empty report does. The
	// client counts 1.5 s of silence on all as a lost router (design §6); a timer may be a tick late.
	lifeEvery = 480 * time.Millisecond
	// reportEvery is how often receiver and sender reports go to each transport that has something to report,
	// as often as browsers do.
	reportEvery = time.Second
	// feedbackEvery is how often transport-wide feedback goes to a publisher that sends. Browsers expect
	// 50 to 100 ms.
	feedbackEvery = 80 * time.Millisecond
	// maxNack bounds what one packet may ask for again, however many NACKs it is made of.
	maxNack = 256
)

// feedback handles one compound RTCP packet of a peer.
func (s *shard) feedback(now time.Time, c *conn, data []byte) {
	p := c.peer
	rest, mayAsk := data, maxNack
	for len(rest) > 0 {
		pkt, next, ok := rtp.NextRTCP(rest)
		if !ok {
			s.drops[DropMalformed]++
			return
		}
		rest = next
		if ssrc, info, blocks, ok := pkt.SenderReport(); ok {
			if b := p.bound(ssrc); b != nil && b.repairs == 0 {
				s.fwd.SenderReport(now, b.stream, info)
				if s.exchange != nil {
					s.exchange.reported(now, p, b, info)
				}
			}
			s.reportBlocks(now, p, blocks)
		} else if _, blocks, ok := pkt.ReceiverReport(); ok {
			s.reportBlocks(now, p, blocks)
		} else if _, media, pairs, ok := pkt.Nack(); ok {
			if leg := p.legOf(media); leg != 0 {
				s.seqs = pairs.AppendSeqs(s.seqs[:0], mayAsk)
				mayAsk -= len(s.seqs)
				s.fwd.Nack(now, leg, s.seqs, &s.out)
			}
		} else if _, media, ok := pkt.PLI(); ok {
			s.picture(now, p, media)
		} else {
			for i := 0; ; i++ {
				media, _, ok := pkt.FIR(i)
				if !ok {
					break
				}
				s.picture(now, p, media)
			}
		}
	}
}

// picture passes on a receiver's wish for a key frame in a slot.
func (s *shard) picture(now time.Time, p *peer, ssrc uint32) {
	if leg := p.legOf(ssrc); leg != 0 {
		id := s.fwd.Picture(now, leg)
		if from := s.owners[id]; from != nil {
			s.soon(now, from)
		} else if s.exchange != nil {
			s.exchange.ask(now, id)
		}
	}
}

// reportBlocks takes what a receiver says of our slots.
func (s *shard) reportBlocks(now time.Time, p *peer, blocks rtp.Blocks) {
	for i := range blocks.Len() {
		b := blocks.At(i)
		if leg := p.legOf(b.SSRC); leg != 0 {
			if rtt, ok := s.fwd.RoundTrip(now, leg, b); ok {
				p.roundTrip(s, rtt)
			}
		}
	}
}

// roundTrip spaces what we ask this peer for again: the way to it is the same for what it sends.
func (p *peer) roundTrip(s *shard, rtt time.Duration) {
	for i := range p.bindings {
		if p.bindings[i].repairs == 0 {
			s.fwd.StreamRTT(p.bindings[i].stream, rtt)
		}
	}
}

// bound is the binding of an SSRC the peer sends, nil for one we do not know.
func (p *peer) bound(ssrc uint32) *binding {
	for i := range p.bindings {
		if p.bindings[i].ssrc == ssrc {
			return &p.bindings[i]
		}
	}
	return nil
}

// legOf is the leg of a slot's SSRC, 0 for one that is not this peer's: nobody asks for another's packets.
func (p *peer) legOf(ssrc uint32) forward.LegID {
	for i := range p.slots {
		if p.slots[i].ssrc == ssrc {
			return p.slots[i].leg
		}
	}
	return 0
}

// expire does what is due by time: for those whose timer it is, and once a second for those who are not
// admitted and for packets nobody needs.
func (s *shard) expire(now time.Time) {
	for i, ok := s.timers.pop(now); ok; i, ok = s.timers.pop(now) {
		if p := s.receiver(i); p != nil {
			s.timers.set(i, now, s.tickPeer(now, p))
		}
	}
	if now.Before(s.sweepAt) {
		return
	}
	s.sweepAt = now.Add(sweepEvery)
	s.untidy = s.fwd.Sweep(now)
	for key, p := range s.peers {
		if p.banned {
			if now.After(p.bannedUntil) {
				s.losePeer(now, key)
			}
			continue
		}
		if p.room == nil && now.Sub(p.since) > orphanFor {
			s.drops[DropOrphan]++
			for len(p.conns) > 0 {
				s.closeConn(now, p.conns[0])
			}
			s.losePeer(now, key)
		}
	}
}

// sweepEvery is how often bans, orphans and kept packets are looked after.
const sweepEvery = time.Second

// soundFor is how long the last sound heard makes what is set aside urgent enough for sound.
const soundFor = time.Second

// soon sees to it that a peer is looked after in the next tick.
func (s *shard) soon(now time.Time, p *peer) {
	if p.admitted {
		s.timers.sooner(p.recv, now, now)
	}
}

// tickPeer does what is due for a peer, and says when it is to be looked after next.
func (s *shard) tickPeer(now time.Time, p *peer) time.Time {
	next := now.Add(lifeEvery)
	by := func(at time.Time) {
		if at.Before(next) {
			next = at
		}
	}
	s.successions(now, p)
	for _, c := range p.conns {
		if !c.heard {
			continue
		}
		if !now.Before(c.feedbackAt) {
			c.feedbackAt = now.Add(feedbackEvery)
			c.heard = s.sendFeedback(now, c)
		}
		by(c.feedbackAt)
	}
	for i := range p.bindings {
		if s.askSender(now, p, &p.bindings[i]) {
			by(now)
		}
	}
	if !now.Before(p.reportAt) {
		p.reportAt = now.Add(reportEvery)
		s.report(now, p)
	}
	by(p.reportAt)
	for g, t := range p.active {
		if t == nil {
			continue
		}
		if now.Sub(p.sentAt[g]) >= lifeEvery {
			s.rtcp = rtp.AppendRR(s.rtcp[:0], p.ssrc)
			s.sendRTCP(now, p, proto.Group(g), t, s.rtcp)
		}
		by(p.sentAt[g].Add(lifeEvery))
	}
	return next
}

// sendFeedback reports the arrival of what a publisher has sent, and whether there was any.
func (s *shard) sendFeedback(now time.Time, c *conn) bool {
	p := c.peer
	// Any transport of the peer connection will do; the video group's is where the packets came from.
	for _, g := range [...]proto.Group{proto.GroupVideo, proto.GroupAudio, proto.GroupContent} {
		if t := c.transports[g]; t != nil {
			s.rtcp = c.recorder.AppendFeedback(s.rtcp[:0], now, p.ssrc, p.mediaSSRC(g))
			if len(s.rtcp) == 0 {
				return false
			}
			s.sendRTCP(now, p, g, t, s.rtcp)
			return true
		}
	}
	return false
}

// askSender asks a sender for what a stream of it needs now: packets that are missing, a key frame that
// somebody waits for. Both are merged over all receivers and throttled by forward. It reports whether there
// may be something to ask for again in a moment. A stream of which nothing has come yet is not asked: it
// begins with a key frame by itself, and would make two.
func (s *shard) askSender(now time.Time, p *peer, b *binding) bool {
	g := p.group(b.kind)
	t := p.active[g]
	if b.repairs != 0 || t == nil || b.kind.IsAudio() || b.lastSeen.IsZero() || !s.fwd.Wanting(b.stream) {
		return false
	}
	s.rtcp = s.rtcp[:0]
	if s.seqs = s.fwd.Missing(now, b.stream, s.seqs[:0]); len(s.seqs) > 0 {
		s.rtcp = rtp.AppendNack(s.rtcp, p.ssrc, b.ssrc, s.seqs)
	}
	if p.sources[b.kind].open && s.fwd.KeyFrameDue(now, b.stream) {
		s.rtcp = rtp.AppendPLI(s.rtcp, p.ssrc, b.ssrc)
	}
	if len(s.rtcp) > 0 {
		s.sendRTCP(now, p, g, t, s.rtcp)
	}
	return p.sources[b.kind].open && s.fwd.Wanting(b.stream)
}

// askSenderOf is askSender for a stream, at once: a receiver that switched should not wait for the tick.
func (s *shard) askSenderOf(now time.Time, id forward.StreamID) {
	p := s.owners[id]
	if p == nil {
		if s.exchange != nil {
			s.exchange.ask(now, id)
		}
		return
	}
	for i := range p.bindings {
		if b := &p.bindings[i]; b.stream == id && b.repairs == 0 {
			if s.askSender(now, p, b) {
				s.soon(now, p)
			}
			return
		}
	}
}

// mediaSSRC names one of the peer's streams, which transport-wide feedback formally wants: one of the
// transport it goes out on, since stacks with a peer connection per transport know no other.
func (p *peer) mediaSSRC(g proto.Group) (ssrc uint32) {
	for i := range p.bindings {
		if b := &p.bindings[i]; b.repairs == 0 && !b.kind.IsAudio() {
			if ssrc = b.ssrc; p.group(b.kind) == g {
				break
			}
		}
	}
	return ssrc
}

// report sends, on every transport of the peer that is up, a sender report for each slot in use and
// receiver reports for each stream. Where there is neither, nothing.
func (s *shard) report(now time.Time, p *peer) {
	for g, t := range p.active {
		if t == nil {
			continue
		}
		s.rtcp = s.rtcp[:0]
		var blocks [8]rtp.ReportBlock
		n := 0
		for i := range p.bindings {
			b := &p.bindings[i]
			if b.repairs == 0 && p.group(b.kind) == proto.Group(g) && n < len(blocks) {
				if rb, ok := s.fwd.ReceiverReport(now, b.stream); ok {
					blocks[n] = rb
					n++
				}
			}
		}
		if n > 0 {
			s.rtcp = rtp.AppendRR(s.rtcp, p.ssrc, blocks[:n]...)
		}
		for i := range p.slots {
			sl := &p.slots[i]
			if sl.source == 0 || p.group(sl.kind) != proto.Group(g) {
				continue
			}
			info, ok := s.fwd.LegReport(now, sl.leg)
			if !ok {
				continue
			}
			s.rtcp = rtp.AppendSR(s.rtcp, sl.ssrc, info)
			if len(s.rtcp) > 1000 { // stay under every path's MTU
				s.sendRTCP(now, p, proto.Group(g), t, rtp.AppendCNAME(s.rtcp, p.ssrc, cname))
				s.rtcp = s.rtcp[:0]
			}
		}
		if len(s.rtcp) > 0 {
			s.sendRTCP(now, p, proto.Group(g), t, rtp.AppendCNAME(s.rtcp, p.ssrc, cname))
		}
	}
}

// reportSlot sends a slot's sender report at once, after a switch: without it the receiver would play
// sound and picture of the new source apart until the next report.
func (s *shard) reportSlot(now time.Time, p *peer, slot int) {
	sl := &p.slots[slot]
	t := p.active[p.group(sl.kind)]
	if t == nil {
		return
	}
	if info, ok := s.fwd.LegReport(now, sl.leg); ok {
		s.rtcp = rtp.AppendSR(s.rtcp[:0], sl.ssrc, info)
		s.sendRTCP(now, p, p.group(sl.kind), t, s.rtcp)
	}
}

// cname is the same for all slots of all receivers: they share one clock, the router's.
const cname = "parley"

// notes hands what forward observed to the meetings.
func (s *shard) notes(now time.Time) {
	for i := range s.out.Notes {
		n := &s.out.Notes[i]
		switch n.Kind {
		case forward.NoteLevel:
			p := s.owners[n.Stream]
			if p == nil || p.room == nil {
				continue
			}
			l := meeting.Level{Source: proto.SourceID(n.Source), DBov: n.Level, Voice: n.Voice}
			if r := p.room; r.levels.put(now, l) && !r.post(heard{}) {
				r.levels.untell()
				s.drops[DropEvents]++
			}
		case forward.NoteWantsKeyFrame:
			s.askSenderOf(now, n.Stream)
		case forward.NoteGap, forward.NoteRestarted:
			if p := s.owners[n.Stream]; p != nil {
				s.soon(now, p)
			}
		case forward.NoteSwitched:
			p := s.receiver(n.Receiver)
			if p == nil || p.room == nil || int(n.Slot) >= len(p.slots) {
				continue
			}
			s.tell(p.room, mapped{p.key.id, int(n.Slot), proto.SourceID(n.Source), uint32(n.Time)})
			s.reportSlot(now, p, int(n.Slot))
		}
	}
	s.out.Notes = s.out.Notes[:0]
}
