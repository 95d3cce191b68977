package join

import (
	"fmt"
	"slices"
	"testing"

	"parley/wire/proto"
)

// used lists the rungs a group's media went over, in order.
func (w *world) used(g proto.Group) (out []proto.Rung, at []float64) {
	all, times := find[UseTransport](w)
	for i, u := range all {
		if u.Group == g {
			out, at = append(out, u.Rung), append(at, times[i])
		}
	}
	return out, at
}

// wantUsed compares the rungs of a group.
func (w *world) wantUsed(g proto.Group, want ...proto.Rung) (at []float64) {
	w.t.Helper()
	got, at := w.used(g)
	if !slices.Equal(got, want) {
		w.t.Fatalf("%v used %v, want %v\n%s", g, got, want, w.lines())
	}
	return at
}

// ladderWorld has everything on UDP, and rungs below that come up after 60 ms.
func ladderWorld(t *testing.T, cfg Config) *world {
	cfg.Rungs = allRungs
	w := newWorld(t, cfg, zoneOf("a", 0, 0))
	welcomes(w)
	w.run(9000)
	return w
}

func TestASilentPathIsLeftAtOnceAndWithoutAGap(t *testing.T) {
	w := ladderWorld(t, Config{})
	for g := range w.m.lanes {
		w.at(10_000, PathSilent{w.m.lanes[g].inUse.id})
	}
	w.run(10_050)
	closed, _ := find[CloseTransport](w)
	n := len(closed)
	w.run(12_000)
	for g := range proto.NGroups {
		if at := w.wantUsed(proto.Group(g), proto.UDP8801, proto.TCP8801); at[1] != 10_060 {
			t.Errorf("%v moved at %v ms, want one dial after the silence was told", g, at[1])
		}
	}
	if n != 0 {
		t.Error("what was in use was closed before its successor was up")
	}
	starts, _ := find[StartTransport](w)
	if len(starts) != 6 || starts[3].Credentials.Ufrag != starts[0].Credentials.Ufrag {
		t.Errorf("%d attempts; the lower rung has other credentials\n%s", len(starts), w.lines())
	}
	w.wantWhy("UDP worked at first, and then stopped.")
	w.record("path-silent")
}

// Video and content go down together and come up together, though one of them alone was seen to fail.
func TestPicturesMoveTogether(t *testing.T) {
	for _, c := range []struct {
		name, trace string
		cfg         Config
		e           func(video int) Event
		want        proto.Rung
		within      float64 // ms
	}{
		{"silence", "together-silent", Config{}, func(id int) Event { return PathSilent{id} }, proto.TCP8801, 60},
		{"silence, in a page", "together-silent-page", Config{FreshWays: true}, func(id int) Event { return PathSilent{id} }, proto.TCP8801, 60},
		{"a browser's own move", "together-moved", Config{FreshWays: true}, func(id int) Event { return PathMoved{Attempt: id, Rung: proto.TCP8801} }, proto.TCP8801, 5060},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ladderWorld(t, c.cfg)
			w.at(10_000, c.e(w.m.lanes[proto.GroupVideo].inUse.id))
			w.run(10_000 + c.within)
			for _, g := range []proto.Group{proto.GroupVideo, proto.GroupContent} {
				if got := w.m.lanes[g].inUse.rung; got != c.want {
					t.Errorf("%v is on %s after %v ms, want %s\n%s", g, got, c.within, c.want, w.lines())
				}
			}
			if got := w.m.lanes[proto.GroupAudio].inUse.rung; got != proto.UDP8801 {
				t.Errorf("sound is on %s", got)
			}
			w.run(90_000)
			for _, g := range []proto.Group{proto.GroupVideo, proto.GroupContent} {
				if got := w.m.lanes[g].inUse.rung; got != proto.UDP8801 {
					t.Errorf("%v is on %s a minute later, want %s\n%s", g, got, proto.UDP8801, w.lines())
				}
			}
			w.record(c.trace)
		})
	}
}

// A page's pictures leave a lossy path together: its one fresh set of credentials serves both.
func TestTooMuchLossMovesAPagesPicturesTogether(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	for s := range 12 {
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 0.4})
	}
	w.run(30_000)
	for g, want := range []proto.Rung{proto.UDP8801, proto.TCP8801, proto.TCP8801} {
		if got := w.m.lanes[g].inUse.rung; got != want {
			t.Errorf("%v is on %s, want %s\n%s", proto.Group(g), got, want, w.lines())
		}
	}
	w.record("together-loss-page")
}

