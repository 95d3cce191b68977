package client_test

import (
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// rungs is the router's record of a participant's audio and video.
func (w *world) rungs(id proto.ParticipantID) (out [2]proto.Rung) {
	for _, s := range w.router.Seats(meetingID) {
		if s.Participant == id {
			copy(out[:], s.Rungs[:])
		}
	}
	return out
}

// wantRungs compares the router's record and the client's own word with what should be.
func (w *world) wantRungs(p *person, want proto.Rung) {
	w.t.Helper()
	id, _ := p.Self()
	if got := w.rungs(id); got != [2]proto.Rung{want, want} {
		w.t.Errorf("the router sees %v, want %s for both", got, want)
	}
	said := map[string]proto.Rung{}
	media, _ := saw[client.Media](p)
	for _, m := range media {
		said[m.Kind] = m.Path
	}
	if said["audio"] != want || said["video"] != want {
		w.t.Errorf("the client says %v, want %s", said, want)
	}
}

// hears reports how long the newest sound of another is old, and how many frames there were.
func (p *person) hears(from *person) (age time.Duration, n int) {
	id, _ := from.Self()
	frames := p.got(id, proto.Audio)
	if len(frames) == 0 {
		return time.Hour, 0
	}
	return time.Since(frames[len(frames)-1].At), len(frames)
}

func TestTheLadderTakesTheFirstRungThatPasses(t *testing.T) {
	for _, c := range []struct {
		name   string
		block  []lab.Rule
		want   proto.Rung
		within int // ms until media
	}{
		{"nothing is blocked", nil, proto.UDP8801, 360},
		{"UDP is blocked", []lab.Rule{{Proto: lab.UDP}}, proto.TCP8801, 800},                                // H is 250 ms, then 3 round trips and one of TCP
		{"only 443 passes", []lab.Rule{{Proto: lab.UDP}, {Proto: lab.TCP, Port: 8801}}, proto.TLS443, 1100}, // 2H, TCP, TLS, upgrade
		{"8801 is refused", []lab.Rule{{Proto: lab.UDP}, {Proto: lab.TCP, Port: 8801, Reject: true}}, proto.TLS443, 1100},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a := w.join("ann", publish)
				b := w.join("ben", func(cfg *client.Config) {
					publish(cfg)
					cfg.Host.(*lab.Host).Block(c.block...)
				})
				time.Sleep(4 * time.Second)
				w.wantRungs(b, c.want)
				w.wantRungs(a, proto.UDP8801)
				for _, p := range [][2]*person{{a, b}, {b, a}} {
					if age, n := p[0].hears(p[1]); age > 100*time.Millisecond || n < 100 {
						t.Errorf("%d frames of sound, the last %v ago", n, age)
					}
					id, _ := p[1].Self()
					if n := len(p[0].got(id, proto.Video)); n < 60 {
						t.Errorf("%d pictures", n)
					}
				}
				if media, at := saw[client.Media](b); len(media) == 0 || at[0] > c.within {
					t.Errorf("media after %v ms, want at most %d", at, c.within)
				}
			})
		})
	}
}

// gaps reports the longest pause between two sounds from another since a time, and how many were missed.
func (p *person) gaps(from *person, since time.Time) (longest time.Duration, missed int) {
	id, _ := from.Self()
	var last client.Frame
	for _, f := range p.got(id, proto.Audio) {
		if f.At.Before(since) {
			continue
		}
		if !last.At.IsZero() {
			longest = max(longest, f.At.Sub(last.At))
			missed += number(f) - number(last) - 1
		}
		last = f
	}
	return max(longest, time.Since(last.At)), missed
}

// moved is when a client said that a medium goes over another rung than at first, since a time.
func (p *person) moved(kind string, since int) (at int, to proto.Rung) {
	media, times := saw[client.Media](p)
	for i, m := range media {
		if m.Kind == kind && times[i] >= since {
			return times[i], m.Path
		}
	}
	return 0, ""
}

func TestUDPThatDiesIsLeftWithinThreeSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		var ben *lab.Host
		b := w.join("ben", func(cfg *client.Config) { publish(cfg); ben = cfg.Host.(*lab.Host) })
		began := time.Now()
		time.Sleep(5 * time.Second)
		w.wantRungs(b, proto.UDP8801)
		dies := time.Now()
		w.net.LinkOneWay(ben, w.srv, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP}}})
		w.net.LinkOneWay(w.srv, ben, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP}}})
		time.Sleep(10 * time.Second)
		for _, kind := range []string{"audio", "video"} {
			at, to := b.moved(kind, int(dies.Sub(began).Milliseconds()))
			if took := time.Duration(at)*time.Millisecond - dies.Sub(began); to != proto.TCP8801 || took > 3*time.Second {
				t.Errorf("%s went over to %q after %v, want TCP within 3 s", kind, to, took)
			}
		}
		w.wantRungs(b, proto.TCP8801)
		w.wantRungs(a, proto.UDP8801)
		for _, p := range [][2]*person{{a, b}, {b, a}} {
			if age, _ := p[0].hears(p[1]); age > 100*time.Millisecond {
				t.Errorf("the last sound is %v old", age)
			}
			if longest, _ := p[0].gaps(p[1], dies); longest > 3200*time.Millisecond {
				t.Errorf("no sound for %v", longest)
			}
		}
		if joins, _ := saw[client.Joined](b); len(joins) != 1 {
			t.Errorf("joined %d times", len(joins))
		}

		// It passes again: media is back on UDP within a minute and a bit, and nobody hears it.
		w.net.Link(ben, w.srv, lab.Link{Delay: oneWay})
		back := time.Now()
		time.Sleep(70 * time.Second)
		w.wantRungs(b, proto.UDP8801)
		for _, p := range [][2]*person{{a, b}, {b, a}} {
			if longest, missed := p[0].gaps(p[1], back); longest > 60*time.Millisecond || missed != 0 {
				t.Errorf("going up: no sound for %v, %d missed", longest, missed)
			}
		}
	})
}

