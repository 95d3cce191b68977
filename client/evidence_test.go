package client_test

import (
	"fmt"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// A path that carries small packets and swallows large ones looks well to checks, to reports and to sound. Pictures
// must leave it, whichever way they are swallowed; sound may stay.
func TestPicturesLeaveABlackHoleOfLargePackets(t *testing.T) {
	for _, c := range []struct {
		up, down bool
		frame    int           // bytes of a picture
		after    time.Duration // in the meeting; 0: from the beginning
	}{
		{up: true, frame: 9800, after: 5 * time.Second},
		{down: true, frame: 9800, after: 5 * time.Second},
		{up: true, down: true, frame: 9800, after: 5 * time.Second},
		{up: true, down: true, frame: 9800},
		{up: true, frame: 2300, after: 5 * time.Second}, // the end of each picture is small, and passes
		{up: true, down: true, frame: 2300},
	} {
		t.Run(fmt.Sprintf("up %v, down %v, pictures of %d bytes, after %v", c.up, c.down, c.frame, c.after), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				large := lab.Link{Delay: oneWay, Block: []lab.Rule{{Proto: lab.UDP, Match: func(p lab.Packet) bool { return len(p.Data) > 500 }}}}
				pictures := func(cfg *client.Config) { sends(cfg, c.frame) }
				a := w.join("ann", pictures)
				time.Sleep(2 * time.Second)
				began := time.Now()
				b := w.join("ben", func(cfg *client.Config) {
					pictures(cfg)
					ben := cfg.Host.(*lab.Host)
					swallow := func() {
						if c.up {
							w.net.LinkOneWay(ben, w.srv, large)
						}
						if c.down {
							w.net.LinkOneWay(w.srv, ben, large)
						}
					}
					if c.after == 0 {
						swallow()
					} else {
						go func() {
							time.Sleep(c.after)
							swallow()
						}()
					}
				})
				time.Sleep(20 * time.Second)
				id, _ := b.Self()
				if got, want := w.rungs(id), [2]proto.Rung{proto.UDP8801, proto.TCP8801}; got != want {
					t.Fatalf("audio and video run over %v, want %v", got, want)
				}
				if at, to := b.moved("video", int(c.after.Milliseconds())+1); c.after > 0 && (to != proto.TCP8801 || at > int((c.after+8*time.Second).Milliseconds())) {
					t.Errorf("video moved to %q after %d ms, want TCP within 8 s of %v", to, at, c.after)
				}
				for _, p := range [][2]*person{{a, b}, {b, a}} {
					from, _ := p[1].Self()
					pictures := p[0].got(from, proto.Video)
					if len(pictures) == 0 || time.Since(pictures[len(pictures)-1].At) > 500*time.Millisecond {
						t.Errorf("%d pictures, the last long ago", len(pictures))
					}
					if longest, _ := p[0].gaps(p[1], began.Add(4*time.Second)); longest > 200*time.Millisecond {
						t.Errorf("no sound for %v", longest)
					}
				}
			})
		})
	}
}

// A source that stops, or is muted, is no path that loses.
func TestPicturesThatStopAreNoLoss(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.join("ann", loud), w.join("ben", loud)
		time.Sleep(5 * time.Second)
		a.Mute(proto.Video, true)
		time.Sleep(15 * time.Second)
		a.Mute(proto.Video, false)
		time.Sleep(15 * time.Second)
		w.wantRungs(a, proto.UDP8801)
		w.wantRungs(b, proto.UDP8801)
	})
}
