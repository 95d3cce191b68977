package mmr

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"parley/core/forward"
	"parley/core/meeting"
	"parley/sys/bus"
	"parley/sys/trust"
	"parley/wire/proto"
)

// idleRoom is a room whose loop is not running: what is posted stays where it is.
func idleRoom(t *testing.T) *room {
	t.Helper()
	b, err := bus.Start(bus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := &Server{
		cfg:     Config{ID: "r-1", Zone: "z", Bus: b, Plane: &Plane{shards: []*shard{{}}}},
		revoked: make(map[revocation]time.Time), changed: make(chan struct{}, 1),
	}
	return newRoom(s, proto.Claims{Meeting: trust.NewMeetingID()})
}

func newTestChannel(id proto.ParticipantID) *channel {
	return newChannel(nil, proto.Claims{Participant: id}, proto.Caps{})
}

// What the shard and other people have to say is posted without waiting: if one client's messages could
// fill the room's queue, others would be lost and never missed.
func TestOneClientsFloodLeavesRoomForOthersNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(&Server{cfg: Config{}}, proto.Claims{})
		c := newTestChannel(1)
		ctx, stop := context.WithCancel(t.Context())
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for r.say(ctx, c, proto.Hand{}) {
			}
		}()
		synctest.Wait()
		if n := len(r.events); n == 0 || n > cap(r.events)/16 {
			t.Errorf("a client that says much holds %d of %d places", n, cap(r.events))
		}
		if !r.post(heard{}) {
			t.Error("nobody else's news has a place")
		}
		r.handle(time.Now(), <-r.events)
		synctest.Wait()
		if len(r.events) == 1 {
			t.Error("what was handled made no place for more")
		}
		stop()
		<-flooded
	})
}

// A shard may have more to tell at once than a room has time for: nothing is lost, and the order stays.
func TestNewsOfManyJoinsAreAllTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people = 3000
		r := newRoom(&Server{cfg: Config{}}, proto.Claims{})
		s := &shard{}
		for id := range proto.ParticipantID(people) {
			r.seats[id] = &seat{}
			s.tell(r, pathUp{id: id, group: proto.GroupVideo, rung: proto.TCP8801})
			s.tell(r, pathUp{id: id, group: proto.GroupVideo, rung: proto.UDP8801})
		}
		<-r.news.more
		for _, ev := range r.news.take() {
			r.handle(time.Now(), ev)
		}
		for id, seat := range r.seats {
			if got := seat.rungs[proto.GroupVideo]; got != proto.UDP8801 {
				t.Fatalf("the room has %d on %q", id, got)
			}
		}
		if n := s.drops[DropEvents]; n != 0 {
			t.Errorf("%d events lost", n)
		}
		for range maxNews + 1 {
			s.tell(r, pathDown{})
		}
		if n := s.drops[DropEvents]; n != 1 {
			t.Errorf("%d events lost of a room that is stuck, want the one beyond the limit", n)
		}
	})
}

// A room that could not be opened must be asked for again, however many try meanwhile.
func TestARoomThatTurnsAwayEndsThoughNewcomersKeepComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(&Server{cfg: Config{Plane: &Plane{shards: []*shard{{}}}}}, proto.Claims{})
		ctx, stop := context.WithCancel(t.Context())
		var all []*channel
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := proto.ParticipantID(1); ctx.Err() == nil; i++ {
				c := newTestChannel(i)
				all = append(all, c)
				r.post(joined{c})
				time.Sleep(turnAwayFor / 4)
			}
		}()
		time.AfterFunc(time.Minute, stop)
		began := time.Now()
		r.turnAway(proto.NewError(proto.CodeShutdown, "not now"))
		if took := time.Since(began); took > 2*turnAwayFor {
			t.Errorf("turned newcomers away for %v", took)
		}
		stop()
		<-done
		if len(all) < 4 || all[0].bye == nil || all[3].bye == nil {
			t.Error("not everybody was told")
		}
	})
}

