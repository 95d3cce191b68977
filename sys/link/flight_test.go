package link

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// aPath is a connection whose bytes leave at a rate, and are answered a round trip later.
type aPath struct {
	rtt    time.Duration
	rate   int           // bytes a second
	jitter time.Duration // of every seventh answer, and those behind it
	every  time.Duration // answers are held back so long: 0 at once
	others time.Duration // what somebody else keeps waiting in the path's queue

	now     time.Duration
	freeAt  time.Duration
	taken   uint64
	acked   uint64
	answers []answer
	n       int
}

type answer struct {
	at    time.Duration
	taken uint64
}

func (p *aPath) write(n int) (waited time.Duration) {
	leaves := max(p.now, p.freeAt)
	waited = leaves - p.now
	p.freeAt = leaves + time.Duration(n)*time.Second/time.Duration(p.rate)
	p.taken += uint64(n)
	at := p.freeAt + p.rtt + p.others
	if p.n++; p.n%7 == 0 {
		at += p.jitter
	}
	if p.every > 0 {
		at = (at + p.every - 1) / p.every * p.every
	}
	p.answers = append(p.answers, answer{at, p.taken})
	return waited
}

func (p *aPath) look(h *held) bool {
	for len(p.answers) > 0 && p.answers[0].at <= p.now {
		p.acked = p.answers[0].taken
		p.answers = p.answers[1:]
	}
	*h = held{p.taken, p.acked, p.rtt}
	return true
}

// fill writes packets of 1200 bytes whenever there is room, for so long: how long each waited for the path, in order,
// and how many bytes a second it took.
func (p *aPath) fill(f *flight, d time.Duration) (waited []time.Duration, speed int) {
	began, from := p.now, p.taken
	for ; p.now-began < d; p.now += lookEvery {
		at := time.Unix(0, 0).Add(p.now)
		f.see(at, 0)
		for f.room() >= 1200 || f.under() == 0 {
			waited = append(waited, p.write(1200))
			f.wrote(at)
		}
		f.limited = true
	}
	slices.Sort(waited)
	return waited, int(float64(p.taken-from) / d.Seconds())
}

// TestAQueueOfOthersIsLivedWith: it fills and empties, whatever is done about it here.
func TestAQueueOfOthersIsLivedWith(t *testing.T) {
	p := aPath{rtt: 60 * time.Millisecond, rate: 2_500_000 / 8}
	f := &flight{look: p.look, window: firstWindow}
	p.fill(f, 5*time.Second)
	p.others = 800 * time.Millisecond
	p.fill(f, 20*time.Second)
	if _, speed := p.fill(f, 20*time.Second); speed < p.rate/2 {
		t.Errorf("beside somebody else %d bytes a second go, the path takes %d", speed, p.rate)
	}
	if got := f.stuck(time.Unix(0, 0).Add(p.now)); got > SoundLate {
		t.Errorf("answers come all the time, and the path counts as stuck for %v", got)
	}
	p.others = 0
	p.fill(f, othersFor+2*time.Second)
	waited, speed := p.fill(f, 20*time.Second)
	if p99 := waited[len(waited)*99/100]; p99 > 100*time.Millisecond || speed < p.rate*8/10 {
		t.Errorf("alone again one packet in a hundred waits %v, and %d bytes a second go", p99, speed)
	}
}

// TestAPathThatAnswersNothingIsStuck: sound that is queued behind that is late.
func TestAPathThatAnswersNothingIsStuck(t *testing.T) {
	p := aPath{rtt: 60 * time.Millisecond, rate: 2_500_000 / 8}
	f := &flight{look: p.look, window: firstWindow}
	p.fill(f, time.Second)
	p.others = time.Hour
	p.fill(f, time.Second)
	if got := f.stuck(time.Unix(0, 0).Add(p.now)); got < 700*time.Millisecond || got > time.Second {
		t.Errorf("after a second the path counts as stuck for %v", got)
	}
}

// TestAPauseIsNoDelay: nobody looked meanwhile, so when the last answers came is not known.
func TestAPauseIsNoDelay(t *testing.T) {
	p := aPath{rtt: 60 * time.Millisecond, rate: 2_500_000 / 8}
	f := &flight{look: p.look, window: firstWindow}
	p.fill(f, time.Second)
	window := f.window
	p.now += time.Minute
	f.see(time.Unix(0, 0).Add(p.now), 0)
	p.fill(f, 100*time.Millisecond)
	if f.window < window*3/4 {
		t.Errorf("after a pause the window is %d bytes, before it %d", f.window, window)
	}
	p.others = time.Hour
	p.fill(f, time.Second)
	if got := f.stuck(time.Unix(0, 0).Add(p.now)); got < 700*time.Millisecond {
		t.Errorf("answers have not come for a second, and the path counts as stuck for %v", got)
	}
}

