package forward

import (
	"time"

	"parley/wire/rtp"
)

// What the router tells a stream's sender: reports, requests for what is missing, requests for key
// frames.

// hole is a number that has not come yet.
type hole struct {
	ext   int64
	since time.Duration
	asked time.Duration
	tries uint8
}

const (
	maxHoles   = 512                    // of a stream; older ones are given up first
	maxTries   = 5                      // requests for one packet
	reorderFor = 5 * time.Millisecond   // a packet this late may just have been overtaken
	giveUpFor  = 500 * time.Millisecond // later than this a repair comes too late to show
	// keyEvery spaces key-frame requests: a key frame costs as much as a second of picture.
	keyEvery = 300 * time.Millisecond
	// wishesApart is how far apart the key frames are that one receiver may have while others watch, in the end:
	// the first are keyEvery apart, each next twice as far. wishesCalm is how long it must not have asked for it
	// to begin anew.
	wishesApart = 8 * keyEvery
	wishesCalm  = 10 * time.Second
	// replayFor is how old a key frame a new follower may still begin with: as long as no other could be
	// asked for, so that people who come one after another share one.
	replayFor = keyEvery
)

// miss notes that numbers from..to-1 were skipped.
func (st *stream) miss(from, to int64, at time.Duration) {
	from = max(from, to-maxHoles)
	if over := len(st.lost) + int(to-from) - maxHoles; over > 0 {
		st.lost = st.lost[:copy(st.lost, st.lost[min(over, len(st.lost)):])]
	}
	for ; from < to; from++ {
		st.lost = append(st.lost, hole{ext: from, since: at})
	}
}

// heal notes that a number has come after all.
func (st *stream) heal(ext int64) {
	for i := range st.lost {
		if st.lost[i].ext == ext {
			st.lost = append(st.lost[:i], st.lost[i+1:]...)
			return
		}
	}
}

// forget gives up everything before ext: a key frame there makes it useless.
func (st *stream) forget(ext int64) {
	n := 0
	for n < len(st.lost) && st.lost[n].ext < ext {
		n++
	}
	st.lost = st.lost[:copy(st.lost, st.lost[n:])]
}

// Missing appends the numbers to ask the sender for now (RFC 4585 section 6.2.1), in rising order: each
// at most five times, a round-trip time apart, until it is half a second late or a newer key frame
// makes it useless. Nothing is asked for a stream nobody follows, nor for audio, which is not
// retransmitted. Call it after a batch with NoteGap and every 20 ms or so.
func (s *Shard) Missing(now time.Time, id StreamID, dst []rtp.Seq) []rtp.Seq {
	st := s.stream(id)
	if st == nil || len(st.lost) == 0 {
		return dst
	}
	at := s.since(now)
	n := 0
	for n < len(st.lost) && at-st.lost[n].since >= giveUpFor {
		n++
	}
	st.lost = st.lost[:copy(st.lost, st.lost[n:])]
	if st.mirror || st.row == nil || len(st.row.Legs) == 0 && st.row.Pipes == 0 {
		return dst
	}
	rtt := st.rtt
	if rtt == 0 {
		rtt = defaultRTT
	}
	every := max(rtt+rtt/4, 20*time.Millisecond)
	for i := range st.lost {
		h := &st.lost[i]
		if at-h.since < reorderFor || h.tries >= maxTries || h.tries > 0 && at-h.asked < every {
			continue
		}
		h.tries, h.asked = h.tries+1, at
		st.stats.Nacked++
		dst = append(dst, rtp.Seq(h.ext))
	}
	return dst
}

// Picture notes a receiver's wish for a key frame on a leg, PLI or FIR, and says of which stream, 0 for none.
func (s *Shard) Picture(now time.Time, id LegID) StreamID {
	l := s.leg(id)
	if l == nil {
		return 0
	}
	l.stats.Pictures++
	st := s.stream(l.cur)
	if st == nil || st.cfg.Kind.IsAudio() {
		return 0
	}
	at := s.since(now)
	if !st.mirror && (st.row == nil || len(st.row.Legs) < 2 && st.row.Pipes == 0) {
		l.wishAt = 0 // nobody else has to pay
	} else if !l.mayWish(at, st) {
		return 0
	}
	st.picture, st.wantKey = true, true
	return l.cur
}

// mayWish reports whether the leg may have another key frame: each it had costs all who watch the stream.
func (l *leg) mayWish(at time.Duration, st *stream) bool {
	switch since := at - l.wishAt; {
	case l.wishAt == 0, since > wishesCalm:
		l.wishEvery = 0
	case !st.hasKey || st.keyAt < l.wishAt:
		return true // the same wish: none has come yet
	case since < l.wishEvery:
		return false
	}
	l.wishAt, l.wishEvery = at, min(max(2*l.wishEvery, keyEvery), wishesApart)
	return true
}

