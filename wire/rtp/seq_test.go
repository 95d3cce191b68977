package rtp

import (
	"testing"
	"time"
)

// wraps are places to start sequence tests from: the middle, and every edge of the circle.
var wraps = []Seq{0, 1, 2, 100, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfff0, 0xfffe, 0xffff}

func TestSeqOrderAroundEveryWrap(t *testing.T) {
	for _, s := range wraps {
		for _, d := range []int{1, 2, 100, 0x7fff} {
			u := s + Seq(d)
			if !s.Less(u) || u.Less(s) {
				t.Errorf("%d before %d: Less %v, reverse %v", s, u, s.Less(u), u.Less(s))
			}
			if got := u.Diff(s); int(got) != d {
				t.Errorf("%d.Diff(%d) = %d, want %d", u, s, got, d)
			}
			if got := s.Diff(u); int(got) != -d {
				t.Errorf("%d.Diff(%d) = %d, want %d", s, u, got, -d)
			}
		}
		if s.Less(s) || s.Diff(s) != 0 || s.Next() != s+1 {
			t.Errorf("%d against itself", s)
		}
	}
}

func TestTimeOrderAroundEveryWrap(t *testing.T) {
	for _, a := range []Time{0, 1, 0x7fffffff, 0x80000000, 0xffffffff} {
		for _, d := range []Time{1, 3000, 0x7fffffff} {
			if b := a + d; !a.Less(b) || b.Less(a) || b.Diff(a) != int32(d) {
				t.Errorf("%d and %d: Less %v, Diff %d", a, b, a.Less(b), b.Diff(a))
			}
		}
	}
}

func TestUnwrapperCountsThroughManyWraps(t *testing.T) {
	for _, start := range wraps {
		var u Unwrapper
		if _, ok := u.Top(); ok {
			t.Fatal("zero value has a top")
		}
		s, want := start, int64(start)
		for i := range 200000 {
			if got := u.Unwrap(s); got != want {
				t.Fatalf("start %d step %d: got %d, want %d", start, i, got, want)
			}
			if back := s - 300; i > 300 && u.Peek(back) != want-300 {
				t.Fatalf("start %d step %d: late packet counts %d, want %d", start, i, u.Peek(back), want-300)
			}
			step := Seq(1 + i%7)
			s, want = s+step, want+int64(step)
		}
	}
	var u Unwrapper
	u.Unwrap(3)
	if got := u.Unwrap(0xfffe); got != -2 {
		t.Errorf("packet before the first: got %d, want -2", got)
	}
}

func TestNTPRoundTrip(t *testing.T) {
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Unix(1_800_000_000, 123_456_789),
		time.Date(2036, 2, 7, 6, 28, 15, 999_999_999, time.UTC), // last second of the first era
		time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC),           // first of the next
		time.Date(2060, 1, 1, 0, 0, 0, 5, time.UTC),
	} {
		got := FromNTP(NTP(at))
		if d := at.Sub(got); d < 0 || d > time.Nanosecond {
			t.Errorf("%v came back as %v", at, got.UTC())
		}
	}
	// RFC 3550 section 6.4.1, figure 2: DLSR 5.25 s is 0x0005.4000.
	if got := Short(5250 * time.Millisecond); got != 0x00054000 {
		t.Errorf("Short = %#x", got)
	}
	if got := FromShort(0x00054000); got != 5250*time.Millisecond {
		t.Errorf("FromShort = %v", got)
	}
	if got := MiddleNTP(0xb44db705_20000000); got != 0xb7052000 {
		t.Errorf("MiddleNTP = %#x", got)
	}
	if Short(-1) != 0 {
		t.Error("negative Short")
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		rate uint32
		want int64
	}{
		{time.Second, 90000, 90000},
		{20 * time.Millisecond, 48000, 960},
		{100 * time.Hour, 90000, 100 * 3600 * 90000}, // does not overflow
		{-time.Second, 90000, -90000},
	} {
		if got := Ticks(c.d, c.rate); got != c.want {
			t.Errorf("Ticks(%v, %d) = %d, want %d", c.d, c.rate, got, c.want)
		}
	}
}
