package forward

import (
	"time"

	"parley/wire/rtp"
)

// What receivers are told of time is on one clock, ours: a slot shows one source after another, and whoever
// reckons instants from the reports of one slot (libwebrtc: a line through the last twenty) must not find
// one sender's hours behind another's. A sender's reports are on its own clock, so we keep where that lies
// on ours, once for all streams of a sender: however wrong it is, its sound and pictures are as far apart
// as on the sender's clock.
//
// The fastest report shows it best, for a report is only ever late. But clocks run at different speeds, so
// the fastest of the last lowFor to twice that counts, and what we keep moves there slowly.
const (
	lowFor   = 8 * time.Second
	slewOver = 8 * time.Second // moves by 1/e in that time
	slewMost = 100             // and by a hundredth of the time that passes at most
	// jumpFrom is how far off a report is that has nothing to do with those before: the sender's clock was set,
	// or the report waited behind a path that stood still. Where all are for jumpFor, it was set.
	jumpFrom = time.Second
	jumpFor  = 2 * time.Second
	lowNever = time.Hour // more than any within jumpFrom
)

// senderClock is where a sender's clock lies on ours.
type senderClock struct {
	users   int
	era     uint32           // counts how often it was set; 0: never heard of
	ntp     uint64           // this instant of the sender's
	at      time.Duration    // is this one of ours
	heardAt time.Duration    // of the last report that fitted
	low     [2]time.Duration // how late the fastest was, in this stretch of lowFor and the one before
	lowAt   time.Duration    // since when this stretch is
	odd     bool             // reports have not fitted
	oddAt   time.Duration    // since then
}

// place is an instant of the sender's on our clock.
func (c *senderClock) place(ntp uint64) time.Duration { return c.at + ntpSpan(ntp-c.ntp) }

// heard takes a report's time and reports whether it fits.
func (c *senderClock) heard(at time.Duration, ntp uint64) bool {
	if c.era == 0 {
		c.set(at, ntp)
		return true
	}
	late := at - c.place(ntp)
	if -jumpFrom <= late && late <= jumpFrom {
		c.odd = false
		c.follow(at, late)
		return true
	}
	if !c.odd {
		c.odd, c.oddAt = true, at
	}
	if at-c.oddAt < jumpFor {
		return false
	}
	c.set(at, ntp)
	return true
}

func (c *senderClock) set(at time.Duration, ntp uint64) {
	*c = senderClock{
		users: c.users, era: c.era + 1, ntp: ntp, at: at, heardAt: at, low: [2]time.Duration{0, lowNever}, lowAt: at,
	}
}

// follow moves what we keep towards the fastest report.
func (c *senderClock) follow(at, late time.Duration) {
	if at-c.lowAt >= lowFor {
		c.low[0], c.low[1], c.lowAt = lowNever, c.low[0], at
	}
	c.low[0] = min(c.low[0], late)
	passed := min(max(at-c.heardAt, 0), slewOver)
	move := time.Duration(float64(min(c.low[0], c.low[1])) * float64(passed) / float64(slewOver))
	move = min(max(move, -passed/slewMost), passed/slewMost)
	c.at += move
	c.low[0] -= move
	c.low[1] -= move
	c.heardAt = max(c.heardAt, at)
}

// clockOf is the clock of a sender; 0 is one of its own for each stream.
func (s *Shard) clockOf(sender uint64) *senderClock {
	c := s.clocks[sender]
	if c == nil {
		c = &senderClock{}
		if sender != 0 {
			s.clocks[sender] = c
		}
	}
	c.users++
	return c
}

// leaveClock lets a stream's clock go when it was the last of its sender.
func (s *Shard) leaveClock(st *stream) {
	if st.clock.users--; st.clock.users == 0 {
		delete(s.clocks, st.cfg.Sender)
	}
}

// anchor ties a stream's time stamps to its sender's clock.
type anchor struct {
	ntp  uint64
	time rtp.Time
	era  uint32 // of the sender's clock; 0: none
}

// anchored takes the time stamp of a report that fits the sender's clock. RFC 3550 section 6.4.1: a sender
// without a clock says 0.
func (st *stream) anchored(at time.Duration, info rtp.SenderInfo) {
	if info.NTP != 0 && st.clock.heard(at, info.NTP) {
		st.anchor = anchor{info.NTP, info.Time, st.clock.era}
	}
}

// timeAt is the stream's time stamp of an instant. ok is false before the first report since the sender's
// clock was set.
func (st *stream) timeAt(at time.Duration) (t rtp.Time, ok bool) {
	if a := &st.anchor; a.era != 0 && a.era == st.clock.era {
		return a.time + rtp.Time(rtp.Ticks(at-st.clock.place(a.ntp), st.cfg.Clock)), true
	}
	return 0, false
}

// ntpSpan is a difference of NTP time stamps, at most 68 years either way, as a length of time.
func ntpSpan(d uint64) time.Duration {
	sec, frac := int64(d)>>32, int64(d&(1<<32-1))
	return time.Duration(sec)*time.Second + time.Duration(frac*int64(time.Second)>>32)
}
