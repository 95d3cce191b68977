package mmr

import (
	"net/netip"
	"testing"
	"time"

	"parley/core/meeting"
	"parley/sys/link"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// A datagram that is too long to be handed on is dropped, and nothing else is handed on in its place.
func TestWhatIsTooLongToHandOnHandsOnNothing(t *testing.T) {
	a, b := &shard{}, &shard{index: 1}
	connectShards([]*shard{a, b})
	x, l := a.exchange, a.exchange.out[1]
	long := make([]byte, maxDatagram+1)
	x.hand(1, 0, &link.Message{Addr: netip.MustParseAddrPort("198.51.100.7:9")}, long)
	l.datagrams.flush()
	if d := l.datagrams.get(); d != nil {
		t.Errorf("%d bytes were handed on, want none", d.n)
	}
	if n := a.drops[DropLane]; n != 1 {
		t.Errorf("%d drops counted, want 1", n)
	}
}

// One socket of a client reaches several of our addresses: its own is known until the last such path has gone.
func TestAnAddressIsKnownUntilItsLastPathHasGone(t *testing.T) {
	a, b := &shard{}, &shard{index: 1}
	connectShards([]*shard{a, b})
	x := a.exchange
	addr := netip.MustParseAddrPort("198.51.100.7:9")
	want := func(where string, shard int, known bool) {
		t.Helper()
		if got, ok := x.routes[addr]; ok != known || known && got.shard != shard {
			t.Errorf("%s: shard %d, known %v; want %d, %v", where, got.shard, ok, shard, known)
		}
	}
	x.learn(1, addr, true)
	x.learn(1, addr, true)
	x.learn(1, addr, false)
	want("one path of two left", 1, true)
	x.learn(0, addr, true) // whoever has the address now
	want("another's", 0, true)
	x.learn(1, addr, false)
	want("another's, and the one before has left", 0, true)
	x.learn(0, addr, false)
	want("none left", 0, false)
	if len(x.hosts) > 0 {
		t.Errorf("hosts %v are kept", x.hosts)
	}
}

// What one shard asks for may overtake the meeting's opening on another, which has been told of it before.
func TestAFollowMayOvertakeTheMeetingsOpening(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2, Together: 1})
	far := func() rtp.Seq { return 1000 }
	a := st.join(1, false, far, far)
	owner := st.of(a.key)
	reader := st.plane.shards[1-owner.index]
	r := newRoom(st.room.srv, proto.Claims{Meeting: "another meeting"})
	seat := proto.ParticipantID(1)
	for st.plane.seat(st.now, r.key(seat)) != owner {
		seat++
	}
	watcher := seat
	for st.plane.seat(st.now, r.key(watcher)) != reader {
		watcher++
	}
	owner.do(func(time.Time) { owner.openRoom(r) })
	reader.openRoom(r)
	reader.attach(st.now, r, r.key(watcher), "")
	reader.admitPeer(st.now, r.key(watcher), []proto.Slot{{Kind: proto.Video, SSRC: 7}}, false, 9)
	src := proto.Source(seat, proto.Video)
	reader.wire(st.now, r, []meeting.Wire{{ID: watcher, Slot: 0, Source: src}})
	reader.turn(st.now.Add(tableEvery))
	owner.turn(st.now.Add(tableEvery)) // before it looked at its commands
	owner.runCommands(st.now)
	row := owner.topos[r].rows[src]
	if row == nil || row.pipes != 1<<reader.index {
		t.Fatalf("the source is not followed: %+v", row)
	}
}

// The mark a datagram arrived with is told to whoever looks at it, however many shards there are.
func TestWhatIsSortedKeepsItsMark(t *testing.T) {
	st := newStage(t, 1, PlaneConfig{Shards: 2})
	s := st.plane.shards[0]
	b := []byte{0, 1, 0, 0} // as probes begin
	ms := []link.Message{{Buf: b, N: len(b), Addr: netip.MustParseAddrPort("198.51.100.7:9"), Mark: 47}}
	mine := s.exchange.sort(st.now, st.conn, ms)
	if len(mine) != 1 || mine[0].Mark != 47 {
		t.Errorf("sorted as %+v, want it with its mark", mine)
	}
}
