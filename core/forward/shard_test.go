package forward

import (
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

func TestSenderRestart(t *testing.T) {
	for _, in := range starts {
		for _, jump := range []rtp.Seq{maxDropout + 2, 20000, 0x8000, 45000, 65000 - maxDropout} {
			sc := newScene(t)
			c, m := sc.camera(0x20, 0, in), sc.microphone(0x10, in)
			leg, ear := sc.leg(proto.Video, 10), sc.leg(proto.Audio, 10)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id), row([]Want{{Leg: ear}}, m.id)}})
			sc.admit(c.id, c.frame(true, 2)...)
			sc.admit(m.id, m.packet(1))
			sc.wait(time.Second)
			c.seq, m.seq = c.seq+jump, m.seq+jump
			if got := sc.admit(c.id, c.frame(false, 1)...); len(got) != 0 || len(sc.notes(NoteRestarted)) != 0 {
				t.Fatalf("from %d by %d: one stray number believed", in, jump)
			}
			if got := sc.admit(c.id, c.frame(false, 1)...); len(got) != 0 || len(sc.notes(NoteRestarted)) != 1 {
				t.Fatalf("from %d by %d: no restart: %v", in, jump, sc.out.Notes)
			}
			if !sc.s.KeyFrameDue(sc.now, c.id) {
				t.Error("no key frame asked for")
			}
			if got := sc.admit(c.id, c.frame(true, 2)...); !slices.Equal(seqsOf(got), []rtp.Seq{12, 13}) {
				t.Errorf("from %d by %d: after the restart %v", in, jump, seqsOf(got))
			}
			if b, _ := sc.s.ReceiverReport(sc.now, c.id); b.Lost > 1 || rtp.Seq(b.Highest) != c.seq-1 {
				t.Errorf("restart counted as %d lost, highest %d", b.Lost, b.Highest)
			}
			if got := sc.nack(leg, 11, 12); len(got) != 2 || got[0].OSN != 11 || got[1].OSN != 12 {
				t.Errorf("NACK across the restart: %+v", got)
			}
			sc.admit(m.id, m.packet(1))
			if got := sc.admit(m.id, m.packet(1)); len(got) != 1 || got[0].Seq != 11 {
				t.Errorf("sound after the restart %v", seqsOf(got))
			}
		}
	}
}

func TestMeetingsAreApart(t *testing.T) {
	sc := newScene(t)
	a, b := sc.microphone(0x10, 1), sc.microphone(0x18, 1)
	la, lb := sc.leg(proto.Audio, 1), sc.leg(proto.Audio, 1)
	one := &Table{Sources: []SourceRow{row([]Want{{Leg: la}, {Leg: la}}, a.id), row([]Want{{Leg: la}}, 0)}}
	sc.s.Publish(1, one)
	sc.s.Publish(2, &Table{Sources: []SourceRow{row([]Want{{Leg: lb}}, b.id)}})
	if got := sc.admit(a.id, a.packet(1)); len(got) != 1 || got[0].Leg != la {
		t.Errorf("a leg named more than once: %+v", got)
	}
	if got := sc.admit(b.id, b.packet(1)); len(got) != 1 || got[0].Leg != lb {
		t.Errorf("second meeting: %+v", got)
	}
	sc.s.Publish(1, nil)
	if got := sc.admit(a.id, a.packet(1)); len(got) != 0 {
		t.Error("a meeting that is over still gets packets")
	}
	if got := sc.admit(b.id, b.packet(1)); len(got) != 1 {
		t.Error("the other meeting ended too")
	}
	// A video leg never gets sound.
	v := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: v}}, a.id)}})
	if got := sc.admit(a.id, a.packet(1)); len(got) != 0 {
		t.Error("sound on a video slot")
	}
}

func TestHandlesGoStaleThroughManyReuses(t *testing.T) {
	s := New(Config{})
	var old StreamID
	for i := range maxGen + 10 {
		id := s.AddStream(StreamConfig{})
		if id == 0 || id == old {
			t.Fatalf("reuse %d: handle %x after %x", i, id, old)
		}
		s.RemoveStream(id)
		if _, ok := s.Stream(id); ok {
			t.Fatal("removed stream still there")
		}
		old = id
	}
}

