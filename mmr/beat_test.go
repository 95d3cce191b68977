package mmr

import (
	"testing"
	"time"

	"parley/wire/proto"
)

func TestAClientIsCutOffForItsOwnSilence(t *testing.T) {
	const beat = 2 * time.Second
	for _, c := range []struct {
		name         string
		heard, wrote time.Duration // before now; wrote 0: nothing is on its way out
		late         time.Duration // the beat
		cut, ping    bool
	}{
		{name: "heard just now", heard: time.Millisecond},
		{name: "quiet for a heartbeat", heard: beat, ping: true},
		{name: "quiet for nearly three", heard: 3*beat - time.Millisecond, ping: true},
		{name: "quiet for three", heard: 3 * beat, ping: true, cut: true},
		{name: "takes a message", heard: time.Millisecond, wrote: writeTimeout - time.Millisecond},
		{name: "does not take a message", heard: time.Millisecond, wrote: writeTimeout, cut: true},
		{name: "this process stood still", heard: time.Minute, late: time.Minute - time.Second},                               // what came is unread
		{name: "in the middle of a message", heard: time.Minute, wrote: time.Minute, late: time.Minute - time.Second},         // it may well have been taken
		{name: "quiet before it stood still", heard: time.Minute + 3*beat, late: time.Minute, ping: true, cut: true},          // that is silence of its own
		{name: "stood still for longer than the client was quiet", heard: time.Second, wrote: time.Second, late: time.Minute}, // read before the beat came
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			ch := newChannel(nil, proto.Claims{}, proto.Caps{})
			ch.began = now.Add(-time.Hour)
			ch.hear(now.Add(-c.heard))
			if c.wrote > 0 {
				ch.wroteAt.Store(ch.since(now.Add(-c.wrote)))
			}
			next, ping := ch.judge(now, now.Add(-c.late), beat)
			if (next <= 0) != c.cut || ping != c.ping {
				t.Errorf("next beat in %v, ping %v; want it cut off: %v, ping %v", next, ping, c.cut, c.ping)
			}
			if next > beat {
				t.Errorf("next beat in %v, want at most %v", next, beat)
			}
		})
	}
}

// A process that stands still again and again, for less than three heartbeats each time, cuts nobody off who is there,
// and in the end who is not.
func TestWhoIsGoneIsCutOffByAProcessThatStandsStillOften(t *testing.T) {
	const beat, still = 2 * time.Second, 5 * time.Second
	began := time.Now()
	ch := newChannel(nil, proto.Claims{}, proto.Caps{})
	ch.began = began
	now, awake := began, time.Duration(0)
	for next := beat; ; {
		due := now.Add(next)
		now, awake = due.Add(still), awake+next
		if next, _ = ch.judge(now, due, beat); next <= 0 {
			break
		}
		if awake > time.Minute {
			t.Fatal("never cut off")
		}
	}
	if awake != 3*beat {
		t.Errorf("cut off after %v awake, want %v", awake, 3*beat)
	}
}
