package client_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/clip"
	"parley/wire/proto"
)

// TestJoinTimes counts round trips of 50 ms: lookup 3 (TCP, TLS, request), ping 1 on the same
// connection, route 1; then media 2 beside the control channel's 3, whose hello leaves with the upgrade.
func TestJoinTimes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		time.Sleep(time.Second)
		want := map[string]int{"lookup": 150, "zone": 200, "route": 250, "media": 350, "control": 400}
		got := map[string]int{}
		phases, at := saw[client.Phase](a)
		for i, p := range phases {
			if _, ok := got[p.Phase]; !ok {
				got[p.Phase] = at[i]
			}
		}
		for phase, ms := range want {
			if got[phase] < ms || got[phase] > ms+2 {
				t.Errorf("%s after %d ms, want %d", phase, got[phase], ms)
			}
		}
		if j, at := saw[client.Joined](a); len(j) != 1 || at[0] < 400 || at[0] > 402 || j[0].Router != "m1" {
			t.Errorf("joined %+v at %v, want with the answer to the upgrade after 400 ms", j, at)
		}
	})
}

func TestFramesArriveWholeOnALossyNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		b := w.join("ben", nil)
		time.Sleep(3 * time.Second)
		w.net.Default(lab.Link{Delay: oneWay, Jitter: 5 * time.Millisecond, Loss: 0.02, Reorder: 0.01})
		time.Sleep(10 * time.Second)
		ann, _ := a.Self()
		for kind, want := range map[proto.Kind]int{proto.Video: 360, proto.Audio: 560} {
			frames := b.got(ann, kind)
			if len(frames) < want {
				t.Errorf("%d frames of %v, want at least %d", len(frames), kind, want)
			}
			for i := 1; i < len(frames); i++ {
				if number(frames[i]) <= number(frames[i-1]) {
					t.Fatalf("%v: frame %d after frame %d", kind, number(frames[i]), number(frames[i-1]))
				}
				if kind == proto.Video && !frames[i].Key && number(frames[i]) != number(frames[i-1])+1 {
					t.Errorf("frame %d needs one that was not given before it", number(frames[i]))
				}
			}
		}
		down := map[proto.Kind]proto.MediaStats{}
		for _, s := range b.MediaStats() {
			down[s.Kind] = s
		}
		if s := down[proto.Video]; s.Path != proto.UDP8801 || s.Height != 360 || s.FPS < 20 || s.RTT < 49 {
			t.Errorf("video statistics %+v", s)
		}
		if s := down[proto.Audio]; s.Lost == 0 {
			t.Errorf("audio statistics %+v: no loss seen", s)
		}
	})
}

