package client

import (
	"testing"
	"time"

	"parley/wire/rtp"
)

// stream simulates one stream of a sender whose clock is off, over a way of its own.
type stream struct {
	id    uint64
	clock uint32
	base  rtp.Time
	way   time.Duration
}

func TestTimeline(t *testing.T) {
	ours := time.Unix(1_000_000, 0)
	theirs := ours.Add(-17 * time.Minute) // the sender's clock at the same moment
	sound := stream{1, 48000, 0xffff8000, 30 * time.Millisecond}
	picture := stream{2, 90000, 12345, 150 * time.Millisecond}
	captured := func(s stream, d time.Duration) rtp.Time { return s.base + rtp.Time(rtp.Ticks(d, s.clock)) }

	rows := []struct {
		name    string
		reports bool
		jitter  func(i int) time.Duration
		want    time.Duration // largest distance between sound and picture
	}{
		{"reports, even ways", true, func(int) time.Duration { return 0 }, time.Millisecond},
		{"reports, jitter", true, func(i int) time.Duration { return time.Duration(i*37%50) * time.Millisecond }, time.Millisecond},
		{"no reports: by the fastest packet", false, func(i int) time.Duration { return time.Duration(i*37%50) * time.Millisecond }, 125 * time.Millisecond},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			line := newTimeline()
			for _, s := range []stream{sound, picture} {
				for i := range 100 {
					d := time.Duration(i) * 20 * time.Millisecond
					if row.reports && i%50 == 10 {
						line.report(s.id, s.clock, theirs.Add(d), captured(s, d))
					}
					line.arrived(s.id, s.clock, 7, captured(s, d), ours.Add(d+s.way+row.jitter(i)))
				}
			}
			for i := range 100 {
				d := time.Duration(i) * 20 * time.Millisecond
				a, ok1 := line.place(sound.id, 7, captured(sound, d))
				v, ok2 := line.place(picture.id, 7, captured(picture, d))
				if !ok1 || !ok2 {
					t.Fatal("not placed")
				}
				if off := v.Sub(a); off > row.want || off < -row.want {
					t.Fatalf("at %v the picture is %v after the sound, want %v", d, off, row.want)
				}
				if off := a.Sub(ours.Add(d + sound.way)); row.reports && (off > time.Millisecond || off < -time.Millisecond) {
					t.Fatalf("sound of %v lies %v from the arrival of the fastest packet", d, off)
				}
			}
		})
	}
}

func TestTimelineStandsOnceUsed(t *testing.T) {
	line, ours := newTimeline(), time.Unix(1_000_000, 0)
	line.report(1, 48000, ours, 0)
	line.arrived(1, 48000, 7, 0, ours.Add(50*time.Millisecond))
	first, _ := line.place(1, 7, 0)
	line.arrived(1, 48000, 7, 48000, ours.Add(time.Second+10*time.Millisecond)) // a faster packet
	if again, _ := line.place(1, 7, 0); !again.Equal(first) {
		t.Errorf("a frame moved from %v to %v", first, again)
	}
	// The sender's clock is set by an hour: it is followed.
	line.report(1, 48000, ours.Add(time.Hour), 2*48000)
	line.arrived(1, 48000, 7, 2*48000, ours.Add(2*time.Second))
	if at, _ := line.place(1, 7, 2*48000); at.Sub(ours) != 2*time.Second {
		t.Errorf("after the clock was set: %v", at.Sub(ours))
	}
	if _, ok := line.place(99, 7, 0); ok {
		t.Error("an unknown stretch was placed")
	}
}
