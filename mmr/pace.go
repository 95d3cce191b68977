package mmr

import "time"

// pace says how soon one turn of a shard follows another where things come thick. A turn costs a change from
// idle to busy and a look at everything, and what it finds leaves together: few large turns are cheaper than
// many small ones, and the busier the shard, the sooner that pays for the wait.
type pace struct {
	least time.Duration // between the beginnings of two turns, on a shard with nothing to do; 0: none
	began time.Time     // of the last turn
	work  time.Duration // it took
	load  float64       // the part of the time that turns take, of the last tenth of a second
}

const (
	// paceLoaded is how many times longer turns are apart on a shard that is busy all the time: frames of
	// several people leave together then, a tenth less to send (bench "meetings of ten ×20", 20 November 2026).
	paceLoaded = 6
	// paceHeavy is the load from which they are further apart yet, and paceFull times at paceFullAt: a receiver in a
	// meeting of ten is then sent three packets at once instead of two, which is what lets more people in at all.
	paceHeavy  = 0.5
	paceFull   = 10
	paceFullAt = 0.75
	// paceOver is what load is a mean over.
	paceOver = 100 * time.Millisecond
)

// turned notes a turn. It reports whether the one before began so short a time ago that the next is to wait
// until at.
func (p *pace) turned(began, ended time.Time) (at time.Time, thick bool) {
	since := began.Sub(p.began)
	if w := min(float64(since)/float64(paceOver), 1); since > 0 {
		p.load += (min(float64(p.work)/float64(since), 1) - p.load) * w
	}
	p.began, p.work = began, ended.Sub(began)
	apart := time.Duration(float64(p.least) * p.stretch())
	return began.Add(apart), since < apart
}

// stretch is how many times further apart than least turns are at the present load.
func (p *pace) stretch() float64 {
	normal := 1 + (paceLoaded-1)*min(p.load, paceHeavy)
	over := min(p.load, paceFullAt) - paceHeavy
	if over <= 0 {
		return normal
	}
	return normal + (paceFull-normal)*over/(paceFullAt-paceHeavy)
}
