package forward

import (
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// A mirror's legs get what the original's get, byte for byte but for their own SSRC, from the first packet
// a leg may begin with, and every loan comes back once.
func TestAMirrorSendsWhatTheOriginalDoes(t *testing.T) {
	now := time.Unix(1000, 0)
	home, away := New(Config{}), New(Config{})
	source := StreamConfig{Source: 9, Kind: proto.Video, SSRC: 1}
	id := home.AddStream(source)
	leg := LegConfig{Kind: proto.Video, SSRC: 77, RTX: 78, FirstSeq: 500, FirstTime: 9000}
	here, there := home.AddLeg(leg), away.AddLeg(leg)

	home.Publish(1, &Table{Sources: []SourceRow{{Streams: [3]StreamID{id}, Legs: []Want{{Leg: here}}}}})
	var out, mirrored Out
	var sent, want []string
	var mirror StreamID
	write := func(s *Shard, o *Out, to *[]string) {
		for i := range o.Descs {
			*to = append(*to, string(s.Write(nil, &o.Descs[i], 0, false)))
		}
		s.Done(o.Descs)
	}
	carry := func() {
		for _, l := range out.Loans {
			away.Admit(now, []Packet{{Stream: mirror, Data: l.Data, Repaired: l.Repaired, Placed: l.Placed, From: 3, Slab: l.Slab}}, &mirrored)
		}
		write(home, &out, &want)
		write(away, &mirrored, &sent)
		for _, b := range away.Borrowed(nil) {
			if b.From != 3 {
				t.Fatalf("a loan goes back to %d", b.From)
			}
			home.Return(b.Slab)
		}
		out.Reset()
		mirrored.Reset()
	}
	packet := func(seq rtp.Seq, key bool) {
		head := []byte{0x90, 0xe0, 0x80, byte(seq), 1, 0, 0x11, 0, 0}
		if key {
			head = append(head[:6], 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01)
		}
		b := append(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: seq, Time: rtp.Time(seq) * 100, SSRC: 1, Marker: true}, nil), head...)
		home.Admit(now, []Packet{{Stream: id, Data: b}}, &out)
		carry()
	}
	now = now.Add(time.Second)
	packet(65533, true)
	packet(65534, false)
	early := len(want)

	state, ok := home.State(id)
	if !ok {
		t.Fatal("no state")
	}
	mirror = away.Mirror(state)
	home.Publish(1, &Table{Sources: []SourceRow{{Streams: [3]StreamID{id}, Legs: []Want{{Leg: here}}, Pipes: 1 << 5}}})
	home.Lend(now, id, 1<<5, &out)
	if len(out.Loans) != 2 {
		t.Fatalf("%d packets lent to begin with, want the key frame's and the next", len(out.Loans))
	}
	carry()
	away.Publish(1, &Table{Sources: []SourceRow{{Streams: [3]StreamID{mirror}, Legs: []Want{{Leg: there}}}}})
	for _, seq := range []rtp.Seq{65535, 1, 0, 2, 2, 5, 4, 3} { // a wrap, reordering, a duplicate
		now = now.Add(10 * time.Millisecond)
		packet(seq, false)
	}
	now = now.Add(10 * time.Millisecond)
	packet(6, true)
	if early != 2 || len(sent) != len(want) {
		t.Fatalf("%d packets sent, %d by the original", len(sent), len(want))
	}
	for i := range want {
		if sent[i] != want[i] {
			t.Errorf("packet %d: %x, want %x", i, sent[i], want[i])
		}
	}

	// What the mirror repeats it has of its own.
	away.Nack(now, there, []rtp.Seq{505}, &mirrored)
	if len(mirrored.Descs) != 1 {
		t.Errorf("%d retransmissions", len(mirrored.Descs))
	}
	carry()

	held := home.slabs.held
	away.RemoveStream(mirror)
	carry()
	if away.slabs.held != 0 {
		t.Errorf("%d slabs are still borrowed", away.slabs.held)
	}
	home.RemoveStream(id)
	if held == 0 || home.slabs.held != 0 {
		t.Errorf("%d slabs are held, %d before", home.slabs.held, held)
	}
}

// A key frame longer than a history is at first is a follower's to begin with too.
func TestAMirrorBeginsWithALongKeyFrame(t *testing.T) {
	for _, start := range starts {
		home, away := newScene(t), newScene(t)
		c := home.camera(0x20, 0, start)
		home.s.Publish(1, &Table{Sources: []SourceRow{row(nil, c.id)}})
		home.admit(c.id, c.frame(true, 3*historyFirst)...)
		home.wait(10 * time.Millisecond)
		state, _ := home.s.State(c.id)
		mirror := away.s.Mirror(state)
		home.out.Reset()
		home.s.Lend(home.now, c.id, 1, &home.out)
		var lent []Packet
		for _, l := range home.out.Loans {
			lent = append(lent, Packet{Stream: mirror, Data: l.Data, Placed: l.Placed, Slab: l.Slab})
		}
		away.wait(10 * time.Millisecond)
		away.s.Admit(away.now, lent, &away.out)
		leg := away.leg(proto.Video, 7)
		away.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, mirror)}})
		home.admit(c.id, c.frame(false, 1)...)
		home.s.Lend(home.now, c.id, 1, &home.out)
		l := home.out.Loans[len(home.out.Loans)-1]
		away.out.Reset()
		away.s.Admit(away.now, []Packet{{Stream: mirror, Data: l.Data, Placed: l.Placed, Slab: l.Slab}}, &away.out)
		if got, want := len(away.flush()), 3*historyFirst+1; got != want {
			t.Errorf("from %d: the follower begins with %d packets, want the key frame and the next, %d", start, got, want)
		}
	}
}

