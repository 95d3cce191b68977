package mmr

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"parley/core/forward"
	"parley/sys/link"
	"parley/sys/rtc"
	"parley/wire/proto"
	"parley/wire/rtp"
)

// A plane's packets are no part of the collector's heap: what it took it gives back, when a burst is over and in the end.
func TestAPlaneGivesItsMemoryBack(t *testing.T) {
	cert, err := rtc.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlane(PlaneConfig{
		Host: link.Real(), Certificate: cert, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, NoTCP: true, Shards: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	s := p.shards[1]
	on := func(f func(now time.Time)) {
		done := make(chan struct{})
		s.do(func(now time.Time) { f(now); close(done) })
		<-done
	}
	on(func(time.Time) {})
	s = p.shards[0] // both have their room to receive
	var empty, full, after int64
	on(func(now time.Time) {
		s.expire(now)
		empty = p.Kept()
		id := s.fwd.AddStream(forward.StreamConfig{Kind: proto.Video})
		b := make([]byte, 1000)
		for i := range 320 {
			b[0], b[1], b[2], b[3] = 0x80, proto.PTVP8, byte(i>>8), byte(i)
			s.fwd.Admit(now, []forward.Packet{{Stream: id, Data: b}}, &s.out)
		}
		var h rtp.Header
		if err := rtp.Parse(b, &h); err != nil || s.fwd.Held() != 320 {
			t.Errorf("%d packets held, %v", s.fwd.Held(), err)
		}
		s.emit(now)
		full = p.Kept()
		s.fwd.RemoveStream(id)
	})
	if got := full - empty; got < 320_000 || got > 320_000+4*forward.BlockLen {
		t.Errorf("%d bytes for 320 packets of 1,000", got)
	}
	on(func(now time.Time) {
		for range 3 {
			if at := s.wake(now); s.untidy && at.After(now.Add(sweepEvery)) {
				t.Errorf("looks at what it keeps in %v", at.Sub(now))
			}
			now = now.Add(sweepEvery)
			s.expire(now)
		}
		after = p.Kept()
	})
	if got := after - empty; got > 2*forward.BlockLen {
		t.Errorf("%d bytes for nothing", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if p.Kept() != 0 {
		t.Errorf("%d bytes are out in the end", p.Kept())
	}
}
