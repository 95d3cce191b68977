package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/bench/load"
)

// fit is a scenario of "as many as fit": it is run with more and more until something is lost.
type fit struct {
	from    int     // where to begin
	people  int     // for each of the number sought
	due     float64 // packets/s, for each of the number sought
	members func(n int) (count int, members []load.Member)
}

const (
	// probes is about how many runs a search takes.
	probes = 7
	// fitWithin is how near a search comes: each step nearer is another set-up of half a minute.
	fitWithin = 0.06
	// firstStep is how far from where it begins a search looks next.
	firstStep = 0.12
	// badLuck is the loss that a busy neighbour may have caused; more is not tried again.
	badLuck = 0.001
	// fitMost bounds a search: more people than one machine's ports and memory are meant for.
	fitMost = 6000
)

// with is the scenario with n.
func (s scenario) with(n int) scenario {
	s.count, s.members = s.fit.members(n)
	s.due = float64(n) * s.fit.due
	s.fit = nil
	return s
}

// short says what was missing in a run, "" where everybody was served: nothing was lost anywhere, everybody
// received each of their streams, and what arrived is what was due. Without the latter who never got a
// picture would have lost nothing: gaps are seen in what comes.
func short(r *one) string {
	switch {
	case r.Load.Overflow > 0 || r.Load.Skipped > 0:
		return "the participants were too slow"
	case r.Load.Failures > 0:
		return fmt.Sprintf("%d joins failed or were cut off", r.Load.Failures)
	case r.Load.Lost > 0 || r.Overflow > 0:
		return fmt.Sprintf("%d packets lost, and %.0f on the way in", r.Load.Lost, r.Overflow)
	case r.Load.Unserved > 0:
		return fmt.Sprintf("%d people did not receive what is theirs", r.Load.Unserved)
	case r.PerSecond < load.DueShare*r.Due:
		return fmt.Sprintf("%.0f packets/s, of %.0f due", r.PerSecond, r.Due)
	}
	return ""
}

// search finds, for each of merges, the largest number that is served without loss, and returns windows with it. A
// number is too large when two windows in a row miss something: on a machine shared with others one may be bad luck.
func (b *bench) search(ctx context.Context, s scenario, merges []bool) (runs []one, err error) {
	known := map[bool]map[int]bool{false: {}, true: {}} // who is served, as one set-up tells it of all merges
	left := merges                                      // whose number is not found yet
	var failed error                                    // of a set-up, the last
	most := 0                                           // that were served with UDP_GRO: without it there are no more
	served := func(n int, merge bool) (bool, error) {
		if most > 0 && n > most {
			return false, nil
		}
		windows := slices.DeleteFunc(slices.Clone(left), func(m bool) bool { _, ok := known[m][n]; return ok })
		for last := range 2 {
			if ok, found := known[merge][n]; found {
				return ok, nil
			}
			got, err := b.probe(ctx, s.with(n), windows)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err != nil { // more than can be set up are not served
				failed = err
				b.progress.say("%s: %d people, GRO %v: %v", b.called(s), n*s.fit.people, merge, err)
				if last > 0 {
					known[merge][n] = false
				}
				windows = []bool{merge}
				continue
			}
			for _, r := range got {
				why := short(&r)
				b.progress.say("%s: %d people, GRO %v, server at %.0f %%: %s", b.called(s), n*s.fit.people, r.GRO, 100*r.CPU, cmp.Or(why, "all served"))
				if why == "" || r.Load.Loss() > badLuck || last > 0 {
					known[r.GRO][n] = why == ""
				}
			}
			windows = []bool{merge}
		}
		return known[merge][n], nil
	}
	from := s.fit.from
	for _, merge := range merges {
		key := fmt.Sprint(s.name, merge)
		sure := 0 // the most that are known to be served, from set-ups for others
		for n, ok := range known[merge] {
			if ok {
				sure = max(sure, n)
			}
		}
		from = cmp.Or(b.fitted[key], sure, from)
		var best int
		var got []one
		for again := range 2 {
			best, err = seek(from, s.fit.people, func(n int) (bool, error) { return served(n, merge) })
			if err == nil && best == 0 {
				err = errors.Join(errors.New("not even one is served without loss"), failed)
			}
			if err != nil {
				return runs, err
			}
			if got, err = b.stand(ctx, s.with(best), slices.Repeat([]bool{merge}, b.runs)); err != nil {
				return runs, err
			}
			if holds(got) || again > 0 {
				break
			}
			b.progress.say("%s: %d people, GRO %v: not served once more", b.called(s), best*s.fit.people, merge)
			known[merge][best], from = false, best
		}
		b.fitted[key], from, left, most = best, best, left[1:], best
		for _, r := range got {
			r.Fits = best * s.fit.people
			b.tell(r)
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// holds reports whether most windows had everybody served.
func holds(windows []one) bool {
	served := 0
	for i := range windows {
		if short(&windows[i]) == "" {
			served++
		}
	}
	return 2*served > len(windows)
}

// seek finds the largest n for which ok is true, within fitWithin, beginning at from, which is likely to be near;
// 0 if there is none.
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
	step := firstStep
	for n := from; n > 0 && n*people <= fitMost; step *= 2 {
		if err := try(n); err != nil {
			return 0, err
		}
		if low > 0 && high > 0 {
			break
		}
		if low > 0 {
			n = max(n+1, int(float64(n)*(1+step)))
		} else {
			n = min(n-1, int(float64(n)/(1+step)))
		}
	}
	for high > 0 && float64(high-low) > max(1, fitWithin*float64(high)) {
		if err := try((low + high) / 2); err != nil {
			return 0, err
		}
	}
	return low, nil
}
