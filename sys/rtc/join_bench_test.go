package rtc

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
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

// BenchmarkHandshakeFloor is what no handshake can do without at one end: a key, an agreement, a signature made
// and one checked, all on P-256. Two of it are the floor of BenchmarkHandshake.
func BenchmarkHandshakeFloor(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("what was said"))
	for b.Loop() {
		own, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := own.ECDH(peer.PublicKey()); err != nil {
			b.Fatal(err)
		}
		sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			b.Fatal(err)
		}
		if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig) {
			b.Fatal("the signature does not hold")
		}
	}
}
