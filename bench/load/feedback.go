package load

import (
	"slices"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// What participants send back, as browsers do: receiver reports once a second, consent checks every
// 2.5 s, transport-wide feedback as often as configured. All are spread evenly over their interval.
const (
	reportMS  = 1000
	consentMS = 2500
)

// arrivals records transport-wide numbers for one peer connection.
type arrivals struct {
	seqs   rtp.Unwrapper
	list   []arrival
	next   int64
	any    bool
	number uint8
}

type arrival struct {
	seq int64
	at  int64
}

func (a *arrivals) add(now int64, seq rtp.Seq) {
	if len(a.list) < 4096 {
		a.list = append(a.list, arrival{a.seqs.Unwrap(seq), now})
	}
}

// housekeep does what is due by time, a millisecond's worth at a time.
func (g *generator) housekeep() {
	ms := g.now / int64(time.Millisecond)
	if g.tick == 0 || ms-g.tick > 500 {
		g.tick = ms
	}
	if ms == g.tick {
		return
	}
	every := max(1, g.cfg.Feedback.Milliseconds())
	for ; g.tick < ms; g.tick++ {
		for i := int(g.tick % every); i < len(g.people); i += int(every) {
			g.feedback(g.people[i])
		}
		for i := int(g.tick % reportMS); i < len(g.people); i += reportMS {
			for _, t := range g.people[i].transports {
				if t != nil && t.group != proto.GroupContent {
					g.report(t)
				}
			}
		}
		for i := int(g.tick % (consentMS / proto.NGroups)); i < len(g.people); i += consentMS / proto.NGroups {
			turn := int(g.tick/(consentMS/proto.NGroups)) % proto.NGroups
			if t := g.people[i].transports[turn]; t != nil {
				g.check(t)
			}
		}
		g.lieDue()
	}
	g.checking = slices.DeleteFunc(g.checking, func(t *transport) bool {
		if t.answers > 0 || t.person.gone.Load() {
			return true
		}
		if g.now >= t.checkAt {
			t.checkAt = g.now + int64(50*time.Millisecond)
			g.check(t)
		}
		return false
	})
	g.moveDue()
	g.net.flush()
}

// check sends a connectivity check.
func (g *generator) check(t *transport) {
	if t.person.gone.Load() {
		return
	}
	g.scratch = t.bare.AppendCheck(g.scratch[:0])
	g.net.put(t, g.scratch)
}

// rtcp seals and queues a compound.
func (g *generator) rtcp(t *transport, plain []byte) {
	if t.out == nil || t.person.gone.Load() {
		return
	}
	b, err := t.out.SealRTCP(g.sealed[:0], plain)
	if err != nil {
		return
	}
	g.sealed = b
	g.net.put(t, b)
}

// report sends a receiver report, with sender reports of what is published there.
func (g *generator) report(t *transport) {
	var blocks [31]rtp.ReportBlock
	n := 0
	for i := range t.streams {
		if s := &t.streams[i]; s.count > 0 && n < len(blocks) {
			blocks[n] = s.block(g.now)
			n++
		}
	}
	b := g.scratch[:0]
	for _, p := range t.person.pubs {
		if p.kind.Group() == t.group && p.packets > 0 {
			b = rtp.AppendSR(b, p.ssrc, rtp.SenderInfo{
				NTP: rtp.NTP(g.began.Add(time.Duration(g.now))), Time: p.at(g.now), Packets: p.packets, Octets: p.octets,
			})
		}
	}
	b = rtp.AppendRR(b, t.person.reporter, blocks[:n]...)
	g.scratch = rtp.AppendCNAME(b, t.person.reporter, "load")
	g.rtcp(t, g.scratch)
}

// block is the report on a stream (RFC 3550 §6.4.1).
func (s *stream) block(now int64) rtp.ReportBlock {
	expected := uint32(s.top-s.first) + 1 + uint32(s.cycles)<<16
	if s.cycles > 0 && s.top < s.first {
		expected = uint32(s.cycles)<<16 + uint32(s.top) - uint32(s.first) + 1
	}
	b := rtp.ReportBlock{SSRC: s.ssrc, Lost: max(0, s.lost), Highest: uint32(s.cycles)<<16 | uint32(s.top), LSR: s.lsr}
	de, dr := expected-s.prior.expected, s.count-s.prior.received
	if de > dr && de > 0 {
		b.FractionLost = uint8(min(255, (de-dr)*256/de))
	}
	s.prior.expected, s.prior.received = expected, s.count
	if s.lsr != 0 {
		b.DLSR = rtp.Short(time.Duration(now - s.lsrAt))
	}
	return b
}

// feedback sends transport-wide feedback on what has come since the last.
func (g *generator) feedback(p *person) {
	a := &p.twcc
	t := p.transports[proto.GroupVideo]
	if len(a.list) == 0 || t == nil || len(t.streams) == 0 {
		return
	}
	slices.SortFunc(a.list, func(x, y arrival) int { return int(x.seq - y.seq) })
	first, last := a.list[0].seq, a.list[len(a.list)-1].seq
	if a.any && first > a.next && first-a.next < 1000 {
		first = a.next
	}
	first = max(first, last-4000)
	at := g.times[:0]
	for range last - first + 1 {
		at = append(at, rtp.NotReceived)
	}
	for _, x := range a.list {
		if x.seq >= first {
			at[x.seq-first] = time.Duration(x.at)
		}
	}
	g.times = at
	a.list, a.next, a.any = a.list[:0], max(a.next, last+1), true
	for len(at) > 0 {
		out, n := rtp.AppendTransportFeedback(g.scratch[:0], p.reporter, t.streams[0].ssrc, a.number, rtp.Seq(first), at)
		g.scratch = out
		if n <= 0 {
			return
		}
		a.number++
		g.rtcp(t, out)
		at, first = at[n:], first+int64(n)
	}
}

// nack asks for a packet again.
func (g *generator) nack(t *transport, ssrc uint32, seq rtp.Seq) {
	g.res.Nacked++
	g.scratch = rtp.AppendNack(g.scratch[:0], t.person.reporter, ssrc, []rtp.Seq{seq})
	g.rtcp(t, g.scratch)
}
