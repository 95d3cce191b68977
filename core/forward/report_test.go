package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestReceiverReportCountsLossAndJitter(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		m := sc.microphone(0x10, in)
		if _, ok := sc.s.ReceiverReport(sc.now, m.id); ok {
			t.Fatal("report before the first packet")
		}
		for i := range 100 {
			p := m.packet(1)
			if i%4 != 3 { // a quarter is lost
				sc.admit(m.id, p)
			}
			sc.wait(20 * time.Millisecond)
		}
		sc.admit(m.id, m.packet(1)) // so that the last loss is seen
		b, ok := sc.s.ReceiverReport(sc.now, m.id)
		if !ok || b.SSRC != m.ssrc || b.Lost != 25 || b.FractionLost != 25*256/101 || rtp.Seq(b.Highest) != in+100 {
			t.Errorf("from %d: %+v", in, b)
		}
		if b.Jitter > 1 {
			t.Errorf("jitter %d on an even stream", b.Jitter)
		}
		if b.LSR != 0 || b.DLSR != 0 {
			t.Errorf("LSR without a sender report: %+v", b)
		}
		b, _ = sc.s.ReceiverReport(sc.now, m.id)
		if b.FractionLost != 0 || b.Lost != 25 {
			t.Errorf("second report %+v", b)
		}
		if in == 0xffff && b.Highest>>16 != 1 {
			t.Errorf("wrap not counted: %#x", b.Highest)
		}
	}
}

func TestReceiverReportJitterFollowsRFC3550(t *testing.T) {
	sc := newScene(t)
	m := sc.microphone(0x10, 1)
	want, late := 0.0, false
	for i := range 200 {
		sc.admit(m.id, m.packet(1))
		if i > 0 {
			want += (240 - want) / 16 // every interval is off by 5 ms, 240 ticks
		}
		late = !late
		if late {
			sc.wait(25 * time.Millisecond)
		} else {
			sc.wait(15 * time.Millisecond)
		}
	}
	b, _ := sc.s.ReceiverReport(sc.now, m.id)
	if d := float64(b.Jitter) - want; d > 1 || d < -1 {
		t.Errorf("jitter %d, want %.1f", b.Jitter, want)
	}
	if st, _ := sc.s.Stats(m.id); st.Jitter < 4900*time.Microsecond || st.Jitter > 5100*time.Microsecond {
		t.Errorf("jitter %v", st.Jitter)
	}
}

func TestReceiverReportAnswersSenderReport(t *testing.T) {
	sc := newScene(t)
	m := sc.microphone(0x10, 1)
	sc.admit(m.id, m.packet(1))
	sc.s.SenderReport(sc.now, m.id, rtp.SenderInfo{NTP: 0x1111_2222_3333_4444})
	sc.wait(1500 * time.Millisecond)
	b, _ := sc.s.ReceiverReport(sc.now, m.id)
	if b.LSR != 0x2222_3333 || b.DLSR != 0x18000 {
		t.Errorf("LSR %#x DLSR %#x", b.LSR, b.DLSR)
	}
}

func TestRepairedPacketsStillCountAsLost(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 65533)
	ps := c.frame(true, 5)
	sc.admit(c.id, ps[0], ps[1], ps[3], ps[4])
	sc.out.Reset()
	sc.s.Admit(sc.now, []Packet{{Stream: c.id, Data: ps[2], Repaired: true}}, &sc.out)
	b, _ := sc.s.ReceiverReport(sc.now, c.id)
	if b.Lost != 1 {
		t.Errorf("lost %d, want 1", b.Lost)
	}
	st, _ := sc.s.Stats(c.id)
	if st.Repaired != 1 || st.Packets != 5 || st.Lost != 1 {
		t.Errorf("%+v", st)
	}
}

