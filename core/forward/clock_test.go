package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// sender is one participant: a camera in two layers and a microphone, on a clock of its own.
type sender struct {
	sc      *scene
	zero    time.Time     // by the true clock
	skew    time.Duration // its clock less the true one, at zero
	ppm     float64       // how much faster it runs
	cams    [2]*cam
	mic     *mic
	base    rtp.Time
	reports int
}

// wayFor is how long packets are under way at least.
const wayFor = 20 * time.Millisecond

func (sc *scene) sender(n uint64, skew time.Duration, ppm float64) *sender {
	p := &sender{sc: sc, zero: sc.now, skew: skew, ppm: ppm, base: rtp.Time(n * 0x7fff_1234)}
	src := uint32(n) << 8
	for i := range p.cams {
		c := &cam{ssrc: src | uint32(i), seq: rtp.Seq(n * 1000), dd: 5}
		c.id = sc.s.AddStream(StreamConfig{Source: src | 2, Layer: int8(i), Kind: proto.Video, SSRC: c.ssrc, Sender: n})
		p.cams[i] = c
	}
	p.mic = &mic{ssrc: src | 3, seq: 9}
	p.mic.id = sc.s.AddStream(StreamConfig{Source: src | 1, Kind: proto.Audio, SSRC: p.mic.ssrc, Sender: n})
	return p
}

// elapsed is how much of the sender's time has passed at a true instant.
func (p *sender) elapsed(t time.Time) time.Duration {
	d := t.Sub(p.zero)
	return d + time.Duration(float64(d)*p.ppm/1e6)
}

// stamp is the time stamp of what was captured at a true instant, of one of its streams.
func (p *sender) stamp(t time.Time, stream int, clock uint32) rtp.Time {
	return p.base*rtp.Time(stream+1) + rtp.Time(rtp.Ticks(p.elapsed(t), clock))
}

// frame sends what was captured wayFor ago.
func (p *sender) frame() (out []sent) {
	t := p.sc.now.Add(-wayFor)
	for i, c := range p.cams {
		c.time = p.stamp(t, i, 90000)
		out = append(out, p.sc.admit(c.id, c.frame(true, 1)...)...)
	}
	p.mic.time = p.stamp(t, 2, 48000)
	return append(out, p.sc.admit(p.mic.id, p.mic.packet(3))...)
}

// report makes the reports of its streams arrive, with clock readings off by more than its clock is.
func (p *sender) report(off time.Duration, streams ...int) {
	for _, i := range streams {
		p.reports++
		late := time.Duration(p.reports*7919%16) * time.Millisecond
		t := p.sc.now.Add(-wayFor - late)
		id, clock := p.mic.id, uint32(48000)
		if i < 2 {
			id, clock = p.cams[i].id, 90000
		}
		p.sc.s.SenderReport(p.sc.now, id, rtp.SenderInfo{
			NTP: rtp.NTP(p.zero.Add(p.elapsed(t) + p.skew + off)), Time: p.stamp(t, i, clock),
		})
	}
}

// receiver keeps the reports of one slot as browsers do: libwebrtc reckons by a line through the last twenty,
// and takes none whose clock goes back or an hour forward (rtp_to_ntp_estimator.cc).
type receiver struct {
	sc    *scene
	leg   LegID
	clock uint32
	from  rtp.SenderInfo
	x, y  []float64 // seconds of time stamps, and of the wall clock, since from
}

func (r *receiver) report() bool {
	info, ok := r.sc.s.LegReport(r.sc.now, r.leg)
	if !ok {
		return false
	}
	if len(r.x) == 0 {
		r.from = info
	}
	x := float64(info.Time.Diff(r.from.Time)) / float64(r.clock)
	y := float64(int64(info.NTP-r.from.NTP)) / (1 << 32)
	if n := len(r.x); n > 0 && (x <= r.x[n-1] || y <= r.y[n-1] || y > r.y[n-1]+3600) {
		r.sc.t.Fatalf("after %v a report goes from %.3f s to %.3f s, its time stamp from %.3f s to %.3f s",
			r.sc.now.Sub(time.Unix(1_800_000_000, 0)), r.y[n-1], y, r.x[n-1], x)
	}
	r.x, r.y = append(r.x, x), append(r.y, y)
	if n := len(r.x); n > 20 {
		r.x, r.y = r.x[n-20:], r.y[n-20:]
	}
	return true
}

