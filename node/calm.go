package node

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// People come in bursts, and a handshake leaves ten times the memory behind that a participant holds. The
// packet path makes no garbage, so the collector would not look for minutes, and the runtime keeps what it once
// had: at fifteen people in a meeting two thirds of their memory (bench "meeting 15×15", 20 November 2026).
// Hence, as soon as a burst is over, all of it is given back to the system.
const (
	calmEvery = 2 * time.Second
	// burstFrom is what is allocated between two looks where somebody is coming, in bytes: six joins.
	burstFrom = 4 << 20
	// calmBelow is the most where nobody is.
	calmBelow = 1 << 20
)

// calm finds the end of a burst. Owned by the goroutine of giveBack.
type calm struct {
	last  uint64 // allocated so far
	burst bool
}

// over takes what has been allocated so far, in bytes, and reports whether a burst has just ended.
func (c *calm) over(allocated uint64) bool {
	grown := allocated - c.last
	c.last = allocated
	if grown >= burstFrom {
		c.burst = true
	}
	if !c.burst || grown > calmBelow {
		return false
	}
	c.burst = false
	return true
}

// giveBack returns memory to the system after each burst until ctx ends.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(calmEvery)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	c := calm{last: sample[0].Value.Uint64()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if metrics.Read(sample); c.over(sample[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
