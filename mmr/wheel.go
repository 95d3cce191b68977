package mmr

import (
	"cmp"
	"math/bits"
	"time"
)

const (
	defaultTick = 20 * time.Millisecond
	// wheelSlots bounds how far ahead a timer can be: 2.5 s at the default tick. One set further ahead comes
	// early, and its owner looks again.
	wheelSlots = 128
)

// wheel keeps one timer for each of a dense set of numbers, a tick apart: what is due together is found
// together, and nothing is looked at that is not due. Flat, and without allocation once it has grown.
type wheel struct {
	tick   time.Duration           // 0: defaultTick
	epoch  time.Time               // of tick 0; zero until the first is set
	next   int64                   // ticks before this one hold nothing
	now    int64                   // the last tick that has begun
	first  [wheelSlots + 1]uint32  // the last is of those due: they have left their slots
	marked [wheelSlots / 64]uint64 // slots that are not empty
	timers []wheelTimer
}

// wheelTimer is one number's place: its neighbours in the slot, as numbers plus one.
type wheelTimer struct {
	at       int64 // 0: not set; due: it is
	ahead    uint32
	followed uint32
}

// set sets the timer of a number, in place of what it was, to the tick that begins at or after at, and
// never to one that has begun.
func (w *wheel) set(i uint32, now, at time.Time) {
	if w.epoch.IsZero() {
		w.tick = cmp.Or(w.tick, defaultTick)
		w.epoch = now.Add(-w.tick)
		w.next, w.now = 1, 1
	}
	for int(i) >= len(w.timers) {
		w.timers = append(w.timers, wheelTimer{})
	}
	w.stop(i)
	tick := int64((at.Sub(w.epoch) + w.tick - 1) / w.tick)
	tick = min(max(tick, w.now+1), w.now+wheelSlots-1)
	slot := tick % wheelSlots
	t := &w.timers[i]
	*t = wheelTimer{at: tick}
	w.link(i, slot)
	w.marked[slot/64] |= 1 << (slot % 64)
	w.next = min(w.next, tick)
}

// sooner sets the timer unless it is set for earlier already.
func (w *wheel) sooner(i uint32, now, at time.Time) {
	if int(i) < len(w.timers) {
		if t := w.timers[i].at; t == due || t != 0 && !w.epoch.Add(time.Duration(t)*w.tick).After(at) {
			return
		}
	}
	w.set(i, now, at)
}

// link puts a timer first in its slot.
func (w *wheel) link(i uint32, slot int64) {
	t := &w.timers[i]
	if t.followed = w.first[slot]; t.followed != 0 {
		w.timers[t.followed-1].ahead = i + 1
	}
	w.first[slot] = i + 1
}

// stop takes a number's timer away.
func (w *wheel) stop(i uint32) {
	if int(i) >= len(w.timers) || w.timers[i].at == 0 {
		return
	}
	t := &w.timers[i]
	slot := int64(wheelSlots)
	if t.at != due {
		slot = t.at % wheelSlots
	}
	if t.ahead != 0 {
		w.timers[t.ahead-1].followed = t.followed
	} else if w.first[slot] = t.followed; t.followed == 0 && t.at != due {
		w.marked[slot/64] &^= 1 << (slot % 64)
	}
	if t.followed != 0 {
		w.timers[t.followed-1].ahead = t.ahead
	}
	*t = wheelTimer{}
}

// pop takes a timer that is due. One set between two calls with the same now is not due before the next
// tick.
func (w *wheel) pop(now time.Time) (i uint32, ok bool) {
	if w.epoch.IsZero() {
		return 0, false
	}
	w.now = max(w.now, int64(now.Sub(w.epoch)/w.tick))
	for w.next = w.soonest(); w.next <= w.now; w.next = w.soonest() {
		slot := w.next % wheelSlots
		for n := w.first[slot]; n != 0; n = w.first[slot] {
			w.stop(n - 1)
			w.timers[n-1].at = due
			w.link(n-1, wheelSlots)
		}
	}
	n := w.first[wheelSlots]
	if n == 0 {
		return 0, false
	}
	w.stop(n - 1)
	return n - 1, true
}

// wake is when the next timer is due, zero for never.
func (w *wheel) wake() time.Time {
	if w.epoch.IsZero() {
		return time.Time{}
	}
	if w.first[wheelSlots] != 0 {
		return w.epoch.Add(time.Duration(w.now) * w.tick)
	}
	if w.next = w.soonest(); w.next == never {
		return time.Time{}
	}
	return w.epoch.Add(time.Duration(w.next) * w.tick)
}

const (
	never = 1 << 62 // the tick of an empty wheel
	due   = -1      // that of a timer which is due
)

// soonest is the first tick from next on that has a timer.
func (w *wheel) soonest() int64 {
	const words = wheelSlots / 64
	if w.next == never {
		w.next = w.now
	}
	from := w.next % wheelSlots
	for k := range int64(words + 1) {
		word := (from/64 + k) % words
		m := w.marked[word]
		switch {
		case k == 0:
			m &= ^uint64(0) << (from % 64)
		case k == words:
			m &= 1<<(from%64) - 1
		}
		if m != 0 {
			slot := word*64 + int64(bits.TrailingZeros64(m))
			return w.next + (slot-from+wheelSlots)%wheelSlots
		}
	}
	return never
}
