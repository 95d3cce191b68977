package forward

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

func seqsOf(ps []sent) []rtp.Seq {
	var out []rtp.Seq
	for _, p := range ps {
		out = append(out, p.Seq)
	}
	return out
}

func seqRange(from rtp.Seq, n int) []rtp.Seq {
	var out []rtp.Seq
	for i := range n {
		out = append(out, from+rtp.Seq(i))
	}
	return out
}

func TestVideoStartsAtKeyFrameAndIsRewritten(t *testing.T) {
	for _, in := range starts {
		for _, outSeq := range starts {
			sc := newScene(t)
			c := sc.camera(0x20, 0, in)
			leg := sc.leg(proto.Video, outSeq)
			sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})

			if got := sc.admit(c.id, c.frame(false, 3)...); len(got) != 0 {
				t.Fatalf("sent %d packets before a key frame", len(got))
			}
			if !sc.s.KeyFrameDue(sc.now, c.id) {
				t.Fatal("no key frame asked for")
			}
			key := c.frame(true, 3)
			got := sc.admit(c.id, key...)
			if want := seqRange(outSeq, 3); !slices.Equal(seqsOf(got), want) {
				t.Fatalf("from %d: got %v, want %v", in, seqsOf(got), want)
			}
			p := got[2]
			if p.SSRC != 0xaaaa || p.CSRC != 0x20 || p.PT != proto.PTVP8 || !p.Marker || !p.TWCC || p.Time != rtp.Time(outSeq)<<15 {
				t.Errorf("header %+v", p)
			}
			sw := sc.notes(NoteSwitched)
			if len(sw) != 1 || sw[0].Time != p.Time || sw[0].Source != 0x20 || sw[0].Receiver != 7 || sw[0].Slot != 3 || sw[0].Leg != leg {
				t.Errorf("switched notes %+v", sw)
			}
			if kf := sc.notes(NoteKeyFrame); len(kf) != 1 || kf[0].Width != 640 || kf[0].Height != 360 {
				t.Errorf("key frame notes %+v", kf)
			}
			sc.wait(33 * time.Millisecond)
			next := sc.admit(c.id, c.frame(false, 2)...)
			if want := seqRange(outSeq+3, 2); !slices.Equal(seqsOf(next), want) || next[0].Time != p.Time+3000 {
				t.Errorf("next frame %v at %d, want %v at %d", seqsOf(next), next[0].Time, want, p.Time+3000)
			}
		}
	}
}

func TestAudioSwitchesAtOnce(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		a, b := sc.microphone(0x10, in), sc.microphone(0x18, in+77)
		leg := sc.leg(proto.Audio, in+9)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, a.id), row(nil, b.id)}})
		got := sc.admit(a.id, a.packet(0x80|30), a.packet(40))
		if want := seqRange(in+9, 2); !slices.Equal(seqsOf(got), want) {
			t.Fatalf("got %v, want %v", seqsOf(got), want)
		}
		lv := sc.notes(NoteLevel)
		if len(lv) != 2 || lv[0].Level != 30 || !lv[0].Voice || lv[1].Level != 40 || lv[1].Voice {
			t.Errorf("levels %+v", lv)
		}
		if got[0].TWCC {
			t.Error("transport-wide number on audio")
		}
		var h rtp.Header
		rtp.Parse(got[0].Raw, &h)
		if v := h.Ext(got[0].Raw, proto.ExtCaptureTime); string(v) != "capturet" {
			t.Errorf("capture time %q", v)
		}
		if v := h.Ext(got[0].Raw, proto.ExtAudioLevel); len(v) != 1 || v[0] != 0x80|30 {
			t.Errorf("audio level %v", v)
		}
		last := got[1]

		sc.s.Publish(1, &Table{Sources: []SourceRow{row(nil, a.id), row([]Want{{Leg: leg}}, b.id)}})
		if got := sc.admit(a.id, a.packet(40)); len(got) != 0 {
			t.Fatal("old source still sent")
		}
		sc.wait(100 * time.Millisecond)
		got = sc.admit(b.id, b.packet(40))
		if len(got) != 1 || got[0].Seq != last.Seq+1 || got[0].CSRC != 0x18 || got[0].Time != last.Time+4800 {
			t.Errorf("after the switch %+v, last %+v", got, last)
		}
	}
}

