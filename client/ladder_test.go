package client_test

import (
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