// TestRecordingKeepsSoundAndPictureTogether reads a recording back and compares every frame with the
// moment it was made for (the issue allows 45 ms).
func TestRecordingKeepsSoundAndPictureTogether(t *testing.T) {
	dir := t.TempDir()
	var files []string
	inWorld(t, func(t *testing.T, w *world) {
		w.join("Ann Öz", func(c *client.Config) {
			publish(c)
			c.Share = clip.NewPattern(clip.PatternConfig{FPS: 10, FrameLen: 8000})
		})
		time.Sleep(time.Second)
		w.net.Default(lab.Link{Delay: oneWay, Jitter: 30 * time.Millisecond, Loss: 0.01})
		b := w.join("ben", func(c *client.Config) { c.Record = dir })
		time.Sleep(8 * time.Second)
		b.Leave()
		var left *client.Left
		if err := b.end(); !errors.As(err, &left) || left.Code != proto.CodeLeft {
			t.Errorf("ended with %v", err)
		}
		files = b.Recorded()
	})
	ix, err := clip.ReadIndex(dir)
	if err != nil || len(ix.Files) != 2 || len(files) != 2 {
		t.Fatalf("index %+v, %v, files %v", ix, err, files)
	}
	for _, f := range ix.Files {
		want, fps := "101-ann-öz.webm", 30
		if f.Content {
			want, fps = "101-ann-öz-content.webm", 10
		}
		if f.File != want || f.Name != "Ann Öz" || f.Video != clip.VP8 || !f.Audio {
			t.Errorf("entry %+v, want file %s", f, want)
		}
		r, err := clip.Open(t.Context(), filepath.Join(dir, f.File), clip.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var zero [2]time.Duration // where the source's time zero lies, by kind
		var seen [2]int
		for {
			fr, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n := time.Duration(clip.PatternNumber(fr))
			if n == 0 { // filled in
				continue
			}
			step := 20 * time.Millisecond
			if fr.Kind == clip.Video {
				step = time.Second / time.Duration(fps)
			}
			at := fr.PTS - (n-1)*step
			if seen[fr.Kind] == 0 {
				zero[fr.Kind] = at
			}
			seen[fr.Kind]++
			if d := at - zero[fr.Kind]; d > 10*time.Millisecond || d < -10*time.Millisecond {
				t.Errorf("%s: %v frame %d is off by %v", f.File, fr.Kind, n, d)
			}
		}
		r.Close()
		if d := zero[clip.Audio] - zero[clip.Video]; d > 10*time.Millisecond || d < -10*time.Millisecond {
			t.Errorf("%s: sound is %v behind the picture", f.File, d)
		}
		if seen[clip.Audio] < 300 || seen[clip.Video] < 7*fps-10 {
			t.Errorf("%s: %v frames", f.File, seen)
		}
	}
}

func TestChatHandMuteAndRoster(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		time.Sleep(time.Second)
		b := w.join("ben", publish)
		time.Sleep(2 * time.Second)
		ann, _ := a.Self()
		ben, _ := b.Self()
		b.Say(0, "hello")
		b.Hand(true)
		a.Act(proto.Act{Do: proto.ActMute, Target: ben, Kind: proto.Audio})
		b.Act(proto.Act{Do: proto.ActEnd})
		time.Sleep(time.Second)
		if lines, _ := saw[client.ChatLine](a); len(lines) != 1 || lines[0].Text != "hello" || lines[0].From != ben {
			t.Errorf("chat %+v", lines)
		}
		if no, _ := saw[client.Denied](b); len(no) != 1 || no[0].Code != proto.CodeForbidden {
			t.Errorf("a guest ending the meeting: %+v", no)
		}
		muted := len(a.got(ben, proto.Audio))
		roster := a.Roster()
		if len(roster) != 2 || roster[1].Name != "ben" || roster[1].Hand == 0 || !roster[1].Sources[0].ByHost {
			t.Errorf("roster %+v", roster)
		}
		a.Mute(proto.Video, true)
		time.Sleep(time.Second)
		if n := len(a.got(ben, proto.Audio)); n > muted+2 {
			t.Errorf("%d packets of a muted microphone", n-muted)
		}
		dark := len(b.got(ann, proto.Video))
		time.Sleep(time.Second)
		if n := len(b.got(ann, proto.Video)); n != dark {
			t.Errorf("%d pictures of a muted camera", n-dark)
		}
		a.Mute(proto.Video, false)
		b.Mute(proto.Audio, false)
		time.Sleep(time.Second)
		if len(b.got(ann, proto.Video)) < dark+20 || len(a.got(ben, proto.Audio)) < muted+30 {
			t.Error("nothing came after unmuting")
		}
		a.Act(proto.Act{Do: proto.ActEnd})
		var left *client.Left
		if err := b.end(); !errors.As(err, &left) || left.Code != proto.CodeEnded {
			t.Errorf("the guest ended with %v", err)
		}
	})
}

// TestOneTransportCarriesAllMedia is the shape for clients that can't have three.
func TestOneTransportCarriesAllMedia(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one := func(c *client.Config) {
			publish(c)
			c.Share = clip.NewPattern(clip.PatternConfig{FPS: 5})
			c.OneGroup = true
		}
		a := w.join("ann", one)
		b := w.join("ben", func(c *client.Config) { one(c); c.Share = nil; c.Slots = 2 })
		time.Sleep(5 * time.Second)
		ann, _ := a.Self()
		for kind, want := range map[proto.Kind]int{proto.Audio: 180, proto.Video: 100, proto.Content: 15, proto.ContentAudio: 180} {
			if n := len(b.got(ann, kind)); n < want {
				t.Errorf("%d frames of %v, want at least %d", n, kind, want)
			}
		}
		if up, _ := saw[client.Media](b); len(up) != 1 || up[0].Kind != "audio" {
			t.Errorf("transports %+v, want one", up)
		}
	})
}

func TestNetworkChangeKeepsTheSeat(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		b := w.join("ben", nil)
		time.Sleep(4 * time.Second)
		ann, _ := a.Self()
		a.NetworkChanged()
		time.Sleep(3 * time.Second)
		if again, _ := saw[client.Joined](a); len(again) != 2 || !again[1].Resumed || again[1].Participant != ann {
			t.Errorf("joined %+v", again)
		}
		frames := b.got(ann, proto.Audio)
		for i := 1; i < len(frames); i++ {
			if d := frames[i].At.Sub(frames[i-1].At); d > 300*time.Millisecond {
				t.Errorf("%v without sound, want at most 6 round trips", d)
			}
		}
		for _, r := range must2(saw[client.RosterChange](b)) {
			if len(r.Gone) > 0 {
				t.Errorf("somebody was gone: %+v", r)
			}
		}
	})
}

