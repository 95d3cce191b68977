package forward

import (
	"time"

	"parley/wire/rtp"
)

// nAgain is how many recent retransmissions a leg remembers, by number: one that shares a place with
// another is remembered no longer, which costs a repeated packet at worst.
const nAgain = 32

// resent is one remembered retransmission.
type resent struct {
	seq   rtp.Seq
	count uint8
	at    uint32 // milliseconds, 0 never
}

const (
	// maxAgain bounds how often one packet is sent again; a path that loses it so often has other troubles.
	maxAgain = 6
	// defaultRTT stands in for a round-trip time not yet known.
	defaultRTT = 60 * time.Millisecond
	// maxOwed bounds how many more packets than it was sent a leg may be sent again, so that a receiver that asks
	// for everything again and again costs no more than two: as many as a key frame and half a second after it.
	maxOwed = 512
	// maxNack bounds what one call answers: a NACK of a few bytes can ask for thousands.
	maxNack = 256
	// askerRTT is how far away one who asks is taken to be at least when it comes to how long packets are kept: a repair may
	// be lost too, and many receivers ask again only every 100 ms, however near they are.
	askerRTT = 180 * time.Millisecond
)

// Nack answers a receiver's request for numbers of a leg with descriptors of retransmissions. A number
// is looked up through the leg's intervals, across switches of source, and taken from the stream's
// shared history. The same packet is sent again at most once in half a round-trip time, so that a
// repeated request does not double what is already on its way. A leg without RTX answers nothing:
// the same number is never sealed twice.
func (s *Shard) Nack(now time.Time, id LegID, seqs []rtp.Seq, out *Out) {
	l := s.leg(id)
	if l == nil {
		return
	}
	at := s.since(now)
	l.stats.Nacked += uint64(len(seqs))
	if l.cfg.RTX == 0 || !l.sent {
		return
	}
	for _, seq := range seqs[:min(len(seqs), maxNack)] {
		s.resend(at, id, l, seq, out)
	}
}

func (s *Shard) resend(at time.Duration, id LegID, l *leg, seq rtp.Seq, out *Out) {
	n := l.top + int64(seq.Diff(rtp.Seq(l.top)))
	iv := l.interval(n)
	if iv == nil {
		s.drops[DropNoHistory]++
		return
	}
	st := s.stream(iv.stream)
	if st == nil {
		s.drops[DropNoHistory]++
		return
	}
	st.farther(at, askerRTT)
	k := st.find(n - iv.off)
	if k == nil || k.slab == 0 {
		s.drops[DropNoHistory]++ // lost before it reached us, or too old
		return
	}
	ms := uint32(at / time.Millisecond)
	r := s.resentOf(l, seq)
	if r.at == 0 || r.seq != seq {
		*r = resent{seq: seq}
	}
	rtt := l.rtt
	if rtt == 0 {
		rtt = defaultRTT
	}
	wait := max(rtt/2, 10*time.Millisecond)
	if r.at != 0 && (ms-r.at < uint32(wait/time.Millisecond) || r.count >= maxAgain && ms-r.at < 10_000) {
		s.drops[DropTooOften]++
		return
	}
	if !l.owe() {
		s.drops[DropTooOften]++
		return
	}
	if r.at != 0 && ms-r.at >= 10_000 {
		r.count = 0 // another packet that came to have the same number
	}
	r.count, r.at = r.count+1, ms

	m := s.slabs.at(k.slab)
	d := l.desc(id, iv, m)
	d.Slab, d.Seq, d.OSN, d.RTX = k.slab, l.rtxSeq, seq, true
	d.Time, d.Size = m.time+iv.timeOff, int(m.size)+2
	if l.cfg.TWCC {
		d.Size = int(m.sizeTW) + 2
	}
	l.rtxSeq = l.rtxSeq.Next()
	m.refs++
	out.Descs = append(out.Descs, d)
	l.stats.Retransmitted++
	l.stats.RetransmittedBytes += uint64(d.Size)
}

// resentOf is where the leg remembers the retransmission of a number.
func (s *Shard) resentOf(l *leg, seq rtp.Seq) *resent {
	if n := len(s.freeA); l.again == 0 && n > 0 {
		l.again, s.freeA = s.freeA[n-1], s.freeA[:n-1]
	} else if l.again == 0 {
		s.again = append(s.again, [nAgain]resent{})
		l.again = uint32(len(s.again))
	}
	return &s.again[l.again-1][seq%nAgain]
}

// owe counts a retransmission against the packets sent, and reports whether it may be made.
func (l *leg) owe() bool {
	l.owed -= min(l.owed, l.packets-l.owedSince)
	l.owedSince = l.packets
	if l.owed >= maxOwed {
		return false
	}
	l.owed++
	return true
}

// interval is the one that used number n, or nil.
func (l *leg) interval(n int64) *interval {
	for i := range l.nIv {
		iv := &l.iv[(l.now+nIntervals-i)%nIntervals]
		if iv.last >= iv.first && iv.first+iv.off <= n && n <= iv.last+iv.off {
			return iv
		}
	}
	return nil
}
