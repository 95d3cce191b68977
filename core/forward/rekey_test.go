package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// TestFreshKeysBeginInTheLowerHalf: a leg goes on where it was, but for numbers that would soon wrap; the
// stream it forwards, its times and its frames go on in either case.
func TestFreshKeysBeginInTheLowerHalf(t *testing.T) {
	for _, c := range []struct{ start, want rtp.Seq }{
		{0, 3}, {0x7ffc, 0x7fff}, {0x7ffd, 0}, {0x8000, 0}, {0xfffb, 0}, {0xfffc, 0}, {0xfffd, 0}, {0xfffe, 1},
	} {
		sc := newScene(t)
		cam, leg := sc.camera(5, 0, 0xfff0), sc.leg(proto.Video, c.start)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
		before := sc.admit(cam.id, cam.frame(true, 3)...)
		sc.wait(40 * time.Millisecond)
		sc.s.Rekeyed(leg)
		if next, rtx, ok := sc.s.Numbers(leg); !ok || next != c.want || rtx >= upperHalf {
			t.Errorf("from %d: next are %d and %d, %v; want %d", c.start, next, rtx, ok, c.want)
		}
		after := sc.admit(cam.id, cam.frame(false, 3)...)
		if len(after) != 3 {
			t.Fatalf("from %d: %d packets of a frame of 3", c.start, len(after))
		}
		for i, p := range after {
			if want := c.want + rtp.Seq(i); p.Seq != want {
				t.Errorf("from %d: packet %d has number %d, want %d", c.start, i, p.Seq, want)
			}
			if got := sc.nack(leg, p.Seq); len(got) != 1 || got[0].N != p.N {
				t.Errorf("from %d: a NACK of %d brought %+v, want packet %d", c.start, p.Seq, got, p.N)
			}
		}
		if !before[0].Time.Less(after[0].Time) {
			t.Errorf("from %d: time stamps do not rise", c.start)
		}
		jumped := c.want != c.start+3
		if got := sc.nack(leg, before[1].Seq); len(got) > 0 == jumped {
			t.Errorf("from %d: a number of the former keys is sent again: %v", c.start, len(got) > 0)
		}
	}
}

// TestALegThatWaitsIsRekeyedToo: before its first packet, and while nothing is forwarded.
func TestALegThatWaitsIsRekeyedToo(t *testing.T) {
	sc := newScene(t)
	cam, leg := sc.camera(5, 0, 7), sc.leg(proto.Video, 0xfff0)
	sc.s.Rekeyed(leg)
	if _, _, ok := sc.s.Numbers(leg); ok {
		t.Error("a leg that has sent nothing has numbers to go on with")
	}
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, cam.id)}})
	if got := sc.admit(cam.id, cam.frame(true, 2)...); len(got) != 2 || got[0].Seq != 0 {
		t.Fatalf("began with %+v, want number 0", got)
	}
	sc.wait(40 * time.Millisecond)
	last := sc.admit(cam.id, cam.frame(false, 2)...)
	sc.s.Restart(leg, last[0].Seq)
	sc.s.Rekeyed(leg)
	sc.wait(time.Second)
	if got := sc.admit(cam.id, cam.frame(true, 2)...); len(got) != 2 || got[0].Seq != last[0].Seq {
		t.Errorf("went on with %+v, want number %d", got, last[0].Seq)
	}
	sc.s.Rekeyed(0)
}
