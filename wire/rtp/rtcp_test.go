package rtp

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// one splits b, which must hold exactly one packet.
func one(t *testing.T, b []byte) RTCP {
	t.Helper()
	p, rest, ok := NextRTCP(b)
	if !ok || len(rest) != 0 {
		t.Fatalf("%x: ok %v, %d bytes left", b, ok, len(rest))
	}
	return p
}

func TestReportsRoundTrip(t *testing.T) {
	info := SenderInfo{NTP: 0x0102030405060708, Time: 0xfffffff0, Packets: 7, Octets: 8}
	blocks := []ReportBlock{
		{SSRC: 1, FractionLost: 255, Lost: 1<<23 - 1, Highest: 0x1ffff, Jitter: 9, LSR: 10, DLSR: 11},
		{SSRC: 2, Lost: -1},
		{SSRC: 3, Lost: -1 << 23},
	}
	b := AppendSR(nil, 0xcafe, info, blocks...)
	ssrc, gotInfo, gotBlocks, ok := one(t, b).SenderReport()
	if !ok || ssrc != 0xcafe || gotInfo != info || gotBlocks.Len() != len(blocks) {
		t.Fatalf("SR %x: %v %#x %+v", b, ok, ssrc, gotInfo)
	}
	for i, want := range blocks {
		if got := gotBlocks.At(i); got != want {
			t.Errorf("block %d: got %+v, want %+v", i, got, want)
		}
	}
	ssrc, gotBlocks, ok = one(t, AppendRR(nil, 5, blocks...)).ReceiverReport()
	if !ok || ssrc != 5 || gotBlocks.Len() != 3 || gotBlocks.At(2) != blocks[2] {
		t.Error("RR")
	}
	if _, _, _, ok := one(t, AppendRR(nil, 5)).SenderReport(); ok {
		t.Error("RR read as SR")
	}
	// More than 31 blocks cannot be counted in five bits; loss beyond 24 bits is clamped.
	_, gotBlocks, _ = one(t, AppendRR(nil, 5, make([]ReportBlock, 40)...)).ReceiverReport()
	if gotBlocks.Len() != 31 {
		t.Errorf("%d blocks", gotBlocks.Len())
	}
	_, gotBlocks, _ = one(t, AppendRR(nil, 5, ReportBlock{Lost: 1 << 30, FractionLost: 3})).ReceiverReport()
	if got := gotBlocks.At(0); got.Lost != 1<<23-1 || got.FractionLost != 3 {
		t.Errorf("clamped: %+v", got)
	}
}

func TestSenderReportVector(t *testing.T) {
	// By hand from RFC 3550 section 6.4.1.
	b := unhex(t, "81c8000c 11223344 b44db705 20000000 00000010 00000002 00000003"+
		"55667788 40fffffe 00010002 00000005 b7052000 00054000")
	_, info, blocks, ok := one(t, b).SenderReport()
	if !ok || info.NTP != 0xb44db70520000000 || info.Time != 16 {
		t.Fatal(ok, info)
	}
	want := ReportBlock{SSRC: 0x55667788, FractionLost: 0x40, Lost: -2, Highest: 0x10002, Jitter: 5, LSR: 0xb7052000, DLSR: 0x54000}
	if got := blocks.At(0); got != want {
		t.Errorf("got %+v", got)
	}
	if out := AppendSR(nil, 0x11223344, info, want); !bytes.Equal(out, b) {
		t.Errorf("written %x", out)
	}
}

