package rtc

import (
	"bytes"
	"net/netip"
	"testing"

	"parley/sys/link"
)

// FuzzReceiveKeyed gives any bytes to a mux with a transport that has keys: as they are, from the
// transport's address and from another, in trains and alone, and sealed with the peer's keys. Only what was
// sealed is handed up, and once.
func FuzzReceiveKeyed(f *testing.F) {
	f.Add(rtpPacket(1, 0xffff), 0)
	f.Add([]byte{0x80, 200, 0, 1, 0, 0, 0, 1}, 4)
	f.Add(checkOf("user1:x", password), 30)
	f.Add(helloOf(200), 90)
	f.Fuzz(func(t *testing.T, data []byte, segment int) {
		const from, other = "198.51.100.1:5000", "198.51.100.2:5000"
		b := newBare(t, nil)
		tr, peer := b.keyedTransport(from)
		for _, addr := range []string{from, other} {
			m := link.Message{Buf: bytes.Clone(data), N: len(data), Addr: netip.MustParseAddrPort(addr), Segment: segment}
			if in := b.Receive(b.now, b.via, &m, nil); len(in) != 0 {
				t.Fatal("handed up what no key sealed")
			}
		}
		sealed, err := peer.SealRTP(nil, data)
		if len(data) > 1 && isRTCP(data) {
			sealed, err = peer.SealRTCP(nil, data)
		}
		if err != nil {
			return
		}
		in := b.take(from, bytes.Clone(sealed))
		if len(in) != 1 || in[0].T != tr || !bytes.Equal(in[0].Data, data) {
			t.Fatalf("%d packets of one that was sealed", len(in))
		}
		if in := b.take(from, sealed); len(in) != 0 {
			t.Fatal("handed up twice")
		}
	})
}
