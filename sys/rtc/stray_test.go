package rtc

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
	"parley/wire/rtp"
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

// reported is a receiver's report.
func (b *bare) reported(peer *srtp.Context, ssrc uint32) []byte {
	out, err := peer.SealRTCP(nil, rtp.AppendRR(nil, ssrc))
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
	if looked := got.DroppedFor(ReasonUnknownAddr); looked < straysSaved/2 || looked > straysSaved {
		t.Errorf("looked for %d packets, want at most %d", looked, straysSaved)
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

// Browsers that send no media all report as SSRC 1 (libwebrtc), and a client's three transports may report as one.
func TestReportsMoveWhoOnlyReceivesThoughOthersReportAsTheSame(t *testing.T) {
	const host, people = "198.51.100.1", 60
	b := newBare(t, nil)
	peers := b.behind(host, people)
	for i, peer := range peers {
		for range 1 + i/3*20 { // three began at the same time, and the next a second before
			b.now = b.now.Add(10 * time.Millisecond)
			if in := b.take(fmt.Sprint(host, ":", 1000+i), b.reported(peer, 1)); len(in) != 1 {
				t.Fatal("a report is not handed up")
			}
		}
	}
	for i, peer := range peers {
		lost := i % 5 // while the ports changed
		for range lost {
			b.reported(peer, 1)
		}
		from := fmt.Sprint(host, ":", 10_000+i)
		report := b.reported(peer, 1)
		in := b.take(from, report)
		if len(in) != 1 || !in[0].RTCP || in[0].T != b.Transport(fmt.Sprint("user", host, "-", i)) {
			t.Errorf("transport %d: %d packets handed up from the new port, want its own report", i, len(in))
			continue
		}
		if &in[0].Data[0] != &report[0] {
			t.Error("what is handed up is not inside the message's buffer")
		}
		if want := rtp.AppendRR(nil, 1); !bytes.Equal(in[0].Data, want) {
			t.Errorf("transport %d: %x handed up, want %x", i, in[0].Data, want)
		}
		if _, to, _, _ := in[0].T.Path(); to.String() != from {
			t.Errorf("transport %d: sends to %v, want the new port", i, to)
		}
	}
}

// Of another host, or forged in the name of one, nothing moves anybody; and a report is opened for a few only.
func TestAReportMovesNobodyButWhoSealedIt(t *testing.T) {
	const host = "198.51.100.1"
	b := newBare(t, nil)
	peers := b.behind(host, 30)
	for i, peer := range peers {
		b.take(fmt.Sprint(host, ":", 1000+i), b.reported(peer, 1))
	}
	forged := b.reported(peers[0], 1)
	forged[10] ^= 1
	elsewhere := b.reported(peers[1], 1)
	before := b.Counters()
	if in := append(b.take(host+":50000", forged), b.take("198.51.100.2:1001", elsewhere)...); len(in) != 0 {
		t.Errorf("%d packets handed up, want none", len(in))
	}
	after := b.Counters()
	if got := after.DroppedFor(ReasonAuth) - before.DroppedFor(ReasonAuth); got != 1 {
		t.Errorf("%d dropped for what was not authentic, want 1", got)
	}
	if after.Moves != before.Moves {
		t.Errorf("%d moves", after.Moves-before.Moves)
	}
}

// Junk at the address of so many transports, 40,000 a second: media that is nobody's, and forged reports that could be
// anybody's (21 November 2026, a shared core; without a bound it was media):
//
//	transports    media   reports   without a bound
//	         3    80 ns     87 ns             83 ns
//	       300   109 ns    155 ns           1190 ns
//	      3000   429 ns   1430 ns          15938 ns
func BenchmarkStray(b *testing.B) {
	const host = "198.51.100.1"
	for _, n := range []int{3, 300, 3000} {
		m := newBare(b, nil)
		peers := m.behind(host, n)
		for i, peer := range peers {
			m.take(fmt.Sprint(host, ":", 1000+i), m.reported(peer, 1))
		}
		forged := m.reported(peers[0], 1)
		forged[10] ^= 1
		for _, of := range []struct {
			name string
			data []byte
		}{{"media", junk()}, {"reports", forged}} {
			b.Run(fmt.Sprint(n, of.name), func(b *testing.B) {
				msg := link.Message{Addr: netip.MustParseAddrPort(host + ":60000"), Buf: of.data, N: len(of.data)}
				for range straysSaved {
					m.Receive(m.now, m.via, &msg, nil)
				}
				for b.Loop() {
					m.now = m.now.Add(25 * time.Microsecond) // 40,000 a second
					m.Receive(m.now, m.via, &msg, nil)
				}
			})
		}
	}
}
