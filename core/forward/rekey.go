package forward

import "parley/wire/rtp"

// upperHalf is where the numbers begin that may wrap before a receiver has seen any. SRTP does not say how often
// a number has wrapped (RFC 3711 §3.3.1): whoever has new keys and loses all packets before the first wrap could
// decrypt none after it.
const upperHalf = 1 << 15

// Rekeyed says that what a leg sends from now on is sealed with keys nothing of it was sealed with. Numbers of
// the upper half go on behind the wrap, and what was sent before it is not sent again.
func (s *Shard) Rekeyed(id LegID) {
	l := s.leg(id)
	if l == nil {
		return
	}
	if l.rtxSeq >= upperHalf {
		l.rtxSeq = 0
	}
	next := rtp.Seq(l.top + 1)
	if next < upperHalf {
		return
	}
	jump := 1<<16 - int64(next)
	l.top += jump
	now := l.iv[l.now]
	l.now, l.nIv = 0, 0
	if l.cur != 0 {
		now.first, now.off = now.last+1, now.off+jump
		l.iv[0], l.nIv = now, 1
	}
}

// Numbers are those that a leg's next packet and next retransmission will have: for another leg that goes on
// with the same SSRCs under the same keys. ok is false for one that has sent nothing, and for a stale handle.
func (s *Shard) Numbers(id LegID) (next, rtx rtp.Seq, ok bool) {
	l := s.leg(id)
	if l == nil || !l.sent {
		return 0, 0, false
	}
	return rtp.Seq(l.top + 1), l.rtxSeq, true
}
