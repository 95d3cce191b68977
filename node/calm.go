package node

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// People come in bursts, and a handshake leaves ten times the memory behind that a participant holds. The
// packet path makes no garbage, so the collector would not look for minutes, and the runtime keeps what it once
// had: at fifteen people in a meeting two thirds of their memory (bench "meeting 15×15", 20 November 2026).
// Hence, as soon as a burst is over, all of it is given back to the system.
//
// Leaving is a burst, too: nothing is allocated then, so that what people have left would lie about for minutes.
//
// While it lasts, memory is no matter and collecting is: at garbagePercent it took a seventh of what a join costs
// (bench "join storm", 20 November 2026). So there may be burstRoom of garbage then.
const (
	calmEvery = 2 * time.Second
	// burstFrom is what is allocated within calmEvery where somebody is coming, in bytes: eight joins.
	burstFrom = 4 << 20
	// leaversFrom is how many fewer people are there, at least; of many an eighth.
	leaversFrom = 8
	// calmBelow is the most where nobody is.
	calmBelow = 1 << 20
	// calmAfter is how long after somebody last came a burst is over even so: a large site always has more to do than that.
	calmAfter = 30 * time.Second
	// burstRoom is garbage in bytes: more than a second's worth of a hundred joins a second.
	burstRoom = 64 << 20
)

// calm finds the beginnings and the ends of bursts. Guarded by its mutex, as is the collector's target.
type calm struct {
	sync.Mutex
	percent   int       // of garbage otherwise; negative: the target is the environment's
	last      uint64    // allocated at the last look
	collected uint64    // allocated at the last collection
	at        time.Time // of it
	burst     bool
	quiet     int  // looks since somebody last came
	people    int  // the most at a look since the last burst of leavers
	ended     bool // the target is left alone
}

// over takes what has been allocated so far, in bytes, and how many people are there, and reports whether a burst has
// just ended.
func (c *calm) over(allocated uint64, people int) bool {
	grown := allocated - c.last
	c.last = allocated
	c.quiet++
	c.people = max(c.people, people)
	if c.people-people >= max(leaversFrom, c.people/8) {
		c.people, c.burst, c.quiet = people, true, 0
		return false // what they had may end a moment after they do
	}
	if grown >= burstFrom {
		c.burst, c.quiet = true, 0
	}
	if !c.burst || grown > calmBelow && c.quiet < int(calmAfter/calmEvery) {
		return false
	}
	c.burst = false
	return true
}

// collection takes what has been allocated so far and what is in use, in bytes, at the end of a collection,
// and answers how much garbage there may be from now on, in percent of the latter; 0 leaves it as it is. In a
// burst collections come thick, so no look every so often is needed to see its beginning.
func (c *calm) collection(now time.Time, allocated, live uint64) (percent int) {
	if !c.at.IsZero() && now.Sub(c.at) < calmEvery && allocated-c.collected >= burstFrom {
		c.burst, c.quiet = true, 0
	}
	c.at, c.collected = now, allocated
	if !c.burst || c.ended || c.percent < 0 {
		return 0
	}
	return c.percent + int(min(burstRoom*100/max(live, 1<<20), 1000))
}

// heap is what the runtime says of memory, in bytes.
func heap() (allocated, live uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// afterEach has f called after each collection, on a goroutine of the runtime's, as long as f returns true.
func afterEach(f func() bool) {
	runtime.AddCleanup(new([64]byte), func(f func() bool) {
		if f() {
			afterEach(f)
		}
	}, f)
}

// giveBack keeps garbage at percent, or as the environment says where that is negative, but in bursts, and returns
// memory to the system after each, until ctx ends. people is how many are there.
func giveBack(ctx context.Context, percent int, people func() int) {
	c := &calm{percent: percent}
	c.last, _ = heap()
	afterEach(func() bool {
		c.Lock()
		defer c.Unlock()
		allocated, live := heap()
		if p := c.collection(time.Now(), allocated, live); p > 0 {
			debug.SetGCPercent(p)
		}
		return !c.ended
	})
	calmed := func() bool {
		c.Lock()
		defer c.Unlock()
		allocated, _ := heap()
		over := c.over(allocated, people())
		if over && percent >= 0 {
			debug.SetGCPercent(percent)
		}
		return over
	}
	tick := time.NewTicker(calmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.Lock()
			defer c.Unlock()
			c.ended = true
			return
		case <-tick.C:
		}
		if calmed() {
			debug.FreeOSMemory()
		}
	}
}
