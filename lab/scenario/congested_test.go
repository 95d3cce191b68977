package scenario

import (
	"slices"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/clip"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Design §4 through the tunnel: 500 kbit/s from it with a queue of 100 ms, 2.5 Mbit/s of pictures offered.
func TestSoundThroughATunnelIsNotLateBehindPictures(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		w.tunnelAt("t1", 15*time.Millisecond)
		m := w.Meeting(nil)
		w.Join("bob", m, func(_ *person, c *client.Config) { c.Publish = clip.NewPattern(clip.PatternConfig{FrameLen: 9800}) })
		w.pass(2 * time.Second)
		began := time.Now()
		var mu sync.Mutex
		var came []time.Duration // of each sound, less 20 ms for each before it
		ann := w.Join("ann", m, w.tunnelOnly(w.siteOpen()), func(_ *person, c *client.Config) {
			c.OnFrame = func(f client.Frame) {
				if f.Codec.Kind() != clip.Audio {
					return
				}
				n := clip.PatternNumber(clip.Frame{Kind: clip.Audio, Data: f.Data})
				mu.Lock()
				defer mu.Unlock()
				came = append(came, f.At.Sub(began)-time.Duration(n)*20*time.Millisecond)
			}
		})
		ann.WaitRung(proto.TLS443)
		w.pass(500 * time.Millisecond) // the quickest of these is what the way itself takes: 15 ms and one zone's distance
		mu.Lock()
		quickest := slices.Min(came)
		mu.Unlock()
		w.net.LinkOneWay(w.tunnelHosts[0], ann.host, lab.Link{Delay: 15 * time.Millisecond, Rate: 500_000, Queue: 500_000 / 8 / 10})
		w.pass(3 * time.Second) // what was lost when the way got narrow is repeated until then
		mu.Lock()
		came = came[:0]
		mu.Unlock()
		w.pass(30 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(came)
		if len(came) < 1450 {
			t.Fatalf("%d of 1500 sounds arrived", len(came))
		}
		p99 := came[len(came)*99/100] - quickest
		t.Logf("sound: median %v, 99 of 100 %v, worst %v over the quickest; %d of 1500 arrived",
			came[len(came)/2]-quickest, p99, came[len(came)-1]-quickest, len(came))
		if p99 > 300*time.Millisecond { // the way itself takes less than 100 ms
			t.Errorf("one sound in a hundred took %v longer than the quickest, want 300 ms at most", p99)
		}
	})
}

// TestPacketsTooLongForAStreamHoldNothingUp: over UDP they pass, over TCP and TLS there is never room for them.
func TestPacketsTooLongForAStreamHoldNothingUp(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna := w.Join("anna", m, performs)
		ben := w.Join("ben", m, func(_ *person, c *client.Config) { c.Rungs = []proto.Rung{proto.TCP8801} })
		mallory := w.Puppet("mallory", m)
		for _, p := range []*person{anna, ben, mallory.person} {
			p.WaitMedia()
		}
		w.pass(3 * time.Second)
		_, router := w.Router(ben.WaitJoined().Router)
		w.net.Link(mallory.host, router, lab.Link{MTU: 9000})
		q := &quietMeeting{w: w, anna: anna, ben: ben, router: router}
		mallory.Claims(proto.Video, 12, false)
		w.pass(500 * time.Millisecond)
		q.Undisturbed("packets of 2030 bytes", func() {
			for i := range 200 {
				f := rtp.Fields{Marker: true, PT: proto.PTVP8, SSRC: 12, Seq: rtp.Seq(i), Time: rtp.Time(i * 3000)}
				b := append(rtp.AppendHeader(nil, f, nil), 0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01)
				mallory.SendRTP(proto.GroupVideo, append(b, make([]byte, 2030-len(b))...))
				time.Sleep(10 * time.Millisecond)
			}
		})
	})
}
