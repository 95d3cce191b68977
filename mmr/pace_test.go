package mmr

import (
	"net/netip"
	"testing"
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/wire/rtp"
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
			at, thick = p.turned(now, now.Add(c.work), fill, time.Second)
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
		at, _ := p.turned(now, now.Add(19*time.Millisecond), s.filled(0), time.Second) // nearly all it has time for
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

// Where things come thick nothing wakes a shard before its next turn, neither a hold that ends nor what is set aside;
// where they do not, both do.
func TestNoHoldEndsBeforeTheNextTurn(t *testing.T) {
	const ms = time.Millisecond
	st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
	s, p := st.s, pace{least: ms}
	now := st.now
	s.turn(now)
	s.asides = true
	if !s.busy(now) {
		t.Fatal("the shard is not busy")
	}
	for range 200 {
		s.paced(&p, now, now.Add(ms), 0)
		now = now.Add(2 * ms)
	}
	began := now
	next, thick := s.paced(&p, began, began.Add(ms), 0)
	if want := began.Add(6 * ms); !thick || (next.Sub(want)).Abs() > ms/10 {
		t.Fatalf("the next turn after %v, thick %v", next.Sub(began), thick)
	}
	s.heldVideo.push(hold{at: began.Add(ms)})
	s.asideAt = began.Add(2 * ms)
	if got := s.wake(began.Add(ms)); got != next {
		t.Errorf("woken %v after the turn began, want %v", got.Sub(began), next.Sub(began))
	}
	later := began.Add(time.Second)
	if _, thick := s.paced(&p, later, later.Add(ms/10), 0); thick {
		t.Fatal("thick after a pause of a second")
	}
	if got := s.wake(began.Add(ms)); got != began.Add(ms) {
		t.Errorf("where little comes a hold ends %v after the turn began, want 1 ms", got.Sub(began))
	}
}

// What is set aside waits less while anybody speaks, whoever's shard they are on.
func TestSoundSetAsideWaitsNoLongerThanItsHold(t *testing.T) {
	const hold = 3 * time.Millisecond
	st := newStage(t, 1, PlaneConfig{HoldFrom: -1, HoldAudio: hold, Shards: 2, Together: 1})
	far := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, far, far), st.join(2, false, far, far)
	st.lax = true
	st.watch(a, b, 0)
	want := func(where string, a *actor, want time.Duration) {
		t.Helper()
		if got := st.of(a.key).asideWait(st.now); got != want {
			t.Errorf("%s: of %d it waits for %v, want %v", where, a.id, got, want)
		}
	}
	for _, who := range []*actor{a, b} {
		want("silence", who, asideEvery)
	}
	st.speak(b)
	for _, p := range st.queue {
		m := link.Message{Buf: p.data, N: len(p.data), Addr: p.from, Local: stageAddr.Addr()}
		st.of(b.key).receive(st.now, st.conn, []link.Message{m})
		st.turn()
	}
	for _, who := range []*actor{a, b} {
		want("somebody speaks", who, hold)
	}
	st.wait(soundFor + time.Millisecond)
	for _, who := range []*actor{a, b} {
		want("silence again", who, asideEvery)
	}
}

// A turn for pictures takes along what is set aside where that saves a wake-up soon.
func TestATurnTakesAlongWhatIsSetAside(t *testing.T) {
	for _, c := range []struct {
		name   string
		speaks bool
		since  time.Duration // the last look
		want   bool
	}{
		{"just looked", false, 0, false},
		{"a while ago", false, asideEvery/2 - 1, false},
		{"half of the time", false, asideEvery / 2, true},
		{"overdue", false, 2 * asideEvery, true},
		{"sound gathers for all of its time", true, holdAudio/2 + 1, false},
		{"due before the next turn", true, holdAudio - gather, true},
	} {
		s := newStage(t, 1, PlaneConfig{HoldFrom: -1}).s
		s.asides, s.holding = true, true
		looked := time.Unix(1000, 0)
		now := looked.Add(c.since)
		if c.speaks {
			s.soundUntil = now.Add(soundFor)
		}
		s.asideAt = looked.Add(s.asideWait(looked))
		if got := s.looks(now, gather); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	s := newStage(t, 1, PlaneConfig{HoldFrom: -1}).s
	if s.asideAt = time.Unix(1000, 0); !s.looks(time.Unix(900, 0), gather) {
		t.Error("a shard that is not busy does not look")
	}
}

// What a busy shard counts is told a moment later, and at once when it is not busy any more.
func TestCountsOfABusyShardAreTold(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{HoldFrom: -1})
	st.setAside()
	st.turn() // in which the load is judged
	if !st.s.busy(st.now) {
		t.Fatal("the shard is not busy")
	}
	told := func(want uint64) {
		t.Helper()
		if got := st.plane.Drops()[DropSeal.String()]; got != want {
			t.Errorf("%d told, want %d", got, want)
		}
	}
	st.s.drops[DropSeal] = 1
	st.wait(tellEvery + asideEvery)
	told(1)
	st.s.drops[DropSeal] = 2
	st.s.holding = false
	st.turn()
	told(2)
}

// Holding begins in the second after enough was sent in one, and ends likewise; of several shards each has its part.
func TestHoldingFollowsTheLoad(t *testing.T) {
	for _, c := range []struct {
		name         string
		from, shards int
		sent         []uint64 // in each second
		holding      []bool   // at its end
	}{
		{"one shard", 1000, 1, []uint64{0, 999, 1000, 5000, 999, 0}, []bool{false, false, true, true, false, false}},
		{"four", 1000, 4, []uint64{0, 249, 250, 1000, 0}, []bool{false, false, true, true, false}},
		{"always", -1, 1, []uint64{0, 0}, []bool{true, true}},
	} {
		s := &shard{plane: &Plane{cfg: PlaneConfig{HoldFrom: c.from}, shards: make([]*shard, c.shards)}}
		now := time.Now()
		s.judgeLoad(now)
		for i, n := range c.sent {
			was := s.holding
			s.sent.packets += n
			if s.judgeLoad(now.Add(time.Second - 1)); s.holding != was {
				t.Errorf("%s, second %d: judged before it was over", c.name, i)
			}
			now = now.Add(time.Second)
			if s.judgeLoad(now); s.holding != c.holding[i] {
				t.Errorf("%s, second %d: %d packets, holding %v, want %v", c.name, i, n, s.holding, c.holding[i])
			}
		}
	}
}
