package mmr

import (
	"testing"
	"time"
)

// What the stage holds every packet to, whatever comes with it: none waits longer than its hold, the end of
// a frame by marker or descriptor waits not at all and takes all before it along, a negative hold is none,
// and a shard with little to do holds nothing.
func TestNothingWaitsLongerThanItsHold(t *testing.T) {
	const off = -1
	for i, c := range []struct {
		name         string
		video, audio time.Duration
		from         int
		want         time.Duration // the longest wait, and one nearly as long must be seen
	}{
		{"as it comes", 0, 0, off, holdAudio},
		{"both off", off, off, off, 0},
		{"sound off", 3 * time.Millisecond, off, off, 3 * time.Millisecond},
		{"pictures longer than sound", 8 * time.Millisecond, 2 * time.Millisecond, off, 8 * time.Millisecond},
		{"little to do", 0, 0, 1 << 30, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := performWith(t, uint64(100+i), 40, PlaneConfig{HoldVideo: c.video, HoldAudio: c.audio, HoldFrom: c.from})
			if st.longest > c.want || st.longest < c.want*9/10 {
				t.Errorf("the longest wait was %v, want %v", st.longest, c.want)
			}
		})
	}
}
