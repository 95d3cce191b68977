package link

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

func TestMergedDatagramsComeWithTheirSize(t *testing.T) {
	a, b := loopback(t), loopback(t)
	if !Merge(b) {
		t.Skip("SKIP: this kernel has no UDP_GRO")
	}
	if f, _ := FeaturesOf(b); !f.GRO {
		t.Error("Features does not tell that the socket merges")
	}
	const size, last, n = 1000, 300, 6
	var train []byte
	for i := range n - 1 {
		train = append(train, bytes.Repeat([]byte{byte('a' + i)}, size)...)
	}
	train = append(train, bytes.Repeat([]byte{'z'}, last)...)
	if _, err := a.WriteBatch([]Message{{Buf: train, N: len(train), Addr: b.LocalAddr(), Segment: size}}); err != nil {
		t.Fatal(err)
	}
	b.SetReadDeadline(time.Now().Add(5 * time.Second))
	var got []byte
	datagrams := 0
	for len(got) < len(train) {
		ms := []Message{{Buf: make([]byte, MergeBufLen)}, {Buf: make([]byte, MergeBufLen)}}
		k, err := b.ReadBatch(ms)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms[:k] {
			got = append(got, m.Buf[:m.N]...)
			if m.Segment == 0 {
				datagrams++
				continue
			}
			datagrams += (m.N + m.Segment - 1) / m.Segment
		}
	}
	if !bytes.Equal(got, train) || datagrams != n {
		t.Errorf("got %d bytes in %d datagrams, want %d in %d", len(got), datagrams, len(train), n)
	}
	if c, _ := CountersOf(b); c.Received != n {
		t.Errorf("counted %d datagrams, want %d", c.Received, n)
	}
}

func TestWhatTheSocketLosesIsCounted(t *testing.T) {
	a, b := loopback(t), loopback(t)
	f, ok := FeaturesOf(b)
	if !ok || f.GrantedRecv == 0 {
		t.Skip("SKIP: this system does not say how much a socket holds")
	}
	// The kernel counts its own bookkeeping too, so twice the bytes are certainly too many.
	junk := make([]byte, 1200)
	for sent := 0; sent < 4*f.GrantedRecv; sent += len(junk) {
		if _, err := a.WriteBatch([]Message{{Buf: junk, N: len(junk), Addr: b.LocalAddr()}}); err != nil {
			t.Fatal(err)
		}
	}
	ms := make([]Message, 64)
	for i := range ms {
		ms[i].Buf = make([]byte, 2048)
	}
	// The count comes with datagrams that arrive after the loss.
	b.SetReadDeadline(time.Now().Add(5 * time.Second))
	for read := 0; ; {
		n, err := b.ReadBatch(ms)
		if err != nil {
			t.Fatalf("no overflow counted in %d datagrams: %v", read, err)
		}
		read += n
		if _, err := a.WriteBatch([]Message{{Buf: junk, N: 1, Addr: b.LocalAddr()}}); err != nil {
			t.Fatal(err)
		}
		if c, _ := CountersOf(b); c.Overflow > 0 {
			return
		}
	}
}

// loopback is a socket on loopback that ends with the test.
func loopback(t *testing.T) PacketConn {
	t.Helper()
	c, err := Real().ListenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
