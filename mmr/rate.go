package mmr

import (
	"time"

	"parley/wire/proto"
)

// What a source sends goes to everybody who follows it, so one that lies about being a camera could fill their
// downlinks, and the shard. Its allowance is what no browser reaches, all its layers and repairs together: 200
// packets of sound a second, where the shortest of browsers' is 100; of pictures 6000, and 40 Mbit/s. A second's
// worth may come at once: a large key frame, or what a path held back.
const (
	soundCost   = time.Second / 200
	pictureCost = time.Second / 6000
	byteCost    = time.Second / (40e6 / 8)
	sourceSaves = time.Second
)

// spend takes a packet of n bytes out of a source's allowance, and reports whether it was enough.
func (c *source) spend(now time.Time, k proto.Kind, n int) bool {
	cost := soundCost
	if !k.IsAudio() {
		cost = max(pictureCost, time.Duration(n)*byteCost)
	}
	c.spent, c.spentAt = max(c.spent-now.Sub(c.spentAt), 0), now
	if c.spent+cost > sourceSaves {
		return false
	}
	c.spent += cost
	return true
}
