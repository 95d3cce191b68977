package scenario

import (
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A participant costs a router one goroutine, that of the control channel: transports have none.
func TestAParticipantIsOneGoroutineOfTheRouter(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		join := func(from, to int) {
			var all []*person
			for i := from; i < to; i++ {
				all = append(all, w.Join(fmt.Sprintf("p%02d", i), m, performs))
			}
			for _, p := range all {
				p.WaitMedia()
			}
			w.pass(45 * time.Second) // what DTLS keeps for a peer that says nothing has gone, too
		}
		join(0, 2)
		few := ofTheRouter(t)
		join(2, 8)
		many := ofTheRouter(t)
		if got := many - few; got != 6 {
			t.Errorf("6 people more are %d goroutines more (%d, then %d), want 6", got, few, many)
		}
	})
}

// ofTheRouter counts the goroutines of routers and their transports.
func ofTheRouter(t *testing.T) (n int) {
	t.Helper()
	synctest.Wait() // for what is being said just now
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	for g := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(g, "parley/mmr.") || strings.Contains(g, "rtc.(*Mux)") {
			n++
		}
	}
	return n
}
