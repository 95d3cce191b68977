package meeting

import (
	"testing"
	"time"

	"parley/wire/proto"
)

// Twenty of a hundred come or go each second. However many they are, nobody is told more than ten times a
// second, and everybody knows in the end.
func TestALargeMeetingIsToldOfMovementTogether(t *testing.T) {
	w := open(t)
	for i := range 99 {
		w.join(proto.ParticipantID(i+1), part)
	}
	w.pass(time.Second)
	deltas := func() int { return int(w.m.roster.version) }
	before := deltas()
	for i := range 100 {
		id := proto.ParticipantID(20 + i%20)
		w.do(Gone{id, proto.CodeLeft}).pass(5 * time.Millisecond) // and back within the same delta
		w.join(id, part).pass(5 * time.Millisecond)
		w.do(Gone{id + 30, proto.CodeLeft}).join(id+200, part).pass(40 * time.Millisecond)
		w.join(id+30, part).do(Gone{id + 200, proto.CodeLeft})
	}
	if n := deltas() - before; n > 55 || n < 40 {
		t.Errorf("%d deltas in five seconds of movement, want 50", n)
	}
	w.pass(100 * time.Millisecond)
	w.want("all told", w.m.roster.at.IsZero(), true)
	w.check()

	// One alone is told at once.
	w.pass(time.Second)
	before = deltas()
	w.join(999, part).want("deltas", deltas()-before, 1)
}

func TestASmallMeetingIsToldAtOnce(t *testing.T) {
	w := open(t)
	for i := range 20 {
		w.join(proto.ParticipantID(i+1), part).want("all told", w.m.roster.at.IsZero(), true)
	}
}
