package scenario

import (
	"slices"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// narrow makes datagrams of more than 1200 bytes of IP disappear between a person and all servers, in the
// directions asked for.
func narrow(w *world, p *person, up, down bool) {
	for _, z := range w.zones {
		for _, h := range z.hosts {
			link := lab.Link{Delay: z.delay}
			cut := link
			cut.MTU = 1200
			w.net.Link(p.host, h, link)
			if up {
				w.net.LinkOneWay(p.host, h, cut)
			}
			if down {
				w.net.LinkOneWay(h, p.host, cut)
			}
		}
	}
}

// TestPicturesPassANarrowPath: datagrams of more than 1200 bytes are lost in silence, in one direction or both. Few
// packets are that long, but there is one in every key frame.
func TestPicturesPassANarrowPath(t *testing.T) {
	for _, tt := range []struct {
		name     string
		up, down bool
	}{{"both ways", true, true}, {"from the person", true, false}, {"towards the person", false, true}} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				m := w.Meeting(nil)
				ben := w.Join("ben", m, performs)
				ben.WaitMedia()
				state := t.TempDir()
				anna := w.Person("anna", m, performs, func(_ *person, c *client.Config) { c.State = state })
				narrow(w, anna, tt.up, tt.down)
				anna.SetOut()
				anna.WaitMedia()
				w.pass(8 * time.Second)
				wantNarrow(t, anna)
				wantPictures(t, w, anna, ben)
				if got := ben.rungs(); got["video"] != proto.UDP8801 {
					t.Errorf("whose path is wide has pictures on %v", got)
				}
				w.pass(3 * time.Minute)
				wantNarrow(t, anna)
				anna.Leave()

				again := w.Person("carl", m, performs, func(_ *person, c *client.Config) { c.State = state })
				narrow(w, again, tt.up, tt.down)
				again.SetOut()
				again.WaitMedia()
				w.pass(3 * time.Second)
				wantNarrow(t, again)
				if m := every[client.Media](again); slices.ContainsFunc(m, func(m client.Media) bool { return m.Kind != "audio" && m.Path == proto.UDP8801 }) {
					t.Errorf("the network was not remembered: %v", m)
				}
				wantPictures(t, w, again, ben)
			})
		})
	}
}

// Where the way to TCP and TLS is closed, or all passes, pictures stay where they are.
func TestPicturesStayOnUDP(t *testing.T) {
	for _, closed := range []bool{true, false} {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			m := w.Meeting(nil)
			anna := w.Person("anna", m, performs, func(_ *person, c *client.Config) {
				if closed {
					c.Rungs = []proto.Rung{proto.UDP8801}
				}
			})
			narrow(w, anna, closed, closed)
			anna.SetOut()
			anna.WaitMedia()
			w.pass(90 * time.Second)
			got := anna.rungs()
			for _, kind := range []string{"audio", "video", "content"} {
				if got[kind] != proto.UDP8801 {
					t.Errorf("closed %v: paths %v, want all on UDP", closed, got)
				}
			}
			if n := count[client.Media](anna); n != 3 {
				t.Errorf("closed %v: %d paths were taken into use, want one for each medium", closed, n)
			}
		})
	}
}

func wantNarrow(t *testing.T, p *person) {
	t.Helper()
	if got := p.rungs(); got["audio"] != proto.UDP8801 || got["video"] != proto.TCP8801 || got["content"] != proto.TCP8801 {
		t.Errorf("paths %v, want sound on UDP and pictures on TCP", got)
	}
	p.says("Audio runs over UDP 8801.", "Large UDP datagrams get lost", "Video runs over TCP 8801, since large UDP datagrams get lost.")
}

// wantPictures compares with what was made: ten pictures a second.
func wantPictures(t *testing.T, w *world, a, b *person) {
	t.Helper()
	a.Forget()
	b.Forget()
	w.pass(10 * time.Second)
	if a.Sees("ben") < 95 || b.Sees(a.name) < 95 {
		t.Errorf("%s sees %d and is seen in %d pictures of 100", a.name, a.Sees("ben"), b.Sees(a.name))
	}
}
