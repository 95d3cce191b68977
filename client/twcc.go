package client

import (
	"slices"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// arrivals is the recorder of transport-wide feedback: one for all transports of the client.
type arrivals struct {
	seqs   rtp.Unwrapper
	list   []arrival // since the last feedback
	began  time.Time
	number uint8
	next   int64 // first not yet reported
	any    bool
}

type arrival struct {
	seq int64
	at  time.Duration
}

func (a *arrivals) add(now time.Time, seq rtp.Seq) {
	if a.began.IsZero() {
		a.began = now
	}
	if len(a.list) < 4096 {
		a.list = append(a.list, arrival{a.seqs.Unwrap(seq), now.Sub(a.began)})
	}
}

func (a *arrivals) pending() bool { return len(a.list) > 0 }

// feedback appends the reports on what has come since the last one. A packet that was reported lost
// and came late is reported again.
func (a *arrivals) feedback(dst []byte, from, media uint32) []byte {
	if len(a.list) == 0 {
		return dst
	}
	slices.SortFunc(a.list, func(x, y arrival) int { return int(x.seq - y.seq) })
	first, last := a.list[0].seq, a.list[len(a.list)-1].seq
	if a.any && first > a.next && first-a.next < 1000 {
		first = a.next // so that the gap in between is seen
	}
	if last-first > 4000 {
		first = last - 4000
	}
	at := make([]time.Duration, last-first+1)
	for i := range at {
		at[i] = rtp.NotReceived
	}
	for _, x := range a.list {
		if x.seq >= first {
			at[x.seq-first] = x.at
		}
	}
	a.list, a.next, a.any = a.list[:0], max(a.next, last+1), true
	for len(at) > 0 {
		out, n := rtp.AppendTransportFeedback(dst, from, media, a.number, rtp.Seq(first), at)
		if n <= 0 {
			break
		}
		a.number++
		dst, first, at = out, first+int64(n), at[n:]
	}
	return dst
}

// sendTWCC sends transport-wide feedback on the transport of the pictures, or whichever is up.
func (c *Client) sendTWCC() {
	if !c.media.arrivals.pending() {
		return
	}
	for _, g := range [...]proto.Group{proto.GroupVideo, proto.GroupAudio, proto.GroupContent} {
		if c.laneOf(g) == nil {
			continue
		}
		var ssrc uint32
		for _, s := range c.media.slots {
			if s.slot.Kind.Group() == proto.GroupVideo && s.stats.any {
				ssrc = s.slot.SSRC
				break
			}
		}
		if b := c.media.arrivals.feedback(nil, c.reporterOf(g), ssrc); len(b) > 0 {
			c.writeRTCP(g, b)
		}
		return
	}
}
