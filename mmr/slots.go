package mmr

import (
	"time"

	"parley/core/forward"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// slotLeg is one receive slot of a peer.
type slotLeg struct {
	ssrc   uint32 // of what we send in it
	rtx    uint32 // of retransmissions
	kind   proto.Kind
	leg    forward.LegID  // 0 until the slot is first wired
	source proto.SourceID // what it is wired to, 0 nothing
}

// setSlots gives a seat its slots. A slot gets its leg when it is first wired: most of a table is never
// used, and a leg is the larger part of what a seat costs.
func (p *peer) setSlots(slots []proto.Slot) {
	p.slots = make([]slotLeg, len(slots))
	for i, sl := range slots {
		p.slots[i] = slotLeg{ssrc: sl.SSRC, rtx: sl.RTX, kind: sl.Kind}
	}
}

// needLeg makes the leg of a slot that has none yet. The first numbers are random, or go on where the SSRC was
// left under the same keys. Never near the wrap: SRTP does not say how often a number has wrapped, and a
// receiver that lost the packets before the first wrap could decrypt nothing after it (RFC 3711 §3.3.1).
func (s *shard) needLeg(p *peer, slot int) {
	sl := &p.slots[slot]
	if sl.leg != 0 {
		return
	}
	begin := func(ssrc uint32) rtp.Seq {
		if next, ok := p.spent[ssrc]; ok {
			return next
		}
		return rtp.Seq(randomSeed() & 0x7fff)
	}
	sl.leg = s.fwd.AddLeg(forward.LegConfig{
		Receiver: p.recv, Slot: uint16(slot), Kind: sl.kind, SSRC: sl.ssrc, RTX: sl.rtx,
		FirstSeq: begin(sl.ssrc), FirstRTXSeq: begin(sl.rtx), FirstTime: rtp.Time(randomSeed()),
		TWCC: p.twcc[sl.kind.Group()],
	})
}

// spend takes a leg away, and remembers up to where the numbers of its SSRCs are used: another table may have
// the same SSRCs in other places, and no number is sealed twice with one key.
func (s *shard) spend(p *peer, sl *slotLeg) {
	if next, rtx, ok := s.fwd.Numbers(sl.leg); ok {
		if p.spent == nil || len(p.spent) >= maxSpent {
			p.spent = map[uint32]rtp.Seq{}
		}
		for ssrc, n := range map[uint32]rtp.Seq{sl.ssrc: next, sl.rtx: rtx} {
			if n >= nearWrap {
				n = 0 // behind the wrap, see needLeg
			}
			p.spent[ssrc] = n
		}
	}
	s.fwd.RemoveLeg(sl.leg)
}

// nearWrap is from where numbers go on behind the wrap under the same keys. Much sooner would be a jump by half of
// all numbers, which looks like one back to whoever seals, and to a receiver that lost the last of those before.
const nearWrap = 3 << 14

// maxSpent bounds what tables of a seat are remembered: ten of them. One who changes theirs more often may see
// a slot stay empty.
const maxSpent = 1024

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
	old := p.slots
	p.setSlots(slots)
	for i := range old {
		have := &old[i]
		if i < len(p.slots) && p.slots[i].same(have) {
			p.slots[i] = *have
		} else {
			s.spend(p, have)
		}
	}
	if topo != nil {
		s.markDirty(topo, now)
	}
}

// same reports whether what is sent in both slots is one stream to the receiver.
func (sl *slotLeg) same(as *slotLeg) bool {
	return sl.ssrc == as.ssrc && sl.rtx == as.rtx && sl.kind == as.kind
}
