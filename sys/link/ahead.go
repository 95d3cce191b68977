package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// tlsTimeout bounds one TLS handshake.
const tlsTimeout = 10 * time.Second

// stretch is a connection that a WebSocket may run over.
type stretch struct {
	conn net.Conn
	raw  net.Conn // under its TLS
}

// connect opens one: TCP, and TLS for HTTP/1.1 alone.
func (d *WSDial) connect(ctx context.Context, addr string, overTLS bool) (stretch, error) {
	host := d.Host
	if host == nil {
		host = Real()
	}
	if !overTLS {
		c, err := host.Dial(ctx, "tcp", addr)
		return stretch{c, c}, err
	}
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	conf := overHTTP1(d.TLS)
	if h, ok := host.(TLSDialer); ok {
		c, err := h.DialTLS(ctx, "tcp", addr, conf)
		if err != nil {
			return stretch{}, err
		}
		return stretch{c, c.NetConn()}, nil
	}
	raw, err := host.Dial(ctx, "tcp", addr)
	if err != nil {
		return stretch{}, err
	}
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(addr)
	}
	c := tls.Client(raw, conf)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return stretch{}, err
	}
	return stretch{c, raw}, nil
}

// Ahead is a connection to a server on which a WebSocket is wanted soon, perhaps: TCP and TLS stand, nothing
// is said. WSDial.Ahead takes it over. Safe for concurrent use; nil is one that has failed.
type Ahead struct {
	d     WSDial
	ready chan struct{} // closed when it stands, or has failed
	taken chan struct{}
	once  sync.Once // taken is closed

	s   stretch // of the two below, one is set when ready is closed
	err error
}

// NewAhead prepares to open what d needs; Open does it.
func NewAhead(d WSDial) *Ahead {
	return &Ahead{d: d, ready: make(chan struct{}), taken: make(chan struct{})}
}

// Open opens the connection and holds it until it is taken. When ctx ends before that it is closed.
func (a *Ahead) Open(ctx context.Context) error {
	a.err = a.open(ctx)
	close(a.ready)
	if a.err != nil {
		return fmt.Errorf("opening a connection ahead: %w", a.err)
	}
	select {
	case <-a.taken:
		return nil
	case <-ctx.Done():
	}
	a.once.Do(func() { // nobody takes it any more
		a.s.conn.Close()
		close(a.taken)
	})
	return nil
}

func (a *Ahead) open(ctx context.Context) error {
	u, err := url.Parse(a.d.URL)
	if err != nil {
		return err
	}
	port := map[string]string{"https": "443", "wss": "443", "http": "80", "ws": "80"}[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	a.s, err = a.d.connect(ctx, net.JoinHostPort(u.Hostname(), port), u.Scheme == "https" || u.Scheme == "wss")
	return err
}

// take waits for the connection and hands it over, once; false: there is none.
func (a *Ahead) take(ctx context.Context) (s stretch, ok bool) {
	if a == nil {
		return stretch{}, false
	}
	select {
	case <-a.ready:
	case <-ctx.Done():
		return stretch{}, false
	}
	if a.err != nil {
		return stretch{}, false
	}
	a.once.Do(func() {
		s, ok = a.s, true
		close(a.taken)
	})
	return s, ok
}

// firstFlight sends messages right behind the upgrade request.
type firstFlight struct {
	net.Conn
	first func() [][]byte // nil once they are out
}

// Write implements net.Conn. The request ends with an empty line.
func (c *firstFlight) Write(b []byte) (int, error) {
	if c.first == nil || !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return c.Conn.Write(b)
	}
	out := bytes.Clone(b)
	for _, m := range c.first() {
		out = appendText(out, m)
	}
	c.first = nil
	n, err := c.Conn.Write(out)
	return min(n, len(b)), err
}

// appendText appends a text message as a client sends it: one frame, masked (RFC 6455 §5.2).
func appendText(out, msg []byte) []byte {
	const finText, masked = 0x81, 0x80
	switch n := len(msg); {
	case n < 126:
		out = append(out, finText, masked|byte(n))
	case n <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, finText, masked|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, finText, masked|127), uint64(n))
	}
	var key [4]byte
	rand.Read(key[:]) // never fails (Go 1.24)
	out = append(out, key[:]...)
	for i, x := range msg {
		out = append(out, x^key[i%4])
	}
	return out
}
