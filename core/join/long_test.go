package join

import (
	"slices"
	"strings"
	"testing"

	"parley/wire/proto"
)

// narrowWorld is one zone that answers short probes alone.
func narrowWorld(t *testing.T, cfg Config) *world {
	cfg.Rungs = allRungs
	w := granted(t, cfg, []proto.Zone{zoneOf("oslo", 0, 0)}, "oslo")
	w.short = map[string]bool{"oslo:8801": true}
	return w
}

// wantPaths compares what carries each group now.
func wantPaths(t *testing.T, w *world, want ...proto.Rung) {
	t.Helper()
	for g, rung := range want {
		if u := w.m.lanes[g].inUse; u == nil || u.rung != rung {
			t.Errorf("%v is not on %s at %v ms:\n%s", proto.Group(g), rung, w.ms(), w.lines())
		}
	}
}

func TestPicturesLeaveUDPWhereLongDatagramsGetLost(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.run(1500)
	w.wantState(In)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801)
	w.run(3000)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801, proto.TCP8801)
	if !w.m.Short() {
		t.Error("there is nothing to remember")
	}
	w.wantWhy("Video runs over TCP 8801, since large UDP datagrams get lost.")
	w.record("long-tcp")
	w.run(20 * 60_000)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801, proto.TCP8801)
	if n := strings.Count(w.lines(), "did not come back"); n > 3 {
		t.Errorf("it is said %d times that long datagrams get lost:\n%s", n, w.lines())
	}
	starts, at := find[StartTransport](w)
	for i, s := range starts {
		if s.Group != proto.GroupAudio && s.Rung == proto.UDP8801 && at[i] > 500 {
			t.Errorf("%v tries UDP again at %v ms", s.Group, at[i])
		}
	}
}

// The path in use is left only when its successor is up, and not at all where nothing else passes.
func TestPicturesStayOnUDPWhereNothingElsePasses(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.media = func(s StartTransport) (Event, float64) {
		if s.Rung != proto.UDP8801 {
			return nil, 0
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(4 * 60_000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
	closed, _ := find[CloseTransport](w)
	if slices.ContainsFunc(closed, func(c CloseTransport) bool { return c.Rung == proto.UDP8801 }) {
		t.Errorf("a transport that carried media was closed:\n%s", w.lines())
	}
	if probed, _ := find[StartTransport](w); len(probed) > 30 {
		t.Errorf("%d attempts in four minutes", len(probed))
	}
	w.record("long-closed")
}

func TestOneLongAnswerIsEnough(t *testing.T) {
	for name, tt := range map[string]struct {
		heal float64 // ms
		tcp  bool    // pictures were moved before
	}{"before they are moved": {300, false}, "afterwards": {3100, true}} {
		w := narrowWorld(t, Config{})
		w.at(tt.heal, ProbeDone{Addr: "oslo:8801", Seq: 6, RTT: 500, Padded: true})
		w.run(tt.heal - 1)
		w.run(5000)
		wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
		starts, _ := find[StartTransport](w)
		moved := slices.ContainsFunc(starts, func(s StartTransport) bool { return s.Rung == proto.TCP8801 })
		if moved != tt.tcp || w.m.Short() || strings.Contains(w.lines(), SayShort()) {
			t.Errorf("%s: moved %v, want %v; short %v:\n%s", name, moved, tt.tcp, w.m.Short(), w.lines())
		}
		if tt.tcp {
			w.record("long-late")
		}
	}
}

// What was in the way goes in mid-call.
func TestPicturesComeBackOnceLongDatagramsPass(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.run(3000)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801, proto.TCP8801)
	w.short = nil
	w.run(52_000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
	if w.m.Short() {
		t.Error("still told to be narrow")
	}
	w.record("long-gone")
}

// Without short answers sent beside them, unanswered long probes tell nothing.
func TestSilenceTellsNothingOfLength(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.at(71, Tick{})
	w.run(81)
	delete(w.udp, "oslo:8801")
	w.run(5000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
	if w.m.Short() {
		t.Errorf("told to be narrow:\n%s", w.lines())
	}
}

func TestANarrowNetworkIsRemembered(t *testing.T) {
	w := narrowWorld(t, Config{Short: true, LastRung: proto.UDP8801})
	w.run(3000)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801, proto.TCP8801)
	starts, at := find[StartTransport](w)
	for i, s := range starts {
		if s.Group != proto.GroupAudio && s.Rung == proto.UDP8801 {
			t.Errorf("%v over UDP tried at %v ms", s.Group, at[i])
		}
	}
	w.record("long-remembered")

	w = narrowWorld(t, Config{Short: true})
	w.short = nil // the network has been mended
	w.run(3000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
	if w.m.Short() {
		t.Error("still told to be narrow")
	}
	w.record("long-mended")
}

// Where media goes on over UDP from another network, it is asked at once whether pictures still fit.
func TestLengthIsAskedAgainWhereMediaGoesOn(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.short = nil
	w.run(5000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
	w.short = map[string]bool{"oslo:8801": true}
	w.at(5001, NetworkChanged{Kept: true})
	w.run(9000)
	wantPaths(t, w, proto.UDP8801, proto.TCP8801, proto.TCP8801)
	w.wantWhy("Video runs over TCP 8801, since large UDP datagrams get lost.")
	if _, at := find[OpenControl](w); len(at) != 1 {
		t.Errorf("the control channel was opened at %v", at)
	}
	w.record("long-after-a-move")
}

// In another network it is another question.
func TestLengthIsAskedAgainInAnotherNetwork(t *testing.T) {
	w := narrowWorld(t, Config{})
	w.run(5000)
	w.short = nil
	w.at(5001, NetworkChanged{})
	w.run(9000)
	wantPaths(t, w, proto.UDP8801, proto.UDP8801, proto.UDP8801)
}
