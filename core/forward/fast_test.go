package forward

import (
	"fmt"
	"testing"
	"time"

	"parley/wire/proto"
	"parley/wire/rtp"
)

// fan is one camera and n receivers, in steady state.
type fan struct {
	s     *Shard
	id    StreamID
	now   time.Time
	out   Out
	in    []Packet
	pkts  [][]byte
	buf   []byte
	seq   rtp.Seq
	write bool
}

func newFan(n int) *fan {
	f := &fan{s: New(Config{}), now: time.Unix(1_800_000_000, 0), buf: make([]byte, 0, 2048)}
	f.id = f.s.AddStream(StreamConfig{Source: 8, Kind: proto.Video, SSRC: 1})
	var wants []Want
	for i := range n {
		wants = append(wants, Want{Leg: f.s.AddLeg(LegConfig{Receiver: uint32(i), Kind: proto.Video, SSRC: 5, RTX: 6, TWCC: true})})
	}
	f.s.Publish(1, &Table{Sources: []SourceRow{row(wants, f.id)}})
	payload := make([]byte, 1100)
	copy(payload, []byte{0x90, 0xe0, 0x80, 0, 0, 0, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1})
	b := rtp.AppendHeader(nil, rtp.Fields{PT: proto.PTVP8, SSRC: 1}, []rtp.Ext{
		{ID: proto.ExtTransportSeq, Data: []byte{0, 0}}, {ID: proto.ExtDependency, Data: []byte{0x80, 0, 0}},
	})
	f.pkts = append(f.pkts, append(b, payload...))
	f.in = []Packet{{Stream: f.id, Data: f.pkts[0]}}
	f.write = true
	f.step()
	f.pkts[0][len(b)+6] = 0x11 // no longer a key frame
	for range 2000 {
		f.step()
	}
	return f
}

func (f *fan) step() {
	b := f.pkts[0]
	b[2], b[3] = byte(f.seq>>8), byte(f.seq)
	f.seq++
	f.now = f.now.Add(time.Millisecond)
	f.out.Reset()
	f.s.Admit(f.now, f.in, &f.out)
	if f.write {
		for i := range f.out.Descs {
			f.buf = f.s.Write(f.buf[:0], &f.out.Descs[i], uint16(i), true)
		}
	}
	f.s.Done(f.out.Descs)
}

func TestSteadyForwardingAllocatesNothing(t *testing.T) {
	f := newFan(20)
	if n := testing.AllocsPerRun(2000, f.step); n > 0.01 {
		t.Errorf("%.3f allocations per packet", n)
	}
	if len(f.out.Descs) != 20 {
		t.Errorf("%d descriptors", len(f.out.Descs))
	}
}

func BenchmarkForward(b *testing.B) {
	for _, n := range []int{1, 14, 100} {
		for _, write := range []bool{false, true} {
			b.Run(fmt.Sprintf("legs=%d/write=%v", n, write), func(b *testing.B) {
				f := newFan(n)
				f.write = write
				b.ReportAllocs()
				for b.Loop() {
					f.step()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/leg")
			})
		}
	}
}

// FuzzAdmit feeds whatever bytes to streams of every kind, then asks everything a router asks.
func FuzzAdmit(f *testing.F) {
	sc := &scene{}
	sc.s = New(Config{})
	c := sc.camera(0x20, 0, 0xfffe)
	for _, p := range c.frame(true, 3) {
		f.Add(p, uint16(3))
	}
	f.Add(c.pad(), uint16(30000))
	m := sc.microphone(0x10, 1)
	f.Add(m.packet(3), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, jump uint16) {
		s := New(Config{HistoryVideo: 16, HistoryAudio: 4})
		now := time.Unix(1_800_000_000, 0)
		var table Table
		var ids []StreamID
		var legs []LegID
		for k := range proto.Kind(proto.NKinds) {
			id := s.AddStream(StreamConfig{Source: 8 | uint32(k), Kind: k, SSRC: uint32(k)})
			leg := s.AddLeg(LegConfig{Kind: k, SSRC: 1, RTX: 2, FirstSeq: 0xfffe, TWCC: true})
			ids, legs = append(ids, id), append(legs, leg)
			table.Sources = append(table.Sources, row([]Want{{Leg: leg, Layer: int8(jump)}}, id))
		}
		s.Publish(1, &table)
		var out Out
		for range 4 {
			for _, id := range ids {
				s.Admit(now, []Packet{{Stream: id, Data: b}}, &out)
			}
			if len(b) >= 4 {
				q := uint16(b[2])<<8 | uint16(b[3]) + jump
				b = append([]byte(nil), b...)
				b[2], b[3] = byte(q>>8), byte(q)
			}
			now = now.Add(time.Duration(jump) * time.Millisecond)
		}
		for i := range out.Descs {
			d := &out.Descs[i]
			p := s.Write(nil, d, jump, d.TWCC)
			var h rtp.Header
			if err := rtp.Parse(p, &h); err != nil || len(p) != d.Size {
				t.Fatalf("wrote %d bytes, said %d: %v", len(p), d.Size, err)
			}
			if len(p) > len(b)+MaxGrowth {
				t.Fatalf("wrote %d bytes from %d", len(p), len(b))
			}
		}
		for i, id := range ids {
			s.Missing(now, id, nil)
			s.KeyFrameDue(now, id)
			s.ReceiverReport(now, id)
			s.Nack(now, legs[i], []rtp.Seq{rtp.Seq(jump), 0xfffe, 0xffff, 0}, &out)
			s.LegReport(now, legs[i])
		}
		s.Done(out.Descs)
		for _, id := range ids {
			s.RemoveStream(id)
		}
		if s.slabs.held != 0 {
			t.Fatalf("%d slabs leaked", s.slabs.held)
		}
	})
}