func TestIdleAndStaleHandles(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}, {Leg: 0}, {Leg: 12345}}, c.id, 999999)}})
	if got := sc.admit(c.id, c.frame(true, 1)...); len(got) != 1 {
		t.Fatal("not forwarded")
	}
	sc.s.Publish(1, &Table{Sources: []SourceRow{row(nil, c.id)}})
	if got := sc.admit(c.id, c.frame(true, 1)...); len(got) != 0 {
		t.Error("leg named nowhere still gets packets")
	}
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	sc.out.Reset()
	sc.s.Admit(sc.now, []Packet{{Stream: c.id, Data: c.frame(true, 1)[0]}}, &sc.out)
	sc.s.RemoveLeg(leg)
	if b := sc.s.Write(nil, &sc.out.Descs[0], 0, false); len(b) != 0 {
		t.Error("descriptor of a removed leg was written")
	}
	sc.s.Done(sc.out.Descs)
	again := sc.leg(proto.Video, 1)
	if again == leg {
		t.Error("handle used twice")
	}
	sc.s.RemoveStream(c.id)
	sc.s.RemoveStream(c.id)
	sc.admit(c.id, c.frame(true, 1)...)
	if sc.s.Drops()[DropStale] != 1 {
		t.Error("packet of a removed stream not counted")
	}
	sc.s.Publish(1, nil)
	if sc.s.slabs.held != 0 {
		t.Errorf("%d slabs still held", sc.s.slabs.held)
	}
	// Nothing happens, and nothing breaks, on stale handles.
	sc.s.Picture(sc.now, leg)
	sc.s.Nack(sc.now, leg, []rtp.Seq{1}, &sc.out)
	sc.s.SetTWCC(leg, true)
	sc.s.LegRTT(leg, 1)
	sc.s.StreamRTT(c.id, 1)
	sc.s.SenderReport(sc.now, c.id, rtp.SenderInfo{})
	if _, ok := sc.s.LegReport(sc.now, leg); ok {
		t.Error("report of a removed leg")
	}
	if _, ok := sc.s.Stats(c.id); ok {
		t.Error("statistics of a removed stream")
	}
}

func TestHistoryLetsGoOfWhatIsTooOld(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 60000)
	for range 3000 { // 100 s at 30 packets a second
		sc.admit(c.id, c.frame(false, 1)...)
		sc.wait(33 * time.Millisecond)
	}
	if n := sc.s.slabs.held; n < 8 || n > 12 {
		t.Errorf("%d packets held, want those of the last %v", n, historyAge)
	}
}

func TestDropReasons(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1)
	m := sc.microphone(0x10, 1)
	good := c.frame(true, 1)[0]
	rtx := slices.Clone(good)
	rtx[1] = proto.PTVP8RTX
	far := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, Seq: 20000, SSRC: 1}, nil)
	for _, c := range []struct {
		id   StreamID
		b    []byte
		want Reason
	}{
		{0, good, DropStale},
		{c.id, nil, DropMalformed},
		{c.id, good[:20], DropMalformed},
		{c.id, rtx, DropPayload}, // retransmissions come unwrapped
		{m.id, good, DropPayload},
		{c.id, append(slices.Clone(good), make([]byte, MaxPacket)...), DropTooBig},
		{c.id, good, NReasons},
		{c.id, good, DropDuplicate},
		{c.id, far, DropJump},
	} {
		before := sc.s.Drops()
		sc.admit(c.id, c.b)
		after := sc.s.Drops()
		for r := range NReasons {
			if d := after[r] - before[r]; (d == 1) != (r == c.want) {
				t.Errorf("want %v: %v rose by %d", c.want, r, d)
			}
		}
	}
}

// A meeting that is over, or in which nobody sends anything, leaves nothing behind: a shard sees many in its life.
func TestAnEmptyTableIsNotKept(t *testing.T) {
	s := New(Config{})
	id := s.AddStream(StreamConfig{Kind: proto.Video})
	s.Publish(1, &Table{Sources: []SourceRow{{Streams: [3]StreamID{id}}}})
	if len(s.tables) != 1 {
		t.Fatalf("%d tables are kept, want 1", len(s.tables))
	}
	s.Publish(1, &Table{})
	s.Publish(2, &Table{})
	if len(s.tables) != 0 {
		t.Errorf("%d tables are kept of meetings without sources", len(s.tables))
	}
	if st := s.stream(id); st.row != nil {
		t.Error("a stream is in a row of a table that was replaced")
	}
}
