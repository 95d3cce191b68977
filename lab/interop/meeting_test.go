package interop

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// got is what came of a source so far, nil before anything did. mu is held.
func (p *person) got(src uint32) *reception { return p.sources[src] }

// frames is how many frames of a source came whole. mu is held.
func (p *person) frames(src uint32) int {
	if r := p.sources[src]; r != nil {
		return len(r.frames)
	}
	return 0
}

// Two clients made of pion and one of parley's own meet. Everybody sends a camera and a microphone, and
// everybody gets the other two, byte for byte; key frames, reports, levels and chat go both ways.
func TestPionMeetsPionAndTheNativeClient(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	recording := t.TempDir()
	clip := joinNative(t, m, "Clip", writeClip(t, 'C'), recording)
	them := clip.want("joined", func(e nativeEvent) bool { return e.Event == "joined" }).Participant

	ada := join(t, m, "Ada", options{})
	bo := join(t, m, "Bo", options{p256: true, route: true})
	ada.mic.level, ada.mic.voice = 20, true
	for _, p := range []*person{ada, bo} {
		p.start(p.mic, p.cam)
		p.pace()
	}

	for _, pair := range []struct{ p, q *person }{{ada, bo}, {bo, ada}} {
		p, q := pair.p, pair.q
		p.until("pictures and sound of both others", func() bool {
			return p.frames(source(q.me, video)) >= 75 && p.frames(source(q.me, audio)) >= 150 &&
				p.frames(source(them, video)) >= 50 && p.frames(source(them, audio)) >= 100
		})
	}

	t.Run("a key frame on request", func(t *testing.T) { keyFrameOnRequest(t, ada, bo) })
	t.Run("content", func(t *testing.T) { contentReaches(t, ada, bo) })
	t.Run("what was received", func(t *testing.T) {
		receivedWell(t, ada, bo, 'B')
		receivedWell(t, bo, ada, 'A')
		receivedClip(t, ada, them)
		receivedClip(t, bo, them)
	})
	t.Run("reports", func(t *testing.T) {
		reportsTell(t, ada, bo)
		reportsTell(t, bo, ada)
	})
	t.Run("who speaks", func(t *testing.T) {
		bo.until("Ada among the speakers", func() bool {
			for _, s := range bo.speakers {
				for _, id := range s.Loudest {
					if id == ada.me {
						return true
					}
				}
			}
			return false
		})
	})
	t.Run("chat", func(t *testing.T) {
		ada.send("say", map[string]any{"text": "Bonjour 👋"})
		bo.until("what Ada said", func() bool {
			n := len(bo.chats)
			return n > 0 && bo.chats[n-1].Text == "Bonjour 👋" && bo.chats[n-1].From == ada.me && bo.chats[n-1].Name == "Ada"
		})
		clip.want("what Ada said", func(e nativeEvent) bool { return e.Event == "chat" && e.Text == "Bonjour 👋" })
	})

	ada.leave()
	bo.until("Ada gone, her slots empty", func() bool {
		if _, there := bo.roster[ada.me]; there {
			return false
		}
		for _, src := range bo.mapping {
			if src>>3 == ada.me {
				return false
			}
		}
		return true
	})
	bo.leave()
	clip.want("everybody gone", func(e nativeEvent) bool {
		return e.Event == "left" || e.Event == "roster" && e.Put == nil
	})
	clip.leave()
	recordingHolds(t, recording, ada, 'A')
	recordingHolds(t, recording, bo, 'B')
}

// keyFrameOnRequest asks Ada's camera for key frames as Bo, by PLI and by FIR.
func keyFrameOnRequest(t *testing.T, ada, bo *person) {
	src := source(ada.me, video)
	s := bo.slotOf(src)
	for i, ask := range []rtcp.Packet{
		&rtcp.PictureLossIndication{MediaSSRC: s.SSRC},
		&rtcp.FullIntraRequest{MediaSSRC: s.SSRC, FIR: []rtcp.FIREntry{{SSRC: s.SSRC, SequenceNumber: 1}}},
	} {
		var plis, keys int
		ada.update(func() { plis = ada.cam.plis + ada.cam.firs })
		bo.update(func() { keys = len(bo.sources[src].keys) })
		// A request is merged with one that was just made (PROTOCOL.md §4.6), so one may have to repeat it.
		retry := time.NewTicker(700 * time.Millisecond)
		defer retry.Stop()
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			for {
				bo.transports[1].pc.WriteRTCP([]rtcp.Packet{ask})
				bo.mu.Lock()
				done := len(bo.sources[src].keys) > keys
				bo.mu.Unlock()
				if done {
					return
				}
				select {
				case <-retry.C:
				case <-bo.stop:
					return
				}
			}
		}()
		bo.until("another key frame of Ada", func() bool { return len(bo.sources[src].keys) > keys })
		ada.until("a request for it", func() bool { return ada.cam.plis+ada.cam.firs > plis })
		<-asked
		if t.Failed() {
			t.Fatalf("request %d (%T) failed", i, ask)
		}
	}
	ada.mu.Lock()
	defer ada.mu.Unlock()
	bo.mu.Lock()
	defer bo.mu.Unlock()
	if asked, made := ada.cam.plis+ada.cam.firs+1, len(ada.cam.layers[0].keys); made > asked {
		t.Errorf("Ada made %d key frames for %d requests", made, asked)
	}
	for _, n := range bo.sources[src].keys {
		made := false
		for _, k := range ada.cam.layers[0].keys {
			made = made || k == n
		}
		if !made {
			t.Errorf("Bo got key frame %d, which Ada did not make: %v", n, ada.cam.layers[0].keys)
		}
	}
}