// A picture and the sound that belongs to it must keep their distance in wall-clock time through the
// router: that is what lip sync rests on.
func TestLegReportsKeepSoundAndPictureInStep(t *testing.T) {
	sc := newScene(t)
	c, m := sc.camera(0x20, 0, 5), sc.microphone(0x10, 9)
	v, a := sc.leg(proto.Video, 77), sc.leg(proto.Audio, 88)
	if _, ok := sc.s.LegReport(sc.now, v); ok {
		t.Error("report of an idle slot")
	}
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: v}}, c.id), row([]Want{{Leg: a}}, m.id)}})
	pic := sc.admit(c.id, c.frame(true, 1)...)[0]
	snd := sc.admit(m.id, m.packet(3))[0]
	if _, ok := sc.s.LegReport(sc.now, v); ok {
		t.Error("report before the source's own")
	}
	// The source's clock: both packets were captured at the instant capturedAt.
	capturedAt := uint64(0xe000_0000_8000_0000)
	sc.s.SenderReport(sc.now, c.id, rtp.SenderInfo{NTP: capturedAt, Time: c.time - 3000})
	sc.s.SenderReport(sc.now, m.id, rtp.SenderInfo{NTP: capturedAt, Time: m.time - 960})
	sc.wait(2500 * time.Millisecond)
	rv, ok1 := sc.s.LegReport(sc.now, v)
	ra, ok2 := sc.s.LegReport(sc.now, a)
	if !ok1 || !ok2 {
		t.Fatal("no report")
	}
	// On the router's clock that is when the reports came, for nothing came faster.
	reported := sc.now.Add(-2500 * time.Millisecond)
	instant := func(r rtp.SenderInfo, p sent, clock int64) time.Duration {
		return rtp.FromNTP(r.NTP).Sub(reported) - time.Duration(int64(r.Time-p.Time))*time.Second/time.Duration(clock)
	}
	if d := instant(rv, pic, 90000); d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("picture is off by %v", d)
	}
	if d := instant(ra, snd, 48000); d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("sound is off by %v", d)
	}
	if rv.Packets != 1 || rv.Octets != uint32(len(pic.Payload)) {
		t.Errorf("report counts %d packets, %d octets", rv.Packets, rv.Octets)
	}

	// The answer gives the round-trip time.
	sc.wait(130 * time.Millisecond)
	rtt, ok := sc.s.RoundTrip(sc.now, v, rtp.ReportBlock{LSR: rtp.MiddleNTP(rv.NTP), DLSR: rtp.Short(50 * time.Millisecond)})
	if d := rtt - 80*time.Millisecond; !ok || d < -time.Millisecond || d > time.Millisecond {
		t.Errorf("round trip %v, want 80 ms", rtt)
	}
	if _, ok := sc.s.RoundTrip(sc.now, v, rtp.ReportBlock{LSR: 1}); ok {
		t.Error("round trip from somebody else's report")
	}
}

// A receiver's answer may be on its way for longer than it takes until the next report, even where switches make more
// reports than one a second.
func TestTheRoundTripToWhoIsFarIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		trip  time.Duration
		every time.Duration // between reports
		want  bool
	}{
		{"next door", time.Millisecond, time.Second, true},
		{"a satellite", 700 * time.Millisecond, time.Second, true},
		{"beyond the next report", 1500 * time.Millisecond, time.Second, true},
		{"beyond the second", 2200 * time.Millisecond, time.Second, true},
		{"amid switches", 700 * time.Millisecond, 250 * time.Millisecond, true},
		{"too far", 5 * time.Second, time.Second, false},
	} {
		sc := newScene(t)
		c, leg := sc.camera(0x20, 0, 5), sc.leg(proto.Video, 77)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		sc.admit(c.id, c.frame(true, 1)...)
		sc.s.SenderReport(sc.now, c.id, rtp.SenderInfo{NTP: 1 << 40, Time: c.time})
		const held = 100 * time.Millisecond // by the receiver
		asked, ok := sc.s.LegReport(sc.now, leg)
		if !ok {
			t.Fatal("no report")
		}
		wait := tt.trip + held
		for ; wait >= tt.every; wait -= tt.every {
			sc.wait(tt.every)
			sc.s.LegReport(sc.now, leg)
		}
		sc.wait(wait)
		got, ok := sc.s.RoundTrip(sc.now, leg, rtp.ReportBlock{LSR: rtp.MiddleNTP(asked.NTP), DLSR: rtp.Short(held)})
		if ok != tt.want || ok && (got-tt.trip).Abs() > time.Millisecond {
			t.Errorf("%s: round trip %v, %v, want %v, %v", tt.name, got, ok, tt.trip, tt.want)
		}
		if l, _ := sc.s.LegStats(leg); l.RTT != got {
			t.Errorf("%s: %v is kept, want %v", tt.name, l.RTT, got)
		}
		if _, ok := sc.s.RoundTrip(sc.now, leg, rtp.ReportBlock{}); ok {
			t.Errorf("%s: round trip from no report", tt.name)
		}
	}
}