// TestPicturesStandInNoQueue: whatever a path takes is used, and what is sent over it waits no longer than a moment.
func TestPicturesStandInNoQueue(t *testing.T) {
	for _, tc := range []struct {
		name string
		path aPath
		used int // percent of the path, at least
	}{
		{"500 kbit/s", aPath{rtt: 60 * time.Millisecond, rate: 500_000 / 8}, 80},
		{"500 kbit/s nearby", aPath{rtt: 2 * time.Millisecond, rate: 500_000 / 8}, 80},
		{"500 kbit/s far away", aPath{rtt: 300 * time.Millisecond, rate: 500_000 / 8}, 80},
		{"answers 30 ms apart", aPath{rtt: 60 * time.Millisecond, rate: 500_000 / 8, every: 30 * time.Millisecond}, 80},
		{"answers that vary", aPath{rtt: 60 * time.Millisecond, rate: 2_500_000 / 8, jitter: 80 * time.Millisecond}, 40},
		{"2.5 Mbit/s", aPath{rtt: 60 * time.Millisecond, rate: 2_500_000 / 8}, 80},
		{"20 Mbit/s", aPath{rtt: 150 * time.Millisecond, rate: 20_000_000 / 8}, 80},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.path
			f := &flight{look: p.look, window: firstWindow}
			p.fill(f, 5*time.Second)
			waited, speed := p.fill(f, 30*time.Second)
			p99 := waited[len(waited)*99/100]
			t.Logf("%d bytes a second of %d; 99 of 100 waited %v", speed, p.rate, p99)
			if p99 > 100*time.Millisecond {
				t.Errorf("one packet in a hundred waited %v for the path, want 100 ms at most", p99)
			}
			if speed < p.rate/100*tc.used {
				t.Errorf("%d bytes a second, the path takes %d", speed, p.rate)
			}
			p.rate /= 5
			p.fill(f, 2*time.Second)
			waited, _ = p.fill(f, 10*time.Second)
			if p99 := waited[len(waited)*99/100]; p99 > 120*time.Millisecond && p.rate >= 500_000/8 {
				t.Errorf("2 s after it got narrow, one packet in a hundred waits %v for it", p99)
			}
		})
	}
}

// TestALongerWayIsUsed: the quickest answer there ever was says nothing of it any more.
func TestALongerWayIsUsed(t *testing.T) {
	for _, longer := range []time.Duration{20, 45, 60, 80, 100, 140, 160, 300} {
		p := aPath{rtt: 20 * time.Millisecond, rate: 10_000_000 / 8}
		f := &flight{look: p.look, window: firstWindow}
		p.fill(f, 5*time.Second)
		p.others = longer * time.Millisecond
		p.fill(f, 10*time.Second)
		if _, speed := p.fill(f, 2*othersFor); speed < p.rate/2 {
			t.Errorf("by %d ms: %d bytes a second go, the path takes %d", longer, speed, p.rate)
		}
	}
}

// TestWhoAsksForRoomAgainAndAgainGetsIt: not everybody waits to be told.
func TestWhoAsksForRoomAgainAndAgainGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := aPath{rtt: 60 * time.Millisecond, rate: 10_000_000 / 8}
		s := &Stream{room: maxRoom, flight: flight{look: p.look, window: firstWindow}}
		began, half := time.Now(), uint64(0)
		for p.now < 10*time.Second {
			if p.now = time.Since(began); p.now < 5*time.Second {
				half = p.taken
			}
			for s.Room() >= 1200 {
				p.write(1200)
				s.flight.wrote(time.Now())
			}
			time.Sleep(lookEvery)
		}
		if speed := int(p.taken-half) / 5; speed < p.rate/2 {
			t.Errorf("%d bytes a second go, the path takes %d", speed, p.rate)
		}
	})
}

// TestSlowAnswersAreNoQueue: a receiver that answers a single packet late answers two at once.
func TestSlowAnswersAreNoQueue(t *testing.T) {
	for _, every := range []time.Duration{40, 100} {
		p := aPath{rtt: 20 * time.Millisecond, rate: 10_000_000 / 8}
		f := &flight{look: p.look, window: leastWindow, begun: true}
		p.every = every * time.Millisecond
		p.fill(f, 10*time.Second)
		if _, speed := p.fill(f, 2*othersFor); speed < p.rate/2 {
			t.Errorf("answers %d ms apart: %d bytes a second go, the path takes %d", every, speed, p.rate)
		}
	}
}
