package mmr

import (
	"testing"
	"time"

	"parley/core/forward"
	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestRunsAreOfEqualSizeButTheLast(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		n     int
		size  int
	}{
		{"one packet", []int{1000}, 1, 1000},
		{"a frame as libwebrtc splits it", []int{1000, 1000, 1001, 1001, 1001}, 5, 1001}, // one byte of padding
		{"the last is shorter", []int{1100, 1100, 1100, 300}, 4, 1100},                   // AV1
		{"shorter in the middle ends the run", []int{1100, 300, 1100}, 2, 1100},
		{"longer by more than the padding", []int{1000, 1017}, 1, 1000},
		{"longer by as much as the padding", []int{1000, 1016}, 2, 1016},
		{"creeping growth stays within the padding", []int{1000, 1010, 1020}, 2, 1010},
		{"two sounds, the larger first", []int{130, 100}, 2, 130},
	} {
		descs := make([]forward.Desc, len(c.sizes))
		for i, s := range c.sizes {
			descs[i].Size = s
		}
		if n, size := run(descs); n != c.n || size != c.size {
			t.Errorf("%s: run of %d at %d bytes, want %d at %d", c.name, n, size, c.n, c.size)
		}
	}
}

func TestARunIsNoLongerThanTheKernelTakes(t *testing.T) {
	small := make([]forward.Desc, 200)
	for i := range small {
		small[i].Size = 100
	}
	if n, _ := run(small); n != maxRun {
		t.Errorf("run of %d small packets, want %d", n, maxRun)
	}
	large := make([]forward.Desc, 200)
	for i := range large {
		large[i].Size = 1200
	}
	if n, size := run(large); n*(size+64) >= 65_507 {
		t.Errorf("run of %d × %d bytes is more than a datagram's worth", n, size)
	}
}

func TestTheLargestSSRCGoesFirstAndEachKeepsItsOrder(t *testing.T) {
	s := &shard{}
	d := func(slot uint16, seq uint16, size int, rtx bool) forward.Desc {
		return forward.Desc{Slot: slot, Seq: 0, OSN: 0, Size: size, RTX: rtx, Pic: seq}
	}
	descs := []forward.Desc{
		d(1, 1, 100, false), d(2, 1, 900, false), d(1, 2, 120, false), d(2, 2, 1100, false), d(2, 3, 500, true),
	}
	s.order(descs)
	want := []forward.Desc{
		d(2, 1, 900, false), d(2, 2, 1100, false), d(2, 3, 500, true), d(1, 1, 100, false), d(1, 2, 120, false),
	}
	for i := range want {
		if descs[i] != want[i] {
			t.Fatalf("at %d: slot %d packet %d, want slot %d packet %d", i, descs[i].Slot, descs[i].Pic, want[i].Slot, want[i].Pic)
		}
	}
}

func TestAHoldQueueIsFirstInFirstOutAndReusesItsRoom(t *testing.T) {
	var q holdQueue
	t0 := time.Unix(0, 0)
	next, popped := 0, 0
	for round := range 20_000 {
		q.push(hold{at: t0.Add(time.Duration(next))})
		next++
		if round%3 != 0 {
			continue
		}
		for range 2 {
			if h, ok := q.first(); ok {
				if got := int(h.at.Sub(t0)); got != popped {
					t.Fatalf("popped %d, want %d", got, popped)
				}
				popped++
				q.pop()
			}
		}
	}
	for {
		h, ok := q.first()
		if !ok {
			break
		}
		if got := int(h.at.Sub(t0)); got != popped {
			t.Fatalf("popped %d, want %d", got, popped)
		}
		popped++
		q.pop()
	}
	if popped != next {
		t.Errorf("popped %d of %d", popped, next)
	}
}

// Room that one turn needed for what had piled up, and that of who has left, is not kept.
func TestRoomOfOutboxesGoesWithWhoNeededIt(t *testing.T) {
	st := newStage(t, 13, PlaneConfig{HoldFrom: -1})
	low := func() rtp.Seq { return 1000 }
	a, b := st.join(1, false, low, low), st.join(2, false, low, low)
	st.watch(a, b, 0, 2)
	st.play(3)
	s := st.of(a.key)
	if len(s.spare) == 0 {
		t.Fatal("no room is kept for what comes next")
	}
	piled := &outbox{descs: make([]forward.Desc, 20*maxBox)}
	s.emptied(piled)
	for _, room := range s.spare {
		if cap(room) > keptRoom {
			t.Errorf("room for %d packets is kept, want %d at most", cap(room), keptRoom)
		}
	}
	for range 100 { // as many as were there once
		s.emptied(&outbox{descs: make([]forward.Desc, 1)})
	}
	st.leave(a)
	if n := len(s.spare); n == 0 || n > proto.NGroups {
		t.Errorf("room of %d outboxes is kept for one person", n)
	}
	st.leave(b)
	if n := len(s.spare); n > 0 {
		t.Errorf("room of %d outboxes is kept for nobody", n)
	}
}