func TestCompound(t *testing.T) {
	b := AppendRR(nil, 1)
	b = AppendCNAME(b, 1, "abc")
	b = AppendNack(b, 1, 2, []Seq{5})
	b = AppendBye(b, 9)
	var types []uint8
	for rest := b; len(rest) > 0; {
		p, r, ok := NextRTCP(rest)
		if !ok {
			t.Fatal("malformed")
		}
		types = append(types, p.Type)
		if ssrc, name, ok := p.CNAME(); ok && (ssrc != 1 || string(name) != "abc") {
			t.Errorf("CNAME %d %q", ssrc, name)
		}
		if ssrc, ok := p.Bye(0); ok && ssrc != 9 {
			t.Errorf("BYE of %d", ssrc)
		}
		rest = r
	}
	if want := []uint8{TypeRR, TypeSDES, TypeRTPFB, TypeBye}; !slices.Equal(types, want) {
		t.Errorf("got %v, want %v", types, want)
	}
	for n := range 9 { // every length of name ends in a zero byte and on 32 bits
		_, name, ok := one(t, AppendCNAME(nil, 1, "12345678"[:n])).CNAME()
		if !ok || len(name) != n {
			t.Errorf("name of %d bytes: %v %q", n, ok, name)
		}
	}
	for _, bad := range []string{"", "80c8", "40c90001 00000001", "80c90002 00000001", "a0c90001 00000000", "a0c90001 00000005", "a0c90000"} {
		if _, _, ok := NextRTCP(unhex(t, bad)); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestNackPairs(t *testing.T) {
	for _, start := range wraps {
		for _, offs := range [][]Seq{{0}, {0, 16}, {0, 17}, {0, 1, 2, 3, 16, 17, 18, 40, 1000}} {
			var seqs []Seq
			for _, o := range offs {
				seqs = append(seqs, start+o)
			}
			b := AppendNack(nil, 1, 2, seqs)
			sender, media, pairs, ok := one(t, b).Nack()
			if !ok || sender != 1 || media != 2 {
				t.Fatal(ok, sender, media)
			}
			if got := pairs.AppendSeqs(nil, 100); !slices.Equal(got, seqs) {
				t.Errorf("got %v, want %v", got, seqs)
			}
			if got := pairs.AppendSeqs(nil, 1); len(got) != 1 {
				t.Errorf("limit of 1 gave %v", got)
			}
		}
	}
	if b := AppendNack(nil, 1, 2, nil); len(b) != 0 {
		t.Error("NACK of nothing")
	}
	if b := AppendNack(nil, 1, 2, []Seq{3, 3, 4}); len(b) != 16 {
		t.Errorf("a repeated number took another pair: %x", b)
	}
}

func TestPictureRequests(t *testing.T) {
	if s, m, ok := one(t, AppendPLI(nil, 1, 2)).PLI(); !ok || s != 1 || m != 2 {
		t.Error("PLI", s, m, ok)
	}
	p := one(t, AppendFIR(nil, 1, 2, 7))
	if m, n, ok := p.FIR(0); !ok || m != 2 || n != 7 {
		t.Error("FIR", m, n, ok)
	}
	if _, _, ok := p.FIR(1); ok {
		t.Error("second entry of one")
	}
	if _, _, ok := p.PLI(); ok {
		t.Error("FIR read as PLI")
	}
}

func TestTransportFeedbackVector(t *testing.T) {
	// Base 5, seven packets, reference 2, number 9. A run of two small ones; two-bit symbols: lost,
	// large, small, lost, small; the deltas 4, 8, -1, 1, 2; padding to 32 bits without the P bit.
	b := unhex(t, "8fcd0007 00000001 00000002 0005 0007 000002 09 2002 c910 04 08 ffff 01 02 0000")
	f, ok := one(t, b).TransportFeedback()
	if !ok || f.Base != 5 || f.Count != 7 || f.Number != 9 {
		t.Fatalf("%v %+v", ok, f)
	}
	ref := 2 * 64 * time.Millisecond
	q := 250 * time.Microsecond
	want := []Arrival{
		{5, true, ref + 4*q}, {6, true, ref + 12*q}, {7, false, 0}, {8, true, ref + 11*q}, {9, true, ref + 12*q}, {10, false, 0}, {11, true, ref + 14*q},
	}
	for _, w := range want {
		if a, ok := f.Next(); !ok || a != w {
			t.Errorf("got %+v %v, want %+v", a, ok, w)
		}
	}
	if _, ok := f.Next(); ok {
		t.Error("more than seven")
	}
}

func TestTransportFeedbackRoundTrip(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		base := wraps[rnd.IntN(len(wraps))]
		at := make([]time.Duration, 1+rnd.IntN(400))
		clock := time.Duration(rnd.IntN(1e6)) * time.Millisecond
		loss, jump := rnd.IntN(60), rnd.IntN(30)
		for i := range at {
			clock += time.Duration(rnd.IntN(3000)) * time.Microsecond
			if rnd.IntN(100) < jump {
				clock += time.Duration(rnd.IntN(200)) * time.Millisecond
			}
			at[i] = clock
			if rnd.IntN(20) == 0 { // overtaken
				at[i] = max(clock-time.Duration(rnd.IntN(20))*time.Millisecond, 0)
			}
			if rnd.IntN(100) < loss {
				at[i] = NotReceived
			}
		}
		b, n := AppendTransportFeedback(nil, 1, 2, 3, base, at)
		if n != len(at) {
			t.Fatalf("seed %d: took %d of %d", seed, n, len(at))
		}
		if len(b) == 0 {
			continue // all lost
		}
		f, ok := one(t, b).TransportFeedback()
		if !ok || f.Count != n || f.Base != base {
			t.Fatalf("seed %d: %v %+v", seed, ok, f)
		}
		for i, want := range at {
			a, ok := f.Next()
			if !ok || a.Seq != base+Seq(i) || a.Received != (want >= 0) {
				t.Fatalf("seed %d, packet %d: %+v, want %v", seed, i, a, want)
			}
			if d := want - a.At; want >= 0 && (d < 0 || d >= 250*time.Microsecond) {
				t.Fatalf("seed %d, packet %d: at %v, want %v", seed, i, a.At, want)
			}
		}
	}
}

func TestTransportFeedbackStopsWhereDeltasEnd(t *testing.T) {
	// Claims a run of 8191 packets, but has no delta for them.
	b := unhex(t, "8fcd0005 00000001 00000002 0005 1fff 000002 09 3fff 0102")
	f, ok := one(t, b).TransportFeedback()
	if !ok {
		t.Fatal("refused")
	}
	n := 0
	for _, more := f.Next(); more; _, more = f.Next() {
		n++
	}
	if n != 2 {
		t.Errorf("%d packets from two deltas", n)
	}
	// Chunks that end before the count are refused.
	if _, ok := one(t, unhex(t, "8fcd0005 00000001 00000002 0005 1fff 000002 09 2001 2001")).TransportFeedback(); ok {
		t.Error("chunks for 2 of 8191 taken")
	}
}
