package node

import "testing"

func TestTheEndOfABurstIsFound(t *testing.T) {
	c := calm{last: 100 << 20}
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
		if got := c.over(total); got != step.want {
			t.Errorf("step %d, %d bytes more: over %v, want %v", i, step.grown, got, step.want)
		}
	}
}
