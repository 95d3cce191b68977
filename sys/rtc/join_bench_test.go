package rtc

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkHandshake is one DTLS handshake, both ends of it.
func BenchmarkHandshake(b *testing.B) {
	server, err := NewCertificate(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	client, err := NewCertificate(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddrPort("192.0.2.1:1")
	for b.Loop() {
		var to, from *pipe
		to = newPipe(addr, func(p []byte) { from.push(p) })
		from = newPipe(addr, func(p []byte) { to.push(p) })
		done := make(chan error, 1)
		go func() {
			conn, _, err := serve(context.Background(), to, server)
			to.mute()
			conn.Close()
			done <- err
		}()
		conn, _, err := connect(context.Background(), from, client, Fingerprint(server))
		if err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		from.mute()
		conn.Close()
	}
}
