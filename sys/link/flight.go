package link

import (
	"net"
	"time"
)

// The bounds of what one connection may have under way. The kernel's own congestion control fills the narrowest queue
// of the path until something is lost, and what is lost is as likely sound, on a connection beside it. So pictures
// wait here instead, and the path's queue is kept short.
const (
	// aloft is how much longer than the quickest an answer may take: what pictures may add to the path's queue. Less
	// would not be told from receivers that answer each second segment or after 40 ms.
	aloft = 40 * time.Millisecond
	// firstWindow and maxWindow bound what may be under way, and leastWindow holds one full packet.
	firstWindow = 6 << 10
	maxWindow   = 4 << 20
	leastWindow = minRoom
	// turnFor is how long answers are looked at, at least, before the window is changed.
	turnFor = 50 * time.Millisecond
	// turnAnswers is how many answers tell more than chance does.
	turnAnswers = 4
	// othersFrom is how much of a queue is believed to be somebody else's at once. Answers may come 40 ms late, or 100:
	// of less it has to be sure, which it is when no answer was quicker for sureFor.
	othersFrom = 150 * time.Millisecond
	sureFor    = 3 * time.Second
	// othersFor is how long that is believed: when they have gone, what stands in the queue is ours. So a turn then has
	// probePart of the window.
	othersFor = 30 * time.Second
	probePart = 4
	// lookEvery is how often the system is asked while pictures wait, and lookAfter how soon it is asked again at all.
	lookEvery = 5 * time.Millisecond
	lookAfter = 2 * time.Millisecond
	// unseen is how long nobody may have looked for an answer's time to be known.
	unseen = 100 * time.Millisecond
	nMarks = 64
)

// held is what the system says of a connection, in bytes since its beginning.
type held struct {
	taken  uint64        // written to it, sent or not
	acked  uint64        // of these, answered by the peer
	minRTT time.Duration // the quickest answer there was; 0: none yet
}

// flight measures how long what was written takes until it is answered, and derives from it how much may be under way:
// a window that grows while answers come quickly and somebody waits for room, and shrinks as they come later. Not safe
// for concurrent use.
type flight struct {
	look func(*held) bool // asks the system; nil where it doesn't say

	held    held
	seenAt  time.Time
	movedAt time.Time     // when there last was an answer
	usual   time.Duration // what answers take
	usualAt time.Time
	window  int
	begun   bool // answers were late once: from then on it grows slowly
	// others is by how much answers are later while next to nothing of ours is under way: somebody else keeps the path's
	// queue full, and to wait for it to empty is to wait for ever; or the path has become longer, of which the system
	// tells minutes later.
	others   time.Duration
	othersAt time.Time
	low      time.Duration // by how much the quickest was later since the window has been the least
	lowAt    time.Time     // since when; zero: it is not
	probed   int           // the window before this turn, which finds out whose queue it is; 0: it does not

	marks     [nMarks]mark // what was written when, and is not answered; a ring
	first, n  int
	answers   int           // in this turn
	quickest  time.Duration // of them
	turnAt    time.Time     // when it began
	turnTaken uint64        // what had been written then: answers to that are the turn before's
	limited   bool          // somebody had to wait in it
	most      int           // that was under way in it
}

type mark struct {
	taken uint64
	at    time.Time
}

// wrote takes note that the system has taken something just now.
func (f *flight) wrote(now time.Time) {
	if f.look == nil {
		return
	}
	f.see(now, 0)
	if f.n > 0 {
		last := &f.marks[(f.first+f.n-1)%nMarks]
		if last.taken == f.held.taken {
			return
		}
		if f.n == nMarks { // the newest stands for what is behind it too
			last.taken = f.held.taken
			return
		}
	}
	if f.held.taken == f.held.acked {
		return
	}
	f.marks[(f.first+f.n)%nMarks] = mark{f.held.taken, now}
	f.n++
}