func TestLayerSwitchWaitsForKeyFrameAndKeepsOld(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		q, f := sc.camera(0x20, 0, in), sc.camera(0x20, 2, in+333)
		leg := sc.leg(proto.Video, in+40)
		table := func(layer int8) *Table {
			r := row([]Want{{Leg: leg, Layer: layer}}, q.id, 0, f.id)
			return &Table{Sources: []SourceRow{r}}
		}
		sc.s.Publish(1, table(0))
		got := sc.admit(q.id, q.frame(true, 2)...)
		sc.admit(f.id, f.frame(true, 2)...)
		last := got[1]

		sc.s.Publish(1, table(2))
		sc.wait(33 * time.Millisecond)
		if !sc.s.KeyFrameDue(sc.now, f.id) {
			t.Fatal("no key frame asked of the wanted layer")
		}
		if got := sc.admit(f.id, f.frame(false, 2)...); len(got) != 0 {
			t.Fatal("wanted layer sent without a key frame")
		}
		got = sc.admit(q.id, q.frame(false, 1)...)
		if len(got) != 1 || got[0].Seq != last.Seq+1 {
			t.Fatalf("old layer no longer sent: %v", got)
		}
		last = got[0]
		sc.wait(50 * time.Millisecond)
		got = sc.admit(f.id, f.frame(true, 3)...)
		if want := seqRange(last.Seq+1, 3); !slices.Equal(seqsOf(got), want) {
			t.Fatalf("got %v, want %v", seqsOf(got), want)
		}
		if got[0].Time != last.Time+4500 {
			t.Errorf("time advanced by %d, want 4500", got[0].Time-last.Time)
		}
		if got[0].Pic != (last.Pic+1)&0x7fff || got[0].TL0 != last.TL0+1 || got[0].Frame != last.Frame+1 {
			t.Errorf("codec fields %d/%d/%d after %d/%d/%d", got[0].Pic, got[0].TL0, got[0].Frame, last.Pic, last.TL0, last.Frame)
		}
		if got := sc.admit(q.id, q.frame(true, 1)...); len(got) != 0 {
			t.Error("old layer sent after the switch")
		}
		if sc.s.KeyFrameDue(sc.now.Add(time.Second), f.id) {
			t.Error("key frame still wanted")
		}
	}
}

func TestReorderedLossAndDuplicate(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		c := sc.camera(0x20, 0, in)
		leg := sc.leg(proto.Video, in*3)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		ps := append(c.frame(true, 4), c.frame(false, 6)...)
		o := in * 3
		order := []int{0, 3, 3, 1, 2, 5, 5, 1, 9, 7}
		want := []rtp.Seq{o, o + 3, o + 1, o + 2, o + 5, o + 9, o + 7}
		var got []sent
		for _, i := range order {
			got = append(got, sc.admit(c.id, ps[i])...)
		}
		if !slices.Equal(seqsOf(got), want) {
			t.Errorf("from %d: got %v, want %v", in, seqsOf(got), want)
		}
		for _, p := range got {
			if uint32(p.Seq-o) != p.N {
				t.Errorf("number %d carries packet %d", p.Seq-o, p.N)
			}
		}
		if n := sc.s.Drops()[DropDuplicate]; n != 3 {
			t.Errorf("%d duplicates counted, want 3", n)
		}
		// 4, 6 and 8 are missing.
		if got := sc.s.Missing(sc.now.Add(reorderFor), c.id, nil); !slices.Equal(got, []rtp.Seq{in + 4, in + 6, in + 8}) {
			t.Errorf("missing %v", got)
		}
	}
}

func TestLateKeyFrameStartTakesWhatFollowedIt(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 0xfffe)
	leg := sc.leg(proto.Video, 50)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	old := c.frame(false, 1)
	ps := c.frame(true, 4)
	sc.admit(c.id, old[0])
	if got := sc.admit(c.id, ps[1], ps[3]); len(got) != 0 {
		t.Fatal("sent before the key frame's beginning")
	}
	got := sc.admit(c.id, ps[0])
	if want := []rtp.Seq{50, 51, 53}; !slices.Equal(seqsOf(got), want) {
		t.Fatalf("got %v, want %v", seqsOf(got), want)
	}
	if got := sc.admit(c.id, ps[2]); len(got) != 1 || got[0].Seq != 52 {
		t.Errorf("the last one: %v", seqsOf(got))
	}
}