// A mirror asks its owner for a key frame, not its sender: once, and only for one it has not got.
func TestAMirrorBeginsWithAKeyFrameWhoseFirstPacketCameLast(t *testing.T) {
	home, away := newScene(t), newScene(t)
	c := home.camera(0x20, 0, 100)
	home.s.Publish(1, &Table{Sources: []SourceRow{row(nil, c.id)}})
	home.admit(c.id, c.frame(true, 1)...)
	home.wait(400 * time.Millisecond) // nothing of before is kept
	key := c.frame(true, 3)
	home.admit(c.id, key[1], key[2])
	home.wait(5 * time.Millisecond)
	home.admit(c.id, key[0])
	state, _ := home.s.State(c.id)
	mirror := away.s.Mirror(state)
	lend := func() {
		var lent []Packet
		for _, l := range home.out.Loans {
			lent = append(lent, Packet{Stream: mirror, Data: l.Data, Placed: l.Placed, Slab: l.Slab})
		}
		home.out.Reset()
		away.s.Admit(away.now, lent, &away.out)
	}
	home.out.Reset()
	home.s.Lend(home.now, c.id, 1, &home.out)
	lend()
	leg := away.leg(proto.Video, 7)
	away.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, mirror)}})
	home.admit(c.id, c.frame(false, 1)...)
	home.s.Lend(home.now, c.id, 1, &home.out)
	home.out.Loans = home.out.Loans[len(home.out.Loans)-1:]
	lend()
	if got := len(away.flush()); got != 4 {
		t.Errorf("the follower begins with %d packets, want the key frame and the next, 4", got)
	}
}

func TestAKeyFrameIsAskedForAcrossAPipe(t *testing.T) {
	now := time.Unix(1000, 0)
	home := New(Config{})
	id := home.AddStream(StreamConfig{Source: 9, Kind: proto.Video, SSRC: 1})
	row := SourceRow{Streams: [3]StreamID{id}, Pipes: 1}
	home.Publish(1, &Table{Sources: []SourceRow{row}})
	var out Out
	key := func(seq rtp.Seq) {
		b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: seq, Time: rtp.Time(seq), SSRC: 1, Marker: true}, nil)
		b = append(b, 0x90, 0xe0, 0x80, byte(seq), 1, 0, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01)
		home.Admit(now, []Packet{{Stream: id, Data: b}}, &out)
		for _, l := range out.Loans {
			home.Return(l.Slab)
		}
		out.Reset()
	}
	home.KeyFrameWanted(id, 0, false)
	if !home.Wanting(id) || !home.KeyFrameDue(now, id) {
		t.Fatal("a first wish is not passed on")
	}
	if home.KeyFrameDue(now.Add(time.Millisecond), id) {
		t.Error("asked twice at once")
	}
	now = now.Add(keyEvery)
	if !home.KeyFrameDue(now, id) {
		t.Error("not asked again though no key frame came")
	}
	key(10)
	if home.Wanting(id) {
		t.Error("still wanted though one came")
	}
	ext, ok := home.NewestKeyFrame(id)
	home.KeyFrameWanted(id, ext-1, true)
	if home.Wanting(id) || !ok {
		t.Error("a wish that crossed the key frame it asks for is passed on")
	}
	home.KeyFrameWanted(id, ext, true)
	now = now.Add(keyEvery)
	if !home.Wanting(id) || !home.KeyFrameDue(now, id) {
		t.Error("a wish for a newer one is not passed on")
	}
	row.Pipes = 0
	home.Publish(1, &Table{Sources: []SourceRow{row}})
	now = now.Add(keyEvery)
	if home.KeyFrameDue(now, id) {
		t.Error("asked for though nobody follows any more")
	}
}

// Times are kept in milliseconds that wrap after seven weeks; a shard runs for longer.
func TestAKeyFrameIsLentWithItsTimeAfterMonths(t *testing.T) {
	const wrap = 1 << 32 * time.Millisecond
	for _, up := range []time.Duration{time.Minute, wrap - 20*time.Millisecond, wrap + time.Hour, 3*wrap + time.Hour} {
		now := time.Unix(1000, 0)
		s := New(Config{})
		id := s.AddStream(StreamConfig{Source: 9, Kind: proto.Video, SSRC: 1})
		s.Publish(1, &Table{Sources: []SourceRow{{Streams: [3]StreamID{id}}}})
		s.Sweep(now) // the first call
		now = now.Add(up)
		var out Out
		var came []time.Time
		for seq := range 3 {
			b := append(rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: rtp.Seq(seq), SSRC: 1}, nil), 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 0, 0, 0)
			s.Admit(now, []Packet{{Stream: id, Data: b}}, &out)
			came = append(came, now)
			now = now.Add(15 * time.Millisecond)
		}
		s.Lend(now, id, 1, &out)
		if len(out.Loans) != len(came) {
			t.Fatalf("up for %v: %d packets lent, want %d", up, len(out.Loans), len(came))
		}
		for i, l := range out.Loans {
			if late := came[i].Sub(l.Placed.At); late < 0 || late > time.Millisecond {
				t.Errorf("up for %v: packet %d is said to have come %v before it did", up, i, late)
			}
		}
	}
}
