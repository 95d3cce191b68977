// Package bus carries messages between servers (design section 6): announcements to whoever listens,
// and requests to whoever answers. Bodies are JSON. The engine is NATS core, embedded in the process
// by default; this package is its only importer. There is no persistence: what is announced is
// announced again each second, so a lost message costs latency and nothing else.
package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Config of a bus. The zero value is a bus within this process, with no port.
type Config struct {
	// URL of a bus that runs elsewhere, "nats://host:port" or "tls://host:port", several separated by
	// commas. Empty: the bus runs in this process. A host that is not a loopback address needs TLS with
	// a certificate of ours.
	URL string
	// Listen lets other processes in, on this address; zero: nobody. Port 0 picks one. Only with an
	// empty URL. An address that is not loopback needs TLS that demands certificates: what is behind a
	// NATS listener must never be reached by strangers (ecosystem note on its pre-authentication faults).
	Listen netip.AddrPort
	// TLS is the client's with URL (Certificates and RootCAs), the server's with Listen (Certificates
	// and ClientCAs, ClientAuth RequireAndVerifyClientCert).
	TLS *tls.Config
	// Permit says what the holder of a certificate may do on a bus with Listen and TLS; false turns it away.
	// nil: everything.
	Permit func(*x509.Certificate) (Permissions, bool)
	// Name says who this is, in logs of the other end; empty: "parley".
	Name string
	// Log gets connections lost and made, and slow subscribers; nil: nothing.
	Log *slog.Logger
}

// Permissions are the subjects a server may use; "*" stands for one part, ">" for the rest. Answering
// requests it was sent, and receiving answers to its own, is always allowed.
type Permissions struct {
	Publish   []string // requests are published too
	Subscribe []string
}

const (
	// requestTimeout is for requests whose context has no deadline (design section 6).
	requestTimeout = 300 * time.Millisecond
	// serveTimeout bounds a handler whose requester named no time.
	serveTimeout = 5 * time.Second
	// parallelServe is how many requests of one Serve are worked on at once; more wait.
	parallelServe = 32
	// A subscriber that falls behind by so much loses messages, the newest first; what it missed is
	// announced again within a second.
	pendingMessages = 16384
	pendingBytes    = 64 << 20
	startTimeout    = 5 * time.Second
)

// Bus is one connection to the bus, and the bus itself where it runs in this process. Safe for
// concurrent use.
type Bus struct {
	log    *slog.Logger
	nc     *nats.Conn
	srv    *server.Server // nil with Config.URL
	addr   netip.AddrPort
	ctx    context.Context // of handlers; ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // subscriptions and handlers that have not ended; Add under mu
}

// Start brings a bus up. An external bus that can't be reached is no error: it is tried again for
// ever, and until then Publish and Request fail with ErrDisconnected. A setting that would let
// strangers in, or send in the clear beyond this machine, is one.
func Start(cfg Config) (*Bus, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	b := &Bus{log: cfg.Log}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Name == "" {
		cfg.Name = "parley"
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())

	opts := []nats.Option{
		nats.Name(cfg.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.PingInterval(time.Second),
		nats.MaxPingsOutstanding(2),
		// Nothing is kept for later while disconnected: it would be stale, and is said again anyway.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("bus connection lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("bus connection is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			b.log.Warn("bus", "subject", subject, "err", err)
		}),
	}
	target := cfg.URL
	if target == "" {
		if err := b.embed(cfg); err != nil {
			b.cancel()
			return nil, err
		}
		opts = append(opts, nats.InProcessServer(b.srv))
	} else {
		opts = append(opts, nats.RetryOnFailedConnect(true), nats.Timeout(3*time.Second))
		if cfg.TLS != nil {
			opts = append(opts, nats.Secure(cfg.TLS), nats.TLSHandshakeFirst())
		}
	}
	var err error
	if b.nc, err = nats.Connect(target, opts...); err != nil {
		b.cancel()
		b.stopServer()
		return nil, fmt.Errorf("connecting to the bus: %w", err)
	}
	return b, nil
}

// check finds the settings that would be dangerous.
func (c *Config) check() error {
	if c.URL != "" {
		if c.Listen.IsValid() {
			return errors.New("bus: url and listen exclude each other: a bus that runs elsewhere has its own listener")
		}
		for u := range strings.SplitSeq(c.URL, ",") {
			if err := c.checkURL(strings.TrimSpace(u)); err != nil {
				return err
			}
		}
		return nil
	}
	if !c.Listen.IsValid() {
		return nil
	}
	if c.TLS == nil {
		if c.Listen.Addr().IsLoopback() {
			return nil
		}
		return fmt.Errorf("bus: listening on %v without TLS: only a loopback address may do that; others need mutual TLS", c.Listen)
	}
	if c.TLS.ClientAuth != tls.RequireAndVerifyClientCert || c.TLS.ClientCAs == nil {
		return fmt.Errorf("bus: listening on %v: TLS must require and verify client certificates (mutual TLS)", c.Listen)
	}
	if len(c.TLS.Certificates) == 0 && c.TLS.GetCertificate == nil {
		return fmt.Errorf("bus: listening on %v: TLS has no certificate", c.Listen)
	}
	return nil
}

func (c *Config) checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
		return errors.New("bus: url must be nats://host:port or tls://host:port")
	}
	if c.TLS != nil {
		if len(c.TLS.Certificates) == 0 && c.TLS.GetClientCertificate == nil {
			return errors.New("bus: TLS has no client certificate (mutual TLS)")
		}
		return nil
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); u.Scheme == "nats" && (host == "localhost" || err == nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("bus: connecting to %s without mutual TLS: only a loopback address may do that", host)
}

// Addr is where the bus listens; zero if it does not.
func (b *Bus) Addr() netip.AddrPort { return b.addr }

// Connected reports whether the bus can be reached now.
func (b *Bus) Connected() bool { return b.nc.IsConnected() }

// Close flushes what was published, ends the connection and, where it runs here, the bus itself, and
// waits for handlers that still run. Handlers' contexts are cancelled. It must not be called from a
// handler. A second Close does nothing.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	if b.nc.IsConnected() {
		// Only the forms with a context: the others keep timers in a package-level pool, which no
		// simulated clock survives.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = b.nc.FlushWithContext(ctx)
		cancel()
	}
	b.nc.Close()
	b.busy.Wait()
	b.stopServer()
	return nil
}

// begin counts a goroutine that Close must wait for; false once closed.
func (b *Bus) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.busy.Add(1)
	return true
}
