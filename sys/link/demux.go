package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
)

const (
	// sniffFor is how long a connection on 443 may take for its handshake, and again for its first bytes.
	sniffFor = 10 * time.Second
	// maxSniffed bounds connections that have not shown what they are, and those of one address, so that
	// nobody alone keeps the others out; balancers are trusted to look after theirs.
	maxSniffed     = 16384
	sniffedPerAddr = 256
)

// DemuxConfig says what shares one TLS port.
type DemuxConfig struct {
	TLS *tls.Config // offers the protocols of HTTP
	// STUN takes a connection that begins with a STUN message, and closes it: a browser's TURN. Nil: such
	// connections are closed.
	STUN func(net.Conn)
	// Proxies are the balancers whose PROXY protocol header (versions 1 and 2) is believed and demanded.
	// From anybody else it is not understood.
	Proxies []netip.Prefix
}

// DemuxCounters are a Demux's totals.
type DemuxCounters struct {
	HTTP, STUN uint64
	Silent     uint64 // no handshake, or no first byte in time and nothing said of HTTP
	Full       uint64 // too many undecided at once
	Refused    uint64 // STUN with nobody to take it
}

// http11 is what Firefox says in ALPN when its TURN goes through an HTTP proxy, for it has its own HTTP stack set
// up the tunnel.
const http11 = "http/1.1"

// Demux is a TLS listener shared by HTTP and TURN: a client that speaks HTTP/2 by ALPN has its *tls.Conn accepted
// as it is; any other is peeked at. Safe for concurrent use.
type Demux struct {
	cfg    DemuxConfig
	ln     net.Listener
	ready  chan net.Conn
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	http, stun, silent, full, refused atomic.Uint64

	mu      sync.Mutex
	err     error // of the listener
	sniffed int
	from    map[netip.Addr]int // of those sniffed
}

// NewDemux begins to accept on ln, which Close closes.
func NewDemux(ln net.Listener, cfg DemuxConfig) *Demux {
	if len(cfg.Proxies) > 0 {
		ln = &proxyproto.Listener{Listener: ln, ReadHeaderTimeout: sniffFor, ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if cfg.trusts(addrPort(o.Upstream).Addr()) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		}}
	}
	d := &Demux{cfg: cfg, ln: ln, ready: make(chan net.Conn), from: map[netip.Addr]int{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.wg.Go(d.accept)
	return d
}

// Accept implements net.Listener: the next connection of HTTP.
func (d *Demux) Accept() (net.Conn, error) {
	select {
	case c := <-d.ready:
		return c, nil
	case <-d.ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err != nil {
			return nil, d.err
		}
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (d *Demux) Addr() net.Addr { return d.ln.Addr() }

// Close implements net.Listener. Connections that were accepted live on; those undecided end.
func (d *Demux) Close() error {
	d.cancel()
	err := d.ln.Close()
	d.wg.Wait()
	return err
}

// Counters is a copy of the counters.
func (d *Demux) Counters() DemuxCounters {
	return DemuxCounters{HTTP: d.http.Load(), STUN: d.stun.Load(), Silent: d.silent.Load(), Full: d.full.Load(), Refused: d.refused.Load()}
}

func (d *Demux) accept() {
	for {
		c, err := d.ln.Accept()
		switch {
		case err == nil:
			addr := d.upstream(c)
			if !d.enter(addr) {
				d.full.Add(1)
				c.Close()
				continue
			}
			d.wg.Go(func() {
				defer d.leave(addr)
				d.sniff(c)
			})
		case d.ctx.Err() != nil:
			return
		case errors.Is(err, net.ErrClosed):
			d.mu.Lock()
			d.err = err
			d.mu.Unlock()
			d.cancel()
			return
		default: // out of descriptors, or a peer that was gone before we looked
			select {
			case <-time.After(100 * time.Millisecond):
			case <-d.ctx.Done():
				return
			}
		}
	}
}

// trusts reports whether an address is a balancer's.
func (c DemuxConfig) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// upstream is who has connected: whom a balancer speaks for is not known before its header has come.
func (d *Demux) upstream(c net.Conn) netip.Addr { return addrPort(lowest(c).RemoteAddr()).Addr() }

// enter counts a connection in, if there is room for one more of its address.
func (d *Demux) enter(addr netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sniffed >= maxSniffed || d.from[addr] >= sniffedPerAddr && !d.cfg.trusts(addr) {
		return false
	}
	d.sniffed++
	d.from[addr]++
	return true
}

func (d *Demux) leave(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sniffed--
	if d.from[addr]--; d.from[addr] == 0 {
		delete(d.from, addr)
	}
}

// sniff shakes hands and finds out who should have the connection.
func (d *Demux) sniff(raw net.Conn) {
	stop := context.AfterFunc(d.ctx, func() { raw.Close() })
	c := tls.Server(raw, d.cfg.TLS)
	ctx, cancel := context.WithTimeout(d.ctx, sniffFor)
	err := c.HandshakeContext(ctx)
	cancel()
	if err != nil {
		d.silent.Add(1)
		raw.Close()
		stop()
		return
	}
	alpn := c.ConnectionState().NegotiatedProtocol
	if alpn != "" && (alpn != http11 || d.cfg.STUN == nil) {
		if stop() {
			d.give(c)
		}
		return
	}
	first := make([]byte, 1)
	c.SetReadDeadline(time.Now().Add(sniffFor))
	n, err := c.Read(first)
	c.SetReadDeadline(time.Time{})
	if !stop() {
		return
	}
	switch p := (&peekedConn{Conn: c, first: first[:n]}); {
	case alpn != "" && errors.Is(err, os.ErrDeadlineExceeded): // a browser may open one ahead of need
		d.give(p)
	case err != nil || n == 0:
		d.silent.Add(1)
		c.Close()
	case first[0] > 3: // no method of HTTP begins below a capital letter, and no STUN message above 3 (RFC 7983)
		d.give(p)
	case d.cfg.STUN == nil:
		d.refused.Add(1)
		c.Close()
	default:
		d.stun.Add(1)
		go d.cfg.STUN(p) // its own affair from now on: it outlives the listener
	}
}

func (d *Demux) give(c net.Conn) {
	select {
	case d.ready <- c:
		d.http.Add(1)
	case <-d.ctx.Done():
		c.Close()
	}
}

// peekedConn is a connection whose first byte was looked at.
type peekedConn struct {
	net.Conn
	first []byte // of the reader
}

// Read implements net.Conn.
func (c *peekedConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// NetConn is the connection that was peeked at.
func (c *peekedConn) NetConn() net.Conn { return c.Conn }

// tlsState is the key of a peeked connection's TLS state in its requests' contexts.
type tlsState struct{}

// PeekedContext is for http.Server.ConnContext: it lets PeekedTLS know of a Demux's connections, which the
// server takes for plain ones when they were peeked at.
func PeekedContext(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*peekedConn); ok {
		if t, ok := p.Conn.(*tls.Conn); ok {
			state := t.ConnectionState()
			return context.WithValue(ctx, tlsState{}, &state)
		}
	}
	return ctx
}

// PeekedTLS gives requests of such connections their TLS state.
func PeekedTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsState{}).(*tls.ConnectionState); ok && r.TLS == nil {
			r = r.Clone(r.Context())
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}
