package rtc

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"parley/sys/link"
	"parley/wire/stun"
)

func TestProbesGiveNothingAway(t *testing.T) {
	probe := func(n int) []byte {
		m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
		if n > stun.HeaderLen {
			m.Padding(n - stun.HeaderLen - 4)
		}
		return m.Bytes()
	}
	for _, c := range []struct {
		from string
		size int
		want int // bytes of the answer, 0 for silence
	}{
		{"192.0.2.1:1", 20, 0}, // shorter than any answer
		{"192.0.2.1:1", 28, 0},
		{"192.0.2.1:1", 32, 32},
		{"192.0.2.1:1", 64, 64},
		{"192.0.2.1:1", 1200, 1200},
		{"[2001:db8::1]:1", 40, 0},
		{"[2001:db8::1]:1", 44, 44},
		{"[2001:db8::1]:1", 1280, 1280},
	} {
		b := newBare(t, nil)
		b.take(c.from, probe(c.size))
		got := 0
		for _, m := range b.sent {
			got += m.N
		}
		if got != c.want {
			t.Errorf("%s, %d bytes: answered with %d, want %d", c.from, c.size, got, c.want)
		}
	}
	// Unpadded requests of other stacks carry SOFTWARE and get the plain answer.
	b := newBare(t, nil)
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Attr(stun.AttrSoftware, []byte("some other stack"))
	m.Fingerprint()
	b.take("192.0.2.1:1", m.Bytes())
	if len(b.sent) != 1 || b.sent[0].N != 32 {
		t.Errorf("answers %v", b.sent)
	}
}

// TestProbesTellTheirMark: what a probe arrived with, and the answer with the mark wished for, if media has it here.
func TestProbesTellTheirMark(t *testing.T) {
	for _, c := range []struct {
		name       string
		mark, wish uint8 // as link.Message.Mark; and the request's
		told, sent uint8
	}{
		{"as sent", 47, 46, 46, 46},
		{"cleared on the way", 1, 46, 0, 46},
		{"remarked", 11, 34, 10, 34},
		{"a system that does not tell", 0, 46, stun.MarkUnknown, 46},
		{"no mark wished for", 47, 0, 46, 0},
		{"a mark that media has not", 47, 48, 46, 0},
	} {
		b := newBare(t, func(cfg *MuxConfig) { cfg.Marks = []uint8{46, 34, 26} })
		m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
		m.Mark(c.wish, 0)
		m.Padding(64 - m.Len() - 4)
		b.Receive(b.now, b.via, &link.Message{Buf: m.Bytes(), N: m.Len(), Addr: netip.MustParseAddrPort("192.0.2.1:1"), Mark: c.mark}, nil)
		if len(b.sent) != 1 {
			t.Fatalf("%s: %d answers", c.name, len(b.sent))
		}
		res, err := stun.Parse(b.sent[0].Buf[:b.sent[0].N])
		if err != nil {
			t.Fatal(err)
		}
		if told, sent, ok := res.Mark(); !ok || told != c.told || sent != c.sent || b.sent[0].DSCP != c.sent || res.Len() != 64 {
			t.Errorf("%s: told %d, sent %d (really %d), %d bytes; want %d, %d, 64", c.name, told, sent, b.sent[0].DSCP, res.Len(), c.told, c.sent)
		}
	}
	// No room for it, no MARK.
	b := newBare(t, nil)
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Mark(46, 0)
	m.Attr(stun.AttrSoftware, nil)
	b.take("192.0.2.1:1", m.Bytes())
	if len(b.sent) != 1 || b.sent[0].N > m.Len() {
		t.Errorf("answers %v", b.sent)
	}
}

// TestProbesDressedAsMediaAreAnsweredAsMedia: never with more bytes, and checks are not taken from a dress.
func TestProbesDressedAsMediaAreAnsweredAsMedia(t *testing.T) {
	for _, c := range []struct {
		name string
		size int // of what is inside
		user string
		want bool
	}{
		{"a probe", 64, "", true}, {"of full size", 1200, "", true}, {"shorter than its answer", 28, "", false}, {"a check", 64, "a:b", false},
	} {
		b := newBare(t, nil)
		m := stun.Build(stun.AppendDress(nil), stun.BindingRequest, stun.TxID{3})
		if c.user != "" {
			m.Username(c.user)
		}
		m.Padding(c.size - m.Len() - 4)
		if in := b.take("192.0.2.1:1", m.Bytes()); len(in) != 0 || len(b.sent) != map[bool]int{true: 1}[c.want] {
			t.Errorf("%s: %d answers, %d media packets", c.name, len(b.sent), len(in))
			continue
		}
		if !c.want {
			continue
		}
		inner, ok := stun.Undress(b.sent[0].Buf[:b.sent[0].N])
		res, err := stun.Parse(inner)
		if !ok || err != nil || res.TxID() != (stun.TxID{3}) || b.sent[0].N != len(m.Bytes()) {
			t.Errorf("%s: %d bytes for %d, dressed %v, %v", c.name, b.sent[0].N, len(m.Bytes()), ok, err)
		}
	}
}

func TestProbesAreLimitedByNetwork(t *testing.T) {
	b := newBare(t, func(c *MuxConfig) { c.ProbesPerSecond = 10 })
	for { // until the hash gives each network a bucket of its own
		seen := map[*bucket]bool{}
		for _, a := range []string{"192.0.2.1", "192.0.3.1", "2001:db8::1", "2001:db8:0:1::1"} {
			seen[b.probes.bucket(netip.MustParseAddr(a))] = true
		}
		if len(seen) == 4 {
			break
		}
		b.probes = newLimiter(10)
	}
	m := stun.Build(nil, stun.BindingRequest, stun.TxID{3})
	m.Padding(40)
	flood := func(format string) int {
		before := b.Counters().Probes
		for i := range 200 {
			b.take(fmt.Sprintf(format, i+1), m.Bytes())
		}
		return int(b.Counters().Probes - before)
	}
	for _, c := range []struct {
		format string
		want   int
	}{
		{"192.0.2.%d:1", 40}, // a burst of four seconds' worth
		{"192.0.2.%d:2", 0},
		{"192.0.3.%d:1", 40}, // another /24
		{"[2001:db8::%x]:1", 40},
		{"[2001:db8::1:%x]:1", 0},
		{"[2001:db8:0:1::%x]:1", 40}, // another /64
		{"[::ffff:192.0.2.%d]:1", 0}, // the first again
	} {
		if got := flood(c.format); got != c.want {
			t.Errorf("%s: %d answered, want %d", c.format, got, c.want)
		}
	}
	b.now = b.now.Add(time.Second)
	if got := flood("192.0.2.%d:1"); got != 10 {
		t.Errorf("a second later %d, want 10", got)
	}
	if b.Counters().DroppedFor(ReasonProbeLimit) == 0 {
		t.Error("not counted")
	}
}