// captured is when a time stamp was captured, as the receiver reckons it: by the line, and by the last report alone.
func (r *receiver) captured(at rtp.Time) (line, last time.Time) {
	var mx, my, xy, xx float64
	n := float64(len(r.x))
	for i := range r.x {
		mx, my = mx+r.x[i]/n, my+r.y[i]/n
	}
	for i := range r.x {
		xy, xx = xy+(r.x[i]-mx)*(r.y[i]-my), xx+(r.x[i]-mx)*(r.x[i]-mx)
	}
	slope := 1.0
	if xx > 0 {
		slope = xy / xx
	}
	seconds := func(s float64) time.Time { return rtp.FromNTP(r.from.NTP).Add(time.Duration(s * 1e9)) }
	x := float64(at.Diff(r.from.Time)) / float64(r.clock)
	i := len(r.x) - 1
	return seconds(my + (x-mx)*slope), seconds(r.y[i] + x - r.x[i])
}

func absolute(d time.Duration) time.Duration { return max(d, -d) }

// Whatever a slot shows, and whatever its senders' clocks say, what was captured at one instant is at one instant
// to who reckons by the slot's reports, and sound and picture of one sender are exactly in step.
func TestReportsAreOnOneClock(t *testing.T) {
	for _, c := range []struct {
		name string
		skew time.Duration
		ppm  float64
	}{
		{"the same clock", 0, 0},
		{"a few seconds ahead", 7 * time.Second, 0}, // within what browsers take into their line
		{"an hour ahead", time.Hour, 0},
		{"an hour behind", -time.Hour, 0},
		{"another era", 1 << 31 * time.Second, 0},
		{"a fast clock", time.Hour, 200},
		{"a slow clock", time.Hour, -200},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			people := [2]*sender{sc.sender(1, 0, 0), sc.sender(2, c.skew, c.ppm)}
			pic := &receiver{sc: sc, leg: sc.leg(proto.Video, 77), clock: 90000}
			snd := &receiver{sc: sc, leg: sc.leg(proto.Audio, 88), clock: 48000}
			show := func(p *sender, layer int8) {
				sc.s.Publish(1, &Table{Sources: []SourceRow{
					row([]Want{{Leg: pic.leg, Layer: layer}}, p.cams[0].id, p.cams[1].id), row([]Want{{Leg: snd.leg}}, p.mic.id),
				}})
			}
			const step = 100 * time.Millisecond
			for i := range int(2 * time.Minute / step) {
				second := i / 10
				if i%50 == 0 { // another layer or another sender each five seconds
					show(people[second/10%2], int8(second/5%2))
				}
				for j, p := range people {
					if (i+j)%10 == 3 {
						p.report(0, 0, 1)
					}
					if (i+j)%50 == 4 {
						p.report(0, 2) // browsers report on sound each five seconds
					}
				}
				var latest [2]rtp.Time
				for _, p := range people {
					for _, s := range p.frame() {
						latest[map[bool]int{s.Leg == snd.leg: 1}[true]] = s.Time
					}
				}
				if i%10 == 7 && pic.report() && snd.report() {
					want := sc.now
					pl, p1 := pic.captured(latest[0])
					sl, s1 := snd.captured(latest[1])
					if d := absolute(p1.Sub(s1)); d > 50*time.Microsecond {
						t.Errorf("after %d s sound and picture are %v apart", second, d)
					}
					if d := absolute(pl.Sub(sl)); d > 2*time.Millisecond {
						t.Errorf("after %d s sound and picture are %v apart by lines", second, d)
					}
					if d := p1.Sub(want); second > 20 && absolute(d) > 5*time.Millisecond || absolute(d) > 20*time.Millisecond {
						t.Errorf("after %d s a picture is off by %v", second, d)
					}
					if d := pl.Sub(want); second > 20 && absolute(d) > 10*time.Millisecond || absolute(d) > 30*time.Millisecond {
						t.Errorf("after %d s a picture is off by %v by lines", second, d)
					}
				}
				sc.wait(step)
			}
			if len(pic.x) < 20 || len(snd.x) < 20 {
				t.Errorf("%d and %d reports", len(pic.x), len(snd.x))
			}
		})
	}
}

