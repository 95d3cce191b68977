package netns

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// stalls notices when this machine, with whom else works on it, lets nobody here run: what takes longer meanwhile is not
// the client's doing. On a quiet machine there are none, and bounds are what they say.
type stalls struct {
	mu  sync.Mutex
	all []stall // guarded by mu
}

// stall is a time at which nothing ran here.
type stall struct{ from, to time.Time }

// longest is the longest stall since then.
func (s *stalls) longest(since time.Time) (d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.to.After(since) {
			d = max(d, one.to.Sub(one.from))
		}
	}
	return d
}

// between is for how long this machine stood still from a time to another.
func (s *stalls) between(from, to time.Time) (d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		begin, end := one.from, one.to
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		d += max(0, end.Sub(begin))
	}
	return d
}

// shortlyAfter tells whether a time is within so much of the end of a long stall, or in one.
func (s *stalls) shortlyAfter(at time.Time, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all, func(one stall) bool {
		return one.to.Sub(one.from) > 150*ms && at.After(one.from) && at.Before(one.to.Add(d))
	})
}

// watch looks a hundred times a second until the end.
func (s *stalls) watch(end <-chan struct{}) {
	const every, least = 10 * time.Millisecond, 40 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		now := time.Now()
		if late := now.Sub(last) - every; late > least {
			s.mu.Lock()
			s.all = append(s.all, stall{last, now})
			s.mu.Unlock()
		}
		last = now
	}
}

// Of a stall counts what lies within the time that is asked about.
func TestOnlyStallsWithinCount(t *testing.T) {
	at := time.Now()
	s := stalls{all: []stall{{at, at.Add(100 * ms)}, {at.Add(500 * ms), at.Add(700 * ms)}}}
	for _, tc := range []struct {
		from, to, want time.Duration
	}{
		{-time.Second, time.Second, 300 * ms},
		{100 * ms, 500 * ms, 0},
		{50 * ms, 600 * ms, 150 * ms},
		{550 * ms, 560 * ms, 10 * ms},
		{800 * ms, time.Second, 0},
	} {
		if got := s.between(at.Add(tc.from), at.Add(tc.to)); got != tc.want {
			t.Errorf("from %v to %v: %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
}
