package forward

import (
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestNewFollowerBeginsWithAKeyFrameJustGoneBy(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		c := sc.camera(0x20, 0, in)
		first, second, third := sc.leg(proto.Video, 1), sc.leg(proto.Video, 500), sc.leg(proto.Video, 900)
		table := func(legs ...LegID) *Table {
			var w []Want
			for _, id := range legs {
				w = append(w, Want{Leg: id})
			}
			return &Table{Sources: []SourceRow{row(w, c.id)}}
		}
		sc.s.Publish(1, table(first))
		sc.admit(c.id, c.frame(true, 3)...)
		sc.wait(100 * time.Millisecond)
		sc.admit(c.id, c.frame(false, 2)...)
		sc.s.Publish(1, table(first, second))
		if sc.s.KeyFrameDue(sc.now, c.id) {
			t.Error("asked for another key frame")
		}
		sc.wait(33 * time.Millisecond)
		got := sc.admit(c.id, c.frame(false, 1)...)
		if want := append([]rtp.Seq{6}, seqRange(500, 6)...); !slices.Equal(seqsOf(got), want) {
			t.Fatalf("got %v, want %v", seqsOf(got), want)
		}
		sc.wait(replayFor)
		sc.s.Publish(1, table(first, second, third))
		if got := sc.admit(c.id, c.frame(false, 1)...); len(got) != 2 {
			t.Error("an old key frame was taken")
		}
		if !sc.s.KeyFrameDue(sc.now, c.id) {
			t.Error("no key frame asked for")
		}
	}
}

// A key frame whose first packet was lost and is repaired late is begun with as long as all that came behind it is there.
func TestNobodyBeginsWithAKeyFrameOfWhichSomeWasLetGo(t *testing.T) {
	for _, c := range []struct {
		name         string
		repaired     time.Duration // after the others came
		joins        time.Duration // the second, after that
		first, after bool          // they begin
	}{
		{"in time", 150 * time.Millisecond, 100 * time.Millisecond, true, true},
		{"in time, and joined late", 150 * time.Millisecond, 250 * time.Millisecond, true, false},
		{"too late", 350 * time.Millisecond, 50 * time.Millisecond, false, false},
	} {
		for _, start := range starts {
			sc := newScene(t)
			cam := sc.camera(0x20, 0, start)
			first, second := sc.leg(proto.Video, 1), sc.leg(proto.Video, 500)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: first}}, cam.id)}})
			sc.admit(cam.id, cam.frame(false, 1)...)
			key := cam.frame(true, 8)
			sc.admit(cam.id, key[1:]...)
			pass := func(d time.Duration) (got []sent) {
				for range d / (10 * time.Millisecond) {
					sc.wait(10 * time.Millisecond)
					got = append(got, sc.admit(cam.id, cam.frame(false, 1)...)...)
				}
				return got
			}
			whole := func(who string, begins bool, got []sent, from rtp.Seq, atLeast int) {
				t.Helper()
				if !begins {
					if len(got) > 0 {
						t.Errorf("%s, from %d: %s was sent %v, and some is missing", c.name, start, who, seqsOf(got))
					}
					return
				}
				if seqs := seqsOf(got); len(seqs) < atLeast || !slices.Equal(seqs, seqRange(from, len(seqs))) {
					t.Errorf("%s, from %d: %s was sent %v, want all of the key frame and what came since", c.name, start, who, seqs)
				}
			}
			pass(c.repaired)
			of := func(leg LegID, all []sent) (got []sent) {
				for _, p := range all {
					if p.Leg == leg {
						got = append(got, p)
					}
				}
				return got
			}
			whole("who was there", c.first, sc.admit(cam.id, key[0]), 1, 8)
			if due := sc.s.KeyFrameDue(sc.now, cam.id); due == c.first {
				t.Errorf("%s, from %d: another key frame is asked for: %v", c.name, start, due)
			}
			pass(c.joins)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: first}, {Leg: second}}, cam.id)}})
			whole("who came", c.after, of(second, pass(10*time.Millisecond)), 500, 8)
		}
	}
}

func TestKeyFrameRequestsAreMergedAndThrottled(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1)
	leg, other := sc.leg(proto.Video, 1), sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}, {Leg: other}}, c.id)}})
	asked := 0
	for range 100 { // one second
		if sc.s.KeyFrameDue(sc.now, c.id) {
			asked++
		}
		sc.wait(10 * time.Millisecond)
	}
	if asked != 4 {
		t.Errorf("asked %d times in a second without an answer, want 4", asked)
	}
	sc.admit(c.id, c.frame(true, 1)...)
	sc.wait(time.Second)
	if sc.s.KeyFrameDue(sc.now, c.id) {
		t.Error("asked though nobody wants one")
	}
	sc.s.Picture(sc.now, leg)
	sc.s.Picture(sc.now, other)
	if !sc.s.KeyFrameDue(sc.now, c.id) || sc.s.KeyFrameDue(sc.now, c.id) {
		t.Error("two wishes want one request")
	}
	sc.wait(keyEvery)
	sc.admit(c.id, c.frame(true, 1)...)
	sc.s.Picture(sc.now, leg) // crossed the key frame on its way
	if sc.s.KeyFrameDue(sc.now, c.id) {
		t.Error("asked right after a key frame")
	}
	sc.wait(keyEvery)
	if !sc.s.KeyFrameDue(sc.now, c.id) {
		t.Error("wish forgotten")
	}
	sc.s.Publish(1, nil)
	sc.wait(keyEvery)
	if sc.s.KeyFrameDue(sc.now, c.id) {
		t.Error("asked for a meeting that is over")
	}
}

