package wire

import (
	"math"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// sent is what became of a stream of packets.
type sent struct {
	fates    []Fate
	arrivals [][]time.Duration // of each packet
	at       []time.Duration   // when each was sent
}

// stream offers n packets of a size, one each interval.
func stream(p *Pipe, n, size int, every time.Duration) sent {
	var s sent
	for i := range n {
		now := time.Duration(i) * every
		at, fate := p.Offer(nil, now, size)
		s.at, s.fates, s.arrivals = append(s.at, now), append(s.fates, fate), append(s.arrivals, at)
	}
	return s
}

func (s sent) share(f Fate) float64 {
	n := 0
	for _, x := range s.fates {
		if x == f {
			n++
		}
	}
	return float64(n) / float64(len(s.fates))
}

// delays are what the packets that arrived took, in milliseconds.
func (s sent) delays() []float64 {
	var out []float64
	for i, at := range s.arrivals {
		for _, a := range at {
			out = append(out, float64(a-s.at[i])/float64(ms))
		}
	}
	return out
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within || math.IsNaN(got) {
		t.Errorf("%s is %.4f, want %.4f ± %.4f", what, got, want, within)
	}
}

const many = 100_000

func TestNothingHappensOnAPlainLink(t *testing.T) {
	s := stream(NewPipe(Link{}, 1, 1), 100, 1500, ms)
	if got := s.delays(); len(got) != 100 || slices.Max(got) != 0 {
		t.Errorf("delays %v, want a hundred zeros", got)
	}
}

func TestDelayAndJitter(t *testing.T) {
	s := stream(NewPipe(Link{Delay: 80 * ms, Jitter: 30 * ms}, 1, 1), many, 200, 40*ms)
	d := s.delays()
	near(t, "mean delay", mean(d), 95, 0.2) // evenly spread over 80 to 110; σ of the mean is 0.03
	near(t, "least", slices.Min(d), 80, 0.1)
	near(t, "most", slices.Max(d), 110, 0.1)
	close := stream(NewPipe(Link{Jitter: 30 * ms}, 1, 1), many, 200, ms)
	for i := 1; i < many; i++ {
		if close.arrivals[i][0] < close.arrivals[i-1][0] {
			t.Fatalf("packet %d overtook the one before: jitter keeps the order", i)
		}
	}
}

func TestLossIsWhatWasAskedFor(t *testing.T) {
	for _, tc := range []struct {
		name        string
		link        Link
		loss, burst float64 // burst: mean run
	}{
		{"one in a hundred", Link{Loss: 0.01}, 0.01, 1.0101},
		{"three in ten", Link{Loss: 0.3}, 0.3, 1 / 0.7}, // runs of independent losses
		{"bursts of four", Link{Loss: 0.05, Burst: 4}, 0.05, 4},
		{"bursts of ten", Link{Loss: 0.2, Burst: 10}, 0.2, 10},
		{"everything", Link{Loss: 1}, 1, many},
		{"bursts of everything", Link{Loss: 1, Burst: 5}, 1, many},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := stream(NewPipe(tc.link, 7, 1), many, 200, ms)
			near(t, "loss", s.share(Lost), tc.loss, 0.05*tc.loss+0.003)
			var runs []float64
			run := 0
			for _, f := range append(s.fates, Passed) {
				if f == Lost {
					run++
				} else if run > 0 {
					runs, run = append(runs, float64(run)), 0
				}
			}
			near(t, "mean run of losses", mean(runs), tc.burst, 0.06*tc.burst)
		})
	}
}

func TestReorderingAndDuplication(t *testing.T) {
	s := stream(NewPipe(Link{Reorder: 0.02, HoldBack: 7 * ms, Duplicate: 0.03}, 3, 1), many, 200, ms)
	overtaken, twice := 0, 0
	for i, at := range s.arrivals {
		if len(at) == 2 {
			twice++
		}
		if i+1 < len(s.arrivals) && at[0] > s.arrivals[i+1][0] {
			overtaken++
			if got := at[0] - s.at[i]; got != 7*ms {
				t.Fatalf("held back by %v, want 7ms", got)
			}
		}
	}
	near(t, "share overtaken", float64(overtaken)/many, 0.02*0.98, 0.002) // two held back in a row keep their order
	near(t, "share doubled", float64(twice)/many, 0.03, 0.002)
}

func TestRateAndItsQueue(t *testing.T) {
	// 500 kbit/s with a queue of 100 ms, offered 1 Mbit/s for 10 s: half passes, and nothing waits longer.
	l := Link{Rate: 500_000, Queue: 500_000 / 8 / 10, Delay: 20 * ms}
	s := stream(NewPipe(l, 1, 1), 1000, 1250, 10*ms)
	near(t, "share passed", s.share(Passed), 0.5, 0.01)
	near(t, "share dropped", s.share(QueueFull), 0.5, 0.01)
	d := s.delays()
	near(t, "least delay", slices.Min(d), 40, 0.01) // 20 ms to send 1250 bytes, 20 ms on the way
	if got := slices.Max(d); got > 20+100+20+0.01 {
		t.Errorf("most delay %.2f ms, want at most 140", got)
	}
	below := stream(NewPipe(l, 1, 1), 1000, 1250, 25*ms)
	if got := below.share(Passed); got != 1 {
		t.Errorf("of what fits the rate %.3f passed", got)
	}
}

func TestMTU(t *testing.T) {
	for _, tc := range []struct {
		silent bool
		size   int
		want   Fate
	}{{false, 1280, Passed}, {false, 1281, Told}, {true, 1280, Passed}, {true, 1281, TooBig}} {
		if _, got := NewPipe(Link{MTU: 1280, Silent: tc.silent}, 1, 1).Offer(nil, 0, tc.size); got != tc.want {
			t.Errorf("%d bytes, silent %v: %v, want %v", tc.size, tc.silent, got, tc.want)
		}
	}
}

func TestTheSameSeedGivesTheSameChances(t *testing.T) {
	l := Link{Delay: 10 * ms, Jitter: 20 * ms, Loss: 0.1, Burst: 3, Reorder: 0.05, Duplicate: 0.05, Rate: 1e6}
	run := func(seed uint64) sent { return stream(NewPipe(l, seed, 5), 5000, 300, 2*ms) }
	a, b, c := run(1), run(1), run(2)
	same := func(x, y sent) bool {
		return slices.Equal(x.fates, y.fates) && slices.EqualFunc(x.arrivals, y.arrivals, slices.Equal[[]time.Duration])
	}
	if !same(a, b) {
		t.Error("the same seed gave another run")
	}
	if same(a, c) {
		t.Error("another seed gave the same run")
	}
}

func TestAChangedLinkGoesOnWhereItWas(t *testing.T) {
	p := NewPipe(Link{Delay: 100 * ms}, 1, 1)
	before, _ := p.Offer(nil, 0, 100)
	p.Change(Link{Delay: 10 * ms})
	after, _ := p.Offer(nil, ms, 100)
	if after[0] < before[0] {
		t.Errorf("what was sent later arrives at %v, before the %v of what was sent first", after[0], before[0])
	}
}