// contentReaches shares Ada's screen with its sound.
func contentReaches(t *testing.T, ada, bo *person) {
	ada.start(ada.screen, ada.sound)
	screen, sound := source(ada.me, content), source(ada.me, contentAudio)
	bo.until("the screen and its sound", func() bool { return bo.frames(screen) >= 15 && bo.frames(sound) >= 50 })
	ada.until("transport-wide feedback on a connection without a camera", func() bool { return ada.screen.feedbacks > 0 })
	bo.mu.Lock()
	defer bo.mu.Unlock()
	s := bo.table[bo.sources[screen].slot]
	if s.Mid[0] != 'c' || s.Kind != content {
		t.Errorf("the screen came in slot %+v", s)
	}
	if a := bo.table[bo.sources[sound].slot]; a.Kind != contentAudio || a.Msid != s.Msid {
		t.Errorf("the screen's sound came in slot %+v, the screen in %+v", a, s)
	}
	for _, src := range []uint32{screen, sound} {
		r := bo.sources[src]
		if lost := r.missing(r.last); len(lost) > 0 || r.bad > 0 {
			t.Errorf("source %d: frames %v are missing, %d wrong", src, lost, r.bad)
		}
	}
}

// receivedWell checks everything p has of q's camera and microphone: every frame from the first on, each
// as q made it, on the slots the router named, paired for lip sync.
func receivedWell(t *testing.T, p, q *person, letter byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cam, mic := p.sources[source(q.me, video)], p.sources[source(q.me, audio)]
	for what, r := range map[string]*reception{"camera": cam, "microphone": mic} {
		if lost := r.missing(r.last); len(lost) > 0 || r.bad > 0 {
			t.Errorf("%s's %s at %s: frames %v are missing, %d wrong", q.name, what, p.name, lost, r.bad)
		}
		if len(r.who) != 1 || r.who[letter] == 0 {
			t.Errorf("%s's %s at %s has frames of %v", q.name, what, p.name, r.who)
		}
		for n, times := range r.frames {
			if times != 1 {
				t.Errorf("%s's %s at %s: frame %d came %d times", q.name, what, p.name, n, times)
			}
		}
		s := p.table[r.slot]
		if got := p.mapping[s.ID]; got != source(q.me, s.Kind) {
			t.Errorf("%s's %s came in slot %d, of which the router says source %d", q.name, what, s.ID, got)
		}
	}
	if cam.first != cam.keys[0] {
		t.Errorf("%s's camera begins at %s with frame %d, not with key frame %d", q.name, p.name, cam.first, cam.keys[0])
	}
	if v, a := p.table[cam.slot], p.table[mic.slot]; v.Msid != a.Msid {
		t.Errorf("%s's camera and microphone came to %s in slots %s and %s, not in a pair", q.name, p.name, v.Mid, a.Mid)
	}
	if cam.numbered != cam.packets || mic.numbered != 0 {
		t.Errorf("transport-wide numbers on %d of %d camera packets and %d of sound", cam.numbered, cam.packets, mic.numbered)
	}
	if got := mic.levels[q.mic.level]; got != mic.packets {
		t.Errorf("%d of %s's %d sounds say %d dB: %v", got, q.name, mic.packets, q.mic.level, mic.levels)
	}
	for _, r := range []*reception{cam, mic} {
		in := p.inSlot[r.slot]
		lowest := in.highest
		for x, times := range in.seqs {
			lowest = min(lowest, x)
			if times != 1 {
				t.Errorf("slot %d: number %d came %d times", r.slot, x&0xffff, times)
			}
		}
		if want := int(in.highest - lowest + 1); len(in.seqs) != want {
			t.Errorf("slot %d: %d of %d numbers came", r.slot, len(in.seqs), want)
		}
	}
	if time, ok := cam.times[cam.first]; !ok || time != p.starts[cam.slot] {
		t.Errorf("%s's camera starts at %s at time %d, the router says %d", q.name, p.name, time, p.starts[cam.slot])
	}
	for _, tr := range p.transports {
		if tr.conn.oversized > 0 {
			t.Errorf("%d packets of more than 1200 bytes", tr.conn.oversized)
		}
	}
}

