package interop

import "testing"

// A second control channel with the same key takes the seat over: the first is told, and the transports
// go on with the keys they have.
func TestMediaGoesOnOverANewControlChannel(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	ada := join(t, m, "Ada", options{p256: true})
	bo := join(t, m, "Bo", options{})
	for _, p := range []*person{ada, bo} {
		p.start(p.mic, p.cam)
		p.pace()
	}
	see := func(p, q *person, more int) {
		t.Helper()
		var had int
		p.update(func() { had = p.frames(source(q.me, video)) })
		p.until("more of "+q.name, func() bool { return p.frames(source(q.me, video)) >= had+more })
	}
	see(ada, bo, 20)
	see(bo, ada, 20)

	table := ada.table
	old := ada.ws
	ada.openControl()
	ada.until("the first channel's bye", func() bool { return ada.bye != nil })
	old.Close()
	ada.mu.Lock()
	w, bye := ada.welcome, *ada.bye
	ada.mu.Unlock()
	if bye.Code != "replaced" {
		t.Errorf("the first channel ended with %+v, want replaced", bye)
	}
	if !w.Resumed || w.Participant != ada.me || len(w.Slots) != len(table) {
		t.Fatalf("welcomed back with resumed %v as %d, %d slots", w.Resumed, w.Participant, len(w.Slots))
	}
	for i, s := range w.Slots {
		if s != table[i] {
			t.Errorf("slot %d is %+v now, was %+v", i, s, table[i])
		}
	}
	ada.announce()
	ada.start(ada.mic, ada.cam)
	see(ada, bo, 50)
	see(bo, ada, 50)
	ada.mu.Lock()
	defer ada.mu.Unlock()
	bo.mu.Lock()
	defer bo.mu.Unlock()
	for _, tr := range ada.transports {
		if !tr.up {
			t.Errorf("group %d is down", tr.group)
		}
	}
	for _, pair := range []struct{ p, q *person }{{ada, bo}, {bo, ada}} {
		r := pair.p.sources[source(pair.q.me, video)]
		if lost := r.missing(r.last); r.bad > 0 || len(lost) > 5 {
			t.Errorf("%s lacks pictures %v of %s, %d wrong", pair.p.name, lost, pair.q.name, r.bad)
		}
		for x, times := range pair.p.inSlot[r.slot].seqs {
			if times != 1 {
				t.Errorf("%s: number %d of slot %d came %d times", pair.p.name, x&0xffff, r.slot, times)
			}
		}
	}
}
