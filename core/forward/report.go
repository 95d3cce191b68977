package forward

import (
	"slices"
	"time"

	"parley/wire/rtp"
)

// StreamStats are plain counters of an incoming stream since AddStream.
type StreamStats struct {
	Packets     uint64 // taken, repaired ones too
	Bytes       uint64
	Lost        int64 // by RFC 3550: expected less received; negative when repaired before it was missed
	Duplicates  uint64
	Repaired    uint64 // came as retransmissions
	Nacked      uint64 // requests made, by packet
	KeyFrames   uint64
	KeyRequests uint64
	Jitter      time.Duration
	RTT         time.Duration // as told by StreamRTT
	Width       uint16        // pixels, of the last key frame that said
	Height      uint16
	Flowing     bool // packets have been coming
}

// LegStats are plain counters of an outgoing slot since AddLeg.
type LegStats struct {
	Packets            uint64
	Bytes              uint64 // before sealing
	Late               uint64 // sent out of order
	Nacked             uint64 // asked for again, by packet
	Retransmitted      uint64
	RetransmittedBytes uint64
	Pictures           uint64 // PLI and FIR received
	Switches           uint64
	RTT                time.Duration
	Current            StreamID // forwarded now
	Target             StreamID // to be forwarded
}

// Stats are the counters of a stream. ok is false for a stale handle.
func (s *Shard) Stats(id StreamID) (StreamStats, bool) {
	st := s.stream(id)
	if st == nil {
		return StreamStats{}, false
	}
	out := st.stats
	out.RTT, out.Flowing = st.rtt, st.flowing
	if st.started {
		out.Lost = st.top - st.first + 1 - st.restarted - int64(st.received)
		out.Jitter = time.Duration(st.jitter * float64(time.Second) / float64(st.cfg.Clock))
	}
	return out, true
}

// LegStats are the counters of a leg. ok is false for a stale handle.
func (s *Shard) LegStats(id LegID) (LegStats, bool) {
	l := s.leg(id)
	if l == nil {
		return LegStats{}, false
	}
	out := l.stats
	out.RTT, out.Current, out.Target = l.rtt, l.cur, l.target
	return out, true
}

// LegReport is the sender's part of an SR for a slot: now on our own wall clock, and the same instant in the
// slot's time stamps. It is one clock for all slots and whatever they show, so it goes on through switches,
// and sound and picture of one sender stay in step (see senderClock). Send one at once after NoteSwitched. ok is
// false while the slot is idle or the source has not sent its own report yet: a guess would pull sound and
// picture apart.
func (s *Shard) LegReport(now time.Time, id LegID) (info rtp.SenderInfo, ok bool) {
	l := s.leg(id)
	if l == nil || l.cur == 0 {
		return info, false
	}
	st := s.stream(l.cur)
	if st == nil {
		return info, false
	}
	at := s.since(now)
	in, ok := st.timeAt(at)
	if !ok {
		return info, false
	}
	info = rtp.SenderInfo{
		NTP:     rtp.NTP(s.epoch.Add(at)), // the wall clock of our start: one that is set does not move it
		Time:    in + l.iv[l.now].timeOff,
		Packets: l.packets,
		Octets:  l.octets,
	}
	l.reports[l.reported] = legReport{rtp.MiddleNTP(info.NTP), at}
	l.reported = (l.reported + 1) % nReports
	return info, true
}

// nReports is how many of a leg's reports may be answered. One goes each second, and one at each switch; an answer
// is a round trip and what the receiver waited old.
const nReports = 4

// RoundTrip reads the round-trip time to a leg's receiver from its report block, which must answer one of the
// leg's last LegReports (RFC 3550 section 6.4.1: A − LSR − DLSR; our A is kept with the report, so that
// nobody can answer one that was never sent). It is kept for spacing retransmissions.
func (s *Shard) RoundTrip(now time.Time, id LegID, b rtp.ReportBlock) (time.Duration, bool) {
	l := s.leg(id)
	if l == nil {
		return 0, false
	}
	i := slices.IndexFunc(l.reports[:], func(r legReport) bool { return r.at != 0 && r.ntp == b.LSR })
	if i < 0 {
		return 0, false
	}
	rtt := s.since(now) - l.reports[i].at - rtp.FromShort(b.DLSR)
	if rtt < 0 {
		return 0, false
	}
	l.rtt = max(rtt, time.Microsecond)
	if st := s.stream(l.cur); st != nil {
		st.farther(s.since(now), l.rtt)
	}
	return l.rtt, true
}