// receivedClip checks what p has of parley's own client: its file runs in a loop, so frames repeat.
func receivedClip(t *testing.T, p *person, them uint32) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range []int{video, audio} {
		r := p.sources[source(them, kind)]
		if r.bad > 0 || len(r.who) != 1 || r.who['C'] == 0 {
			t.Errorf("the native client's kind %d at %s: %s, of %v", kind, p.name, r, r.who)
		}
	}
	if cam := p.sources[source(them, video)]; len(cam.frames) < 50 {
		t.Errorf("%d of the file's 50 pictures came to %s", len(cam.frames), p.name)
	}
}

// reportsTell checks what p knows by RTCP of q: that q's sound and pictures can be played in sync, and
// that q's clock is known; and what the router tells p of p's own streams.
func reportsTell(t *testing.T, p, q *person) {
	t.Helper()
	p.until("reports and feedback", func() bool {
		return p.mic.reports >= 3 && p.cam.reports >= 3 && p.cam.feedbacks >= 10 && p.cam.lastReport.LastSenderReport != 0
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	cam, mic := p.sources[source(q.me, video)], p.sources[source(q.me, audio)]
	for _, r := range []*reception{cam, mic} {
		if n := p.inSlot[r.slot].reports; n < 4 {
			t.Errorf("%d sender reports on slot %d", n, r.slot)
		}
	}
	// Camera and microphone were started together: picture n belongs to sound 2n−1.
	n := cam.last - 10
	for mic.times[2*n-1] == 0 && n > cam.first {
		n--
	}
	pictureAt := p.inSlot[cam.slot].wallclock(cam.times[n], 90000)
	soundAt := p.inSlot[mic.slot].wallclock(mic.times[2*n-1], 48000)
	apart := q.cam.layers[0].sentAt[n].Sub(q.mic.layers[0].sentAt[2*n-1]).Seconds()
	late := 2 * q.lag.Seconds() // what is sent late looks as if it had been taken late
	if off := pictureAt - soundAt - apart; math.Abs(off) > 0.04+late {
		t.Errorf("%s's picture %d and its sound are %.0f ms out of sync at %s", q.name, n, off*1000, p.name)
	}
	const since1900 = 2208988800
	sent := q.cam.layers[0].sentAt[n]
	if off := pictureAt - since1900 - float64(sent.UnixNano())/1e9; math.Abs(off) > 0.2+late {
		t.Errorf("by the reports, %s's picture %d was taken %.0f ms after it was sent", q.name, n, off*1000)
	}
	l := p.cam.layers[0]
	if r := p.cam.lastReport; r.TotalLost != 0 || l.seq-uint16(r.LastSequenceNumber) > 300 || r.Jitter > 90000/10 {
		t.Errorf("report on %s's camera: %+v; its next number is %d", p.name, r, l.seq)
	}
	if share := float64(p.cam.feedback) / float64(l.packets); share < 0.8 || share > 1.05 {
		t.Errorf("transport-wide feedback for %d of %d packets of %s's camera", p.cam.feedback, l.packets, p.name)
	}
}

// recordingHolds checks the native client's recording of one person.
func recordingHolds(t *testing.T, dir string, p *person, letter byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*-"+map[byte]string{'A': "ada", 'B': "bo"}[letter]+".webm"))
	if err != nil || len(files) != 1 {
		all, _ := filepath.Glob(filepath.Join(dir, "*"))
		t.Errorf("no recording of %s in %v: %v", p.name, all, err)
		return
	}
	r := readRecording(t, files[0], letter)
	if r.bad > 0 || r.backwards > 0 || r.keys == 0 || r.silence > r.sounds/10 {
		t.Errorf("the recording of %s: %+v", p.name, r)
	}
	if sent := int(p.cam.layers[0].n); r.pictures < sent*8/10 {
		t.Errorf("the recording has %d of %s's %d pictures", r.pictures, p.name, sent)
	}
	if sent := int(p.mic.layers[0].n); r.sounds < sent*8/10 {
		t.Errorf("the recording has %d of %s's %d sounds", r.sounds, p.name, sent)
	}
}