func TestPaddingIsClosedUp(t *testing.T) {
	for _, in := range starts {
		sc := newScene(t)
		c := sc.camera(0x20, 0, in)
		leg := sc.leg(proto.Video, 100)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
		sc.admit(c.id, c.frame(true, 2)...) // 100, 101
		if got := sc.admit(c.id, c.pad(), c.pad(), c.pad()); len(got) != 0 {
			t.Fatal("padding was sent")
		}
		if got := sc.admit(c.id, c.frame(false, 2)...); !slices.Equal(seqsOf(got), []rtp.Seq{102, 103}) {
			t.Fatalf("after padding: %v", seqsOf(got))
		}
		lost, pad, after := c.frame(false, 1), c.pad(), c.frame(false, 1)
		if got := sc.admit(c.id, pad); len(got) != 1 || !got[0].Empty || got[0].Seq != 105 {
			t.Fatalf("padding behind a hole must keep its number: %+v", got)
		}
		if got := sc.admit(c.id, after[0]); len(got) != 1 || got[0].Seq != 106 {
			t.Fatalf("after it: %v", seqsOf(got))
		}
		if got := sc.admit(c.id, lost[0]); len(got) != 1 || got[0].Seq != 104 {
			t.Fatalf("late packet: %v", seqsOf(got))
		}
	}
}

func TestNackReachesAcrossASwitch(t *testing.T) {
	for _, out := range starts {
		sc := newScene(t)
		a, b := sc.camera(0x20, 0, 65530), sc.camera(0x28, 0, 4)
		leg := sc.leg(proto.Video, out)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, a.id), row(nil, b.id)}})
		first := sc.admit(a.id, append(a.frame(true, 5), a.frame(false, 5)...)...)
		sc.s.Publish(1, &Table{Sources: []SourceRow{row(nil, a.id), row([]Want{{Leg: leg}}, b.id)}})
		second := sc.admit(b.id, b.frame(true, 5)...)
		if want := seqRange(out+10, 5); !slices.Equal(seqsOf(second), want) {
			t.Fatalf("second source %v, want %v", seqsOf(second), want)
		}
		sc.wait(20 * time.Millisecond)
		all := append(first, second...)
		got := sc.nack(leg, out+9, out+10, out+3, out+15, out-1)
		if len(got) != 3 {
			t.Fatalf("%d retransmissions, want 3", len(got))
		}
		for i, want := range []int{9, 10, 3} {
			p, o := got[i], all[want]
			if p.OSN != o.Seq || p.Seq != out+100+rtp.Seq(i) || p.SSRC != 0xbbbb || p.PT != proto.PTVP8RTX ||
				p.Time != o.Time || p.CSRC != o.CSRC || p.Marker != o.Marker || !bytes.Equal(p.Payload, o.Payload) || p.Frame != o.Frame {
				t.Errorf("retransmission %+v of %+v", p, o)
			}
		}
		if got := sc.nack(leg, out+9); len(got) != 0 {
			t.Error("sent again at once")
		}
		sc.wait(defaultRTT)
		if got := sc.nack(leg, out+9); len(got) != 1 || got[0].Seq != out+103 {
			t.Errorf("not sent again after a round trip: %v", seqsOf(got))
		}
	}
}

func TestRetransmissionIsUnwrappedAsSent(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 7)
	leg := sc.leg(proto.Video, 500)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	orig := sc.admit(c.id, c.frame(true, 2)...)
	sc.wait(time.Millisecond)
	again := sc.nack(leg, 501)
	var h rtp.Header
	if err := rtp.Parse(again[0].Raw, &h); err != nil {
		t.Fatal(err)
	}
	b, ok := UnwrapRTX(nil, again[0].Raw, &h, 0xaaaa, proto.OriginalOf(h.PT))
	if !ok || !bytes.Equal(b, orig[1].Raw) {
		t.Errorf("unwrapped\n%x, want\n%x", b, orig[1].Raw)
	}
	if _, ok := UnwrapRTX(nil, c.pad(), func() *rtp.Header { var h rtp.Header; rtp.Parse(c.pad(), &h); return &h }(), 1, 2); ok {
		t.Error("padding unwrapped")
	}
}

func TestLegWithoutRTXNeverSendsAgain(t *testing.T) {
	sc := newScene(t)
	m := sc.microphone(0x10, 1)
	leg := sc.leg(proto.Audio, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, m.id)}})
	sc.admit(m.id, m.packet(1))
	if got := sc.nack(leg, 1); len(got) != 0 {
		t.Error("audio was sent again")
	}
}

