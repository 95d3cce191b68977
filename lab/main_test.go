package lab

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/sys/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a net of two hosts in a bubble.
type world struct {
	*testing.T
	net  *Net
	a, b *Host
}

func bubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNet(1)
		t.Cleanup(n.Close)
		f(&world{T: t, net: n, a: n.Host("a", HostOpts{IPv6: true}), b: n.Host("b", HostOpts{IPv6: true})})
	})
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// socket binds UDP on h.
func (w *world) socket(h *Host, addr string) link.PacketConn {
	w.Helper()
	c, err := h.ListenPacket(addrPort(addr))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) send(c link.PacketConn, to netip.AddrPort, texts ...string) {
	w.Helper()
	for _, s := range texts {
		m := link.Message{Buf: []byte(s), N: len(s), Addr: to}
		if n, err := c.WriteBatch([]link.Message{m}); n != 1 || err != nil {
			w.Fatalf("WriteBatch = %d, %v", n, err)
		}
	}
}

// arrival is one datagram and when it came.
type arrival struct {
	text  string
	from  netip.AddrPort
	local netip.Addr
	at    time.Duration
}

// collect reads what arrives at c within d.
func (w *world) collect(c link.PacketConn, d time.Duration) []arrival {
	w.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		w.Fatal(err)
	}
	var got []arrival
	ms := make([]link.Message, 8)
	for i := range ms {
		ms[i].Buf = make([]byte, 2048)
	}
	for {
		n, err := c.ReadBatch(ms)
		if err != nil {
			return got
		}
		for _, m := range ms[:n] {
			got = append(got, arrival{text: string(m.Buf[:m.N]), from: m.Addr, local: m.Local, at: w.net.Now()})
		}
	}
}

func texts(as []arrival) []string {
	var s []string
	for _, a := range as {
		s = append(s, a.text)
	}
	return s
}
