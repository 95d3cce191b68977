package rtc

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
)

// behind makes n released transports at one address, transport i at port 1000+i with SSRC i, and returns their
// peers' sealing ends. Every transport has been heard.
func (b *bare) behind(host string, n int) []*srtp.Context {
	b.t.Helper()
	peers := make([]*srtp.Context, n)
	for i := range peers {
		from := fmt.Sprint(host, ":", 1000+i)
		user := fmt.Sprint("user", host, "-", i)
		b.take(from, checkOf(user+":x", password))
		peers[i] = b.key(b.Transport(user))
		if in := b.take(from, b.sealed(peers[i], uint32(i), 1)); len(in) != 1 {
			b.t.Fatal("media is not handed up")
		}
	}
	return peers
}

func (b *bare) sealed(peer *srtp.Context, ssrc uint32, seq uint16) []byte {
	out, err := peer.SealRTP(nil, rtpPacket(ssrc, seq))
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// junk is media of an SSRC nobody has.
func junk() []byte { return rtpPacket(0xbad, 1) }

func TestStrayMediaIsLookedForSoManyTimesASecond(t *testing.T) {
	b := newBare(t, nil)
	flooded, other := b.behind("198.51.100.1", 30), b.behind("198.51.100.2", 3)
	const flood = 40_000
	for range flood {
		b.take("198.51.100.1:60000", junk())
	}
	got := b.Counters()
	if looked := got.DroppedFor(ReasonUnknownAddr); looked < straysPerSecond/2 || looked > straysPerSecond {
		t.Errorf("looked for %d packets, want at most %d", looked, straysPerSecond)
	}
	if n := got.DroppedFor(ReasonUnknownAddr) + got.DroppedFor(ReasonStrays); n != flood {
		t.Errorf("%d counted, want %d", n, flood)
	}
	for _, from := range []struct {
		name  string
		after time.Duration
		addr  string
		peer  *srtp.Context
		want  int
	}{
		{"whose address is not looked for any more", 0, "198.51.100.1:50000", flooded[0], 0},
		{"of another host", 0, "198.51.100.2:50000", other[0], 1},
		{"a moment later", 100 * time.Millisecond, "198.51.100.1:50000", flooded[0], 1},
	} {
		b.now = b.now.Add(from.after)
		if in := b.take(from.addr, b.sealed(from.peer, 0, uint16(b.now.UnixMilli()%1000)+2)); len(in) != from.want {
			t.Errorf("%s: %d packets handed up, want %d", from.name, len(in), from.want)
		}
	}
}

// A thousand people behind one NAT that gives all of them other ports at once.
func TestAThousandPeopleWithOtherPortsAreBackSoon(t *testing.T) {
	b := newBare(t, nil)
	peers := b.behind("198.51.100.1", 3000)
	back, left := make([]bool, len(peers)), len(peers)
	began := b.now
	for ms := 0; left > 0; ms++ {
		if b.now = began.Add(time.Duration(ms) * time.Millisecond); b.now.Sub(began) > 2*time.Second {
			t.Fatalf("%d of %d are still away after 2 s", left, len(peers))
		}
		for i := ms % 20; i < len(peers); i += 20 { // each says something every 20 ms
			if back[i] {
				continue
			}
			if in := b.take(fmt.Sprint("198.51.100.1:", 10_000+i), b.sealed(peers[i], uint32(i), uint16(2+ms))); len(in) > 0 {
				back[i] = true
				left--
			}
		}
	}
}

// Junk at the address of so many transports, 40,000 a second (21 November 2026, a shared core):
//
//	transports   bounded   each looked for
//	         3    125 ns             83 ns
//	       300    205 ns           1190 ns
//	      3000    653 ns          15938 ns
func BenchmarkStray(b *testing.B) {
	for _, n := range []int{3, 300, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newBare(b, nil)
			m.behind("198.51.100.1", n)
			msg := link.Message{Addr: netip.MustParseAddrPort("198.51.100.1:60000"), Buf: junk()}
			msg.N = len(msg.Buf)
			for b.Loop() {
				m.now = m.now.Add(25 * time.Microsecond) // 40,000 a second
				m.Receive(m.now, m.via, &msg, nil)
			}
		})
	}
}
