package rtc

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// TestOverRealSockets joins over loopback: what the in-memory network can't show, that link's sockets and
// the router's loop fit together.
func TestOverRealSockets(t *testing.T) {
	cert, err := NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pc, err := link.Real().ListenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	posts := make(chan func(time.Time), 64)
	msgs := make(chan link.Message)
	ended := make(chan struct{})
	mux := NewMux(MuxConfig{
		Certificate: cert,
		Admit:       func(time.Time, string) (Admission, bool) { return Admission{Password: password}, true },
		Post:        func(f func(time.Time)) { posts <- f },
		Send:        func(via link.PacketConn, m link.Message) { via.WriteBatch([]link.Message{m}) },
		Up:          func(_ time.Time, tr *Transport, _ string) { tr.Release() },
	})
	go func() { // reads
		defer close(msgs)
		for {
			ms := []link.Message{{Buf: make([]byte, 2048)}}
			if _, err := pc.ReadBatch(ms); err != nil {
				return
			}
			msgs <- ms[0]
		}
	}()
	go func() { // owns the Mux, and echoes what it gets
		defer close(ended)
		defer func() { mux.Close(time.Now()) }()
		for {
			select {
			case f := <-posts:
				f(time.Now())
			case m, ok := <-msgs:
				if !ok {
					return
				}
				for _, in := range mux.Receive(time.Now(), pc, &m, nil) {
					b, err := in.T.SealRTP(nil, in.Data)
					if via, to, from, ok := in.T.Path(); ok && err == nil {
						via.WriteBatch([]link.Message{{Buf: b, N: len(b), Addr: to, Local: from}})
					}
				}
			}
		}
	}()
	defer func() { pc.Close(); <-ended }()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, mapped, err := Probe(ctx, link.Real(), pc.LocalAddr(), true); err != nil || !mapped.Addr().IsLoopback() {
		t.Errorf("probe: %v, seen as %v", err, mapped)
	}
	own, err := NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(ctx, DialConfig{
		Host:        link.Real(),
		Remote:      []proto.Candidate{{Rung: proto.UDP8801, Addr: pc.LocalAddr().String()}},
		Credentials: proto.Credentials{Ufrag: "anybody", Password: password},
		Fingerprint: Fingerprint(cert),
		Certificate: own,
		DSCP:        46,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for seq := range uint16(3) {
		want := rtpPacket(5, seq)
		if err := c.WriteRTP(want); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1500)
		if n, _, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("echo %x: %v", buf[:n], err)
		}
		if seq == 1 {
			if err := c.Rebind(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}
