package rtc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley/sys/rtc/srtp"
	"parley/wire/rtp"
)

// listener is a transport and its peer, who says what it says at once.
type listener struct {
	*bare
	tr   *Transport
	peer *srtp.Context
	seq  uint16
}

const listenerAt = "198.51.100.1:5000"

func newListener(t *testing.T) *listener {
	l := &listener{bare: newBare(t, nil)}
	l.tr, l.peer = l.keyedTransport(listenerAt)
	return l
}

// hear is the router sending a packet.
func (l *listener) hear() {
	p := rtpPacket(7, 0)
	l.seq++
	binary.BigEndian.PutUint16(p[2:], l.seq)
	if _, err := l.tr.SealRTP(nil, p); err != nil {
		l.t.Fatal(err)
	}
}

// say is the peer sending a report; it says whether that was handed up.
func (l *listener) say() bool {
	b, err := l.peer.SealRTCP(nil, rtp.AppendRR(nil, 1))
	if err != nil {
		l.t.Fatal(err)
	}
	return len(l.take(listenerAt, b)) == 1
}

// A browser that watches 25 pictures over a path that loses a third of all packets, both of media and of repairs, asks
// for each gap as soon as it shows, and again every 20 ms for what is a round trip overdue (libwebrtc nack_requester.cc).
func TestAnHonestReceiverIsNeverTooLoud(t *testing.T) {
	for _, c := range []struct {
		streams, pps int
		rtt          time.Duration
		loss         float64
	}{
		{1, 30, 100 * time.Millisecond, 0.3},
		{1, 300, 10 * time.Millisecond, 0.3},
		{25, 15, 10 * time.Millisecond, 0.3},
		{25, 15, 200 * time.Millisecond, 0.3},
		{25, 60, 10 * time.Millisecond, 0.3},
		{25, 60, 100 * time.Millisecond, 0.3},
		{25, 60, 100 * time.Millisecond, 0.5},
	} {
		t.Run(fmt.Sprintf("%d×%d/s, %v, %.0f %%", c.streams, c.pps, c.rtt, c.loss*100), func(t *testing.T) {
			l := newListener(t)
			random := rand.New(rand.NewPCG(1, 2))
			type gap struct{ asked, due time.Time }
			gaps := make([][]gap, c.streams)
			lost := make([]int, c.streams) // since the last packet that came
			said, heard := 0, 0
			say := func() {
				said++
				if l.say() {
					heard++
				}
			}
			const seconds = 5
			least := reportSaves
			for ms := range seconds * 1000 {
				l.now = l.now.Add(time.Millisecond)
				for s := range c.streams {
					if (ms+s*7)*c.pps/1000 != (ms+s*7+1)*c.pps/1000 {
						l.hear()
						if random.Float64() < c.loss {
							lost[s]++
						} else if lost[s] > 0 {
							for range lost[s] {
								gaps[s] = append(gaps[s], gap{l.now, l.now.Add(c.rtt)})
							}
							lost[s] = 0
							say()
						}
					}
					// Repairs come a round trip after they were asked for, if they come.
					kept, again := gaps[s][:0], false
					for _, g := range gaps[s] {
						if g.due.Equal(l.now) {
							l.hear()
							if random.Float64() >= c.loss {
								continue
							}
						}
						if ms%20 == s%20 && l.now.Sub(g.asked) >= c.rtt {
							g, again = gap{l.now, l.now.Add(c.rtt)}, true
						}
						kept = append(kept, g)
					}
					if gaps[s] = kept; again {
						say()
					}
					if (ms+s*40)%1000 == 0 { // pictures that can't be shown
						say()
					}
				}
				if ms%50 == 0 {
					say()
				}
				if ms > 1000 {
					least = min(least, l.tr.reports.left)
				}
			}
			t.Logf("%d reports a second; the allowance never fell below %d of %d", said/seconds, least/reportCost, reportSaves/reportCost)
			if heard != said || l.Counters().DroppedFor(ReasonReports) != 0 {
				t.Errorf("%d of %d reports were heard", heard, said)
			}
			if least < reportSaves/2 {
				t.Errorf("half of what may be saved was needed: %v left", least)
			}
		})
	}
}

func TestWhoSaysTooMuchIsNotListenedTo(t *testing.T) {
	l := newListener(t)
	lie := func(seconds int) (heard int) {
		for ms := range seconds * 1000 {
			l.now = l.now.Add(time.Millisecond)
			if ms%5 == 0 {
				l.hear() // 200 packets a second
			}
			if l.say() {
				heard++
			}
		}
		return heard
	}
	const allowed = 200 + 200/2
	saved := int(reportSaves / reportCost)
	if got := lie(10); got > 10*allowed+saved || got < 10*allowed {
		t.Errorf("%d of 10000 reports in ten seconds were heard, want %d and at most %d saved before", got, 10*allowed, saved)
	}
	if dropped := l.Counters().DroppedFor(ReasonReports); dropped < 10000-10*allowed-uint64(saved) {
		t.Errorf("%d are counted as dropped", dropped)
	}
	// Media is as good as ever, and so is who calms down.
	p, _ := l.peer.SealRTP(nil, rtpPacket(1, 1))
	if len(l.take(listenerAt, p)) != 1 {
		t.Error("media is not heard")
	}
	for range 10 {
		l.now = l.now.Add(50 * time.Millisecond)
		if !l.say() {
			t.Error("not heard afterwards")
		}
	}
	// However long nothing is said, no more than that is saved up.
	l.now = l.now.Add(time.Hour)
	burst := 0
	for range 10 * saved {
		if l.say() {
			burst++
		}
	}
	if burst != saved {
		t.Errorf("%d at once after an hour, want %d", burst, saved)
	}
}

// Whoever knows two addresses can send in another's name, but not with its keys.
func TestForgedReportsTakeNobodysAllowance(t *testing.T) {
	l := newListener(t)
	for range 10_000 {
		forged, err := l.peer.SealRTCP(nil, rtp.AppendRR(nil, 1))
		if err != nil {
			t.Fatal(err)
		}
		forged[len(forged)-6] ^= 1 // of the tag
		l.take(listenerAt, forged)
	}
	if got := l.Counters().DroppedFor(ReasonReports); got != 0 {
		t.Errorf("%d were not even tried", got)
	}
	for range int(reportSaves / reportCost) {
		if !l.say() {
			t.Fatal("the peer is not heard")
		}
	}
}
