package client

import (
	"encoding/binary"
	"time"

	"parley/core/join"
	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Numbers of receiving.
const (
	maxHeld       = 1024                  // packets held back per slot while one is missing
	nackAfter     = 10 * time.Millisecond // packets may overtake each other by that much
	nackTries     = 5                     // per packet
	audioPatience = 60 * time.Millisecond // audio is not retransmitted: only reordering is waited for
	videoPatience = 400 * time.Millisecond
	pliEvery      = 500 * time.Millisecond
	jumpLen       = 2000 // a gap of more packets is a new beginning
)

// inSlot is one receive slot: a fixed SSRC with one source after another. Owned by the loop.
type inSlot struct {
	slot   proto.Slot
	source proto.SourceID // told by the router; what the packets say wins

	seqs    rtp.Unwrapper
	started bool
	next    int64 // first packet not yet handed on
	held    map[int64]heldPacket
	missing map[int64]*gap
	asm     assembler
	current proto.SourceID // whose packets are being handed on
	stretch uint64         // one source's time in the slot; the recorder's clocks hang on it
	pliAt   time.Time
	wantKey bool

	stats inStats
}

// heldPacket is a packet that waits for its turn.
type heldPacket struct {
	source  proto.SourceID
	pt      uint8
	time    rtp.Time
	marker  bool
	payload []byte
	at      time.Time
}

// gap is a packet that has not come.
type gap struct {
	since time.Time
	askAt time.Time
	tries int
}

// inStats are what receiver reports and statistics need (RFC 3550 appendix A.3, A.8).
type inStats struct {
	base, highest int64
	received      uint64
	bytes         uint64
	repaired      uint64
	priorExpected int64
	priorReceived uint64
	jitter        float64 // ticks
	transit       float64
	lastTime      rtp.Time
	any           bool
	srMiddle      uint32
	srAt          time.Time
	srPackets     uint32 // sent, by the latest sender report
	evidence      evidence
	width, height int
	frames        uint64
}

// receive takes one packet from a transport.
func (c *Client) receive(now time.Time, p received) {
	if p.carrier.lanes == 0 && !p.carrier.left {
		return // closed meanwhile
	}
	g := p.carrier.group
	c.heardOn(now, p.carrier)
	if c.cfg.OnPacket != nil {
		c.cfg.OnPacket(g, p.rtcp, p.data)
	}
	if p.rtcp {
		c.feedback(now, p.data)
		return
	}
	var h rtp.Header
	if rtp.Parse(p.data, &h) != nil {
		c.media.malformed++
		return
	}
	if b := h.Ext(p.data, proto.ExtTransportSeq); len(b) == 2 {
		c.media.arrivals.add(now, rtp.Seq(binary.BigEndian.Uint16(b)))
	}
	payload := h.Payload(p.data)
	if s := c.media.slots[h.SSRC]; s != nil {
		c.receiveMedia(now, s, &h, p.data, h.PT, h.Seq, payload, false)
		return
	}
	s := c.media.rtx[h.SSRC]
	if s == nil {
		c.media.strangers++
		return
	}
	pt := proto.OriginalOf(h.PT)
	if pt == 0 || len(payload) < 2 {
		return // padding that probes the bandwidth
	}
	c.receiveMedia(now, s, &h, p.data, pt, rtp.Seq(binary.BigEndian.Uint16(payload)), payload[2:], true)
}

// receiveMedia puts a packet in its place in the slot.
func (c *Client) receiveMedia(now time.Time, s *inSlot, h *rtp.Header, data []byte, pt uint8, seq rtp.Seq, payload []byte, repaired bool) {
	if repaired && !s.started {
		return
	}
	x := s.seqs.Peek(seq)
	if !s.started || !repaired && (x > s.next+jumpLen || x < s.next-jumpLen) {
		s.start(x)
	}
	if !repaired {
		s.seqs.Unwrap(seq)
		s.stats.arrived(now, x, h.Time, len(payload), s.clock())
	} else {
		s.stats.repaired++
	}
	if x < s.next || s.held[x].payload != nil {
		return // too late, or twice
	}
	source := proto.SourceID(h.CSRC(data, 0))
	if source == 0 {
		source = s.source
	}
	if payload == nil {
		payload = []byte{}
	}
	delete(s.missing, x)
	s.held[x] = heldPacket{source, pt, h.Time, h.Marker, payload, now}
	for y := max(s.next, x-jumpLen); y < x; y++ {
		if s.held[y].payload == nil && s.missing[y] == nil {
			s.missing[y] = &gap{since: now, askAt: now.Add(nackAfter)}
		}
	}
	c.handOn(now, s)
	for len(s.held) > maxHeld {
		c.giveUp(now, s)
	}
}

// start begins at packet x.
func (s *inSlot) start(x int64) {
	s.started, s.next = true, x
	clear(s.held)
	clear(s.missing)
	s.asm.reset()
	if !s.stats.any {
		s.stats.base = x
	}
}

func (s *inSlot) clock() uint32 {
	if s.slot.Kind.IsAudio() {
		return proto.ClockAudio
	}
	return proto.ClockVideo
}

// arrived does the arithmetic of RFC 3550 for an original packet.
func (t *inStats) arrived(now time.Time, x int64, at rtp.Time, n int, clock uint32) {
	t.received++
	t.bytes += uint64(n)
	seconds := float64(now.UnixNano()%(1e9*3600)) / 1e9
	transit := seconds*float64(clock) - float64(at)
	if t.any && at != t.lastTime {
		d := transit - t.transit
		if d < 0 {
			d = -d
		}
		if d < float64(clock) { // a jump of more than a second is a wrap or another source
			t.jitter += (d - t.jitter) / 16
		}
	}
	t.transit, t.lastTime = transit, at
	if !t.any || x > t.highest {
		t.highest = x
	}
	t.any = true
}

// lost is how many packets never came so far, by original or repair.
func (t *inStats) lost() int64 {
	if !t.any {
		return 0
	}
	return max(t.highest-t.base+1-int64(t.received+t.repaired), 0)
}

// block is the report block on this stream, and closes the interval.
func (s *inSlot) block(now time.Time) rtp.ReportBlock {
	t := &s.stats
	expected := t.highest - t.base + 1
	b := rtp.ReportBlock{
		SSRC: s.slot.SSRC, Lost: int32(max(min(expected-int64(t.received), 1<<23-1), -1<<23)),
		Highest: uint32(t.highest), Jitter: uint32(t.jitter),
	}
	interval, got := expected-t.priorExpected, int64(t.received-t.priorReceived)
	if lost := interval - got; lost > 0 && interval > 0 {
		b.FractionLost = uint8(min(lost*256/interval, 255))
	}
	t.priorExpected, t.priorReceived = expected, t.received
	if !t.srAt.IsZero() {
		b.LSR, b.DLSR = t.srMiddle, rtp.Short(now.Sub(t.srAt))
	}
	return b
}

// handOn passes on what is in order.
func (c *Client) handOn(now time.Time, s *inSlot) {
	for {
		p, ok := s.held[s.next]
		if !ok {
			return
		}
		delete(s.held, s.next)
		delete(s.missing, s.next)
		s.next++
		c.take(now, s, p)
	}
}

// take puts a packet that is in order into its frame.
func (c *Client) take(now time.Time, s *inSlot, p heldPacket) {
	if len(p.payload) == 0 {
		return // padding only
	}
	if p.source != s.current {
		c.turn(now, s, p.source)
	}
	codec := codecOf(p.pt)
	if codec == "" || codec.Kind() == clip.Audio != s.slot.Kind.IsAudio() {
		c.media.malformed++
		return
	}
	for _, f := range s.asm.push(codec, p.time, p.marker, p.payload) {
		c.frame(now, s, p, f)
	}
	if s.asm.needKey && !s.slot.Kind.IsAudio() {
		s.wantKey = true
	}
}

// turn begins another source in a slot.
func (c *Client) turn(now time.Time, s *inSlot, source proto.SourceID) {
	s.current = source
	c.media.stretches++
	s.stretch = c.media.stretches
	s.asm.reset()
}

// frame is one whole frame of a source.
func (c *Client) frame(now time.Time, s *inSlot, p heldPacket, f assembled) {
	s.wantKey = false
	s.stats.frames++
	if f.key && f.codec != clip.Opus {
		if w, h, ok := clip.Size(f.codec, f.data); ok {
			s.stats.width, s.stats.height = w, h
		}
	}
	if c.cfg.OnFrame != nil {
		c.cfg.OnFrame(Frame{Source: s.current, Slot: s.slot.ID, Codec: f.codec, Time: uint32(f.time), Key: f.key, Data: f.data, At: now})
	}
	if c.recorder != nil && s.current != 0 {
		c.recorder.frame(recordedFrame{
			stretch: s.stretch, clock: s.clock(), source: s.current, name: c.who(s.current.Participant()),
			frame: f, at: p.at,
		})
	}
}

// giveUp skips to the first packet that is there.
func (c *Client) giveUp(now time.Time, s *inSlot) {
	first := int64(-1 << 62)
	for x := range s.held {
		if first == -1<<62 || x < first {
			first = x
		}
	}
	if first == -1<<62 {
		return
	}
	for x := range s.missing {
		if x < first {
			delete(s.missing, x)
		}
	}
	s.next = first
	s.asm.lost()
	if !s.slot.Kind.IsAudio() {
		s.wantKey = true
	}
	c.handOn(now, s)
}

// repair asks for what is missing and gives up what comes too late. It returns the numbers to ask for.
func (c *Client) repair(now time.Time, s *inSlot, rtt time.Duration) (ask []rtp.Seq) {
	patience := videoPatience + min(2*rtt, 400*time.Millisecond)
	if s.slot.Kind.IsAudio() {
		patience = audioPatience
	}
	for len(s.missing) > 0 {
		oldest := s.missing[s.next]
		if oldest == nil || now.Sub(oldest.since) < patience {
			break
		}
		c.giveUp(now, s)
	}
	if s.slot.RTX == 0 {
		return nil
	}
	for x := s.next; len(ask) < 128 && x <= s.stats.highest; x++ {
		g := s.missing[x]
		if g == nil || now.Before(g.askAt) || g.tries >= nackTries {
			continue
		}
		g.tries++
		g.askAt = now.Add(max(rtt+10*time.Millisecond, 20*time.Millisecond))
		ask = append(ask, rtp.Seq(x))
	}
	return ask
}

// handleSlots follows the router's mapping. The packets themselves say whose they are; the mapping
// tells that a slot is empty, and that a source is to come.
func (c *Client) handleSlots(now time.Time, m proto.Slots) {
	for _, change := range m.Changes {
		for _, s := range c.media.slots {
			if s.slot.ID != change.Slot {
				continue
			}
			fresh := s.source != change.Source
			s.source = change.Source
			if !fresh {
				continue
			}
			if change.Source != 0 {
				if !s.slot.Kind.IsAudio() && change.Source != s.current {
					s.wantKey, s.pliAt = true, now.Add(pliEvery) // the router asks for the first by itself
				}
				if s.slot.Kind.Group() == proto.GroupContent {
					c.mind.Handle(now, join.NeedContent{})
				}
			} else {
				s.wantKey = false
			}
			who := change.Source.Participant()
			c.emit(SlotChange{Slot: change.Slot, Kind: s.slot.Kind.String(), Source: change.Source, Participant: who, Who: c.who(who)})
		}
	}
}
