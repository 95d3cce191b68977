package mmr

import (
	"testing"
	"time"

	"parley/sys/trust"
	"parley/wire/proto"
)

// A small meeting's people share a shard; what a large one has beyond that goes wherever there is room.
func TestSmallMeetingsShareAShardAndLargeOnesSpread(t *testing.T) {
	for _, c := range []struct {
		name             string
		shards, together int
		meetings, people int
		apart            bool // some meeting may be on several
		most             int  // people on the fullest shard
	}{
		{"meetings of ten", 4, 50, 40, 10, false, 100},
		{"one of fifty", 4, 50, 1, 50, false, 50},
		{"one of four hundred", 4, 50, 1, 400, true, 100},
		{"two of three hundred", 2, 50, 2, 300, true, 300},
		{"nobody together", 4, 1, 1, 40, true, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlaces(c.shards, c.together, func([]int) {})
			now := time.Unix(1e9, 0)
			load := make([]int, c.shards)
			for m := range c.meetings { // one after the other: none is known to be large before it is
				where := map[int]bool{}
				for id := range c.people {
					key := peerKey{1, uint64(m), proto.ParticipantID(id + 1)}
					at, ok := p.take(now, key)
					if again, _ := p.take(now, key); !ok || again != at {
						t.Fatalf("seat %v: shard %d, then %d", key, at, again)
					}
					p.hold(key)
					where[at] = true
					load[at]++
				}
				if len(where) > 1 != c.apart {
					t.Errorf("meeting %d is on %d shards", m, len(where))
				}
			}
			for i, n := range load {
				if n > c.most {
					t.Errorf("%d people on shard %d of %v, want %d at most", n, i, load, c.most)
				}
			}
		})
	}
}

// A place is kept for as long as its shard has the seat, and a while longer: who comes back comes to the same.
func TestPlacesNobodyTakesAreForgotten(t *testing.T) {
	var used [][]int
	p := newPlaces(2, 1, func(use []int) { used = append(used, use) })
	now := time.Unix(1e9, 0)
	at := map[proto.ParticipantID]int{}
	for id := proto.ParticipantID(1); id <= 4; id++ {
		at[id], _ = p.take(now, peerKey{1, 1, id})
	}
	p.hold(peerKey{1, 1, 1})
	p.hold(peerKey{1, 1, 2})
	p.release(now, peerKey{1, 1, 2})
	now = now.Add(placeKept - time.Second)
	p.take(now, peerKey{1, 1, 3}) // on its way
	now = now.Add(placesEvery)
	p.take(now, peerKey{1, 2, 1})
	for id, want := range map[proto.ParticipantID]bool{1: true, 2: false, 3: true, 4: false} {
		if got, known, _ := p.find(peerKey{1, 1, id}); known != want || known && got != at[id] {
			t.Errorf("seat %d: shard %d, known %v; want %d, %v", id, got, known, at[id], want)
		}
	}
	p.release(now, peerKey{1, 1, 1})
	now = now.Add(placeKept + placesEvery)
	p.take(now, peerKey{1, 3, 1})
	if len(p.seats) != 1 || len(p.meetings) != 1 || p.load[0]+p.load[1] != 1 {
		t.Errorf("%d seats, %d meetings, load %v are kept, want one", len(p.seats), len(p.meetings), p.load)
	}
	last := used[len(used)-1]
	if len(last) != 1 || p.load[last[0]] != 1 {
		t.Errorf("datagrams come to %v in turn, want to the shard that has somebody alone; load %v", used, p.load)
	}
}

// A name that nobody has verified finds the shard of who has a place, and makes none.
func TestOnlyAGoodTicketGetsAPlace(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2})
	ticket := trust.Ticket{
		Router: st.room.key(1).router, Meeting: st.room.tag, Participant: 1, Expires: st.now.Add(time.Minute),
	}
	for _, c := range []struct {
		name   string
		key    trust.ZoneKey
		after  time.Duration
		want   bool
		places int
	}{
		{"another zone's", trust.ZoneKey{9}, 0, false, 0},
		{"late", st.key, 2 * time.Minute, false, 0},
		{"good", st.key, 0, true, 1},
		{"late, of who has a place", st.key, 2 * time.Minute, true, 1},
	} {
		ufrag := c.key.Credentials(ticket).Ufrag
		if _, ok := st.plane.shardFor(st.now.Add(c.after), []byte(ufrag)); ok != c.want || len(st.plane.places.seats) != c.places {
			t.Errorf("%s: ok %v, %d places; want %v, %d", c.name, ok, len(st.plane.places.seats), c.want, c.places)
		}
	}
	for _, bad := range []string{"", "x", "\r\n", string(make([]byte, 48))} {
		if _, ok := st.plane.shardFor(st.now, []byte(bad)); ok {
			t.Errorf("%q has a shard", bad)
		}
	}
}

// All tickets of one participant are one seat's: what a seat may have at once is bounded by it.
func TestTicketsOfOneParticipantAreOneSeats(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{})
	seat := func(id proto.ParticipantID, group proto.Group, nonce uint32) any {
		cred := st.key.Credentials(trust.Ticket{
			Router: st.room.key(1).router, Meeting: st.room.tag, Participant: id, Group: group, Nonce: nonce, Expires: st.now.Add(time.Minute),
		})
		adm, ok := st.s.admit(st.now, cred.Ufrag)
		if !ok || adm.Seat == nil {
			t.Fatalf("of %d is known %+v, %v", id, adm, ok)
		}
		return adm.Seat
	}
	if seat(1, proto.GroupAudio, 1) != seat(1, proto.GroupVideo, 2) {
		t.Error("two tickets of one participant are of two seats")
	}
	if seat(1, proto.GroupAudio, 1) == seat(2, proto.GroupAudio, 1) {
		t.Error("two participants have one seat")
	}
}