func TestAStaggeredStartGoesUpWithoutAGap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		b := w.join("ben", func(cfg *client.Config) {
			publish(cfg)
			cfg.Host.(*lab.Host).Block(lab.Rule{Proto: lab.UDP}, lab.Rule{Proto: lab.TCP, Port: 8801})
			go func() {
				time.Sleep(20 * time.Second)
				cfg.Host.(*lab.Host).Unblock()
			}()
		})
		time.Sleep(15 * time.Second)
		w.wantRungs(b, proto.TLS443)
		from := time.Now()
		time.Sleep(65 * time.Second)
		w.wantRungs(b, proto.UDP8801)
		for _, p := range [][2]*person{{a, b}, {b, a}} {
			if longest, missed := p[0].gaps(p[1], from); longest > 60*time.Millisecond || missed != 0 {
				t.Errorf("no sound for %v, %d missed", longest, missed)
			}
		}
	})
}

func TestLossMovesPicturesFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.join("ann", publish)
		var ben *lab.Host
		b := w.join("ben", func(cfg *client.Config) { publish(cfg); ben = cfg.Host.(*lab.Host) })
		time.Sleep(5 * time.Second)
		from, n := 5000, 0
		w.net.LinkOneWay(w.srv, ben, lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP, Match: func(lab.Packet) bool {
			n++
			return n%5 < 2
		}}}})
		time.Sleep(30 * time.Second)
		video, to := b.moved("video", from)
		if to != proto.TCP8801 || video < from+9_500 || video > from+13_000 {
			t.Errorf("video went to %q after %d ms, want TCP after 10 s of loss", to, video-from)
		}
		audio, to := b.moved("audio", from)
		if to != proto.TCP8801 || audio < video+9_500 {
			t.Errorf("audio went to %q %d ms after video, want TCP after another 10 s", to, audio-video)
		}
	})
}

// A firewall that lets STUN through over UDP and nothing else must not hold up what goes over TCP: beside a way that
// is blocked altogether, keys are a round trip later, for they come over TCP once it has answered a check.
func TestUDPThatPassesChecksAlone(t *testing.T) {
	for delay := 5 * time.Millisecond; delay <= 65*time.Millisecond; delay += 5 * time.Millisecond {
		inWorld(t, func(t *testing.T, w *world) {
			w.net.Default(lab.Link{Delay: delay})
			b := w.join("ann", func(cfg *client.Config) {
				publish(cfg)
				cfg.Host.(*lab.Host).Block(lab.Rule{Proto: lab.UDP, Match: func(p lab.Packet) bool { return len(p.Data) > 0 && p.Data[0] > 3 }})
			})
			time.Sleep(3 * time.Second)
			w.wantRungs(b, proto.TCP8801)
			media, at := saw[client.Media](b)
			// Five trips to the grant, UDP's start, a trip for TCP, and two for keys.
			trip := 2 * delay
			most := 5*trip + max(250*time.Millisecond, 2*trip+50*time.Millisecond) + 3*trip + 10*time.Millisecond
			if len(media) == 0 || media[0].Path != proto.TCP8801 || time.Duration(at[0])*time.Millisecond > most {
				t.Errorf("%v there and back: media %+v at %v ms, want TCP at %v", trip, media, at, most)
			}
		})
	}
}

// TestTheRungIsRemembered: a second join from the same network starts what worked beside the first.
func TestTheRungIsRemembered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		state := t.TempDir()
		join := func(name string) int {
			b := w.join(name, func(cfg *client.Config) {
				publish(cfg)
				cfg.State = state
				cfg.Host.(*lab.Host).Block(lab.Rule{Proto: lab.UDP})
			})
			time.Sleep(3 * time.Second)
			w.wantRungs(b, proto.TCP8801)
			_, at := saw[client.Media](b)
			b.Leave()
			b.end()
			return at[0]
		}
		first := join("ann")
		second := join("ben")
		if second > first-100 { // what was left of its head start when the probes had been waited for
			t.Errorf("media after %d ms and then after %d, want no wait for UDP", first, second)
		}
	})
}

// Where a round trip takes as long as a satellite's, keys over UDP take longer than its head start, and still no
// connection is opened for media: what has come says that UDP works.
func TestALongWayOpensNoConnectionsForMedia(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.Default(lab.Link{Delay: 300 * time.Millisecond})
		b := w.join("ann", publish)
		time.Sleep(10 * time.Second)
		w.wantRungs(b, proto.UDP8801)
		for _, a := range b.Explain().Attempts {
			if a.Phase == "media" && !strings.HasSuffix(a.What, string(proto.UDP8801)) {
				t.Errorf("it tried %s: %+v", a.What, a)
			}
		}
	})
}
