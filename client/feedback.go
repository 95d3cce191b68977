package client

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// What is due by time.
const (
	reportEvery   = 500 * time.Millisecond // each transport carries at least one report (design §6)
	twccEvery     = 100 * time.Millisecond
	repairEvery   = 10 * time.Millisecond
	statsEvery    = 2 * time.Second // the event
	statsMsgEvery = 5 * time.Second // the message to the router (S40)
	// deafAfter is when a transport that carried something, and carries nothing any more, is lost. The
	// router reports every half second.
	deafAfter   = 2500 * time.Millisecond
	askAfter    = time.Second             // silence on all transports: the control channel is asked
	routerAfter = 1500 * time.Millisecond // and if it does not answer either, the router is lost
	listenEvery = 250 * time.Millisecond
	cname       = "parley"
)

// media is the media plane of a client. Owned by the loop.
type media struct {
	startedAt time.Time
	welcomed  bool
	greeted   bool                // the hello is on its way: sound may follow it
	lanes     map[int]*lane       // by attempt
	carriers  map[string]*carrier // by ufrag
	active    [proto.NGroups]*lane
	feeders   []*feeder
	out       [proto.NKinds]*outStream
	slots     map[uint32]*inSlot // by SSRC
	rtx       map[uint32]*inSlot // by SSRC of retransmissions
	reporter  uint32             // SSRC of reports where nothing is sent
	scratch   []byte
	twccSeq   uint16
	pacing    []paced
	paceAt    time.Time
	arrivals  arrivals
	stretches uint64

	lossAt time.Time
	place  place

	reportAt, twccAt, repairAt, statsAt, statsMsgAt, listenAt time.Time
	askedAt                                                   time.Time // that the control channel answer, in a silence of the media

	lastFrames                   map[uint32]uint64 // by SSRC, at the last Stats
	lastStats                    time.Time
	malformed, strangers, resent uint64
}

func (m *media) init() {
	m.lanes, m.carriers = map[int]*lane{}, map[string]*carrier{}
	m.slots, m.rtx = map[uint32]*inSlot{}, map[uint32]*inSlot{}
	m.lastFrames = map[uint32]uint64{}
	m.reporter = m.freshSSRC()
	m.scratch = make([]byte, 0, 2048)
}

// random32 gives random bits. The system's source never fails (crypto/rand panics by itself).
func random32() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

// freshSSRC is a random SSRC that this client does not use yet.
func (m *media) freshSSRC() uint32 {
	for {
		x := random32()
		taken := x == 0 || x == m.reporter
		for _, o := range m.out {
			taken = taken || o != nil && (o.ssrc == x || o.rtx == x)
		}
		if !taken {
			return x
		}
	}
}

// welcomeMedia takes the slot table. A slot that is the same as before goes on.
func (c *Client) welcomeMedia(now time.Time, ch *channel, m proto.Welcome) {
	old := c.media.slots
	c.media.slots, c.media.rtx = map[uint32]*inSlot{}, map[uint32]*inSlot{}
	for _, slot := range m.Slots {
		s := old[slot.SSRC]
		if s == nil || s.slot != slot {
			s = &inSlot{slot: slot, held: map[int64]heldPacket{}, missing: map[int64]*gap{}}
			s.asm.reset()
		}
		c.media.slots[slot.SSRC] = s
		if slot.RTX != 0 {
			c.media.rtx[slot.RTX] = s
		}
	}
	c.media.welcomed = true
	if c.media.reportAt.IsZero() {
		c.media.reportAt, c.media.twccAt = now, now
		c.media.statsAt, c.media.statsMsgAt = now.Add(statsEvery), now.Add(statsMsgEvery)
		c.media.lastStats = now
	}
	c.announce(ch)
	c.startSending(now)
}

