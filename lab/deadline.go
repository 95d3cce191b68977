package lab

import (
	"sync"
	"time"
)

// deadline bounds the waits on a Cond. Guarded by the Cond's mutex.
type deadline struct {
	hit   bool
	gen   int
	timer *time.Timer
}

// set makes c's waiters see hit at t; the zero time never. A time passed hits at once: libraries use
// that to interrupt a read.
func (d *deadline) set(c *sync.Cond, t time.Time) {
	d.gen++
	d.hit = false
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.hit = true
		c.Broadcast()
		return
	}
	gen := d.gen
	d.timer = time.AfterFunc(wait, func() {
		c.L.Lock()
		defer c.L.Unlock()
		if d.gen == gen {
			d.hit = true
			c.Broadcast()
		}
	})
}
