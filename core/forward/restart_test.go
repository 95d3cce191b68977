package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// TestNumbersTakenBackAreGivenAgain: a picture that was not sent leaves no gap, the slot begins anew with a
// key frame, and NACKs find what really went out under a number.
func TestNumbersTakenBackAreGivenAgain(t *testing.T) {
	for _, start := range starts {
		sc := newScene(t)
		c, leg := sc.camera(5, 0, start), sc.leg(proto.Video, start)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		first := sc.admit(c.id, c.frame(true, 3)...)
		sc.wait(40 * time.Millisecond)
		lost := sc.admit(c.id, c.frame(false, 3)...)
		sc.wait(time.Second) // the key frame is too old to begin with again
		sc.s.Restart(leg, lost[0].Seq)
		if got := sc.admit(c.id, c.frame(false, 2)...); len(got) != 0 {
			t.Fatalf("from %d: %d packets while the leg waits for a key frame", start, len(got))
		}
		if id := sc.s.Await(leg); id != c.id || !sc.s.KeyFrameDue(sc.now, c.id) {
			t.Fatalf("from %d: nobody is asked for a key frame (stream %d)", start, id)
		}
		sc.wait(40 * time.Millisecond)
		again := sc.admit(c.id, c.frame(true, 3)...)
		if len(again) != 3 {
			t.Fatalf("from %d: %d packets of a key frame of 3", start, len(again))
		}
		for i, p := range again {
			if want := lost[0].Seq + rtp.Seq(i); p.Seq != want {
				t.Errorf("from %d: packet %d has number %d, want %d", start, i, p.Seq, want)
			}
			if !first[0].Time.Less(p.Time) {
				t.Errorf("from %d: time stamps do not rise", start)
			}
		}
		for _, p := range again {
			got := sc.nack(leg, p.Seq)
			if len(got) != 1 || got[0].N != p.N {
				t.Errorf("from %d: a NACK of %d brought %+v, want packet %d", start, p.Seq, got, p.N)
			}
		}
		if id := sc.s.Await(leg); id != 0 {
			t.Errorf("from %d: a leg that shows something waits for %d", start, id)
		}
	}
}

// TestARestartInTheMiddleKeepsWhatWasSent: only numbers from the given one on are taken back.
func TestARestartInTheMiddleKeepsWhatWasSent(t *testing.T) {
	sc := newScene(t)
	c, leg := sc.camera(5, 0, 0xfffd), sc.leg(proto.Video, 0xfffd)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	all := sc.admit(c.id, c.frame(true, 6)...)
	sc.s.Restart(leg, all[4].Seq)
	if got := sc.nack(leg, all[3].Seq); len(got) != 1 || got[0].N != all[3].N {
		t.Errorf("what was sent is not found: %+v", got)
	}
	if got := sc.nack(leg, all[4].Seq); len(got) != 0 {
		t.Errorf("what was never sent is sent again: %+v", got)
	}
	sc.s.Restart(leg, all[5].Seq+1) // never given: nothing happens
	if got := sc.nack(leg, all[2].Seq); len(got) != 1 {
		t.Errorf("a restart beyond the end changed something: %+v", got)
	}
	sc.s.Restart(0, 1)
	sc.s.Restart(sc.leg(proto.Video, 9), 9) // nothing sent yet
}

// TestLatePacketsAreMarked: their numbers are no place to restart from.
func TestLatePacketsAreMarked(t *testing.T) {
	sc := newScene(t)
	c, leg := sc.camera(5, 0, 100), sc.leg(proto.Video, 100)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	sc.admit(c.id, c.frame(true, 2)...)
	p := c.frame(false, 3)
	sc.out.Reset()
	sc.s.Admit(sc.now, []Packet{{Stream: c.id, Data: p[0]}, {Stream: c.id, Data: p[2]}, {Stream: c.id, Data: p[1]}}, &sc.out)
	var late []bool
	for _, d := range sc.out.Descs {
		late = append(late, d.Late)
	}
	if len(late) != 3 || late[0] || late[1] || !late[2] {
		t.Errorf("late: %v, want the last alone", late)
	}
	sc.s.Done(sc.out.Descs)
}
