package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestHistoryGrowsWithWhatItHolds(t *testing.T) {
	for _, start := range starts {
		for _, tt := range []struct {
			name      string
			burst     int
			gap       rtp.Seq // numbers lost in the middle, which come in the end
			back      int     // how far back the packet asked for is
			wantKept  bool
			wantSlots int
		}{
			{"as long as at first", 200, 0, 199, true, historyFirst},
			{"a burst longer than that", 700, 0, 690, true, 1024},
			{"longer than it ever is", 1500, 0, 1023, true, 1024},
			{"beyond that", 1500, 0, 1024, false, 1024},
			{"lost for a while", 100, 400, 450, true, 512},
		} {
			sc := newScene(t)
			c := sc.camera(0x20, 0, start)
			leg := sc.leg(proto.Video, 7)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
			sc.admit(c.id, c.frame(true, tt.burst/2)...)
			var late [][]byte
			for range tt.gap {
				late = append(late, c.packet(false, false, false))
			}
			sc.admit(c.id, c.frame(false, tt.burst-tt.burst/2)...)
			if got := len(sc.admit(c.id, late...)); got != int(tt.gap) {
				t.Errorf("%s, from %d: %d of %d late packets sent", tt.name, start, got, tt.gap)
			}
			top := rtp.Seq(7 + tt.burst + int(tt.gap) - 1)
			if got := sc.nack(leg, top-rtp.Seq(tt.back)); (len(got) == 1) != tt.wantKept {
				t.Errorf("%s, from %d: %d repairs of a packet %d back, want one %v", tt.name, start, len(got), tt.back, tt.wantKept)
			}
			if got := len(sc.s.stream(c.id).history); got != tt.wantSlots {
				t.Errorf("%s, from %d: room for %d, want %d", tt.name, start, got, tt.wantSlots)
			}
		}
	}
}

func TestPacketsAreKeptForTheFarthestReceiver(t *testing.T) {
	const frame = 33 * time.Millisecond
	for _, tt := range []struct {
		name string
		rtt  time.Duration // 0: never told
		ago  time.Duration // since it was told
		want time.Duration
	}{
		{"nobody has said", 0, 0, historyAge},
		{"next door", 5 * time.Millisecond, 0, historyAge},
		{"another continent", 150 * time.Millisecond, 0, 510 * time.Millisecond},
		{"a satellite", 600 * time.Millisecond, 0, historyAgeMost},
		{"told a while ago", 150 * time.Millisecond, farFor, 510 * time.Millisecond},
		{"has left", 150 * time.Millisecond, 2*farFor + time.Second, historyAge},
	} {
		sc := newScene(t)
		c := sc.camera(0x20, 0, 60000)
		far, near := sc.leg(proto.Video, 7), sc.leg(proto.Video, 7)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: far}, {Leg: near}}, c.id)}})
		sc.admit(c.id, c.frame(true, 1)...)
		sc.s.SenderReport(sc.now, c.id, rtp.SenderInfo{NTP: 1 << 40, Time: c.time})
		tell := func(leg LegID, rtt time.Duration) {
			info, ok := sc.s.LegReport(sc.now, leg)
			if !ok {
				t.Fatal("no report")
			}
			sc.wait(rtt)
			if _, ok := sc.s.RoundTrip(sc.now, leg, rtp.ReportBlock{LSR: rtp.MiddleNTP(info.NTP)}); !ok {
				t.Fatal("no round trip")
			}
		}
		if tt.rtt > 0 {
			tell(far, tt.rtt)
		}
		for until := sc.now.Add(tt.ago + time.Second); sc.now.Before(until); sc.wait(frame) {
			sc.admit(c.id, c.frame(false, 1)...)
			if tt.rtt > 0 {
				tell(near, time.Millisecond)
			}
		}
		interval := frame
		if tt.rtt > 0 {
			interval += time.Millisecond
		}
		if held := time.Duration(sc.s.slabs.held) * interval; held < tt.want || held > tt.want+3*interval {
			t.Errorf("%s: packets of %v kept, want %v", tt.name, held, tt.want)
		}
	}
}

// A receiver whose repairs are lost as well, and that asks every 100 ms only, gets a packet in the fourth attempt.
func TestWhoAsksSlowlyIsStillAnswered(t *testing.T) {
	const frame = 20 * time.Millisecond
	sc := newScene(t)
	c := sc.camera(0x20, 0, 60000)
	leg := sc.leg(proto.Video, 7)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	sc.admit(c.id, c.frame(true, 1)...)
	for range 100 {
		sc.wait(frame)
		sc.admit(c.id, c.frame(false, 1)...)
	}
	lost := rtp.Seq(7 + 100)
	for ask := 1; ask <= 5; ask++ {
		for range 100 * time.Millisecond / frame {
			sc.wait(frame)
			sc.admit(c.id, c.frame(false, 1)...)
		}
		if got := len(sc.nack(leg, lost)); got != 1 {
			t.Errorf("request %d, %d ms late, is answered %d times", ask, 100*ask, got)
		}
	}
}

func TestRecorderGrowsWhereFeedbackIsLate(t *testing.T) {
	for _, start := range starts {
		now := time.Unix(1_800_000_000, 0)
		var r Recorder
		for i := range rtp.Seq(900) {
			if i%7 != 3 {
				r.Arrive(now, uint16(start+i))
			}
		}
		r.Arrive(now, uint16(start+3)) // overtaken by nearly all
		got := map[rtp.Seq]bool{}
		for b := r.AppendFeedback(nil, now, 1, 2); len(b) > 0; {
			p, rest, ok := rtp.NextRTCP(b)
			if !ok {
				t.Fatal("malformed")
			}
			f, _ := p.TransportFeedback()
			for a, more := f.Next(); more; a, more = f.Next() {
				got[a.Seq] = a.Received
			}
			b = rest
		}
		for i := range rtp.Seq(900) {
			if want := i%7 != 3 || i == 3; got[start+i] != want {
				t.Errorf("from %d: packet %d reported as received %v, want %v", start, i, got[start+i], want)
			}
		}
	}
}

func TestALegRemembersNoOthersRepairs(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1000)
	for range 3 {
		leg := sc.leg(proto.Video, 7)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		sc.admit(c.id, c.frame(true, 3)...)
		if got := len(sc.nack(leg, 8)); got != 1 {
			t.Errorf("%d repairs, want 1", got)
		}
		if got := len(sc.nack(leg, 8)); got != 0 {
			t.Errorf("%d repairs of what was just repaired, want none", got)
		}
		sc.s.RemoveLeg(leg)
	}
	if got := len(sc.s.again); got != 1 {
		t.Errorf("%d places for one leg at a time, want 1", got)
	}
}