// Wanting reports whether there may be something to ask a stream's sender for: while it holds, call Missing
// and KeyFrameDue every 20 ms or so.
func (s *Shard) Wanting(id StreamID) bool {
	st := s.stream(id)
	return st != nil && (st.wantKey || len(st.lost) > 0 && !st.mirror)
}

// KeyFrameDue reports whether to ask the sender for a key frame of this stream now, and counts it as
// asked. Wishes are merged: a leg that waits, a receiver's PLI. Requests are at least 300 ms apart and
// repeated until a key frame begins, or nobody needs it.
func (s *Shard) KeyFrameDue(now time.Time, id StreamID) bool {
	st := s.stream(id)
	if st == nil || !st.wantKey {
		return false
	}
	at := s.since(now)
	if st.asked && at-st.askedAt < keyEvery {
		return false
	}
	switch {
	case s.awaited(at, id, st), st.piped && st.row != nil && st.row.Pipes != 0:
	case !st.picture || st.row == nil:
		// Nobody waits, unless for the next packet to begin with the last key frame.
		st.wantKey, st.picture = st.whole(at), false
		return false
	case st.hasKey && at-st.keyAt < keyEvery:
		return false // the PLI was most likely sent before that key frame arrived
	}
	st.asked, st.askedAt = true, at
	st.stats.KeyRequests++
	return true
}

// awaited reports whether a leg waits for a key frame of the stream and cannot begin with the last one.
func (s *Shard) awaited(at time.Duration, id StreamID, st *stream) bool {
	if st.row == nil {
		return false
	}
	for _, w := range st.row.Legs {
		l := s.leg(w.Leg)
		if l == nil || l.target != id {
			continue
		}
		if l.cur == id && l.iv[l.now].first >= st.base || st.replay(at, l, id) != nil {
			continue
		}
		return true
	}
	return false
}

// count keeps the statistics of RFC 3550 appendix A.3 and A.8. Jitter is over packets in order with a
// new time stamp: the packets of one frame leave together and would pull it to nothing.
func (st *stream) count(at time.Duration, p *Packet, h *rtp.Header, m *meta, newest bool) {
	st.stats.Packets++
	st.stats.Bytes += uint64(m.length)
	if p.Repaired {
		st.stats.Repaired++
		return
	}
	st.received++
	if !newest || st.hasTransit && h.Time == st.transitTime {
		return
	}
	transit := rtp.Ticks(at, st.cfg.Clock) - int64(h.Time)
	if st.hasTransit {
		d := int64(int32(uint32(transit - st.transit))) // time stamps wrap
		if d < 0 {
			d = -d
		}
		st.jitter += (float64(d) - st.jitter) / 16
	}
	st.transit, st.transitTime, st.hasTransit = transit, h.Time, true
}

// SenderReport notes a stream's SR (RFC 3550 section 6.4.1), which came at now: for LSR and DLSR, and to place
// what the sender says of time on our clock, where the legs' own reports are.
func (s *Shard) SenderReport(now time.Time, id StreamID, info rtp.SenderInfo) {
	if st := s.stream(id); st != nil {
		st.sr, st.srAt, st.hasSR = info, s.since(now), true
		st.anchored(st.srAt, info)
	}
}

// ReceiverReport is the report block for a stream (RFC 3550 section 6.4.1); fraction lost covers the
// time since the last call. ok is false before the first packet.
func (s *Shard) ReceiverReport(now time.Time, id StreamID) (b rtp.ReportBlock, ok bool) {
	st := s.stream(id)
	if st == nil || !st.started {
		return b, false
	}
	expected := st.top - st.first + 1 - st.restarted
	lost := expected - int64(st.received)
	b = rtp.ReportBlock{
		SSRC:    st.cfg.SSRC,
		Lost:    int32(max(min(lost, 1<<23-1), -1<<23)),
		Highest: uint32(st.top),
		Jitter:  uint32(st.jitter),
	}
	de, dr := expected-st.expectedPrior, int64(st.received-st.receivedPrior)
	if de > 0 && de > dr {
		b.FractionLost = uint8(min((de-dr)<<8/de, 255))
	}
	st.expectedPrior, st.receivedPrior = expected, st.received
	if st.hasSR {
		b.LSR = rtp.MiddleNTP(st.sr.NTP)
		b.DLSR = rtp.Short(s.since(now) - st.srAt)
	}
	return b, true
}