func must2[T any](v T, _ []int) T { return v }

func TestFrozenRouterIsJoinedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		b := w.join("ben", nil)
		time.Sleep(4 * time.Second)
		w.srv.Down()
		time.Sleep(8 * time.Second)
		phases, at := saw[client.Phase](b)
		noticed := 0
		for i, p := range phases {
			if p.Phase == "resume" {
				noticed = at[i]
				break
			}
		}
		if noticed < 5400 || noticed > 6000 {
			t.Errorf("the loss at 4000 ms was noticed at %d, want 1.5 to 2 s later", noticed)
		}
		w.srv.Up()
		time.Sleep(8 * time.Second)
		ann, _ := a.Self()
		last := b.got(ann, proto.Video)
		if len(last) == 0 || time.Since(last[len(last)-1].At) > 200*time.Millisecond {
			t.Error("no pictures after the router came back")
		}
	})
}

// TestBlockedMediaIsNotALostRouter: the control channel answers, so it stays.
func TestBlockedMediaIsNotALostRouter(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.join("ann", publish)
		b := w.join("ben", nil)
		time.Sleep(4 * time.Second)
		w.srv.Block(lab.Rule{Proto: lab.UDP})
		time.Sleep(6 * time.Second)
		w.srv.Unblock()
		time.Sleep(6 * time.Second)
		if again, _ := saw[client.Joined](b); len(again) != 1 {
			t.Errorf("joined %d times, want once", len(again))
		}
		ann, _ := a.Self()
		frames := b.got(ann, proto.Audio)
		if len(frames) == 0 || time.Since(frames[len(frames)-1].At) > 200*time.Millisecond {
			t.Error("no sound after UDP passes again")
		}
	})
}

func TestLostForGoodExplainsItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		b := w.join("ben", nil)
		time.Sleep(3 * time.Second)
		w.srv.Down()
		var lost *client.ConnectError
		if err := b.end(); !errors.As(err, &lost) || len(lost.Tried) == 0 || lost.WebURL != "https://meet.test/j/123456789" {
			t.Errorf("ended with %+v", err)
		}
		w.srv.Up()
	})
}

func TestBlockedUDPIsNamed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.srv.Block(lab.Rule{Proto: lab.UDP})
		b := w.join("ben", func(c *client.Config) { publish(c); c.Rungs = []proto.Rung{proto.UDP8801} })
		var lost *client.ConnectError
		if err := b.end(); !errors.As(err, &lost) || !strings.Contains(err.Error(), "UDP") || !strings.Contains(err.Error(), lost.WebURL) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestRefusalIsPassedOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refusal = proto.NewError(proto.CodeNoSuchMeeting, "There is no such meeting, or the passcode is wrong.")
		var no *client.Refused
		if err := w.join("ben", nil).end(); !errors.As(err, &no) || no.Code != proto.CodeNoSuchMeeting || no.Text != w.refusal.Text {
			t.Errorf("ended with %v", err)
		}
	})
}

// Who is told to wait asks again as soon as may be, and hears of it when the time for trying is over.
func TestWhoIsToldToWaitAsksAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.refusal = proto.NewError(proto.CodeSlowDown, "Too many wrong tries.")
		w.refusal.RetryAfter = 4
		began := time.Now()
		var no *client.Refused
		if err := w.join("ben", nil).end(); !errors.As(err, &no) || no.Code != proto.CodeSlowDown {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); len(w.lookups) != 4 || took < 12*time.Second || took > 14*time.Second {
			t.Errorf("%d lookups, and ended after %v", len(w.lookups), took)
		}
	})
}

// The zone of the last meeting is what the next choice leans to (S9), and told to the site (S7).
func TestTheZoneUsedLastIsRemembered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		state := t.TempDir()
		for _, name := range []string{"ann", "ben"} { // two hosts of one machine
			a := w.join(name, func(c *client.Config) { c.State = state })
			time.Sleep(2 * time.Second)
			a.Leave()
			a.end()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.lookups) != 2 || w.lookups[0].Network.LastZone != "" || w.lookups[1].Network.LastZone != "z1" {
			t.Errorf("lookups %+v, want z1 in the second only", w.lookups)
		}
	})
}
