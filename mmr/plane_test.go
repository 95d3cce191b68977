package mmr

import (
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