func TestFallbackWhenWantedLayerStops(t *testing.T) {
	sc := newScene(t)
	q, h, f := sc.camera(0x20, 0, 1), sc.camera(0x20, 1, 1000), sc.camera(0x20, 2, 2000)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg, Layer: 2}}, q.id, h.id, f.id)}})
	for _, c := range []*cam{q, h, f} {
		sc.admit(c.id, c.frame(true, 1)...)
	}
	if st, _ := sc.s.LegStats(leg); st.Current != f.id {
		t.Fatal("not on the wanted layer")
	}
	fell := false
	for range 20 {
		sc.wait(33 * time.Millisecond)
		for _, c := range []*cam{q, h} {
			sc.admit(c.id, c.frame(false, 1)...)
			if n := sc.notes(NoteFallback); len(n) > 0 {
				fell = true
				if n[0].Layer != 1 || n[0].Leg != leg {
					t.Errorf("fell back to %+v", n[0])
				}
			}
		}
	}
	if !fell || !sc.s.KeyFrameDue(sc.now, h.id) || sc.s.KeyFrameDue(sc.now, q.id) {
		t.Fatalf("fell back: %v", fell)
	}
	if got := sc.admit(h.id, h.frame(true, 1)...); len(got) != 1 {
		t.Fatal("not on the nearest layer after its key frame")
	}
	// It comes back: switch at its key frame.
	sc.wait(33 * time.Millisecond)
	if got := sc.admit(f.id, f.frame(true, 1)...); len(got) != 1 || got[0].CSRC != 0x20 {
		t.Fatal("wanted layer not taken when it came back")
	}
}

func TestPauseOfAllLayersIsNoFallback(t *testing.T) {
	sc := newScene(t)
	q, f := sc.camera(0x20, 0, 1), sc.camera(0x20, 2, 2000)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg, Layer: 2}}, q.id, 0, f.id)}})
	sc.admit(q.id, q.frame(true, 1)...)
	sc.admit(f.id, f.frame(true, 1)...)
	sc.wait(5 * time.Second)
	sc.admit(q.id, q.frame(false, 1)...)
	if len(sc.notes(NoteStopped)) != 0 {
		t.Error("layer said to have stopped")
	}
	if got := sc.admit(f.id, f.frame(false, 1)...); len(got) != 1 {
		t.Error("wanted layer no longer sent")
	}
}

func TestPacketIsSentAgainAFewTimesOnly(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	sc.admit(c.id, c.frame(true, 2)...)
	sc.s.LegRTT(leg, 20*time.Millisecond)
	n := 0
	for range 50 {
		sc.wait(20 * time.Millisecond)
		n += len(sc.nack(leg, 1, 1, 1))
	}
	if n != maxAgain {
		t.Errorf("sent again %d times, want %d", n, maxAgain)
	}
	if st, _ := sc.s.LegStats(leg); st.Retransmitted != maxAgain || st.Nacked != 150 {
		t.Errorf("%+v", st)
	}
}

// A receiver that asks for everything again, as often as it may, gets no more than it was sent: it is the others'
// processor and the others' path.
func TestALyingReceiverGetsNoMoreThanItWasSent(t *testing.T) {
	sc := newScene(t)
	c := sc.camera(0x20, 0, 1)
	leg := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: leg}}, c.id)}})
	sc.s.LegRTT(leg, time.Millisecond)
	media, again := 0, 0
	for f := range 300 { // ten seconds
		media += len(sc.admit(c.id, c.frame(f == 0, 5)...))
		for range 3 {
			sc.wait(11 * time.Millisecond)
			again += len(sc.nack(leg, seqRange(c.seq-60, 60)...))
		}
	}
	if most := media + maxOwed; again > most {
		t.Errorf("%d packets sent again beside %d of media, want at most %d", again, media, most)
	}
	if again < media/2 {
		t.Errorf("%d packets sent again beside %d of media: hardly any", again, media)
	}
	// A receiver that loses half of what it is sent has each repaired.
	other := sc.leg(proto.Video, 1)
	sc.s.Publish(1, &Table{Sources: []SourceRow{row([]Want{{Leg: other}}, c.id)}})
	asked, got := 0, 0
	for f := range 300 {
		for i, p := range sc.admit(c.id, c.frame(f == 0, 6)...) {
			if i%2 == 0 {
				asked++
				got += len(sc.nack(other, p.Seq))
			}
		}
		sc.wait(33 * time.Millisecond)
	}
	if got != asked || asked < 800 {
		t.Errorf("%d of %d lost packets sent again", got, asked)
	}
}
