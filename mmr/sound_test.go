package mmr

import (
	"os"
	"testing"
	"time"

	"parley/core/meeting"
	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// soundStage is a stage whose shards have sound set aside: it is there from arrives on. The clock moves by step with each
// look at it.
type soundStage struct {
	*stage
	step    time.Duration
	arrives time.Time
	aside   []link.Message
	sent    []proto.Group // to whom, in order
}

func newSoundStage(t *testing.T, listeners, shards int) (st *soundStage, speaker *actor) {
	t.Helper()
	st = &soundStage{stage: newStage(t, 1, PlaneConfig{HoldFrom: -1, Shards: shards, Together: 1})}
	st.lax = true
	far := func() rtp.Seq { return 1000 }
	speaker = st.join(1, false, far, far)
	for id := range listeners {
		st.watch(st.join(proto.ParticipantID(id+2), false, far, far), speaker, 0, 2)
	}
	st.saw = func(m *link.Message) {
		if m.Buf[0] >= 128 && !rtp.IsRTCP(m.Buf) {
			st.sent = append(st.sent, st.at[m.Addr].group)
		}
	}
	for _, s := range st.plane.shards {
		s.clock = func() time.Time {
			st.now = st.now.Add(st.step)
			return st.now
		}
		s.batches = []*batch{{via: st.conn, ms: make([]link.Message, batchLen)}}
		s.tryAside = func(_ link.PacketConn, ms []link.Message) (n int, err error) {
			if s == st.of(speaker.key) && !st.now.Before(st.arrives) {
				n = copy(ms, st.aside)
				st.aside = st.aside[n:]
			}
			return n, nil
		}
	}
	for range 5 { // the keys of both transports are in use, and pictures have begun
		st.speak(speaker)
		st.show(speaker)
		st.feed(speaker, st.queue)
		st.queue = nil
		st.turn()
		st.wait(20 * time.Millisecond)
	}
	return st, speaker
}

// feed has a shard read what is on its way from an actor, without a turn.
func (st *soundStage) feed(a *actor, ps []parcel) {
	st.of(a.key).receive(st.now, st.conn, st.messages(ps))
}

func (st *soundStage) messages(ps []parcel) (ms []link.Message) {
	for _, p := range ps {
		ms = append(ms, link.Message{Buf: p.data, N: len(p.data), Addr: p.from, Local: stageAddr.Addr()})
	}
	return ms
}

// prepare has a picture read, and sound arrive a moment after, which is 5 ms before it is looked for.
func (st *soundStage) prepare(speaker *actor) {
	st.speak(speaker)
	sound := st.queue
	st.queue = nil
	st.show(speaker)
	st.feed(speaker, st.queue)
	st.queue, st.sent = nil, nil
	st.aside, st.arrives = st.messages(sound), st.now.Add(time.Nanosecond)
	for _, s := range st.plane.shards {
		s.asides, s.soundUntil, s.asideAt = true, st.now.Add(time.Minute), st.now.Add(holdAudio)
	}
}

func (st *soundStage) count() (sound, pictures int) {
	for _, g := range st.sent {
		if g == proto.GroupAudio {
			sound++
		} else {
			pictures++
		}
	}
	return sound, pictures
}

// A turn with much to send lets sound out that came after it began, and does not have it wait for its end.
func TestSoundLeavesBetweenPictures(t *testing.T) {
	const listeners = 3 * betweenBoxes
	st, speaker := newSoundStage(t, listeners, 1)
	st.prepare(speaker)
	st.step = holdAudio / 2
	st.s.turn(st.now)
	sound, pictures := st.count()
	if sound != listeners || pictures < listeners {
		t.Fatalf("%d packets of sound and %d runs of pictures were sent, to %d people", sound, pictures, listeners)
	}
	if st.sent[len(st.sent)-1] == proto.GroupAudio || st.sent[0] == proto.GroupAudio {
		t.Errorf("sound left before all pictures, or after: %v", st.sent)
	}
}

// Where so much is set aside that looking at it takes longer than sound may wait, every other moment is for pictures.
func TestPicturesLeaveThoughMuchIsSetAside(t *testing.T) {
	const listeners = 10 * betweenBoxes
	st, speaker := newSoundStage(t, listeners, 1)
	st.prepare(speaker)
	st.step = betweenBoxes * 8 * time.Microsecond
	st.now = st.now.Add(holdAudio)
	looks, before := 0, 0
	st.s.tryAside = func(link.PacketConn, []link.Message) (int, error) {
		looks++
		_, before = st.count()
		st.now = st.now.Add(2 * holdAudio)
		return 0, nil
	}
	st.s.turn(st.now)
	if _, pictures := st.count(); looks != 1 || pictures-before < listeners/2 {
		t.Errorf("looked %d times while %d people's pictures were sent, and %d after the last", looks, pictures, pictures-before)
	}
}

// Between two turns that are far apart sound leaves 5 ms after it was last looked for, and pictures do not: they wait
// for the turn.
func TestSoundLeavesBetweenTurns(t *testing.T) {
	const apart = 18 * time.Millisecond
	for _, c := range []struct {
		name   string
		off    bool // nobody speaks
		woken  time.Duration
		pauses []time.Duration
		sound  int
	}{
		{"somebody speaks", false, 0, []time.Duration{holdAudio, holdAudio, holdAudio, apart - 3*holdAudio}, 1},
		{"silence", true, 0, []time.Duration{apart}, 0},
		{"something wants a turn", false, 2 * time.Millisecond, []time.Duration{holdAudio}, 0},
	} {
		st, speaker := newSoundStage(t, 1, 1)
		st.prepare(speaker)
		if c.off {
			st.s.soundUntil = st.now
		}
		var pauses []time.Duration
		p, began := pace{least: time.Millisecond}, st.now
		st.s.collect(&p, func(d time.Duration) {
			pauses = append(pauses, d)
			if c.woken > 0 {
				d = c.woken
			}
			st.now = st.now.Add(d)
		}, began.Add(apart), began.Add(time.Hour))
		if sound, pictures := st.count(); sound != c.sound || pictures != 0 {
			t.Errorf("%s: %d packets of sound and %d pictures were sent, want %d and 0", c.name, sound, pictures, c.sound)
		}
		if len(pauses) != len(c.pauses) {
			t.Fatalf("%s: waited %v, want %v", c.name, pauses, c.pauses)
		}
		for i := range pauses {
			if pauses[i] != c.pauses[i] {
				t.Errorf("%s: waited %v, want %v", c.name, pauses, c.pauses)
			}
		}
	}
}

// Sound for a listener on another shard goes there when it is read, and on when that one listens next.
func TestSoundCrossesShardsBetweenTurns(t *testing.T) {
	st, speaker := newSoundStage(t, 1, 2)
	own := st.of(speaker.key)
	other := st.plane.shards[1-own.index]
	if st.of(st.actors[1].key) != other {
		t.Fatal("both are on one shard")
	}
	st.prepare(speaker)
	st.now = st.now.Add(holdAudio)
	own.listen()
	if len(st.sent) > 0 {
		t.Fatalf("sent %v before the other shard has looked", st.sent)
	}
	other.listen()
	if sound, pictures := st.count(); sound != 1 || pictures != 0 {
		t.Errorf("%d packets of sound and %d pictures were sent, want 1 and 0", sound, pictures)
	}
}

// Where the kernel sets nothing aside, sound comes with pictures: turns are no further apart than it may wait.
func TestTurnsWithSoundAreNear(t *testing.T) {
	for _, c := range []struct {
		name string
		hold time.Duration
		want time.Duration
	}{{"as it comes", 0, holdAudio}, {"not held", -1, gather}} {
		st := newStage(t, 1, PlaneConfig{HoldFrom: -1, HoldAudio: c.hold})
		p := pace{least: gather}
		now := st.now
		st.s.soundUntil = now.Add(time.Minute)
		var next time.Time
		for range 500 { // a shard without a moment's rest
			next, _ = st.s.paced(&p, now, now.Add(2*time.Millisecond), 0)
			now = now.Add(2 * time.Millisecond)
		}
		if got := next.Sub(now.Add(-2 * time.Millisecond)); got != c.want {
			t.Errorf("%s: turns are %v apart, want %v", c.name, got, c.want)
		}
	}
}

// Rooms are told of levels every 20 ms, and those whose sound comes together are told together, whenever that of each began.
func TestRoomsAreToldOfLevelsTogether(t *testing.T) {
	const ms = time.Millisecond
	var rooms [5]levelBox
	now := time.Unix(1000, 0)
	told, turns := [len(rooms)]int{}, 0
	for at := range 1000 / 5 { // turns 5 ms apart
		any := false
		for i := range rooms {
			if at < i { // they begin one after the other
				continue
			}
			if rooms[i].put(now, meeting.Level{Source: 1}) {
				any = true
				told[i]++
				rooms[i].take()
			}
		}
		if any {
			turns++
		}
		now = now.Add(5 * ms)
	}
	for i, n := range told {
		if want := int(time.Second / levelsEvery); n < want-1 || n > want+1 {
			t.Errorf("room %d was told %d times in a second, want %d", i, n, want)
		}
	}
	if most := int(time.Second/levelsEvery) + len(rooms); turns > most {
		t.Errorf("rooms were told in %d turns, want at most %d", turns, most)
	}
}

// With sound set aside, and sent on its own between pictures, everything is as without: on one shard, and on two.
// PARLEY_SOAK=1 does it on millions of packets.
func TestEveryPacketArrivesWithSoundSetAside(t *testing.T) {
	seeds, steps := uint64(4), 120
	if os.Getenv("PARLEY_SOAK") != "" {
		seeds, steps = 50, 400
	}
	for seed := range seeds {
		st := newStage(t, 700+seed, PlaneConfig{HoldFrom: -1, Shards: 1 + int(seed%2), Together: 1})
		st.setAside()
		if st.perform(t, 700+seed, steps); st.failed {
			return
		}
		leaveNothing(t, st)
		if st.media < 2000 {
			t.Errorf("%d packets were compared: too few to show anything", st.media)
		}
	}
}
