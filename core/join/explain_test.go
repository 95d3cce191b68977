package join

import (
	"testing"

	"parley/wire/proto"
)

// TestThePortIsNamed: a rung has its name of its usual port, and a report says the one that media goes to.
func TestThePortIsNamed(t *testing.T) {
	w := newWorld(t, Config{Rungs: []proto.Rung{proto.UDP8801, proto.TCP8801}}, zoneOf("a", 0, 0))
	w.media = func(s StartTransport) (Event, float64) {
		switch {
		case s.Rung == proto.UDP8801 && s.Group == proto.GroupAudio:
			return TransportUp{Attempt: s.Attempt, Port: 3478}, 60
		case s.Rung == proto.UDP8801 && s.Group == proto.GroupVideo:
			return TransportUp{Attempt: s.Attempt, Port: 8801}, 60
		}
		return TransportUp{Attempt: s.Attempt}, 60
	}
	w.run(5000)
	w.wantWhy("Audio runs over UDP 3478.")
	w.wantWhy("Video runs over UDP 8801.")
	w.wantWhy("Content runs over UDP 8801.")
	audio := proto.GroupAudio
	id := w.m.lanes[audio].inUse.id
	w.handle(PathMoved{Attempt: id, Rung: proto.TCP8801, Port: 8801})
	w.wantWhy("Audio runs over TCP 8801.")
	w.handle(PathMoved{Attempt: id, Rung: proto.UDP8801, Port: 443})
	w.wantWhy("Audio runs over UDP 443.")
	w.record("other-port")
}

// TestAProxyThatIsNotUsedIsTold: who set one would look for the fault elsewhere.
func TestAProxyThatIsNotUsedIsTold(t *testing.T) {
	zones := []proto.Zone{zoneOf("a", 0, 0)}
	w := newWorld(t, Config{}, zones...)
	w.lookup = func(int) (Event, float64) {
		done := w.answer(zones)
		done.Unused = "The proxy script could not be used: its server answers 404"
		return done, 360
	}
	w.run(5000)
	w.wantWhy("The proxy script could not be used: its server answers 404; servers are reached directly.")
	w.record("proxy-unused")
}
