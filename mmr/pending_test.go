package mmr

import (
	"net/netip"
	"testing"
)

func TestChannelsWithoutAHello(t *testing.T) {
	var p pending
	ended := map[int]bool{}
	enter := func(n int, addr string) *waiter {
		return p.enter(netip.MustParseAddr(addr), func() { ended[n] = true })
	}
	var first []*waiter
	for n := range maxPendingFrom {
		first = append(first, enter(n, "192.0.2.1"))
	}
	enter(1000, "192.0.2.2")
	p.leave(first[0])
	p.leave(first[0])
	if enter(1001, "192.0.2.1"); len(ended) != 0 {
		t.Fatalf("%d ended, with room for all", len(ended))
	}
	enter(1002, "192.0.2.1")
	if !ended[1] || len(ended) != 1 {
		t.Fatalf("ended %v, want the oldest of the address that has too many, 1", ended)
	}

	for n := range maxPending {
		enter(2000+n, netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}
	if got := p.oldest.Len(); got != maxPending {
		t.Errorf("%d wait, want %d", got, maxPending)
	}
	if !ended[2] || !ended[1000] || ended[2000+maxPending-1] {
		t.Error("not the oldest went")
	}
	for p.oldest.Len() > 0 {
		p.leave(p.oldest.Front().Value.(*waiter))
	}
	if len(p.from) != 0 {
		t.Errorf("%d addresses kept", len(p.from))
	}
}
