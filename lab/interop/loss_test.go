package interop

import "testing"

// maxAgain is how often a packet is sent again at most (PROTOCOL.md §4.6).
const maxAgain = 6

// One in twenty of the sender's RTP packets is lost on the way up, by a seed, and as many on the way down
// to the receiver. Every picture comes all the same: the router asks pion for what it
// misses and pion asks the router, and both are answered by RTX.
func TestLossBothWaysIsRepairedByRTX(t *testing.T) {
	t.Parallel()
	for name, sender := range map[string]options{
		"one layer":    {},
		"three layers": {simulcast: true, named: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lossIsRepaired(t, sender)
		})
	}
}

func lossIsRepaired(t *testing.T, sender options) {
	const rate, pictures = 0.05, 200
	m := newMeeting(t)
	sender.lossOut, sender.seed = rate, 11
	ada := join(t, m, "Ada", sender)
	bo := join(t, m, "Bo", options{lossIn: rate, seed: 22})
	cam, mic := source(ada.me, video), source(ada.me, audio)
	bo.send("layout", layout{Version: 1, Tiles: []tile{{Source: cam, Height: 720}}})
	ada.mic.level, ada.mic.voice = 30, true
	ada.start(ada.mic, ada.cam)
	ada.pace()
	// Up to this picture everything must come; those behind it may still be on their way.
	bo.until("every picture", func() bool {
		r := bo.sources[cam]
		return r != nil && r.last > pictures+25 && len(r.missing(pictures)) == 0
	})
	bo.until("word of losses", func() bool { return bo.sources[mic] != nil })

	_, up := ada.transports[1].conn.lost()
	down, _ := bo.transports[1].conn.lost()
	ada.mu.Lock()
	defer ada.mu.Unlock()
	bo.mu.Lock()
	defer bo.mu.Unlock()
	r := bo.sources[cam]
	t.Logf("lost on the way up %d, asked for by the router %d; lost on the way down %d, recovered by RTX %d; key frames made %v",
		up, ada.cam.nacked, down, r.recovered, ada.cam.layers[0].keys)
	if up < 10 || down < 10 {
		t.Errorf("lost %d packets on the way up and %d on the way down: nothing is shown", up, down)
	}
	if ada.cam.nacked < up*8/10 {
		t.Errorf("the router asked for %d packets again, %d were lost", ada.cam.nacked, up)
	}
	if r.recovered < down*6/10 {
		t.Errorf("%d packets came by RTX, %d were lost", r.recovered, down)
	}
	if r.bad > 0 {
		t.Errorf("%d pictures are not what Ada sent", r.bad)
	}
	if keys := ada.cam.layers[0].keys; len(keys) > 4 {
		t.Errorf("losses were mended with key frames %v", keys)
	}
	// pion does not tell its NACKs of what came by RTX and goes on asking: the router is not drawn along.
	for x, times := range bo.inSlot[r.slot].seqs {
		if times > 1+maxAgain {
			t.Errorf("number %d of the slot came %d times", x&0xffff, times)
		}
	}
	// Sound is not retransmitted (PROTOCOL.md §4.4 has no RTX for it): about one in ten is gone.
	if s := bo.sources[mic]; s.recovered != 0 || len(s.frames) < int(s.last-s.first)*8/10 || s.bad > 0 {
		t.Errorf("sound: %s", s)
	}
}