// Tokens are taken for a while after their end; a tombstone must outlive them.
func TestATombstoneOutlivesItsToken(t *testing.T) {
	r := idleRoom(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	claims := proto.Claims{Meeting: r.id, Participant: 7, Expires: expires.Unix()}
	r.seats[7] = &seat{claims: claims}
	published := make(chan proto.Revoke, 2)
	stop, err := r.srv.cfg.Bus.Subscribe(proto.SubjectRevoke, func(_ string, data []byte) {
		var m proto.Revoke
		if err := json.Unmarshal(data, &m); err != nil {
			t.Error(err)
		}
		published <- m
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	r.close(meeting.Close{ID: 7, Bye: proto.Bye{Code: proto.CodeEjected}, Revoke: true})
	last := expires.Add(trust.Leeway - time.Second)
	if got := r.srv.isRevoked(claims, last); got != proto.CodeEjected {
		t.Errorf("while the token is still taken, an ejected person is refused with %q, want %q", got, proto.CodeEjected)
	}
	if got := <-published; got.Expires < last.Unix() {
		t.Errorf("other routers forget an ejected person %v before the token", last.Sub(time.Unix(got.Expires, 0)))
	}
	r.end(meeting.Ended{ByHost: true})
	if got := r.srv.isRevoked(claims, last); got != proto.CodeEnded {
		t.Errorf("while the token is still taken, an ended meeting is refused with %q, want %q", got, proto.CodeEnded)
	}
	if got := <-published; got.Expires < last.Unix() {
		t.Errorf("other routers forget an ended meeting %v before the token", last.Sub(time.Unix(got.Expires, 0)))
	}
}

// Each new stream costs the whole meeting a table and its receivers a key frame.
func TestStreamsPerSecondOfOneClientAreBounded(t *testing.T) {
	s := &shard{fwd: forward.New(forward.Config{}), owners: make(map[forward.StreamID]*peer), topos: make(map[*room]*topology)}
	p := &peer{}
	now := time.Now()
	taken := func() (n int) {
		for ssrc := range uint32(1000) {
			if s.bind(now, p, proto.Video, 0, ssrc+1) != nil {
				n++
			}
			now = now.Add(time.Microsecond)
		}
		return n
	}
	if n := taken(); n < maxStreams || n > 4*maxStreams {
		t.Errorf("%d streams in a millisecond, want %d or a little more", n, maxStreams)
	}
	now = now.Add(10 * time.Second)
	if s.bind(now, p, proto.Video, 1, 5000) == nil {
		t.Error("ten seconds later a stream was refused")
	}
	if n := len(s.owners); n > 2 {
		t.Errorf("%d streams are kept of two layers", n)
	}
}

// A page that falls back to one group comes with a new control channel.
func TestTakingOverMayChangeTheGroups(t *testing.T) {
	s := &shard{fwd: forward.New(forward.Config{}), peers: make(map[peerKey]*peer), topos: make(map[*room]*topology)}
	key := peerKey{id: 3}
	s.peers[key] = &peer{key: key}
	s.admitPeer(time.Now(), key, nil, false, 1)
	s.admitPeer(time.Now(), key, nil, true, 1)
	if got := s.peers[key].group(proto.Video); got != proto.GroupAudio {
		t.Errorf("video of a client with one group travels on %v", got)
	}
}

// S40: the router's own record says when a seat was first heard, and keeps to it.
func TestTheRecordSaysWhenASeatWasFirstHeard(t *testing.T) {
	r := idleRoom(t)
	r.mind, r.seats[7] = meeting.New(time.Now(), meeting.Config{}, proto.Settings{}), &seat{}
	first := time.Unix(1000, 0)
	for _, at := range []time.Time{first, first.Add(time.Second)} {
		r.levels.put(at, meeting.Level{Source: proto.Source(7, proto.Audio), DBov: 30})
		r.handle(at, heard{})
	}
	if got := r.inspect()[0].HeardAt; !got.Equal(first) {
		t.Errorf("heard at %v, want %v", got, first)
	}
}
