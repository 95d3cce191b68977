package mmr

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"parley/sys/link"
	"parley/sys/rtc"
)

func TestAPlaneWhoseSocketIsGoneSaysSo(t *testing.T) {
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlane(PlaneConfig{Host: link.Real(), Certificate: cert, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- p.Run(t.Context()) }()
	// The first command has run: the shard is at its sockets.
	turned := make(chan struct{})
	p.shards[0].do(func(time.Time) { close(turned) })
	<-turned
	p.shards[0].do(func(time.Time) { p.conns[0].Close() })
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v, want the socket's error", err)
	}
}

// Of several shards' sockets some may be another host's: then no shard waits in the kernel, and nothing is kept of
// those that could have.
func TestPollersOfSomeShardsAreGivenBack(t *testing.T) {
	events := func() (n int) {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		for _, fd := range fds {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(to, "eventfd") {
				n++
			}
		}
		return n
	}
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	before := events()
	p, err := NewPlane(PlaneConfig{
		Host: link.Real(), Certificate: cert, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Shards: 2, NoTCP: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	own := p.shards[1].conns
	p.shards[1].conns = []link.PacketConn{&deafConn{}}
	if all, err := p.pollers(); all != nil || err != nil {
		t.Errorf("%d pollers, %v; want none", len(all), err)
	}
	p.shards[1].conns = own
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if after := events(); after != before {
		t.Errorf("%d descriptors of wake-ups are open, want %d", after, before)
	}
}

// A plane that is busy is not woken by what can wait, and comes round to it all the same.
func TestABusyPlaneAnswersWhatCanWait(t *testing.T) {
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlane(PlaneConfig{
		Host: link.Real(), Certificate: cert, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, HoldFrom: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	turned := make(chan bool)
	p.shards[0].do(func(time.Time) { turned <- true })
	<-turned // and that turn has judged
	p.shards[0].do(func(time.Time) { turned <- p.shards[0].holding })
	if !<-turned {
		t.Fatal("not busy")
	}
	if s, ok := p.Sockets(); !ok || s.Receive == 0 {
		t.Errorf("sockets: %+v, %v", s, ok)
	}
	for range 20 {
		if _, _, err := rtc.Probe(ctx, link.Real(), p.Addr(), true); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Drops()["rtc_probe_limit"]; n > 0 {
		t.Errorf("%d probes came twice", n)
	}
}