// A page whose fresh credentials were used up asks for others to leave a lossy path with.
func TestLossMovesAPagesPicturesWithoutSpareCredentials(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	w.at(5000, PathSilent{w.m.lanes[proto.GroupAudio].inUse.id})
	w.run(8000)
	w.wantUsed(proto.GroupAudio, proto.UDP8801, proto.TCP8801)
	if len(w.m.media.spare) != 0 {
		t.Fatal("there are spare credentials")
	}
	for s := range 14 {
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 0.4})
	}
	w.run(30_000)
	for _, g := range pictures {
		if got := w.m.lanes[g].inUse.rung; got != proto.TCP8801 {
			t.Errorf("%v is on %s\n%s", g, got, w.lines())
		}
	}
	w.record("together-loss-unspared")
}

// Pictures on different rungs go down together only if the one below does not look up anyway.
func TestPicturesThatAreAboutToLookUpStay(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	for s := range 6 {
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: 1})
	}
	w.run(20_000)
	w.wantUsed(proto.GroupContent, proto.UDP8801, proto.TCP8801)
	w.at(20_000, PathMoved{Attempt: w.m.lanes[proto.GroupContent].inUse.id, Rung: proto.UDP8801})
	w.run(95_000)
	for _, g := range pictures {
		if got := w.m.lanes[g].inUse.rung; got != proto.UDP8801 {
			t.Errorf("%v is on %s\n%s", g, got, w.lines())
		}
	}
	w.record("together-looks-up")
}

// What is heard again stays only where the other has not gone yet.
func TestPicturesThatAreHeardAgainStayTogether(t *testing.T) {
	for _, heard := range []float64{10_030, 10_061} {
		w := ladderWorld(t, Config{})
		w.media = func(s StartTransport) (Event, float64) {
			if s.Group == proto.GroupVideo {
				return TransportUp{Attempt: s.Attempt}, 90
			}
			return TransportUp{Attempt: s.Attempt}, 60
		}
		id := w.m.lanes[proto.GroupVideo].inUse.id
		w.at(10_000, PathSilent{id})
		w.at(heard, PathHeard{id})
		w.run(20_000)
		if v, c := w.m.lanes[proto.GroupVideo].inUse.rung, w.m.lanes[proto.GroupContent].inUse.rung; v != c {
			t.Errorf("heard at %v ms: video on %s and content on %s\n%s", heard, v, c, w.lines())
		}
		if heard > 10_060 {
			w.record("together-heard")
		}
	}
}

func TestAPathHeardAgainIsKept(t *testing.T) {
	w := ladderWorld(t, Config{})
	id := w.m.lanes[proto.GroupAudio].inUse.id
	w.at(10_000, PathSilent{id})
	w.at(10_030, PathHeard{id})
	w.run(12_000)
	w.wantUsed(proto.GroupAudio, proto.UDP8801)
	w.record("path-heard")
}

func TestTooMuchLossMovesPicturesFirst(t *testing.T) {
	w := ladderWorld(t, Config{})
	for s := range 40 {
		for _, g := range []proto.Group{proto.GroupAudio, proto.GroupVideo} {
			w.at(10_000+float64(s)*1000, PathLoss{Group: g, Loss: 0.3})
		}
	}
	w.run(60_000)
	video := w.wantUsed(proto.GroupVideo, proto.UDP8801, proto.TCP8801)
	content := w.wantUsed(proto.GroupContent, proto.UDP8801, proto.TCP8801)
	audio := w.wantUsed(proto.GroupAudio, proto.UDP8801, proto.TCP8801)
	if video[1] != 19_060 || content[1] != 19_060 {
		t.Errorf("pictures moved at %v and %v ms, want it when ten seconds of loss have been told", video[1], content[1])
	}
	if audio[1] < 29_000 {
		t.Errorf("sound moved at %v ms, want its window to start anew when pictures had moved", audio[1])
	}
	w.record("path-loss")
}

// TestAPathThatLosesNearlyAllIsLeftEarlier: a black hole, or a rate limit far below what is sent.
func TestAPathThatLosesNearlyAllIsLeftEarlier(t *testing.T) {
	w := ladderWorld(t, Config{})
	for s := range 30 {
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: []float64{1, 0.8, 0.9}[s%3]})
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupAudio, Loss: 0.02})
	}
	w.run(40_000)
	w.wantUsed(proto.GroupAudio, proto.UDP8801)
	if video := w.wantUsed(proto.GroupVideo, proto.UDP8801, proto.TCP8801); video[1] != 13_060 {
		t.Errorf("video moved at %v ms, want it when four seconds of it have been told", video[1])
	}
	w.wantWhy("UDP works, and loses too many packets.")
	w.record("path-dead")
}

