package mmr

import (
	"testing"
	"time"

	"parley/core/meeting"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// Who looks away, and back just when the source would no longer be followed, sees it: the table that says so may
// come a moment after that.
func TestASourceWantedAgainAtTheLastMomentIsFollowed(t *testing.T) {
	for _, before := range []time.Duration{20 * time.Millisecond, tableEvery / 2, 0, -20 * time.Millisecond} {
		st := newStage(t, 11, PlaneConfig{HoldFrom: 1 << 30, Shards: 2, Together: 1})
		low := func() rtp.Seq { return 1000 }
		a, b := st.join(1, false, low, low), st.join(2, false, low, low)
		s := st.of(a.key)
		if s == st.of(b.key) {
			t.Fatal("both are on one shard")
		}
		st.watch(a, b, 0, 2)
		st.play(3)
		st.plane.wire(st.room, []meeting.Wire{{ID: a.id, Slot: 0}, {ID: a.id, Slot: 2}})
		st.turn()
		for _, i := range []int{0, 2} {
			st.ref.wire(a.slots[i].SSRC, 0, 0)
		}
		st.wait(2 * tableEvery)
		if len(s.exchange.lingering) == 0 {
			t.Fatal("nothing lingers")
		}
		st.wait(s.exchange.lingering[0].at.Add(-before).Sub(st.now))
		st.plane.wire(st.room, []meeting.Wire{
			{ID: a.id, Slot: 0, Source: proto.Source(b.id, proto.Audio)}, {ID: a.id, Slot: 2, Source: proto.Source(b.id, proto.Video)},
		})
		st.turn()
		st.wait(2 * tableEvery)
		for _, i := range []int{0, 2} {
			st.ref.wire(a.slots[i].SSRC, uint32(proto.Source(b.id, a.slots[i].Kind)), 0)
		}
		st.where = before.String()
		had := st.media
		st.play(3)
		if st.failed || st.media == had {
			t.Errorf("%v before the end: %d packets came", before, st.media-had)
		}
		for _, who := range []*actor{a, b} {
			st.leave(who)
		}
		st.wait(lingerFor + time.Second)
		for _, s := range st.plane.shards {
			nothingLeft(t, st, s)
		}
	}
}

// Where the process stands still for as long as the places of those who left are kept, nobody knows any more whose
// a source was that is still followed.
func TestASourceIsFollowedNoMoreThoughItsSendersPlaceIsForgotten(t *testing.T) {
	st := newStage(t, 12, PlaneConfig{HoldFrom: 1 << 30, Shards: 2, Together: 1})
	low := func() rtp.Seq { return 1000 }
	both := []*actor{st.join(1, false, low, low), st.join(2, false, low, low)}
	for i, a := range both {
		b := both[1-i]
		st.watch(a, b, 0, 2)
	}
	st.play(3)
	for _, a := range both {
		st.plane.wire(st.room, []meeting.Wire{{ID: a.id, Slot: 0}, {ID: a.id, Slot: 2}})
	}
	st.turn()
	st.wait(2 * tableEvery)
	for _, a := range both {
		if len(st.of(a.key).exchange.lingering) == 0 {
			t.Fatal("nothing lingers")
		}
	}
	for _, a := range both {
		st.leave(a)
	}
	st.now = st.now.Add(placeKept + placesEvery)
	st.plane.seat(st.now, st.room.key(3)) // whoever comes first has them forgotten
	st.turn()
	st.wait(lingerFor + time.Second)
	for _, s := range st.plane.shards {
		nothingLeft(t, st, s)
	}
}
