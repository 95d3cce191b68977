package main

import (
	"context"
	"fmt"

	"parley/bench/load"
)

// fit is a scenario of "as many as fit": it is run with more and more until something is lost.
type fit struct {
	from    int // where to begin
	people  int // for each of the number sought
	members func(n int) (count int, members []load.Member)
}

const (
	// probes is about how many runs a search takes.
	probes = 8
	// fitWithin is how near a search comes.
	fitWithin = 0.05
	// badLuck is the loss that a busy neighbour may have caused; more is not tried again.
	badLuck = 0.001
	// fitMost bounds a search: more people than one machine's ports and memory are meant for.
	fitMost = 6000
)

// with is the scenario with n.
func (s scenario) with(n int) scenario {
	s.count, s.members = s.fit.members(n)
	s.fit = nil
	return s
}

// clean reports whether a run lost nothing, anywhere.
func clean(r *one) bool {
	return r.Load.Lost == 0 && r.Load.Overflow == 0 && r.Load.Skipped == 0 && r.Load.Failures == 0 && r.Overflow == 0
}

// search finds the largest number that is served without loss, and returns the runs with it. A number is
// too large when two runs in a row lose something: on a machine shared with others one may be bad luck.
func (b *bench) search(ctx context.Context, s scenario, merge bool) ([]one, error) {
	var runs []one
	run := func(n int) (one, error) {
		r, err := b.one(ctx, s.with(n), merge)
		r.Fits = n * s.fit.people
		return r, err
	}
	best, err := seek(s.fit.from, s.fit.people, func(n int) (bool, error) {
		for range 2 {
			r, err := run(n)
			if err != nil {
				return false, err
			}
			whose := ""
			if r.Load.Overflow > 0 || r.Load.Skipped > 0 {
				whose = ": it was the participants that were too slow"
			}
			b.progress.say("%s: %d people, %d packets lost, server at %.0f %%%s", s.name, r.Fits, r.Load.Lost, 100*r.CPU, whose)
			if clean(&r) {
				runs = []one{r}
				return true, nil
			}
			if r.Load.Loss() > badLuck {
				break
			}
		}
		return false, nil
	})
	if err == nil && best == 0 {
		err = fmt.Errorf("%s: not even one is served without loss", s.name)
	}
	for len(runs) < b.runs && err == nil {
		var r one
		if r, err = run(best); err == nil {
			runs = append(runs, r)
		}
	}
	return runs, err
}

// seek finds the largest n for which ok is true, within fitWithin, beginning at from; 0 if there is none.
func seek(from, people int, ok func(n int) (bool, error)) (best int, err error) {
	low, high := 0, 0 // the largest that is, the smallest that is not; 0: not known
	try := func(n int) error {
		yes, err := ok(n)
		if yes {
			low = n
		} else {
			high = n
		}
		return err
	}
	for n := from; n > 0 && n*people <= fitMost; {
		if err := try(n); err != nil {
			return 0, err
		}
		if low > 0 && high > 0 {
			break
		}
		if low > 0 {
			n = n*4/3 + 1
		} else {
			n = n * 2 / 3
		}
	}
	for high > 0 && float64(high-low) > max(1, fitWithin*float64(high)) {
		if err := try((low + high) / 2); err != nil {
			return 0, err
		}
	}
	return low, nil
}
