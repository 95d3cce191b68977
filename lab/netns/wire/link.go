package wire

import (
	"math/rand/v2"
	"time"
)

// Link is what happens to packets in one direction. The zero value passes everything at once.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // up to this much more, evenly spread; order is kept
	// Loss is the share of packets lost, 0 to 1, and Burst how many are lost in a row on average: 0 and 1
	// lose each by itself, more is a Gilbert model, good and bad times alternating.
	Loss  float64
	Burst float64
	// Reorder is the chance that a packet is held back by HoldBack (0: 5 ms) and overtaken.
	Reorder   float64
	HoldBack  time.Duration
	Duplicate float64 // the chance that a packet arrives twice
	Rate      int64   // bits per second, IP headers included; 0: no limit
	// Queue is how many bytes may wait for Rate; 0: 100 ms of it, at least 32 KiB.
	Queue int
	// MTU is the longest packet in bytes; 0: whatever the interfaces take. Longer ones are dropped, and
	// their sender is told by ICMP unless Silent: a black hole.
	MTU    int
	Silent bool
}

// Fate is what became of a packet offered to a Pipe.
type Fate uint8

// The fates.
const (
	Passed Fate = iota
	Lost        // by chance
	QueueFull
	TooBig // longer than the MTU; dropped in silence
	Told   // longer than the MTU; its sender hears of it
	Malformed
	nFates
)

// String is the fate as shown in tests.
func (f Fate) String() string {
	names := [...]string{"passed", "lost", "queue full", "too big", "too big, told", "malformed"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown"
}

// Pipe is one direction of one class. It only decides; time is given. Not safe for concurrent use.
type Pipe struct {
	link   Link
	rnd    *rand.Rand
	bad    bool          // in a burst of losses
	freeAt time.Duration // when all that was sent has left
	lastAt time.Duration // the last arrival: later packets arrive no earlier
}

// NewPipe makes a pipe whose chances seed and stream decide.
func NewPipe(l Link, seed, stream uint64) *Pipe {
	p := &Pipe{rnd: rand.New(rand.NewPCG(seed, stream))}
	p.Change(l)
	return p
}

// Change alters the link; what is under way is not touched.
func (p *Pipe) Change(l Link) {
	if l.HoldBack <= 0 {
		l.HoldBack = 5 * time.Millisecond
	}
	if l.Queue <= 0 {
		l.Queue = max(32<<10, int(l.Rate/8/10))
	}
	p.link = l
	if l.Burst <= 1 || l.Loss <= 0 {
		p.bad = false
	}
}

// Offer decides about a packet of n bytes that is sent now: it appends to at when it arrives, twice if
// it is duplicated, and says what became of it.
func (p *Pipe) Offer(at []time.Duration, now time.Duration, n int) ([]time.Duration, Fate) {
	l := &p.link
	if l.MTU > 0 && n > l.MTU {
		if l.Silent {
			return at, TooBig
		}
		return at, Told
	}
	leaves := now
	if l.Rate > 0 {
		start := max(now, p.freeAt)
		if waiting := int64(start-now) * l.Rate / 8 / int64(time.Second); waiting > int64(l.Queue) {
			return at, QueueFull
		}
		p.freeAt = start + time.Duration(int64(n)*8*int64(time.Second)/l.Rate)
		leaves = p.freeAt
	}
	if p.lost() {
		return at, Lost
	}
	arrives := leaves + l.Delay
	if l.Jitter > 0 {
		arrives += time.Duration(p.rnd.Int64N(int64(l.Jitter) + 1))
	}
	if l.Reorder > 0 && p.rnd.Float64() < l.Reorder {
		arrives += l.HoldBack
	} else {
		arrives = max(arrives, p.lastAt)
		p.lastAt = arrives
	}
	at = append(at, arrives)
	if l.Duplicate > 0 && p.rnd.Float64() < l.Duplicate {
		at = append(at, arrives)
	}
	return at, Passed
}

// lost draws whether the next packet is lost. With bursts there are good and bad times (Gilbert): in a
// bad one everything is lost, it ends after Burst packets on average, and it begins as often as makes the
// share of lost packets Loss.
func (p *Pipe) lost() bool {
	l := &p.link
	switch {
	case l.Loss <= 0:
		return false
	case l.Loss >= 1:
		return true
	case l.Burst <= 1:
		return p.rnd.Float64() < l.Loss
	case p.bad:
		p.bad = p.rnd.Float64() >= 1/l.Burst
	default:
		p.bad = p.rnd.Float64() < l.Loss/(l.Burst*(1-l.Loss))
	}
	return p.bad
}