func TestABetterSecondStartsTheWindowAnew(t *testing.T) {
	w := ladderWorld(t, Config{})
	for s := range 60 {
		loss := 0.4
		if s%9 == 8 {
			loss = 0.1
		}
		w.at(10_000+float64(s)*1000, PathLoss{Group: proto.GroupVideo, Loss: loss})
	}
	w.run(75_000)
	w.wantUsed(proto.GroupVideo, proto.UDP8801)
}

// TestBetterRungsAreProbed: once a minute, less often where media had left them for cause.
func TestBetterRungsAreProbed(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
	udp := false
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 && !udp {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(100_000)
	udp = true
	w.run(250_000)
	at := w.wantUsed(proto.GroupAudio, proto.TCP8801, proto.UDP8801)
	if at[1] < 100_000 || at[1] > 165_000 {
		t.Errorf("back on UDP at %v ms, want within a minute and a look of 100 s", at[1])
	}
	starts, times := find[StartTransport](w)
	var probes []float64
	for i, s := range starts {
		if s.Group == proto.GroupAudio && s.Rung == proto.UDP8801 {
			probes = append(probes, times[i])
		}
	}
	if len(probes) != 3 || probes[1]-probes[0] < 60_000 || probes[2]-probes[1] < 60_000 {
		t.Errorf("UDP was tried at %v ms, want once a minute", probes)
	}
	w.record("rungs-probed")
}

func TestAPathThatFailsMediaIsProbedLessOften(t *testing.T) {
	w := ladderWorld(t, Config{})
	var back []float64
	for range 4 {
		l := &w.m.lanes[proto.GroupAudio]
		w.at(w.ms()+1000, PathSilent{l.inUse.id})
		w.run(w.ms() + 2000)
		from := w.ms()
		for l.inUse.rung != proto.UDP8801 {
			w.run(w.ms() + 1000)
		}
		back = append(back, w.ms()-from)
	}
	for i := 1; i < len(back); i++ {
		if back[i] < back[i-1]*1.5 {
			t.Errorf("back on UDP after %v ms, want about twice as long each time", back)
		}
	}
}

// TestAPageLeavesASilentPathByFreshCredentials: its browser would not leave it otherwise.
func TestAPageLeavesASilentPathByFreshCredentials(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	w.at(10_000, PathSilent{w.m.lanes[proto.GroupAudio].inUse.id})
	w.run(12_000)
	if got, at := w.used(proto.GroupAudio); got[len(got)-1] != proto.TCP8801 || at[len(at)-1] > 10_100 {
		t.Errorf("audio used %v at %v\n%s", got, at, w.lines())
	}
	if got, _ := w.used(proto.GroupVideo); got[len(got)-1] != proto.UDP8801 {
		t.Errorf("video used %v", got)
	}
	starts, _ := find[StartTransport](w)
	if fresh := starts[len(starts)-1].Credentials.Ufrag; fresh != "wc1" && fresh != "wv1" && fresh != "wa1" {
		t.Errorf("the last attempt has credentials %q, want those of the welcome", fresh)
	}
	w.record("path-silent-page")
}

// TestAPageProbesBetterRungsWithSpareCredentials: its browser does not try again what it has given up. What is in use
// stays until the successor is up, and a probe that comes to nothing spends nothing.
func TestAPageProbesBetterRungsWithSpareCredentials(t *testing.T) {
	w := newWorld(t, Config{Rungs: allRungs, FreshWays: true}, zoneOf("a", 0, 0))
	udp := false
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung == proto.UDP8801 && (!udp || s.Credentials.Ufrag[0] != 'w') {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	welcomes(w)
	w.run(80_000)
	w.wantUsed(proto.GroupAudio, proto.TCP8801)
	starts, _ := find[StartTransport](w)
	if last := starts[len(starts)-1]; last.Rung != proto.UDP8801 || last.Credentials.Ufrag[0] != 'w' {
		t.Errorf("the last attempt is over %s with credentials %q, want a probe of UDP with the welcome's\n%s", last.Rung, last.Credentials.Ufrag, w.lines())
	}
	udp = true
	w.run(160_000)
	for g := range proto.NGroups {
		at := w.wantUsed(proto.Group(g), proto.TCP8801, proto.UDP8801)
		if at[1] > 140_000 {
			t.Errorf("%v is back on UDP at %v ms, want within a minute and a look of 80 s", proto.Group(g), at[1])
		}
	}
	closed, times := find[CloseTransport](w)
	ups, upAt := find[UseTransport](w)
	for _, u := range ups[len(ups)-3:] {
		for i, c := range closed {
			if c.Group == u.Group && c.Rung == proto.TCP8801 && times[i] > 80_000 && times[i] < upAt[len(upAt)-3] {
				t.Errorf("%v over TCP was closed before its successor was up", c.Group)
			}
		}
	}
	w.record("page-probes")
}

// TestMediaThatMovesByItselfIsFollowed: a page's browser does so, and the record says where media is.
func TestMediaThatMovesByItselfIsFollowed(t *testing.T) {
	w := ladderWorld(t, Config{FreshWays: true})
	id := w.m.lanes[proto.GroupVideo].inUse.id
	w.at(10_000, PathMoved{Attempt: id, Rung: proto.TLS443})
	w.at(11_000, PathMoved{Attempt: id, Rung: "teleport"})
	w.run(12_000)
	if got := w.m.lanes[proto.GroupVideo].inUse.rung; got != proto.TLS443 {
		t.Errorf("video is said to be on %s", got)
	}
	w.wantWhy("Video runs over TLS 443")
	w.wantWhy("video over udp-8801", "moved to tls-443")
	w.run(30_000)
	// Video and content move together, to the best rung that comes up: that the browser has taken TLS says nothing of TCP.
	w.wantUsed(proto.GroupContent, proto.UDP8801, proto.TCP8801)
	if got := w.m.lanes[proto.GroupVideo].inUse.rung; got != proto.TCP8801 {
		t.Errorf("video is on %s", got)
	}
	w.record("path-moved")
}

func TestSilenceOnTheLastRungIsALoss(t *testing.T) {
	w := newWorld(t, Config{}, zoneOf("a", 0, 0))
	welcomes(w)
	w.run(9000)
	w.at(10_000, PathSilent{w.m.lanes[proto.GroupAudio].inUse.id})
	w.run(12_000)
	got, at := w.used(proto.GroupAudio)
	if fmt.Sprint(got) != "[udp-8801 udp-8801]" || at[1] > 10_100 {
		t.Errorf("audio used %v at %v, want fresh transports at once", got, at)
	}
}

// UDP that is known to work and waits for its keys is not raced by connections; one that stops there is, in time.
func TestAPathThatCarriesGetsAnotherHeadStart(t *testing.T) {
	for _, c := range []struct {
		name     string
		carries  float64 // ms after its start; 0: not told
		up       float64 // likewise
		want     []proto.Rung
		tcp, tls float64 // ms after UDP's start
	}{
		{"slow, and nothing known", 0, 400, []proto.Rung{proto.UDP8801, proto.TCP8801}, 250, 0},
		{"slow, and known to work", 200, 400, []proto.Rung{proto.UDP8801}, 0, 0},
		{"no keys come", 200, 0, []proto.Rung{proto.UDP8801, proto.TCP8801, proto.TLS443}, 450, 700},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Config{Rungs: allRungs}, zoneOf("a", 0, 0))
			welcomes(w)
			w.media = func(s StartTransport) (Event, float64) {
				if s.Rung != proto.UDP8801 {
					return nil, 0
				}
				if c.carries > 0 {
					w.after(c.carries, PathCarries{s.Attempt})
				}
				if c.up > 0 {
					return TransportUp{Attempt: s.Attempt}, c.up
				}
				return nil, 0
			}
			w.run(1500)
			var rungs []proto.Rung
			var at []float64
			all, times := find[StartTransport](w)
			for i, s := range all {
				if s.Group == proto.GroupAudio {
					rungs, at = append(rungs, s.Rung), append(at, times[i]-times[0])
				}
			}
			if !slices.Equal(rungs, c.want) {
				t.Fatalf("it tried %v, want %v\n%s", rungs, c.want, w.lines())
			}
			for i, want := range []float64{0, c.tcp, c.tls}[:len(at)] {
				if at[i] != want {
					t.Errorf("%s began %v ms after UDP, want %v", rungs[i], at[i], want)
				}
			}
		})
	}
}
