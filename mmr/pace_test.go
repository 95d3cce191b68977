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
		room, read  int           // datagrams that may wait; that each turn reads
		every, work time.Duration // of turns, for a second before
		want        time.Duration // after which the next may follow
		thick       bool
	}{
		{"nothing for long", ms, 0, 0, 500 * ms, ms / 10, 1100 * time.Microsecond, false},
		{"now and then", ms, 0, 0, 7 * ms, ms / 10, 1845 * time.Microsecond, false},
		{"thick, little work", ms, 0, 0, ms, ms / 10, 3236 * time.Microsecond, true},
		{"thick, half the time", ms, 0, 0, 2 * ms, ms, 6 * ms, true},
		{"seven tenths of the time", ms, 0, 0, 10 * ms, 7 * ms, 13 * ms, true},
		{"busy all the time", ms, 0, 0, 3 * ms, 3 * ms, 20 * ms, true},
		{"and there is room", ms, 2000, 200, 3 * ms, 3 * ms, 20 * ms, true},
		{"and there is little room", ms, 1000, 200, 3 * ms, 3 * ms, 15 * ms, true},
		{"and there is none", ms, 100, 200, 3 * ms, 3 * ms, 1500 * time.Microsecond, false},
		{"overloaded", ms, 0, 0, 22 * ms, 22 * ms, 20 * ms, false}, // it has waited long enough
		{"not at all", 0, 0, 0, ms / 10, ms / 20, 0, false},
	} {
		p := pace{least: c.least, room: c.room}
		now := time.Now()
		var at time.Time
		var thick bool
		for range 2*time.Second/c.every + 2 {
			at, thick = p.turned(now, now.Add(c.work), c.read)
			now = now.Add(c.every)
		}
		if got := at.Sub(now.Add(-c.every)); (got-c.want).Abs() > ms/20 || thick != c.thick {
			t.Errorf("%s: the next after %v, thick %v, want %v, %v", c.name, got, thick, c.want, c.thick)
		}
	}
}
