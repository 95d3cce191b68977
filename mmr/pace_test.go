package mmr

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name        string
		least       time.Duration
		every, work time.Duration // of turns, for a second before
		want        time.Duration // after which the next may follow
		thick       bool
	}{
		{"nothing for long", ms, 500 * ms, ms / 10, ms, false},
		{"now and then", ms, 7 * ms, ms / 10, 1071 * time.Microsecond, false},
		{"thick, little work", ms, ms, ms / 10, 1500 * time.Microsecond, true},
		{"thick, half the time", ms, 2 * ms, ms, 3500 * time.Microsecond, true},
		{"five eighths of the time", ms, 4 * ms, 5 * ms / 2, 6750 * time.Microsecond, true},
		{"busy all the time", ms, 3 * ms, 3 * ms, 10 * ms, true},
		{"overloaded", ms, 12 * ms, 12 * ms, 10 * ms, false}, // it has waited long enough
		{"not at all", 0, ms / 10, ms / 20, 0, false},
	} {
		p := pace{least: c.least}
		now := time.Now()
		var at time.Time
		var thick bool
		for range 2*time.Second/c.every + 2 {
			at, thick = p.turned(now, now.Add(c.work))
			now = now.Add(c.every)
		}
		if got := at.Sub(now.Add(-c.every)); (got-c.want).Abs() > ms/20 || thick != c.thick {
			t.Errorf("%s: the next after %v, thick %v, want %v, %v", c.name, got, thick, c.want, c.thick)
		}
	}
}
