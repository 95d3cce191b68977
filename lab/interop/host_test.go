package interop

import "testing"

// What is muted, by its sender or by a host, goes no further, whatever the sender goes on sending; and
// who is put out stays out.
func TestMutedSourcesGoNoFurther(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	bo := join(t, m, "Bo", options{host: true})
	ada := join(t, m, "Ada", options{})
	if bo.lookup.Role != "host" || ada.lookup.Role != "participant" {
		t.Fatalf("Bo is %s, Ada is %s", bo.lookup.Role, ada.lookup.Role)
	}
	ada.mic.level, ada.mic.voice = 25, true
	ada.start(ada.cam, ada.mic)
	ada.pace()
	cam, mic := source(ada.me, video), source(ada.me, audio)
	bo.until("Ada", func() bool { return bo.frames(cam) >= 10 && bo.frames(mic) >= 20 })

	muted := func(p *person, kind int) bool {
		for _, s := range p.roster[ada.me].Sources {
			if s.Kind == kind {
				return s.Muted
			}
		}
		return false
	}
	for _, c := range []struct {
		name string
		kind int
		mute func()
	}{
		{"camera, by herself", video, func() {
			ada.send("publish", publish{Kind: video, Active: true, Muted: true, Streams: ada.cam.streams()})
		}},
		{"microphone, by the host", audio, func() {
			bo.send("act", map[string]any{"do": "mute", "target": ada.me, "kind": audio})
		}},
	} {
		src, out := source(ada.me, c.kind), ada.outTracks()[c.kind]
		c.mute()
		for _, p := range []*person{ada, bo} {
			p.until("Ada shown as muted: "+c.name, func() bool { return muted(p, c.kind) })
		}
		// What left before the router knew may still come: with the next pong the router has nothing older.
		pongs := 0
		bo.update(func() { pongs = bo.pongs })
		bo.send("ping", map[string]int{"n": 1})
		bo.until("a pong", func() bool { return bo.pongs > pongs })
		var had int
		var sent uint32
		bo.update(func() { had = bo.frames(src) })
		ada.update(func() { sent = out.layers[0].n })
		ada.until("more to be sent", func() bool { return out.layers[0].n >= sent+30 })
		bo.mu.Lock()
		if more := bo.frames(src) - had; more > 5 {
			t.Errorf("%s: %d frames came after the mute", c.name, more)
		}
		bo.mu.Unlock()
	}

	ada.start(ada.cam) // unmuted, and a new picture begins
	var had int
	bo.update(func() { had = bo.frames(cam) })
	ada.update(func() { ada.cam.layers[0].wantKey = true })
	bo.until("Ada's camera again", func() bool { return bo.frames(cam) >= had+10 })

	bo.send("act", map[string]any{"do": "eject", "target": ada.me})
	ada.until("the end", func() bool { return ada.bye != nil })
	if ada.bye.Code != "ejected" {
		t.Errorf("Ada was put out with %+v", *ada.bye)
	}
	if kind, r := firstAnswer(t, m, ada.grant, signHello(ada.id, ada.lookup.Token, ada.grant.Router, ada.serverTime(), 4)); kind != "bye" || r.Code != "ejected" {
		t.Errorf("Ada tries again: %s %+v", kind, r)
	}
}