// feedback handles one compound of the router.
func (c *Client) feedback(now time.Time, data []byte) {
	for {
		p, rest, ok := rtp.NextRTCP(data)
		if !ok {
			return
		}
		data = rest
		if ssrc, info, blocks, ok := p.SenderReport(); ok {
			c.senderReport(now, ssrc, info)
			c.reportBlocks(now, blocks)
		} else if _, blocks, ok := p.ReceiverReport(); ok {
			c.reportBlocks(now, blocks)
		} else if _, ssrc, pairs, ok := p.Nack(); ok {
			if o := c.media.sending(ssrc); o != nil {
				c.resend(now, o, pairs.AppendSeqs(nil, historyLen))
			}
		} else if _, ssrc, ok := p.PLI(); ok {
			c.wantKey(now, c.media.sending(ssrc))
		} else {
			for i := 0; ; i++ {
				ssrc, _, ok := p.FIR(i)
				if !ok {
					break
				}
				c.wantKey(now, c.media.sending(ssrc))
			}
		}
	}
}

// sending is the own stream of an SSRC, nil for none.
func (m *media) sending(ssrc uint32) *outStream {
	for _, o := range m.out {
		if o != nil && o.ssrc == ssrc {
			return o
		}
	}
	return nil
}

// senderReport ties a slot's time stamps to the sender's clock.
func (c *Client) senderReport(now time.Time, ssrc uint32, info rtp.SenderInfo) {
	s := c.media.slots[ssrc]
	if s == nil {
		return
	}
	s.stats.srMiddle, s.stats.srAt, s.stats.srPackets = rtp.MiddleNTP(info.NTP), now, info.Packets
	if c.recorder != nil && s.stretch != 0 {
		c.recorder.report(recordedReport{stretch: s.stretch, ntp: info.NTP, time: info.Time, clock: s.clock(), at: now})
	}
}

// reportBlocks takes what the router says of our streams.
func (c *Client) reportBlocks(now time.Time, blocks rtp.Blocks) {
	for i := range blocks.Len() {
		b := blocks.At(i)
		o := c.media.sending(b.SSRC)
		if o == nil {
			continue
		}
		o.report = b
		o.reports++
		if b.LSR != 0 {
			if d := rtp.FromShort(rtp.MiddleNTP(rtp.NTP(now)) - b.LSR - b.DLSR); d < 10*time.Second {
				o.rtt = d
			}
		}
	}
}

// tickMedia does what is due by time.
func (c *Client) tickMedia(now time.Time) {
	m := &c.media
	if !m.welcomed {
		return
	}
	c.pace(now)
	if !now.Before(m.repairAt) {
		m.repairAt = now.Add(repairEvery)
		for _, s := range m.slots {
			c.tickSlot(now, s)
		}
	}
	if !now.Before(m.twccAt) {
		m.twccAt = now.Add(twccEvery)
		c.sendTWCC()
	}
	if !now.Before(m.reportAt) {
		m.reportAt = now.Add(reportEvery)
		c.sendReports(now)
	}
	if !now.Before(m.listenAt) {
		m.listenAt = now.Add(listenEvery)
		c.follow(now)
		c.listen(now)
	}
	if !now.Before(m.statsAt) {
		m.statsAt = now.Add(statsEvery)
		c.sendStats(now)
	}
}

// wakeMedia is when tickMedia has something to do.
func (c *Client) wakeMedia() time.Time {
	m := &c.media
	if !m.welcomed {
		return time.Time{}
	}
	at := m.reportAt
	if m.listenAt.Before(at) {
		at = m.listenAt
	}
	if m.statsAt.Before(at) {
		at = m.statsAt
	}
	if len(m.pacing) > 0 && m.paceAt.Before(at) {
		at = m.paceAt
	}
	if m.arrivals.pending() && m.twccAt.Before(at) {
		at = m.twccAt
	}
	for _, s := range m.slots {
		if (len(s.missing) > 0 || s.wantKey && s.source != 0) && m.repairAt.Before(at) {
			return m.repairAt
		}
	}
	return at
}

// tickSlot repairs one slot: NACK for holes, PLI where only a key frame helps.
func (c *Client) tickSlot(now time.Time, s *inSlot) {
	var b []byte
	g := s.slot.Kind.Group()
	if len(s.missing) > 0 {
		b = rtp.AppendNack(b, c.reporterOf(g), s.slot.SSRC, c.repair(now, s, c.rtt(g)))
	}
	if s.wantKey && s.source != 0 && !now.Before(s.pliAt) {
		s.pliAt = now.Add(pliEvery)
		b = rtp.AppendPLI(b, c.reporterOf(g), s.slot.SSRC)
	}
	if len(b) > 0 {
		c.writeRTCP(g, b)
	}
}

