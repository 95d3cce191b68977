package load

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// lie is what is wrong with a receiver. What it says is sealed with its own keys, so the server must take it.
type lie uint8

// The sorts of receivers, in turn.
const (
	honest  lie = iota
	dead        // reads neither its control channel nor its media, whose ports are closed: the kernel refuses what comes
	greedy      // asks for each packet again, and for the sixteen before it, though all came
	wild        // reports losses, jitter and round trips at random, a thousand times a second
	garbled     // the same with bandwidths, and arrivals of transport-wide numbers, that make no sense
	hasty       // asks for a key frame a thousand times a second
	nLies
)

// deadAfter is how long a dead receiver lives at ports of its own, which the server has to learn first.
const deadAfter = 500 * time.Millisecond

// lieDue turns so many receivers into liars, all sorts in turn, and lets them lie: each millisecond. They are the
// last that came but for movers, whose ports change as it is.
func (g *generator) lieDue() {
	if g.cfg.Liars == 0 || g.phase < Publishing {
		return
	}
	if g.liars == nil {
		for _, p := range slices.Backward(g.people[:len(g.people)-g.cfg.Movers]) {
			if len(p.pubs) == 0 && len(g.liars) < g.cfg.Liars {
				p.lie = honest + 1 + lie(len(g.liars))%(nLies-1)
				g.liars = append(g.liars, p)
				g.die(p)
			}
		}
		g.dieAt = g.now + int64(deadAfter)
	}
	for _, p := range g.liars {
		t := p.transports[proto.GroupVideo]
		switch {
		case p.gone.Load() || t == nil || len(t.streams) == 0:
		case p.lie == dead && g.now >= g.dieAt:
			p.gone.Store(true) // it says nothing any more
			g.net.flush()
			for _, t := range p.transports {
				if t != nil {
					g.net.retire(t.socket)
				}
			}
		case p.lie >= wild:
			g.res.Lies++
			g.scratch = p.appendLie(g.scratch[:0], t)
			g.rtcp(t, g.scratch)
		}
	}
}

// die takes who is to be dead to ports that can be closed, and tells the server.
func (g *generator) die(p *person) {
	if p.lie != dead {
		return
	}
	p.deaf.Store(true)
	g.movePorts(p, func(t *transport) {
		g.check(t)
		g.report(t)
	})
}

// appendLie adds what a liar says of a transport.
func (p *person) appendLie(b []byte, t *transport) []byte {
	s := &t.streams[random(len(t.streams))]
	switch p.lie {
	case wild:
		var blocks [31]rtp.ReportBlock
		for i := range blocks {
			blocks[i] = rtp.ReportBlock{
				SSRC: s.ssrc, FractionLost: uint8(random(256)), Lost: int32(random(1<<24) - 1<<23), Highest: rand.Uint32(),
				Jitter: rand.Uint32(), LSR: s.lsr, DLSR: rand.Uint32(),
			}
		}
		return rtp.AppendCNAME(rtp.AppendRR(b, p.reporter, blocks[:]...), p.reporter, "load")
	case hasty:
		return rtp.AppendFIR(rtp.AppendPLI(b, p.reporter, s.ssrc), p.reporter, s.ssrc, uint8(random(256)))
	}
	// REMB of any exponent (draft-alvestrand-rmcat-remb), then a transport-wide feedback that is a head and noise.
	const feedback = 15
	b = append(b, 2<<6|feedback, rtp.TypePSFB, 0, 5)
	b = binary.BigEndian.AppendUint32(b, p.reporter)
	b = append(b, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, byte(random(256)), byte(random(256)), byte(random(256)))
	b = binary.BigEndian.AppendUint32(b, s.ssrc)
	b = append(b, 2<<6|feedback, rtp.TypeRTPFB, 0, 14)
	b = binary.BigEndian.AppendUint32(b, p.reporter)
	b = binary.BigEndian.AppendUint32(b, s.ssrc)
	for range 12 {
		b = binary.BigEndian.AppendUint32(b, rand.Uint32())
	}
	return b
}

// greed asks for a packet that has come, and for those before it.
func (g *generator) greed(t *transport, ssrc uint32, seq rtp.Seq) {
	var all [17]rtp.Seq
	for i := range all {
		all[i] = seq - rtp.Seq(len(all)-1-i)
	}
	g.res.Lies++
	g.scratch = rtp.AppendNack(g.scratch[:0], t.person.reporter, ssrc, all[:])
	g.rtcp(t, g.scratch)
}