func TestRecorderReportsWhatArrived(t *testing.T) {
	for _, start := range starts {
		now := time.Unix(1_800_000_000, 0)
		var r Recorder
		if b := r.AppendFeedback(nil, now, 1, 2); len(b) != 0 {
			t.Fatal("feedback before the first packet")
		}
		at := map[rtp.Seq]time.Time{}
		arrive := func(off int, after time.Duration) {
			now = now.Add(after)
			s := start + rtp.Seq(off)
			if _, dup := at[s]; !dup {
				at[s] = now
			}
			r.Arrive(now, uint16(s))
		}
		t0 := now
		var base time.Duration
		check := func(b []byte, from, to int, number uint8) {
			t.Helper()
			p, rest, ok := rtp.NextRTCP(b)
			if !ok || len(rest) != 0 {
				t.Fatalf("feedback %x", b)
			}
			f, ok := p.TransportFeedback()
			if !ok || f.Base != start+rtp.Seq(from) || f.Count != to-from+1 || f.Number != number {
				t.Fatalf("from %d: feedback %+v, want %d..%d", start, f, from, to)
			}
			for a, more := f.Next(); more; a, more = f.Next() {
				when, got := at[a.Seq]
				if got != a.Received {
					t.Errorf("%d received %v, want %v", a.Seq, a.Received, got)
				}
				if !got {
					continue
				}
				if base == 0 {
					base = a.At - when.Sub(t0)
				}
				if d := a.At - base - when.Sub(t0); d < -250*time.Microsecond || d > 250*time.Microsecond {
					t.Errorf("%d arrived at %v, off by %v", a.Seq, a.At, d)
				}
			}
		}
		arrive(0, 0)
		arrive(1, 300*time.Microsecond)
		arrive(2, 90*time.Millisecond)
		arrive(5, 0)
		arrive(4, 10*time.Millisecond)
		arrive(4, 10*time.Millisecond)
		check(r.AppendFeedback(nil, now, 1, 2), 0, 5, 0)
		if b := r.AppendFeedback(nil, now, 1, 2); len(b) != 0 {
			t.Error("feedback without news")
		}
		arrive(7, 5*time.Millisecond)
		check(r.AppendFeedback(nil, now, 1, 2), 6, 7, 1)
		arrive(3, 5*time.Millisecond) // late: the stretch from there is reported anew
		arrive(8, 5*time.Millisecond)
		check(r.AppendFeedback(nil, now, 1, 2), 3, 8, 2)
	}
}

func TestRecorderSplitsWhatOneFeedbackCannotHold(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var r Recorder
	for i := range 1500 {
		r.Arrive(now.Add(time.Duration(i)*50*time.Microsecond), uint16(60000+i))
	}
	b := r.AppendFeedback(nil, now, 1, 2)
	next, seen := rtp.Seq(0), 0
	for len(b) > 0 {
		p, rest, ok := rtp.NextRTCP(b)
		if !ok {
			t.Fatal("malformed")
		}
		if len(b)-len(rest) > 1200 {
			t.Errorf("feedback of %d bytes", len(b)-len(rest))
		}
		f, ok := p.TransportFeedback()
		if !ok || seen > 0 && f.Base != next {
			t.Fatalf("feedback %+v, want base %d", f, next)
		}
		for a, more := f.Next(); more; a, more = f.Next() {
			if !a.Received {
				t.Errorf("%d lost", a.Seq)
			}
			next = a.Seq + 1
			seen++
		}
		b = rest
	}
	if seen != recorderLen || next != rtp.Seq(61500&0xffff) {
		t.Errorf("%d packets up to %d", seen, next)
	}
	// More than 8 s between two packets does not fit a delta.
	r.Arrive(now.Add(time.Second), 61500)
	r.Arrive(now.Add(30*time.Second), 61501)
	n := 0
	for b := r.AppendFeedback(nil, now, 1, 2); len(b) > 0; n++ {
		_, b, _ = rtp.NextRTCP(b)
	}
	if n != 2 {
		t.Errorf("%d feedbacks over a long pause, want 2", n)
	}
}
