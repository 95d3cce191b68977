package meeting

import (
	"testing"
	"time"

	"parley/wire/proto"
)

type ids = []proto.ParticipantID

// crowd is a meeting with a listener 1 and n open microphones 2….
func crowd(t *testing.T, n int) *world {
	w := open(t).join(1, part)
	for i := range n {
		w.join(proto.ParticipantID(i+2), part).mic(proto.ParticipantID(i + 2))
	}
	return w.pass(time.Second)
}

func TestSmallMeetingHearsEverybody(t *testing.T) {
	w := crowd(t, 3)
	w.want("without a word", w.hears(1), ids{2, 3, 4}).want("not oneself", w.hears(2), ids{3, 4})
}

func TestFreePlaceIsFilledAgain(t *testing.T) {
	w := crowd(t, 4)
	w.want("three of four", w.hears(1), ids{2, 3, 4})
	w.say(3, proto.Publish{Kind: proto.Audio, Active: true, Muted: true}).pass(mapEvery).want("muted", w.hears(1), ids{2, 4, 5})
	w.do(Gone{2, proto.CodeLeft}).pass(mapEvery).want("left", w.hears(1), ids{4, 5})
}

func TestWhoSpeaksIsHeard(t *testing.T) {
	w := crowd(t, 6).pass(placeHold)
	w.do(Level{Source: proto.Source(7, proto.Audio), DBov: 30, Voice: true}).pass(mapEvery)
	w.want("at once for a silent one", w.hears(1), ids{3, 4, 7})
}

func TestPlacesAreHeld(t *testing.T) {
	for _, c := range []struct {
		name   string
		held   time.Duration // before the newcomer speaks
		dBov   uint8         // of the newcomer; the others speak at 30
		speaks time.Duration
		want   bool
	}{
		{"softer", 10 * time.Second, 40, 5 * time.Second, false},
		{"as loud", 10 * time.Second, 30, 5 * time.Second, false},
		{"a bit louder, long held", 10 * time.Second, 26, 500 * time.Millisecond, true},
		{"a bit louder, too short", 10 * time.Second, 26, 250 * time.Millisecond, false},
		{"a bit louder, just placed", 500 * time.Millisecond, 26, time.Second, false},
		{"clearly louder, just placed", 500 * time.Millisecond, 20, 500 * time.Millisecond, true},
		{"clearly louder, too short", 500 * time.Millisecond, 20, 250 * time.Millisecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := crowd(t, 3)
			for _, p := range w.m.speech.places {
				p.voice.placedAt = w.now // as if placed just now
			}
			w.join(9, part).mic(9)
			w.speak(c.held, 30, 2, 3, 4)
			for end := w.now.Add(c.speaks); w.now.Before(end); {
				for _, id := range (ids{2, 3, 4}) {
					w.do(Level{Source: proto.Source(id, proto.Audio), DBov: 30, Voice: true})
				}
				w.do(Level{Source: proto.Source(9, proto.Audio), DBov: c.dBov, Voice: true})
				w.pass(20 * time.Millisecond)
			}
			w.want("placed", w.m.people[9].voice.placed, c.want)
		})
	}
}

func TestSilenceMovesNobody(t *testing.T) {
	w := crowd(t, 4).pass(10 * time.Second)
	for range 100 {
		w.do(Level{Source: proto.Source(5, proto.Audio), DBov: 56, Voice: true})
		w.do(Level{Source: proto.Source(5, proto.Audio), DBov: 10, Voice: false})
		w.do(Level{Source: proto.Source(5, proto.Audio), DBov: 127})
		w.pass(20 * time.Millisecond)
	}
	w.want("hears", w.hears(1), ids{2, 3, 4})
	// Neither do levels of what is not a live microphone.
	w.do(Level{Source: proto.Source(1, proto.Audio), Voice: true}).do(Level{Source: proto.Source(99, proto.Audio), Voice: true})
	w.do(Level{Source: proto.Source(5, proto.Video), Voice: true}).want("actions", len(w.acts), 0)
}

func TestSpeakersAreNamed(t *testing.T) {
	w := crowd(t, 3)
	said := func() proto.Speakers { return last[proto.Speakers](w.client(1).inbox) }
	w.do(Level{Source: proto.Source(3, proto.Audio), DBov: 20, Voice: true})
	w.want("first word", said(), proto.Speakers{Active: 3, Loudest: ids{3}})

	n := 0
	for range 250 { // five seconds, two at once, 4 clearly louder
		w.do(Level{Source: proto.Source(3, proto.Audio), DBov: 30, Voice: true})
		n += count[Broadcast](w.acts)
		w.do(Level{Source: proto.Source(4, proto.Audio), DBov: 15, Voice: true})
		n += count[Broadcast](w.acts)
		w.pass(20 * time.Millisecond)
	}
	w.want("active", w.m.speech.sent, proto.Speakers{Active: 4, Loudest: ids{4, 3}})
	if n > 5 {
		t.Errorf("%d messages about two people who speak evenly", n)
	}
	w.join(9, part).want("a newcomer is told", last[proto.Speakers](w.client(9).inbox).Active, proto.ParticipantID(4))

	w.pass(2 * time.Second)
	w.want("silence", w.m.speech.sent, proto.Speakers{Active: 4, Loudest: ids{}})
	w.do(Gone{4, proto.CodeLeft}).pass(speakEvery).want("gone", w.m.speech.sent, proto.Speakers{Loudest: ids{}})
	at, why := w.m.Wake()
	if why == WakeSpeakers {
		t.Errorf("wakes for speakers at %v though all are silent", at)
	}
}

func TestSpeakersAtMostTenASecond(t *testing.T) {
	w := crowd(t, 3)
	n := 0
	for i := range 500 { // ten seconds in which they interrupt each other all the time
		id := proto.ParticipantID(2 + i/20%3)
		w.do(Level{Source: proto.Source(id, proto.Audio), DBov: uint8(10 + i%30), Voice: true})
		n += count[Broadcast](w.acts)
		w.pass(20 * time.Millisecond)
		n += count[Broadcast](w.acts)
	}
	if n > 101 {
		t.Errorf("%d messages in ten seconds", n)
	}
}
