package rtc

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"

	"parley/sys/rtc/srtp"
	"parley/wire/stun"
)

// Bare is the client's end of one transport without socket, clock and standing goroutine: the owner
// moves the datagrams. A load generator holds thousands of them on one socket; participants use Dial.
//
// AppendCheck, Push and Handshake may be called from different goroutines.
type Bare struct {
	cfg  DialConfig
	user string
	tie  uint64
	pipe *pipe
}

// NewBare prepares a transport. Of cfg it uses Credentials, Fingerprint and Certificate. write sends a
// DTLS datagram to the router; it must not block and keeps nothing.
func NewBare(cfg DialConfig, write func([]byte)) *Bare {
	return &Bare{
		cfg: cfg, user: cfg.Credentials.Ufrag + ":" + randomText(ownUfrag), tie: randomUint64(),
		pipe: newPipe(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), write),
	}
}

// AppendCheck appends a connectivity check (RFC 8445 §7.2.4), which later ones repeat as consent checks.
// One must be on its way before Handshake, and again until an answer comes.
func (b *Bare) AppendCheck(dst []byte) []byte {
	var id stun.TxID
	rand.Read(id[:])
	m := stun.Build(dst, stun.BindingRequest, id)
	m.Username(b.user)
	m.Priority(110<<24 | 65535<<8 | 255)
	m.Controlling(b.tie)
	m.UseCandidate()
	m.Integrity([]byte(b.cfg.Credentials.Password))
	m.Fingerprint()
	return m.Bytes()
}

// Push takes a DTLS datagram of the router; it keeps nothing of b.
func (b *Bare) Push(datagram []byte) { b.pipe.push(datagram) }

// Handshake runs DTLS to its end and returns both directions' keys. No DTLS state is kept.
func (b *Bare) Handshake(ctx context.Context) (in, out *srtp.Context, err error) {
	conn, keys, err := connect(ctx, b.pipe, b.cfg.Certificate, b.cfg.Fingerprint)
	b.pipe.mute()
	if conn != nil {
		conn.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keying the media transport: %w", err)
	}
	return keys.in, keys.out, nil
}
