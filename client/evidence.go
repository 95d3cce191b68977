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

// evidence is what was counted for one stream until the last look. Owned by the loop.
type evidence struct {
	expected, received int64  // from the router, by the numbers of what came
	told               uint32 // sent by the router, by its own word
	sent               uint64 // to it
	highest            uint32 // that it had by its last report
	reports            int    // of it on this stream
	busy               bool   // enough was sent in the second before this one
}

// silences tells which paths in use carry nothing: the router reports on each every half second.
func (c *Client) silences(now time.Time) {
	for _, l := range c.media.active {
		if l != nil && !l.heardAt.IsZero() && l.silentAt.IsZero() && now.Sub(l.heardAt) >= c.patience(now, l) {
			l.silentAt = now
			c.mind.Handle(now, join.PathSilent{Attempt: l.attempt})
		}
	}
}

// patience is how long a path must carry nothing to be called silent. Video and content move together, so where one of
// them is heard over the same rung the other, which may be idle and lose its few reports, gets more time.
func (c *Client) patience(now time.Time, l *lane) time.Duration {
	for _, o := range c.media.active {
		if l.group != proto.GroupAudio && o != nil && o != l && o.group != proto.GroupAudio && o.rung == l.rung && now.Sub(o.heardAt) < deafAfter {
			return 2 * deafAfter
		}
	}
	return deafAfter
}

// heardOn takes note of a packet on a carrier. One that came over the way that is tried in place of the silent one
// does not speak for that.
func (c *Client) heardOn(now time.Time, cr *carrier) {
	l := c.media.active[cr.group]
	if l == nil || l.carrier != cr {
		return
	}
	l.heardAt = now
	if !l.silentAt.IsZero() && l.way.HeardAt().After(l.silentAt) {
		l.silentAt = time.Time{}
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
	var lost [proto.NGroups]struct {
		share              float64
		known              bool
		expected, received int64
	}
	for _, s := range m.slots {
		expected, received := s.stats.fresh()
		g := &lost[c.groupOf(s.slot.Kind)]
		g.expected += expected
		g.received += received
	}
	for g := range lost {
		if l := &lost[g]; l.expected >= enough {
			l.share, l.known = max(float64(l.expected-l.received)/float64(l.expected), 0), true
		}
	}
	for _, o := range m.out {
		if o == nil {
			continue
		}
		if share, known := o.loss(); known {
			g := &lost[c.groupOf(o.kind)]
			g.share, g.known = max(g.share, share), true
		}
	}
	for g, l := range lost {
		if l.known && m.active[g] != nil {
			c.mind.Handle(now, join.PathLoss{Group: proto.Group(g), Loss: l.share})
		}
	}
}

// fresh is how many packets should have come since the last look, and how many did. Where none came their numbers
// tell nothing, and the router's word counts: small packets may pass where large ones are swallowed.
func (t *inStats) fresh() (expected, received int64) {
	was := t.evidence
	t.evidence.told = t.srPackets
	if t.any {
		t.evidence.expected, t.evidence.received = t.highest-t.base+1, int64(t.received)
	}
	expected, received = t.evidence.expected-was.expected, t.evidence.received-was.received
	if expected == 0 && received == 0 && was.told != 0 {
		expected = int64(int32(t.evidence.told - was.told))
	}
	return expected, received
}

// loss is the share of what was sent since the last look that did not get there; unknown where too little was sent.
// A report that knows of nothing new, though enough was sent for two seconds, says that nothing gets there; so
// does one that leaves the stream out.
func (o *outStream) loss() (share float64, known bool) {
	was := o.evidence
	sent := o.packets - was.sent
	o.evidence.sent, o.evidence.highest, o.evidence.reports = o.packets, o.report.Highest, o.reports
	o.evidence.busy = sent >= enough && o.packets > was.sent
	switch {
	case !o.evidence.busy:
		return 0, false
	case was.busy && o.report.Highest == was.highest && (o.reports > was.reports || o.reports == 0):
		return 1, true
	}
	return float64(o.report.FractionLost) / 256, true
}

// groupOf is the transport a kind of media goes over.
func (c *Client) groupOf(k proto.Kind) proto.Group {
	if c.cfg.OneGroup {
		return proto.GroupAudio
	}
	return k.Group()
}