// A clock that was set, and one that lies, is nobody else's affair; and as soon as it says the same for a while it
// is believed again.
func TestOneSendersClockIsItsOwnAffair(t *testing.T) {
	for _, c := range []struct {
		name string
		off  func(second int) time.Duration
	}{
		{"set back", func(int) time.Duration { return -time.Hour }},
		{"set forward", func(int) time.Duration { return time.Minute }},
		{"jumps half the circle", func(s int) time.Duration { return time.Duration(s%2) << 31 * time.Second }},
		{"runs backwards", func(s int) time.Duration { return time.Duration(-2*s) * time.Second }},
		{"creeps", func(s int) time.Duration { return time.Duration(s) * 900 * time.Millisecond }},
		{"at random", func(s int) time.Duration { return time.Duration(s) * 0x1234_5678_9abc_def }},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := newScene(t)
			good, bad := sc.sender(1, 0, 0), sc.sender(2, time.Hour, 0)
			seen := [2]*receiver{{sc: sc, leg: sc.leg(proto.Video, 7), clock: 90000}, {sc: sc, leg: sc.leg(proto.Video, 8), clock: 90000}}
			sc.s.Publish(1, &Table{Sources: []SourceRow{
				row([]Want{{Leg: seen[0].leg}}, good.cams[0].id), row([]Want{{Leg: seen[1].leg}}, bad.cams[0].id),
			}})
			for second := range 60 {
				off := time.Duration(0)
				if second >= 20 && second < 40 {
					off = c.off(second)
				}
				good.report(0, 0)
				bad.report(off, 0, 1)
				var latest [2]rtp.Time
				latest[0] = good.frame()[0].Time
				latest[1] = bad.frame()[0].Time
				seen[0].report()
				info, ok := sc.s.LegReport(sc.now, seen[1].leg)
				if _, d := seen[0].captured(latest[0]); absolute(d.Sub(sc.now)) > 20*time.Millisecond {
					t.Errorf("after %d s another's picture is off by %v", second, d.Sub(sc.now))
				}
				if honest := second < 20 || second > 42; honest {
					d := time.Duration(info.Time.Diff(latest[1])) * time.Second / 90000
					if !ok || absolute(d) > 20*time.Millisecond {
						t.Errorf("after %d s (%v) its picture is off by %v", second, ok, d)
					}
				}
				if d := rtp.FromNTP(info.NTP).Sub(sc.now); ok && absolute(d) > time.Microsecond {
					t.Errorf("after %d s the report is on a clock that is off by %v", second, d)
				}
				sc.wait(time.Second)
			}
		})
	}
}

// When a sender's clock was set, what a stream said of the old one is nothing any more: no report goes out until it
// says something new.
func TestAStreamIsSilentUntilItKnowsTheNewClock(t *testing.T) {
	sc := newScene(t)
	p := sc.sender(1, 0, 0)
	snd := sc.leg(proto.Audio, 88)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: snd}}, p.mic.id)}})
	p.report(0, 2)
	for i := range 20 {
		off := time.Duration(0)
		if i >= 5 {
			off = 10 * time.Minute
		}
		p.report(off, 0)
		if i == 15 {
			p.report(off, 2)
		}
		latest := p.frame()[0].Time
		info, ok := sc.s.LegReport(sc.now, snd)
		if silent := i >= 7 && i < 15; ok == silent {
			t.Errorf("after %d s a report: %v", i, ok)
		}
		if d := time.Duration(info.Time.Diff(latest)) * time.Second / 48000; ok && absolute(d) > 20*time.Millisecond {
			t.Errorf("after %d s sound is off by %v", i, d)
		}
		sc.wait(time.Second)
	}
}