// rtt is the path's round trip as far as known.
func (c *Client) rtt(g proto.Group) time.Duration {
	if l := c.laneOf(g); l != nil {
		if d := l.carrier.conn.RTT(); d > 0 {
			return d
		}
	}
	if c.control.rtt > 0 {
		return c.control.rtt
	}
	return 50 * time.Millisecond
}

// reporterOf is the SSRC this client's feedback on a transport comes from.
func (c *Client) reporterOf(g proto.Group) uint32 {
	for _, o := range c.media.out {
		if o != nil && o.kind.Group() == g {
			return o.ssrc
		}
	}
	return c.media.reporter
}

// sendReports sends one compound on each transport: sender reports of what is sent there, reports on
// what is received.
func (c *Client) sendReports(now time.Time) {
	var blocks [proto.NGroups][]rtp.ReportBlock
	for _, s := range c.media.slots {
		if s.stats.any && now.Sub(s.lastAt()) < time.Minute {
			g := s.slot.Kind.Group()
			blocks[g] = append(blocks[g], s.block(now))
		}
	}
	for g := range proto.Group(proto.NGroups) {
		if c.cfg.OneGroup {
			if g != proto.GroupAudio {
				continue
			}
			blocks[0] = slices.Concat(blocks[0], blocks[1], blocks[2])
		}
		if c.laneOf(g) == nil {
			continue
		}
		var b []byte
		for _, o := range c.media.out {
			if o != nil && o.packets > 0 && (o.kind.Group() == g || c.cfg.OneGroup) {
				b = rtp.AppendSR(b, o.ssrc, o.senderInfo(now))
			}
		}
		from := c.reporterOf(g)
		rest := blocks[g]
		for first := true; first || len(rest) > 0; first = false {
			n := min(len(rest), 31)
			b = rtp.AppendRR(b, from, rest[:n]...)
			rest = rest[n:]
		}
		c.writeRTCP(g, rtp.AppendCNAME(b, from, cname))
	}
}

// lastAt is when the slot last had a sender report; a slot without one counts as fresh.
func (s *inSlot) lastAt() time.Time {
	if s.stats.srAt.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return s.stats.srAt
}

// listen looks for silence. A transport that carried something and carries nothing any more is a lost
// path; all of them at once, with a control channel that does not answer either, are a lost router
// (design §6), which is noticed well before the heartbeat would.
func (c *Client) listen(now time.Time) {
	last, heard := time.Time{}, false
	for _, l := range c.media.active {
		if l == nil || l.heardAt.IsZero() {
			continue
		}
		heard = true
		if l.heardAt.After(last) {
			last = l.heardAt
		}
	}
	if !heard {
		return
	}
	m := &c.media
	switch silence := now.Sub(last); {
	case silence < askAfter:
		m.askedAt = time.Time{}
	case m.askedAt.IsZero():
		m.askedAt = now
		c.ask(now)
	case silence >= routerAfter && now.Sub(m.askedAt) >= max(500*time.Millisecond, 2*c.control.rtt) && c.control.heardAt.Before(m.askedAt):
		if c.loseControl(now) {
			m.askedAt = time.Time{}
			return
		}
	}
	c.silences(now)
	c.losses(now)
}

// closeMedia ends all transports.
func (c *Client) closeMedia(now time.Time) {
	for g := range c.media.active {
		l := c.media.active[g]
		if l == nil {
			continue
		}
		for _, o := range c.media.out {
			if o != nil && o.packets > 0 && o.kind.Group() == l.group {
				l.carrier.conn.WriteRTCP(rtp.AppendBye(rtp.AppendRR(nil, o.ssrc), o.ssrc))
			}
		}
	}
	for attempt := range c.media.lanes {
		c.closeTransport(attempt)
	}
	c.media.welcomed, c.media.greeted = false, false
	for _, f := range c.media.feeders {
		if !f.running {
			f.source.Close()
		}
	}
	c.stopRecording(now)
}