// see asks the system, unless it has been asked so lately.
func (f *flight) see(now time.Time, lately time.Duration) {
	if f.look == nil || lately > 0 && now.Sub(f.seenAt) < lately {
		return
	}
	was := f.held.acked
	if !f.look(&f.held) {
		return
	}
	known := now.Sub(f.seenAt) <= unseen
	f.seenAt = now
	if f.held.acked != was {
		f.movedAt = now
	}
	f.most = max(f.most, f.under())
	for f.n > 0 {
		m := &f.marks[f.first]
		if m.taken > f.held.acked {
			break
		}
		took := max(now.Sub(m.at), 1)
		if known { // it rises by a tenth of the time that goes by: a standstill must not pass for usual
			f.usual = max(min(took, f.usual+now.Sub(f.usualAt)/10), f.held.minRTT)
			f.usualAt = now
		}
		if known && m.taken > f.turnTaken {
			if f.answers++; f.answers == 1 || took < f.quickest {
				f.quickest = took
			}
		}
		f.first, f.n = (f.first+1)%nMarks, f.n-1
	}
	f.turn(now)
}

// stuck is how much longer than usual nothing has been answered, though something waits for that.
func (f *flight) stuck(now time.Time) time.Duration {
	if f.n == 0 {
		return 0
	}
	since := f.marks[f.first].at
	if f.movedAt.After(since) {
		since = f.movedAt
	}
	return max(now.Sub(since)-max(f.usual, f.held.minRTT), 0)
}

// age is how long what was written first of all that is not answered has been waiting for that.
func (f *flight) age(now time.Time) time.Duration {
	if f.n == 0 {
		return 0
	}
	return now.Sub(f.marks[f.first].at)
}

// turn changes the window by what the answers of a turn took.
func (f *flight) turn(now time.Time) {
	least := f.held.minRTT + f.others
	most := least + aloft
	span, lasted := max(turnFor, least), now.Sub(f.turnAt)
	over := f.stuck(now) > most // nothing is answered any more
	switch {
	case least == 0 || lasted < span:
		return
	case over:
	case f.answers == 0 && f.n > 0 || f.answers < turnAnswers && lasted < turnAnswers*span:
		return
	}
	took := f.quickest
	if over || f.answers == 0 {
		took = f.age(now)
	}
	used := f.most >= f.window/2
	if f.answers > 0 && !over {
		f.blame(now, took-f.held.minRTT)
		most = f.held.minRTT + f.others + aloft
	}
	switch {
	case took > most:
		f.window = min(f.window, f.most)
		// Half way to what would have taken as long as wanted, and no further than half at once.
		f.window -= int(float64(f.window) * min(float64(took-most)/float64(took), 0.5))
		f.begun = true
	case f.answers == 0 || !f.limited || !used: // what was not needed is not known to be free
	case !f.begun:
		f.window *= 2
	default:
		f.window += max(int(float64(f.window)*min(float64(most-took)/float64(took), 0.25)), 100)
	}
	if f.others > 0 && f.probed == 0 && now.Sub(f.othersAt) > othersFor {
		f.probed, f.window = f.window, f.window/probePart
	}
	f.window = min(max(f.window, leastWindow), maxWindow)
	f.answers, f.limited, f.most, f.turnAt, f.turnTaken = 0, false, f.under(), now, f.held.taken
}

// blame tells whose it is that the quickest answer of a turn was so much later than the quickest of all.
func (f *flight) blame(now time.Time, beyond time.Duration) {
	switch {
	case f.window > leastWindow:
		f.lowAt = time.Time{}
	case f.lowAt.IsZero():
		f.low, f.lowAt = beyond, now
	default:
		f.low = min(f.low, beyond)
	}
	believe := func(others time.Duration) { f.others, f.othersAt, f.begun, f.lowAt = others, now, false, time.Time{} }
	switch {
	case f.probed > 0:
		f.window, f.probed, f.othersAt = f.probed, 0, now
		if beyond < f.others/2 {
			f.window, f.others = f.window/probePart, 0
		}
	case beyond < f.others-aloft:
		f.others = 0
	case f.window > leastWindow:
	case beyond >= max(othersFrom, f.others+aloft):
		believe(beyond)
	case now.Sub(f.lowAt) >= sureFor && f.low >= f.others+aloft:
		believe(f.low)
	}
}

// room is how much more may be under way.
func (f *flight) room() int {
	if f.look == nil {
		return maxWindow
	}
	return f.window - f.under()
}

// under is how much is under way, or waits for it in the system.
func (f *flight) under() int { return int(f.held.taken - min(f.held.acked, f.held.taken)) }

// lookOf is how to ask the system about a connection, nil where it doesn't say.
func lookOf(c net.Conn) func(*held) bool {
	if c == nil {
		return nil
	}
	if t, ok := lowest(c).(*net.TCPConn); ok {
		return lookAt(t)
	}
	return nil
}
