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
	"net/netip"
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
	Remote      []proto.Candidate // those that are not UDP are left out
	Credentials proto.Credentials // of the group, from the grant
	Fingerprint string            // the router's, from the grant
	Certificate tls.Certificate   // the client's; its fingerprint is in the meeting token
	DSCP        uint8             // code point of all this transport sends (S12); 0: none
	Log         *slog.Logger      // nil discards
}

// Dial makes a transport as the controlling ICE agent. It returns when SRTP keys stand, after two round
// trips: the ClientHello follows the first check without waiting for its answer. ctx bounds the attempt only.
func Dial(ctx context.Context, cfg DialConfig) (*Conn, error) {
	c := newConn(cfg)
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	for _, r := range c.due() {
		c.check(r, time.Now())
	}
	c.wg.Go(c.keepChecking)
	dctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	conn, keys, err := connect(dctx, c.pipe, cfg.Certificate, cfg.Fingerprint)
	// The router's Finished says that it has all it needs: DTLS has done its work on this side.
	c.pipe.mute()
	if conn != nil {
		conn.Close()
	}
	if err != nil {
		c.Close()
		switch cause := context.Cause(dctx); {
		case errors.Is(err, ErrFingerprint):
			err = ErrFingerprint
		case cause != nil:
			err = cause
		}
		return nil, fmt.Errorf("dialing the media transport: %w", err)
	}
	c.keyed(keys)
	return c, nil
}

// open binds a socket per address family and makes a route of every candidate.
func (c *Conn) open() error {
	sockets := map[bool]link.PacketConn{}
	var firstErr error
	for _, r := range c.cfg.Remote {
		if r.Rung != proto.UDP8801 || len(c.routes) >= maxRoutes {
			continue
		}
		addr, err := netip.ParseAddrPort(r.Addr)
		if err != nil {
			continue
		}
		addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		v6 := addr.Addr().Is6()
		pc := sockets[v6]
		if pc == nil {
			if pc, err = c.listen(addr); err != nil {
				if firstErr == nil {
					firstErr = err
				}
				continue
			}
			sockets[v6] = pc
		}
		c.routes = append(c.routes, newRoute(pc, addr, r.Rung))
	}
	if len(c.routes) == 0 {
		if firstErr != nil {
			return fmt.Errorf("%w: %w", ErrNoCandidate, firstErr)
		}
		return ErrNoCandidate
	}
	c.cur.Store(c.routes[0])
	c.pipe = newPipe(c.routes[0].remote, c.sendDTLS)
	for _, pc := range sockets {
		c.wg.Go(func() { c.read(pc) })
	}
	return nil
}

// listen binds a socket of the family of a remote address. The Conn closes it.
func (c *Conn) listen(remote netip.AddrPort) (link.PacketConn, error) {
	any := netip.IPv4Unspecified()
	if remote.Addr().Is6() {
		any = netip.IPv6Unspecified()
	}
	pc, err := c.cfg.Host.ListenPacket(netip.AddrPortFrom(any, 0))
	if err != nil {
		return nil, fmt.Errorf("binding a media socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		pc.Close()
		return nil, c.err
	}
	c.sockets = append(c.sockets, pc)
	return pc, nil
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
