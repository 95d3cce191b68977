package rtc

import (
	"net/netip"
	"testing"

	"parley/sys/link"
	"parley/sys/rtc/srtp"
)

// keyedAs is keyedTransport for another user, with keys of their own.
func (b *bare) keyedAs(user, from string) (*Transport, *srtp.Context) {
	b.t.Helper()
	b.take(from, checkOf(user+":x", password))
	key, salt := []byte(user + "-of-16-bytes")[:16], make([]byte, 12)
	var ends [3]*srtp.Context
	for i := range ends {
		var err error
		if ends[i], err = srtp.New(srtp.GCM128, key, salt); err != nil {
			b.t.Fatal(err)
		}
	}
	tr := b.Transport(user)
	tr.keyed(b.now, &keyed{in: ends[0], out: ends[1], fingerprint: "sha-256 00"})
	tr.Release()
	return tr, ends[2]
}

func TestAddressesThatShareAPlaceAreToldApart(t *testing.T) {
	m := newBare(t, nil)
	one := netip.MustParseAddrPort("198.51.100.1:5000")
	two := one
	for port := one.Port() + 1; recentOf(two) != recentOf(one) || two == one; port++ {
		two = netip.AddrPortFrom(one.Addr(), port)
	}
	first, ofFirst := m.keyedAs("user1", one.String())
	second, ofSecond := m.keyedAs("user2", two.String())
	seq := uint16(0)
	say := func() (got []*Transport) {
		seq++
		var ms []link.Message
		for _, from := range []struct {
			addr netip.AddrPort
			peer *srtp.Context
		}{{one, ofFirst}, {two, ofSecond}, {one, ofFirst}} {
			b, err := from.peer.SealRTP(nil, rtpPacket(uint32(from.addr.Port()), seq))
			if err != nil {
				t.Fatal(err)
			}
			ms = append(ms, link.Message{Buf: b, N: len(b), Addr: from.addr})
			seq++
		}
		m.Expect(ms)
		for i := range ms {
			for _, in := range m.Receive(m.now, m.via, &ms[i], nil) {
				got = append(got, in.T)
			}
		}
		return got
	}
	for range 3 {
		if got := say(); len(got) != 3 || got[0] != first || got[1] != second || got[2] != first {
			t.Fatalf("handed up for %v, want %v, %v, %[2]v", got, first, second)
		}
	}
	first.Close(m.now)
	if got := say(); len(got) != 1 || got[0] != second {
		t.Errorf("after the first has ended: handed up for %v, want %v alone", got, second)
	}
}

func TestAnythingMayBeExpected(t *testing.T) {
	m := newBare(t, nil)
	from := netip.MustParseAddrPort("[2001:db8::1]:5000")
	m.take(from.String(), checkOf("user1:x", password)) // paths without keys
	m.take("[2001:db8::1]:5001", checkOf("user2:x", password))
	m.take(from.String(), []byte{0x80, 200}) // both are known by now without the map
	m.take("[2001:db8::1]:5001", []byte{0x80, 200})
	for _, b := range [][]byte{nil, {0x80}, {0x80, 200}, checkOf("user1:x", password)} {
		ms := make([]link.Message, 40)
		for i := range ms {
			ms[i] = link.Message{Buf: b, N: len(b), Addr: netip.AddrPortFrom(from.Addr(), from.Port()+uint16(i/2))}
		}
		m.Expect(ms)
	}
	m.Expect(nil)
}
