package netns

import (
	"testing"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
	"parley/sys/clip"
	"parley/wire/proto"
)

// TestPicturesComeBackOnALongerWay: a VPN comes up, say, and the way of a TCP connection takes 80 ms more from then on,
// of which its kernel tells minutes later. Pictures go on both ways, as before it did.
func TestPicturesComeBackOnALongerWay(t *testing.T) {
	needAll(t)
	var b built
	in, err := NewInternet(InternetConfig{Binary: b.get(t), Dir: t.TempDir(), Zones: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	r := &run{T: t, in: in}
	r.meeting, err = in.NewMeeting("Longer")
	r.must(err)
	home, _ := r.goodMachine()
	publish := func(c *client.Config) { c.Publish = clip.NewPattern(clip.PatternConfig{FrameLen: 9800}) }
	bob := joinHere(t, in, home, r.meeting, publish)
	way := wire.Class{Up: wire.Link{Delay: rtt / 2}, Down: wire.Link{Delay: rtt / 2}}
	r.access, err = in.NewAccess(NATHome, way)
	r.must(err)
	r.machine, err = in.NewMachine(r.access, false)
	r.must(err)
	ann := joinHere(t, in, r.machine, r.meeting, func(c *client.Config) { c.Rungs = []proto.Rung{tcpRung}; publish(c) })

	// flow waits until five seconds have had two thirds of their pictures, both ways.
	flow := func(when string) {
		t.Helper()
		for began := time.Now(); ; {
			down, up := ann.seen(), bob.seen()
			time.Sleep(5 * time.Second)
			down, up = ann.seen()-down, bob.seen()-up
			t.Logf("%s: %d pictures down, %d up in 5 s", when, down, up)
			if down >= 100 && up >= 100 {
				return
			}
			if time.Since(began) > 40*time.Second {
				t.Fatalf("%s: pictures do not flow", when)
			}
		}
	}
	flow("at first")
	way.Up.Delay, way.Down.Delay = way.Up.Delay+40*ms, way.Down.Delay+40*ms
	r.wires(way)
	flow("on the longer way")
}

// seen is how many pictures have come.
func (l *listener) seen() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pictures
}
