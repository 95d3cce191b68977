package link

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
)

func TestAddresses(t *testing.T) {
	got := Addresses()
	if len(got) == 0 {
		t.Fatal("no address at all")
	}
	if !slices.IsSortedFunc(got, func(a, b netip.Addr) int {
		switch {
		case a.IsLoopback() == b.IsLoopback():
			return 0
		case a.IsLoopback():
			return 1
		}
		return -1
	}) {
		t.Errorf("%v: loopback is not last", got)
	}
	for _, a := range got {
		if a.IsLinkLocalUnicast() || a.Is4In6() || a.Zone() != "" {
			t.Errorf("%v is of no use to a client", a)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for _, addr := range []netip.AddrPort{{}, netip.MustParseAddrPort("192.0.2.1:0")} {
		if c, err := Real().ListenPacket(addr); err == nil {
			c.Close()
			t.Errorf("bound UDP at %v", addr)
		}
		if ln, err := Real().Listen(addr); err == nil {
			ln.Close()
			t.Errorf("bound TCP at %v", addr)
		}
	}
}

func TestDial(t *testing.T) {
	ln, err := Real().Listen(netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")) // a mapped address means IPv4
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	if addr.IP.To4() == nil {
		t.Errorf("listening at %v, want IPv4", addr)
	}
	c, err := Real().Dial(testContext(t), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	ln.Close()
	if _, err := Real().Dial(testContext(t), "tcp", addr.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v, want refused", err)
	}
}
