package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells how far a bench is and how long it still takes: by an estimate of each run, corrected by
// how the estimates of those done turned out.
type progress struct {
	out   io.Writer
	began time.Time
	spent time.Duration // estimated, of what is done
	whole time.Duration // estimated, of all
}

// estimate is about how long a set-up with so many windows takes; of a scenario that seeks, each.
func (o options) estimate(s scenario, windows int) time.Duration {
	people := 0
	for _, m := range s.members {
		people += m.Count * max(1, s.count)
	}
	// A server, two calibrations, two floors; a join is 5 ms of both processors; the rest is waiting.
	d := 5*time.Second + time.Duration(people)*5*time.Millisecond + 2*settle + o.warm + time.Duration(windows)*(o.measure+400*time.Millisecond)
	if s.viewers > 0 {
		d += time.Duration(s.viewers) * 150 * time.Millisecond
	}
	if s.fit != nil {
		d += time.Duration(s.fit.from*s.fit.people) * 5 * time.Millisecond
	}
	return d
}

// estimateAll is about how long all runs of all rows take.
func (o options) estimateAll(list []scenario, merges []bool, shards []int) (d time.Duration) {
	for _, s := range list {
		n := time.Duration(len(shards))
		merges := s.receivers(merges)
		if len(merges) == 0 {
			continue
		}
		if s.fit != nil {
			d += n * (probes*o.estimate(s, len(merges)) + time.Duration(len(merges))*o.estimate(s, o.runs))
			continue
		}
		for _, windows := range o.plan(s, merges) {
			d += n * o.estimate(s, len(windows))
		}
	}
	return d
}

func (p *progress) done(d time.Duration) { p.spent += d }

func (p *progress) left() time.Duration {
	gone := time.Since(p.began)
	scale := 1.
	if p.spent > 0 {
		scale = float64(gone) / float64(p.spent)
	}
	return time.Duration(scale * float64(max(0, p.whole-p.spent))).Round(10 * time.Second)
}

func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.out, "%s gone, about %v left: %s\n", time.Since(p.began).Round(time.Second), p.left(), fmt.Sprintf(format, args...))
}