// A report that was held up says nothing of the sender's clock: what was known goes on.
func TestALateReportMovesNothing(t *testing.T) {
	sc := newScene(t)
	p := sc.sender(1, time.Hour, 0)
	r := &receiver{sc: sc, leg: sc.leg(proto.Video, 7), clock: 90000}
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: r.leg}}, p.cams[0].id)}})
	for range 10 {
		p.report(0, 0)
		latest := p.frame()[0].Time
		r.report()
		if _, at := r.captured(latest); absolute(at.Sub(sc.now)) > 20*time.Millisecond {
			t.Errorf("off by %v", at.Sub(sc.now))
		}
		sc.wait(time.Second)
	}
	for _, late := range []time.Duration{3 * time.Second, 2 * time.Second, 1200 * time.Millisecond, 300 * time.Millisecond} {
		now := sc.now
		sc.now = now.Add(-late)
		info := rtp.SenderInfo{NTP: rtp.NTP(p.zero.Add(p.elapsed(sc.now) + p.skew)), Time: p.stamp(sc.now, 0, 90000)}
		sc.now = now
		sc.s.SenderReport(sc.now, p.cams[0].id, info)
		latest := p.frame()[0].Time
		if got, ok := sc.s.LegReport(sc.now, r.leg); !ok || absolute(time.Duration(got.Time.Diff(latest))*time.Second/90000) > 40*time.Millisecond {
			t.Errorf("%v late: off by %d ticks", late, got.Time.Diff(latest))
		}
		sc.wait(10 * time.Millisecond)
	}
}

// What a shard knows of a sender's clock goes with the last of its streams, and a mirror begins with it.
func TestAMirrorHasItsOwnersClock(t *testing.T) {
	home, away := newScene(t), newScene(t)
	away.now = home.now.Add(-3 * time.Hour)
	away.s.since(away.now) // another epoch
	p := home.sender(1, time.Hour, 0)
	for range 30 {
		p.frame()
		p.report(0, 0, 1)
		home.wait(time.Second)
	}
	p.report(0, 2)
	p.frame()
	away.now = home.now
	leg := map[*scene][2]LegID{}
	var mirrors [2]StreamID
	for i, id := range []StreamID{p.cams[0].id, p.mic.id} {
		state, _ := home.s.State(id)
		mirrors[i] = away.s.Mirror(state)
	}
	for sc, ids := range map[*scene][2]StreamID{home: {p.cams[0].id, p.mic.id}, away: mirrors} {
		legs := [2]LegID{sc.leg(proto.Video, 77), sc.leg(proto.Audio, 88)}
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: legs[0]}}, ids[0]), row([]Want{{Leg: legs[1]}}, ids[1])}})
		leg[sc] = legs
		for i, b := range [][]byte{p.cams[0].frame(true, 1)[0], p.mic.packet(3)} {
			pkt := Packet{Stream: ids[i], Data: b}
			if sc == away {
				pkt.Placed = Placed{Ext: int64(5000 + i), At: sc.now}
			}
			sc.out.Reset()
			sc.s.Admit(sc.now, []Packet{pkt}, &sc.out)
			if len(sc.out.Descs) != 1 {
				t.Fatalf("%d packets", len(sc.out.Descs))
			}
			sc.flush()
		}
	}
	for i := range 2 {
		a, ok := home.s.LegReport(home.now, leg[home][i])
		b, also := away.s.LegReport(away.now, leg[away][i])
		if !ok || !also || a.NTP != b.NTP {
			t.Fatalf("reports %v %v, %x and %x", ok, also, a.NTP, b.NTP)
		}
		la, lb := home.s.leg(leg[home][i]), away.s.leg(leg[away][i])
		if d := (a.Time - la.iv[la.now].timeOff).Diff(b.Time - lb.iv[lb.now].timeOff); d < -1 || d > 1 {
			t.Errorf("slot %d: time stamps are %d ticks apart", i, d)
		}
	}
	for _, id := range mirrors {
		if len(away.s.clocks) != 1 {
			t.Errorf("%d clocks", len(away.s.clocks))
		}
		away.s.RemoveStream(id)
	}
	if len(away.s.clocks) != 0 {
		t.Errorf("%d clocks of nobody", len(away.s.clocks))
	}
}
