package client_test

import (
	"slices"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/clip"
	"parley/wire/proto"
)

// narrow is a downlink of 500 kbit/s with a queue of 100 ms.
var narrow = lab.Link{Delay: oneWay, Rate: 500_000, Queue: 500_000 / 8 / 10}

// loud is 2.5 Mbit/s of video beside sound.
func loud(c *client.Config) { sends(c, 9800) }

// sends makes a client send pictures of so many bytes, beside sound.
func sends(c *client.Config, frame int) {
	c.Publish = clip.NewPattern(clip.PatternConfig{FrameLen: frame})
}

// only keeps a client to one rung.
func only(rung proto.Rung) func(*client.Config) {
	return func(c *client.Config) { c.Rungs = []proto.Rung{rung} }
}

// delays are the one-way times of sound from one to the other, since a time, in order. The pattern
// numbers its frames of 20 ms; the quickest of all took the way's own time.
func (p *person) delays(from *person, since time.Time, quickest time.Duration) []time.Duration {
	id, _ := from.Self()
	var all, late []time.Duration
	for _, f := range p.got(id, proto.Audio) {
		d := f.At.Sub(p.w.started) - time.Duration(number(f))*20*time.Millisecond
		all = append(all, d)
		if f.At.After(since) {
			late = append(late, d)
		}
	}
	if len(all) == 0 {
		return nil
	}
	least := slices.Min(all)
	for i := range late {
		late[i] += quickest - least
	}
	slices.Sort(late)
	return late
}

// TestSoundIsNotLateBehindVideo is the promise of design §4: paths over TCP and TLS never queue.
func TestSoundIsNotLateBehindVideo(t *testing.T) {
	for _, c := range []struct {
		name string
		rung proto.Rung
		one  bool // all media on one connection
		up   bool // it is the sender's uplink that is narrow
	}{
		{"TCP", proto.TCP8801, false, false}, {"TCP, one connection", proto.TCP8801, true, false},
		{"TLS", proto.TLS443, false, false}, {"TLS, one connection", proto.TLS443, true, false},
		{"TCP uplink", proto.TCP8801, false, true}, {"TCP uplink, one connection", proto.TCP8801, true, true},
		{"TLS uplink", proto.TLS443, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				hosts := map[bool]*lab.Host{}
				slow := func(up bool) func(*client.Config) {
					return func(cfg *client.Config) {
						hosts[up] = cfg.Host.(*lab.Host)
						if up == c.up {
							only(c.rung)(cfg)
							cfg.OneGroup = c.one
						}
						if up {
							loud(cfg)
						}
					}
				}
				a, b := w.join("ann", slow(true)), w.join("ben", slow(false))
				time.Sleep(3 * time.Second)
				if c.up {
					w.net.LinkOneWay(hosts[true], w.srv, narrow)
				} else {
					w.net.LinkOneWay(w.srv, hosts[false], narrow)
				}
				time.Sleep(2 * time.Second)
				began := time.Now()
				time.Sleep(30 * time.Second)
				got := b.delays(a, began, 2*oneWay)
				if len(got) < 1450 {
					t.Fatalf("%d of 1500 frames of sound arrived", len(got))
				}
				p50, p99, worst := got[len(got)/2], got[len(got)*99/100], got[len(got)-1]
				t.Logf("sound one way: median %v, 99 of 100 %v, worst %v; %d of 1500 arrived", p50, p99, worst, len(got))
				if p99 > 400*time.Millisecond {
					t.Errorf("one sound in a hundred took longer than %v, want at most 400 ms", p99)
				}
				id, _ := a.Self()
				pictures := 0
				for _, f := range b.got(id, proto.Video) {
					if f.At.After(began) {
						pictures++
					}
				}
				t.Logf("%d pictures", pictures)
				// What was left out on purpose must not look like loss: numbers go on without a gap.
				stats, _ := saw[client.Stats](b)
				for _, m := range stats[len(stats)-1].Media {
					if m.Dir == "down" && m.Kind == "video" && m.Lost > 0 {
						t.Errorf("%d of %d video packets look lost", m.Lost, m.Packets)
					}
				}
				if pictures < 5 {
					t.Errorf("%d pictures in 30 s, want at least stills", pictures)
				}
			})
		})
	}
}
