package mmr

import (
	"net/netip"
	"testing"
	"time"

	"parley/core/forward"
	"parley/sys/link"
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
		p := pace{least: c.least}
		fill := 0.0
		if c.room > 0 {
			fill = float64(c.read) / float64(c.room)
		}
		now := time.Now()
		var at time.Time
		var thick bool
		for range 2*time.Second/c.every + 2 {
			at, thick = p.turned(now, now.Add(c.work), fill)
			now = now.Add(c.every)
		}
		if got := at.Sub(now.Add(-c.every)); (got-c.want).Abs() > ms/20 || thick != c.thick {
			t.Errorf("%s: the next after %v, thick %v, want %v, %v", c.name, got, thick, c.want, c.thick)
		}
	}
}

// However busy two shards are, they look before what one has for the other no longer fits the lane: the one to which
// much is handed on, and the one that hands on all that has come since its last turn.
func TestBusyShardsLookBeforeTheirLanesAreFull(t *testing.T) {
	const perMS = 45 // what is handed on where 400 people are in meetings of ten, and a little
	busy := func(p *pace, now time.Time, s *shard) time.Time {
		at, _ := p.turned(now, now.Add(19*time.Millisecond), s.filled(0)) // nearly all it has time for
		return at
	}
	for _, slow := range []int{0, 1} {
		var all [2]*shard
		all[0], all[1] = &shard{fwd: forward.New(forward.Config{})}, &shard{index: 1, fwd: forward.New(forward.Config{})}
		connectShards(all[:])
		m := &link.Message{Addr: netip.MustParseAddrPort("198.51.100.7:9")}
		p := pace{least: time.Millisecond}
		now := time.Now()
		waits, next := 0, now
		for end := now.Add(5 * time.Second); now.Before(end); now = now.Add(time.Millisecond) {
			waits += perMS
			for i, s := range all {
				if i == slow && now.Before(next) {
					continue
				}
				if s.exchange.take(now); i == 0 {
					for ; waits > 0; waits-- {
						s.exchange.hand(1, 0, m, make([]byte, 100))
					}
				}
				if s.exchange.give(); i == slow {
					next = busy(&p, now, s)
				}
			}
		}
		if n := all[0].drops[DropLane]; n > 5*perMS*1000/50 { // until the pace is known
			t.Errorf("with shard %d busy %d datagrams found no room", slow, n)
		}
	}
}
