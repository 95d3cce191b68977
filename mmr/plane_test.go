package mmr

import (
	"context"
	"errors"
	"net"
	"net/netip"
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
