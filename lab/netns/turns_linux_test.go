package netns

import "testing"

// turns are how many networks live at once. Some rows do nothing but wait for more than a minute until a client looks
// for a better path: meanwhile others begin, and at most twice as many wait as may be at work.
type turns struct{ busy, idle chan struct{} }

// turn is one row's.
type turn struct {
	of *turns
	in chan struct{}
}

func newTurns(n int) *turns {
	return &turns{busy: make(chan struct{}, n), idle: make(chan struct{}, 2*n)}
}

// take waits for a turn.
func (ts *turns) take() *turn {
	ts.busy <- struct{}{}
	return &turn{of: ts, in: ts.busy}
}

// rest lets another row begin: what follows is waited for.
func (t *turn) rest() {
	if t.in == t.of.idle {
		return
	}
	select {
	case t.of.idle <- struct{}{}:
		<-t.in
		t.in = t.of.idle
	default: // enough do
	}
}

// end gives the turn back.
func (t *turn) end() { <-t.in }

// Who waits makes room for one other, and no more than twice as many wait as may be at work.
func TestWhoWaitsMakesRoom(t *testing.T) {
	all := newTurns(1)
	look := func(when string, busy, idle int) {
		t.Helper()
		if len(all.busy) != busy || len(all.idle) != idle {
			t.Errorf("%s: %d at work and %d wait, want %d and %d", when, len(all.busy), len(all.idle), busy, idle)
		}
	}
	a := all.take()
	look("one at work", 1, 0)
	a.rest()
	a.rest()
	look("it waits", 0, 1)
	b := all.take()
	b.rest()
	look("another waits too", 0, 2)
	c := all.take()
	c.rest()
	look("a third would", 1, 2)
	a.end()
	c.rest()
	look("the first has ended", 0, 2)
	b.end()
	c.end()
	look("all have", 0, 0)
}
