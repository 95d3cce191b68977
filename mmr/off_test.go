package mmr

import (
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// With gathering switched off nothing waits for anything, however busy the shard is.
func TestOffMeansOff(t *testing.T) {
	for seed := range uint64(4) {
		cfg := PlaneConfig{HoldFrom: -1, HoldVideo: -1, HoldAudio: -1, Gather: -1, Shards: 1 + int(seed%2), Together: 1}
		st := performWith(t, 900+seed, 100, cfg)
		if st.failed {
			return
		}
		if st.longest != 0 || st.media < 1000 {
			t.Errorf("of %d packets one waited %v, want none to wait", st.media, st.longest)
		}
		for _, s := range st.plane.shards {
			if !s.holding || s.asides {
				t.Errorf("holding %v, sets aside %v; want a busy shard that sets nothing aside", s.holding, s.asides)
			}
			if _, held := s.heldVideo.first(); held {
				t.Error("a hold is kept")
			}
		}
	}
}

// A transport over which media flows has no goroutine and no timer of its own: its DTLS state is gone.
func TestATransportHasNoGoroutine(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{})
	far := func() rtp.Seq { return 1000 }
	for id := range proto.ParticipantID(8) {
		st.join(id+1, false, far, far)
	}
	if n := handshakes(t); n == 0 {
		t.Error("no handshake is found among the goroutines: the test looks for the wrong ones")
	}
	st.play(2)
	until := time.Now().Add(20 * time.Second)
	for handshakes(t) > 0 && time.Now().Before(until) {
		runtime.Gosched() // they have been told to end
	}
	if n := handshakes(t); n > 0 {
		t.Errorf("%d goroutines for 16 transports", n)
	}
	if s := st.s; s.drops[DropSeal] > 0 || s.mux.Counters().Transports != 16 {
		t.Errorf("%+v", s.mux.Counters())
	}
}

// handshakes is how many goroutines serve transports.
func handshakes(t *testing.T) int {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	n := 0
	for g := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(g, "parley/sys/rtc") && !strings.Contains(g, "mmr.handshakes") {
			n++
		}
	}
	return n
}
