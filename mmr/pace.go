package mmr

import (
	"math"
	"time"
)

// pace says how soon one turn of a shard follows another where things come thick. A turn costs a change from
// idle to busy and a look at everything, and what it finds leaves together: few large turns are cheaper than
// many small ones, and the busier the shard, the sooner that pays for the wait.
type pace struct {
	least time.Duration // between the beginnings of two turns, on a shard with nothing to do; 0: none
	began time.Time     // of the last turn
	work  time.Duration // it took
	load  float64       // the part of the time that turns take, of the last tenth of a second
	rate  float64       // how fast what arrives fills the room there is for it, of all there may be in a nanosecond, in the same time
}

const (
	// paceLoaded is how many times longer turns are apart at paceHeavy: frames of several people leave together
	// then, a tenth less to send (bench "meetings of ten ×20", 20 November 2026). With less to do they come nearer
	// by the root of the load: a meeting of fifteen takes a tenth of a processor, and would wake it for each frame.
	paceLoaded = 6
	// From paceHeavy on they are further apart yet, up to paceFull times at paceFullAt: a receiver in a meeting of ten
	// is then sent more than three packets at once instead of two, which is what lets more people in at all.
	paceHeavy  = 0.5
	paceFull   = 20
	paceFullAt = 0.9
	// paceOver is what load is a mean over.
	paceOver = 100 * time.Millisecond
)

// datagramRoom is what the system charges a socket's buffer for a full datagram, in bytes; and twice what it
// says that it has granted is there, of which half is to be free.
const datagramRoom = 2304

// turned notes a turn that found so much of the room taken that may be (1: all). It reports whether the one
// before began so short a time ago that the next is to wait until at, for most at most.
func (p *pace) turned(began, ended time.Time, fill float64, most time.Duration) (at time.Time, thick bool) {
	since := began.Sub(p.began)
	if w := min(float64(since)/float64(paceOver), 1); since > 0 {
		p.load += (min(float64(p.work)/float64(since), 1) - p.load) * w
		p.rate += (fill/float64(since) - p.rate) * w
	}
	p.began, p.work = began, ended.Sub(began)
	apart := min(time.Duration(float64(p.least)*p.stretch()), most)
	if float64(apart)*p.rate > 1 {
		apart = time.Duration(1 / p.rate)
	}
	return began.Add(apart), since < apart
}

// stretch is how many times further apart than least turns are at the present load.
func (p *pace) stretch() float64 {
	if over := min(p.load, paceFullAt) - paceHeavy; over > 0 {
		return paceLoaded + (paceFull-paceLoaded)*over/(paceFullAt-paceHeavy)
	}
	return 1 + (paceLoaded-1)*math.Sqrt(p.load/paceHeavy)
}
