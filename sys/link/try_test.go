package link

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestTryReadDoesNotWait(t *testing.T) {
	open := func() PacketConn {
		c, err := Real().ListenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	a, b := open(), open()
	ms := []Message{{Buf: make([]byte, 64)}, {Buf: make([]byte, 64)}}
	n, ok, err := TryRead(b, ms)
	if !ok {
		t.Skip("this system can't read without waiting")
	}
	if n != 0 || err != nil {
		t.Errorf("empty: %d, %v", n, err)
	}
	if _, err := a.WriteBatch([]Message{{Buf: []byte("hello"), N: 5, Addr: b.LocalAddr()}}); err != nil {
		t.Fatal(err)
	}
	n, _, err = TryRead(b, ms) // loopback delivers within the send
	if n != 1 || err != nil || string(ms[0].Buf[:ms[0].N]) != "hello" || ms[0].Addr != a.LocalAddr() || ms[0].Local != b.LocalAddr().Addr() {
		t.Errorf("%d %v %+v", n, err, ms[0])
	}
	b.Close()
	if _, _, err := TryRead(b, ms); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, ok, _ := TryRead(nil, ms); ok {
		t.Error("no socket, and yet it reads")
	}
}
