package node

import (
	"testing"
	"time"
)

func TestTheEndOfABurstIsFound(t *testing.T) {
	c := &calm{last: 100 << 20}
	total := c.last
	for i, step := range []struct {
		grown uint64
		want  bool
	}{
		{500 << 10, false}, // nobody has come
		{3 << 20, false},
		{500 << 10, false}, // it was too little
		{30 << 20, false},  // a burst
		{3 << 20, false},   // not over yet
		{500 << 10, true},
		{500 << 10, false}, // once is enough
		{4 << 20, false},
		{0, true},
	} {
		total += step.grown
		if got := c.over(total, 0); got != step.want {
			t.Errorf("step %d, %d bytes more: over %v, want %v", i, step.grown, got, step.want)
		}
	}
}

// Who always has something to do gets its memory back too, half a minute after the last came.
func TestABurstEndsWhereThereIsAlwaysSomething(t *testing.T) {
	c := &calm{}
	total := uint64(0)
	over := func(grown uint64) bool {
		total += grown
		return c.over(total, 0)
	}
	for range 2 { // bursts
		over(30 << 20)
		over(30 << 20)
		ends := 0
		for at := calmEvery; at <= 3*calmAfter; at += calmEvery {
			if over(2 << 20) {
				if ends++; at != calmAfter {
					t.Errorf("over after %v, want %v", at, calmAfter)
				}
			}
		}
		if ends != 1 {
			t.Errorf("over %d times, want once", ends)
		}
	}
}

// What those leave behind who leave at once is given back too, though nothing is allocated then.
func TestManyWhoLeaveAreABurst(t *testing.T) {
	for _, tt := range []struct {
		name   string
		people []int // at each look
		want   int   // ends of bursts
	}{
		{"nobody has come", []int{0, 0, 0, 0}, 0},
		{"they stay", []int{200, 200, 200}, 0},
		{"a few of many leave", []int{200, 180, 180, 180}, 0},
		{"a few of a few leave", []int{7, 7, 0, 0}, 0},
		{"all leave", []int{200, 200, 0, 0, 0}, 1},
		{"a small meeting ends", []int{10, 10, 0, 0}, 1},
		{"one by one, looked at when an eighth has gone", []int{16, 15, 14, 13, 12, 11, 10, 9, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0}, 2},
		{"twice", []int{100, 0, 0, 100, 0, 0}, 2},
		{"half, and others come", []int{100, 50, 50, 90, 90}, 1},
	} {
		c, ends := &calm{}, 0
		for _, n := range tt.people {
			if c.over(0, n) {
				ends++
			}
		}
		if ends != tt.want {
			t.Errorf("%s: memory given back %d times, want %d", tt.name, ends, tt.want)
		}
	}
}

func TestInABurstTheCollectorHasRoom(t *testing.T) {
	const mib = 1 << 20
	c := &calm{percent: 50}
	now, allocated := time.Unix(1, 0), uint64(100*mib)
	for i, step := range []struct {
		after time.Duration
		grown uint64 // MiB since the collection before
		live  uint64 // MiB
		want  int
	}{
		{time.Minute, 30, 10, 0},                  // the first: nothing to compare it with
		{time.Minute, 30, 10, 0},                  // what lies about of a minute
		{time.Second, 3, 10, 0},                   // too little
		{time.Second, 5, 10, 50 + 640},            // people come
		{10 * time.Second, 64, 64, 50 + 100},      // and more: the room is in bytes
		{time.Second, 64, 1024, 50 + 6},           // it hardly counts any more
		{time.Second, 1, 0, 50 + 1000},            // bounded
		{100 * time.Millisecond, 1, 10, 50 + 640}, // it is over's to say when it ends
	} {
		now, allocated = now.Add(step.after), allocated+step.grown*mib
		if got := c.collection(now, allocated, step.live*mib); got != step.want {
			t.Errorf("step %d: %d %%, want %d", i, got, step.want)
		}
	}
	c.over(allocated, 0)
	if !c.over(allocated, 0) {
		t.Error("a burst that a collection has found does not end")
	}
	if got := c.collection(now.Add(time.Second), allocated+mib, 10*mib); got != 0 {
		t.Errorf("%d %% by the collection that gives memory back, want none", got)
	}
	c.collection(now.Add(2*time.Second), allocated+20*mib, 10*mib)
	c.ended = true
	if got := c.collection(now.Add(3*time.Second), allocated+40*mib, 10*mib); got != 0 {
		t.Errorf("%d %% after the end, want none", got)
	}
	environment := &calm{percent: -1, burst: true}
	if got := environment.collection(now, allocated, 10*mib); got != 0 {
		t.Errorf("%d %% where the environment says how much, want none", got)
	}
}
