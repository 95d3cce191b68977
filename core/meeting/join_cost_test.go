package meeting

import (
	"testing"
	"time"

	"parley/wire/proto"
)

// told is what people coming to a meeting makes its router say.
type told struct {
	messages, bytes int // each counted once, however many it goes to
	sent            int // and so often as it goes to somebody
	rows            int // of the list, to those who come
	welcome         int // bytes of what else their welcomes say
	slots           int // bytes of what their slots carry to begin with
}

// twentyJoin lets twenty people into a meeting of n within a second, who publish nothing yet.
func twentyJoin(n int) (all told) {
	m := New(start, Config{MaxPeople: 2000}, proto.Settings{JoinBeforeHost: true})
	now := fill(m, start, n)
	collect := func(count bool) {
		for a, ok := m.Next(); ok; a, ok = m.Next() {
			if !count {
				continue
			}
			switch a := a.(type) {
			case Broadcast:
				all.messages++
				all.bytes += len(proto.Encode(a.Msg))
				all.sent += len(a.To)
			case Send:
				switch msg := a.Msg.(type) {
				case proto.Welcome:
					all.rows += len(msg.Roster.Put)
					msg.Roster.Put = nil
					all.welcome += len(proto.Encode(msg))
				case proto.Roster: // what a welcome had no room for
					all.rows += len(msg.Put)
				case proto.Slots:
					all.slots += len(proto.Encode(msg))
				default:
					all.messages++
					all.bytes += len(proto.Encode(msg))
					all.sent++
				}
			}
		}
	}
	pass := func(d time.Duration, count bool) {
		end := now.Add(d)
		for {
			collect(count)
			at, _ := m.Wake()
			if at.IsZero() || at.After(end) {
				now = end
				return
			}
			now = maxTime(now, at)
			m.Handle(now, Tick{})
		}
	}
	pass(5*time.Second, false)
	for id := range proto.ParticipantID(20) {
		m.Handle(now, Join{Claims: claims(5000+id, part), Seed: uint32(id)})
		pass(50*time.Millisecond, true)
	}
	pass(5*time.Second, true)
	return all
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// A join makes no more work in a large meeting than in a small one, but for what must grow: who comes is given the
// list of people, and what there is to see as far as there are slots; and everybody hears of them, in fewer
// messages the more there are.
func TestAJoinCostsNoMoreInALargeMeeting(t *testing.T) {
	small, large := twentyJoin(10), twentyJoin(1000)
	t.Logf("among 10: %+v; among 1,000: %+v", small, large)
	if large.messages > small.messages || large.bytes > small.bytes {
		t.Errorf("among 1,000 people %d messages of %d bytes are made, among 10 %d of %d", large.messages, large.bytes, small.messages, small.bytes)
	}
	if large.welcome > small.welcome*102/100 { // longer numbers
		t.Errorf("among 1,000 people a welcome has %d bytes beside the list, among 10 %d", large.welcome/20, small.welcome/20)
	}
	if most := 20 * 25 * 60; large.slots > most {
		t.Errorf("%d bytes say what is in twenty tables of 25 slots and as many of sound, want %d at most", large.slots, most)
	}
	for n, got := range map[int]int{10: small.rows, 1000: large.rows} {
		if want := 20*n + 20*21/2; got != want {
			t.Errorf("among %d people %d rows of the list were sent, want each person's once to each who comes: %d", n, got, want)
		}
	}
	if most := 7 * 1020; large.sent > most { // seven seconds
		t.Errorf("twenty joins were told %d times, want %d at most: once a second to each", large.sent, most)
	}
}

// Nor does it take more pieces of memory.
func TestAJoinAllocatesNoMoreInALargeMeeting(t *testing.T) {
	allocs := func(n int) float64 {
		m := New(start, Config{MaxPeople: 2000}, proto.Settings{JoinBeforeHost: true})
		now := fill(m, start, n)
		id := proto.ParticipantID(5000)
		return testing.AllocsPerRun(100, func() {
			id++
			now = now.Add(10 * time.Millisecond)
			m.Handle(now, Join{Claims: claims(id, part), Seed: uint32(id)})
			drain(m)
		})
	}
	if small, large := allocs(40), allocs(1000); large > small+30 { // a message for each 32 KiB of the list
		t.Errorf("a join among 1,000 people takes %v pieces of memory, among 40 %v", large, small)
	}
}
