package mmr

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A wheel against a plain list, with timers set, moved, stopped and due in any order.
func TestAWheelTurnsLikeAList(t *testing.T) {
	const tick = 20 * time.Millisecond
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		now := time.Now()
		epoch := time.Time{}
		w := wheel{tick: tick}
		want := map[uint32]int64{}
		begun := int64(1)
		ticks := func(at time.Time) int64 { return int64((at.Sub(epoch) + tick - 1) / tick) }
		set := func(i uint32, at time.Time) {
			if epoch.IsZero() {
				epoch = now.Add(-tick)
			}
			want[i] = min(max(ticks(at), begun+1), begun+wheelSlots-1)
		}
		for step := range 3000 {
			i := uint32(rnd.IntN(40))
			at := now.Add(time.Duration(rnd.IntN(4000)-200) * time.Millisecond)
			switch rnd.IntN(6) {
			case 0, 1:
				w.set(i, now, at)
				set(i, at)
			case 2:
				w.sooner(i, now, at)
				if was, ok := want[i]; !ok || epoch.Add(time.Duration(was)*tick).After(at) {
					set(i, at)
				}
			case 3:
				w.stop(i)
				delete(want, i)
			default:
				now = now.Add(time.Duration(rnd.IntN(1<<rnd.IntN(13))) * time.Millisecond)
				if epoch.IsZero() {
					break
				}
				begun = max(begun, int64(now.Sub(epoch)/tick))
				var due, got []uint32
				for k, at := range want {
					if at <= begun {
						due = append(due, k)
						delete(want, k)
					}
				}
				for k, ok := w.pop(now); ok; k, ok = w.pop(now) {
					got = append(got, k)
				}
				slices.Sort(due)
				slices.Sort(got)
				if !slices.Equal(got, due) {
					t.Fatalf("seed %d, step %d: due %v, want %v", seed, step, got, due)
				}
			}
			wake := time.Time{}
			for _, at := range want {
				if w := epoch.Add(time.Duration(at) * tick); wake.IsZero() || w.Before(wake) {
					wake = w
				}
			}
			if got := w.wake(); !got.Equal(wake) {
				t.Fatalf("seed %d, step %d: wakes %v, want %v", seed, step, got.Sub(now), wake.Sub(now))
			}
		}
	}
}

// What is due re-arms itself for now: it comes a tick later, and the loop ends.
func TestATimerSetForNowIsDueNextTick(t *testing.T) {
	w := wheel{tick: time.Millisecond}
	now := time.Now()
	w.set(3, now, now)
	if _, ok := w.pop(now); ok {
		t.Fatal("due in the tick it was set in")
	}
	for n := range 5 {
		now = now.Add(time.Millisecond)
		i, ok := w.pop(now)
		if !ok || i != 3 {
			t.Fatalf("round %d: %d, %v", n, i, ok)
		}
		w.set(3, now, now)
		if _, ok := w.pop(now); ok {
			t.Fatal("twice in one tick")
		}
	}
}

// After a long sleep everything is due at once, and what that sets again is not.
func TestAWheelAfterALongSleep(t *testing.T) {
	w := wheel{tick: time.Millisecond}
	now := time.Now()
	for i := range uint32(1000) {
		w.set(i, now, now.Add(time.Duration(i)*time.Millisecond))
	}
	now = now.Add(time.Hour)
	got := 0
	for i, ok := w.pop(now); ok; i, ok = w.pop(now) {
		if got++; got > 1000 {
			t.Fatal("what was set again is due at once")
		}
		w.set(i, now, now.Add(time.Duration(i)*time.Millisecond))
	}
	if got != 1000 {
		t.Errorf("%d were due, want 1000", got)
	}
}

func TestAWheelAllocatesNothing(t *testing.T) {
	w := wheel{tick: time.Millisecond}
	now := time.Now()
	for i := range uint32(1000) {
		w.set(i, now, now.Add(time.Second))
	}
	n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond)
		for i, ok := w.pop(now); ok; i, ok = w.pop(now) {
			w.set(i, now, now.Add(100*time.Millisecond))
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}
