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

// estimate is about how long one run of a scenario takes; of one that seeks, each.
func (o options) estimate(s scenario) time.Duration {
	people := 0
	for _, m := range s.members {
		people += m.Count * max(1, s.count)
	}
	// A server, two calibrations, two floors; a join is 5 ms of both processors; the rest is waiting.
	d := 4*time.Second + time.Duration(people)*5*time.Millisecond + 2*settle + o.warm + o.measure
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
		runs := o.runs
		if s.fit != nil {
			runs += probes - 1
		}
		for _, merge := range merges {
			if !merge || !s.plain {
				d += time.Duration(runs*len(shards)) * o.estimate(s)
			}
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
