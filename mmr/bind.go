package mmr

import (
	"time"

	"parley/core/forward"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// What a participant sends: which of its packets are whose stream, and which of them may pass.

const (
	// maxStreams bounds what one participant can make us remember: three camera layers, microphone,
	// screen and its sound, each with its retransmissions, and room for a change of SSRCs.
	maxStreams = 16
	// streamsFor is in how long a participant may have maxStreams new ones twice over: each is a new table
	// for the meeting and a key frame asked for.
	streamsFor = time.Second
)

// binding says which stream an SSRC carries.
type binding struct {
	ssrc     uint32
	kind     proto.Kind
	layer    int8
	repairs  uint32 // for retransmissions: the SSRC repaired; 0 for media
	stream   forward.StreamID
	lastSeen time.Time
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
	if !p.sources[b.kind].spend(now, b.kind, len(data)) {
		s.drops[DropRate]++
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
		Source: uint32(proto.Source(p.key.id, k)), Layer: layer, Kind: k, SSRC: ssrc, Clock: clock, Sender: p.clock,
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
