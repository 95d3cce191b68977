package client

import (
	"time"

	"parley/core/join"
	"parley/wire/proto"
)

// What media itself says of its paths: core/join decides by it whether to leave one.

const (
	lossEvery = time.Second
	// enough is how many packets a share of them is told of.
	enough = 20
)

// evidence is what was counted for one group until the last look. Owned by the loop.
type evidence struct {
	expected, received int64  // from the router
	sent               uint64 // to it
}

// silences tells which paths in use carry nothing: the router reports on each every half second.
func (c *Client) silences(now time.Time) {
	for _, l := range c.media.active {
		if l != nil && !l.heardAt.IsZero() && !l.silent && now.Sub(l.heardAt) >= deafAfter {
			l.silent = true
			c.mind.Handle(now, join.PathSilent{Attempt: l.attempt})
		}
	}
}

// heardOn takes note of a packet on a carrier.
func (c *Client) heardOn(now time.Time, cr *carrier) {
	l := c.media.active[cr.group]
	if l == nil || l.carrier != cr {
		return
	}
	l.heardAt = now
	if l.silent {
		l.silent = false
		c.mind.Handle(now, join.PathHeard{Attempt: l.attempt})
	}
}

// losses tells for each group what share of its packets was lost within a second, in the worse direction.
func (c *Client) losses(now time.Time) {
	m := &c.media
	if now.Before(m.lossAt) {
		return
	}
	m.lossAt = now.Add(lossEvery)
	var is [proto.NGroups]evidence
	var up [proto.NGroups]float64
	for _, s := range m.slots {
		if t := &s.stats; t.any {
			e := &is[c.groupOf(s.slot.Kind)]
			e.expected += t.highest - t.base + 1
			e.received += int64(t.received)
		}
	}
	for _, o := range m.out {
		if o != nil {
			g := c.groupOf(o.kind)
			is[g].sent += o.packets
			up[g] = max(up[g], float64(o.report.FractionLost)/256)
		}
	}
	for g := range is {
		was := m.evidence[g]
		m.evidence[g] = is[g]
		expected, received := is[g].expected-was.expected, is[g].received-was.received
		loss, known := 0.0, false
		if expected >= enough {
			loss, known = max(float64(expected-received)/float64(expected), 0), true
		}
		if is[g].sent-was.sent >= enough && is[g].sent > was.sent {
			loss, known = max(loss, up[g]), true
		}
		if known && m.active[g] != nil {
			c.mind.Handle(now, join.PathLoss{Group: proto.Group(g), Loss: loss})
		}
	}
}

// groupOf is the transport a kind of media goes over.
func (c *Client) groupOf(k proto.Kind) proto.Group {
	if c.cfg.OneGroup {
		return proto.GroupAudio
	}
	return k.Group()
}