// A receiver that asks for key frames all the time, for it lies or is lost, costs those who watch the same camera
// ever fewer of them; and where nobody else does, it has them as it likes.
func TestOneReceiversWishesForKeyFramesAreSpaced(t *testing.T) {
	for _, tc := range []struct {
		name        string
		others      bool
		least, most int
	}{
		{"others watch", true, 5, 8}, // after 0, 0.3, 0.9, 2.1, 4.5, 6.9 and 9.3 s
		{"alone", false, 25, 34},
	} {
		sc := newScene(t)
		c := sc.camera(0x20, 0, 1)
		liar, other := sc.leg(proto.Video, 1), sc.leg(proto.Video, 1)
		wants := []Want{{Leg: liar}}
		if tc.others {
			wants = append(wants, Want{Leg: other})
		}
		sc.s.Publish(1, &Table{Sources: []SourceRow{row(wants, c.id)}})
		sc.admit(c.id, c.frame(true, 2)...)
		sc.wait(time.Minute)
		asked := 0
		for range 200 { // ten seconds
			sc.s.Picture(sc.now, liar)
			key := sc.s.KeyFrameDue(sc.now, c.id)
			if key {
				asked++
			}
			sc.wait(50 * time.Millisecond)
			sc.admit(c.id, c.frame(key, 2)...)
		}
		if asked < tc.least || asked > tc.most {
			t.Errorf("%s: %d key frames in ten seconds, want %d to %d", tc.name, asked, tc.least, tc.most)
		}
		if !tc.others {
			continue
		}
		sc.wait(keyEvery)
		sc.s.Picture(sc.now, other)
		if !sc.s.KeyFrameDue(sc.now, c.id) {
			t.Errorf("%s: another's wish is not passed on", tc.name)
		}
		sc.admit(c.id, c.frame(true, 2)...)
		sc.wait(wishesCalm + time.Second)
		sc.s.Picture(sc.now, liar)
		if !sc.s.KeyFrameDue(sc.now, c.id) {
			t.Errorf("%s: a wish after a calm time is not passed on", tc.name)
		}
	}
}

func TestMissingAsksAFewTimesAndGivesUp(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 0xfffe)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	ps := c.frame(true, 6)
	sc.admit(c.id, ps[0], ps[5])
	if n := sc.notes(NoteGap); len(n) != 1 || n[0].Count != 4 {
		t.Errorf("gap notes %+v", n)
	}
	if got := sc.s.Missing(sc.now, c.id, nil); len(got) != 0 {
		t.Errorf("asked at once: %v", got)
	}
	sc.s.StreamRTT(c.id, 40*time.Millisecond)
	tries := map[rtp.Seq]int{}
	for range 80 { // 800 ms
		sc.wait(10 * time.Millisecond)
		for _, q := range sc.s.Missing(sc.now, c.id, nil) {
			tries[q]++
		}
		if tries[0xffff] == 2 {
			sc.admit(c.id, ps[1])
		}
	}
	if tries[0xffff] != 2 || tries[0] != maxTries || tries[2] != maxTries || len(tries) != 4 {
		t.Errorf("tries %v", tries)
	}
	// A key frame makes older holes useless.
	ps = append(c.frame(false, 3), c.frame(true, 1)...)
	sc.admit(c.id, ps[0], ps[2], ps[3])
	sc.wait(reorderFor)
	if got := sc.s.Missing(sc.now, c.id, nil); len(got) != 0 {
		t.Errorf("asked for %v before a key frame", got)
	}
}

func TestLargeGapAsksForTheNewestPartOnly(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		c := sc.camera(0x20, 0, in)
		leg := sc.leg(proto.Video, 1)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		sc.admit(c.id, c.frame(true, 1)...)
		c.seq += 400
		sc.admit(c.id, c.frame(false, 1)...)
		c.seq += 2000
		sc.admit(c.id, c.frame(false, 1)...)
		sc.wait(reorderFor)
		got := sc.s.Missing(sc.now, c.id, nil)
		if len(got) != maxHoles || got[0] != c.seq-1-maxHoles || got[maxHoles-1] != c.seq-2 {
			t.Errorf("from %d: %d numbers, %d to %d", in, len(got), got[0], got[len(got)-1])
		}
	}
}
