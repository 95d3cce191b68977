package rtc

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"parley/sys/link"
	"parley/wire/proto"
)

// The errors of Dial and Conn.
var (
	// ErrNoCandidate says that no candidate given can be tried from here.
	ErrNoCandidate = errors.New("rtc: no usable candidate")
	// ErrFingerprint says that whoever answered is not the router of the grant.
	ErrFingerprint = errors.New("rtc: the router's certificate is not the one granted")
	// ErrLost says that the router has not been heard for too long.
	ErrLost = errors.New("rtc: transport lost")
	// ErrClosed says that the transport was closed here.
	ErrClosed = errors.New("rtc: transport closed")
)

// The clocks of a client transport.
const (
	// checkEvery is how often a pair is checked until it answers; libwebrtc does the same.
	checkEvery = 50 * time.Millisecond
	// consentEvery keeps consent and NAT bindings, and measures the round trip (RFC 7675 asks for 5 s or less).
	consentEvery = 2500 * time.Millisecond
	// streamCheckEvery is checkEvery where the network repeats what is lost.
	streamCheckEvery = 500 * time.Millisecond
	// clientLost ends a transport that has heard nothing authentic. Demoting a path that carries no media is
	// decided earlier and elsewhere.
	clientLost = 10 * time.Second
	// retireAfter is how long a socket left by Rebind still receives.
	retireAfter = time.Second
)

// maxRoutes bounds the candidates tried at once.
const maxRoutes = 8

// DialConfig is one transport of a grant, from the client's side.
type DialConfig struct {
	Host        link.Host
	Remote      []proto.Candidate // for Dial, which tries those of the best rung among them
	Credentials proto.Credentials // of the group, from the grant
	Fingerprint string            // the router's, from the grant
	Certificate tls.Certificate   // the client's; its fingerprint is in the meeting token
	DSCP        uint8             // code point of all this transport sends (S12); 0: none
	// TLS opens the stream of rung TLS 443, which has no candidates of its own: how it is reached depends
	// on proxies and tunnels. Nil: that rung can't be tried.
	TLS func(ctx context.Context) (*link.Stream, error)
	Log *slog.Logger // nil discards
}

// Dial makes a transport as the controlling ICE agent, over one rung. It returns when SRTP keys stand, over
// UDP after two round trips: the ClientHello follows the first check without waiting for its answer. ctx
// bounds the attempt only.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	c := Open(cfg)
	rung := proto.UDP8801
	for _, better := range [...]proto.Rung{proto.TLS443, proto.TCP8801, proto.UDP8801} {
		if slices.ContainsFunc(cfg.Remote, func(r proto.Candidate) bool { return r.Rung == better }) {
			rung = better
		}
	}
	w := c.Try(rung, cfg.Remote)
	dctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.spawn(func() {
		if err := w.Wait(dctx); err != nil {
			cancel(err)
		}
	})
	if err := c.Handshake(dctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Open makes a transport that has no way to the router yet: Try gives it ways, Handshake keys it over the
// first that answers.
func Open(cfg DialConfig) *Conn {
	c := newConn(cfg)
	c.wg.Go(c.keepChecking)
	return c
}

// Handshake runs DTLS until keys stand, over whichever way answers, and once only. On an error, ctx's end
// included, the transport is closed.
func (c *Conn) Handshake(ctx context.Context) error {
	dctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	conn, keys, err := connect(dctx, c.pipe, c.cfg.Certificate, c.cfg.Fingerprint)
	// The router's Finished says that it has all it needs: DTLS has done its work on this side.
	c.pipe.mute()
	if conn != nil {
		conn.Close()
	}
	if err != nil {
		switch cause := context.Cause(dctx); {
		case errors.Is(err, ErrFingerprint):
			err = ErrFingerprint
		case cause != nil:
			err = cause
		}
		err = fmt.Errorf("dialing the media transport: %w", err)
		c.fail(err)
		c.Close()
		return err
	}
	c.keyed(keys)
	return nil
}

// randomText is n random bytes in characters ICE allows (RFC 8839 §5.4).
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawStdEncoding.EncodeToString(b)
}

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
