package meeting

import (
	"fmt"
	"testing"
	"time"

	"parley/wire/proto"
)

func drain(m *Meeting) {
	for {
		if _, ok := m.Next(); !ok {
			return
		}
	}
}

// fill lets n people in, with microphone and camera on.
func fill(m *Meeting, now time.Time, n int) time.Time {
	for id := proto.ParticipantID(1); int(id) <= n; id++ {
		m.Handle(now, Join{Claims: claims(id, part), Seed: uint32(id)})
		m.Handle(now, Received{id, proto.Publish{Kind: proto.Audio, Active: true}})
		m.Handle(now, Received{id, proto.Publish{Kind: proto.Video, Active: true, Layers: threeLayers}})
		drain(m)
		now = now.Add(10 * time.Millisecond)
	}
	return now
}

// BenchmarkJoin300 is a whole meeting filling up: per op, 300 joins with both sources published.
func BenchmarkJoin300(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		m := New(start, Config{}, proto.Settings{JoinBeforeHost: true})
		fill(m, start, 300)
	}
}

// BenchmarkLevel is one packet's level in a meeting of 300 in which many speak.
func BenchmarkLevel(b *testing.B) {
	m := New(start, Config{}, proto.Settings{JoinBeforeHost: true})
	now := fill(m, start, 300)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		m.Handle(now, Level{Source: proto.Source(proto.ParticipantID(1+i%300), proto.Audio), DBov: uint8(20 + i%7), Voice: true})
		if i%300 == 0 {
			now = now.Add(20 * time.Millisecond)
			drain(m)
		}
	}
}

// BenchmarkRemap300 maps the slots of 300 receivers with a layout each.
func BenchmarkRemap300(b *testing.B) {
	m := New(start, Config{}, proto.Settings{JoinBeforeHost: true})
	now := fill(m, start, 300)
	for id := proto.ParticipantID(1); id <= 300; id++ {
		l := proto.Layout{Version: 1}
		for k := range proto.ParticipantID(25) {
			l.Tiles = append(l.Tiles, proto.Tile{Source: proto.Source(1+(id+k*7)%300, proto.Video), Height: 180})
		}
		now = now.Add(time.Second)
		m.Handle(now, Received{id, l})
		drain(m)
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		m.mapAll(now)
		m.remap(now)
		drain(m)
	}
}

func TestLevelDoesNotAllocate(t *testing.T) {
	m := New(start, Config{}, proto.Settings{JoinBeforeHost: true})
	now := fill(m, start, 50)
	i := 0
	n := testing.AllocsPerRun(1000, func() {
		i++
		m.Handle(now, Level{Source: proto.Source(proto.ParticipantID(4+i%40), proto.Audio), DBov: 60, Voice: true})
	})
	if n > 0 {
		t.Errorf("%v allocations per level", n)
	}
}

func TestMessagesOfAFullMeetingFit(t *testing.T) {
	w := newWorld(t, Config{}, proto.Settings{WaitingRoom: true}).join(1, host)
	w.quick = true
	for id := proto.ParticipantID(2); id <= 300; id++ {
		c := claims(proto.MaxParticipantID-id, part)
		c.Name = ""
		for range maxNameRunes {
			c.Name += "<"
		}
		w.do(Join{Claims: c, Caps: proto.Caps{VideoSlots: 49}, Seed: uint32(id)})
	}
	w.act(1, proto.ActAdmit, 0)
	w.act(1, proto.ActCohost, proto.MaxParticipantID-2)
	for id := proto.ParticipantID(2); id <= 300; id++ {
		for k := range proto.Kind(proto.NKinds) {
			w.say(proto.MaxParticipantID-id, proto.Publish{Kind: k, Active: true})
		}
	}
	w.act(1, proto.ActMuteAll, 0)
	w.join(1, host)
	w.quick = false
	w.do(Tick{})
	w.want("people", fmt.Sprint(len(w.client(1).roster), len(w.client(proto.MaxParticipantID-300).roster)), "300 300")
}
