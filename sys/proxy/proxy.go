// Package proxy is how a client reaches servers through what stands in its way (S13): proxies named by the
// environment, by hand or by a proxy auto-config script, with their logins; firewalls that choke on new TLS;
// boxes that open TLS to look inside, which it names. Host is a link.Host: whoever dials through it needs to
// know nothing of this.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"parley/sys/link"
)

// Config says what is known of proxies. Zero: none, and everything is dialled directly.
type Config struct {
	Host link.Host // what reaches proxies, and servers directly; nil: link.Real()

	// URL is the proxy to use, whatever the environment says: "http://host:port", "https://host:port" or
	// "host:port", with "user:password@" before the host where it is wanted; "direct" for none at all.
	URL string
	// PAC is the address or the file of a proxy auto-config script. It counts where URL is empty.
	PAC string
	// Env reads the environment (HTTPS_PROXY, NO_PROXY); nil: it does not count. It does where URL and PAC
	// are empty.
	Env func(key string) string

	// Login is for the proxy it was given for, where that asks for one and its URL has none: LoginFor, "host:port",
	// or if that is empty the one that URL or the environment names. A script may name any proxy, so one that it
	// names gets the login only if LoginFor names it too; for others a person is asked.
	Login    Login
	LoginFor string
	Prompter Prompter // asks a person where no login is known or it is refused; nil: nobody is there to ask

	TLS *tls.Config // towards https:// proxies and scripts; nil: the system's roots

	// Cache is a file for the last good script, for the day its server is down; empty: none.
	Cache string
	// Classical: this network is known to choke on post-quantum key shares (see Host.Classical).
	Classical bool
}

// Login is a user name with its password.
type Login struct {
	User     string
	Password Redacted
}

// Redacted is a secret that shows itself in no log and no error. Its text is string(r).
type Redacted string

// String hides the secret from the fmt package.
func (Redacted) String() string { return "[redacted]" }

// GoString hides it from %#v.
func (Redacted) GoString() string { return "[redacted]" }

// LogValue hides it from logs.
func (Redacted) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText hides it from JSON.
func (Redacted) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Prompter asks a person. Calls come one at a time and may take as long as the person does.
type Prompter interface {
	// ProxyLogin asks for the login of a proxy; again says that the last one was refused. An error means
	// that there is none to be had.
	ProxyLogin(ctx context.Context, proxy, realm string, again bool) (Login, error)
}

// beside is how long a proxy of the environment or of a script may be silent before the direct way is tried
// too: scripts and variables are often of yesterday's network.
const beside = 300 * time.Millisecond

// Host dials through proxies where there are any. UDP and listening are those of the host below. Safe for
// concurrent use.
type Host struct {
	link.Host
	cfg Config
	way func(ctx context.Context, addr string) ([]way, error) // the configured ways to a server, best first
	// only: what is configured is meant to be the only way.
	only bool
	none bool // nothing is configured
	// loginFor is the proxy that Config.Login is for, host and port; "" for none.
	loginFor string
	kind     string // where what is configured comes from, see Kind

	ctx    context.Context // of everything dialled; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	asking sync.Mutex // one question to a person at a time

	mu        sync.Mutex
	direct    bool // the direct way carried what the configured one did not; guarded by mu
	settled   bool // some way did; guarded by mu
	classical bool // guarded by mu
	trouble   trouble
	states    map[string]*account // by proxy; guarded by mu
}

// way is one way to a server: through a proxy, or directly where proxy is nil.
type way struct{ proxy *url.URL }

// name is the proxy as people know it, host and port; "" for the direct way.
func (w way) name() string {
	if w.proxy == nil {
		return ""
	}
	return w.proxy.Host
}

// New reads the config. Nothing is dialled before the first Dial.
func New(cfg Config) (*Host, error) {
	if cfg.Host == nil {
		cfg.Host = link.Real()
	}
	h := &Host{Host: cfg.Host, cfg: cfg, classical: cfg.Classical, states: map[string]*account{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	direct := func(context.Context, string) ([]way, error) { return []way{{}}, nil }
	switch {
	case strings.EqualFold(cfg.URL, "direct"):
		h.way, h.none = direct, true
	case cfg.URL != "":
		u, err := parseProxy(cfg.URL)
		if err != nil {
			return nil, err
		}
		h.way, h.only = func(context.Context, string) ([]way, error) { return []way{{u}}, nil }, true
		h.kind, h.loginFor = "flag", u.Host
	case cfg.PAC != "":
		h.way, h.kind = newScript(cfg).ways, "pac"
	default:
		choose, named, err := fromEnv(cfg.Env)
		if err != nil {
			return nil, err
		}
		h.kind, h.loginFor = "env", named
		if h.way = choose; choose == nil {
			h.way, h.none, h.kind = direct, true, ""
		}
	}
	if cfg.LoginFor != "" {
		u, err := parseProxy(cfg.LoginFor)
		if err != nil {
			return nil, err
		}
		h.loginFor = u.Host
	}
	return h, nil
}

// Kind says without naming anybody how a proxy is known of: "flag", "pac" or "env", and behind that, once it has
// turned out, ", used" or ", not used". "" where there is none.
func (h *Host) Kind() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.none || !h.only && !h.settled:
		return h.kind
	case h.direct:
		return h.kind + ", not used"
	}
	return h.kind + ", used"
}

// fromEnv chooses by the environment; nil where it names no proxy. named is host and port of the one it names.
func fromEnv(env func(string) string) (choice func(context.Context, string) ([]way, error), named string, err error) {
	if env == nil {
		return nil, "", nil
	}
	get := func(key string) string {
		if v := env(key); v != "" {
			return v
		}
		return env(strings.ToLower(key))
	}
	text := get("HTTPS_PROXY")
	if text == "" {
		return nil, "", nil
	}
	u, err := parseProxy(text)
	if err != nil {
		return nil, "", fmt.Errorf("HTTPS_PROXY: %w", err)
	}
	// The names NO_PROXY excepts are many kinds of pattern: the library knows them.
	choose := (&httpproxy.Config{HTTPSProxy: "http://proxy", NoProxy: get("NO_PROXY")}).ProxyFunc()
	return func(_ context.Context, addr string) ([]way, error) {
		if p, err := choose(&url.URL{Scheme: "https", Host: addr}); err != nil || p == nil {
			return []way{{}}, nil
		}
		return []way{{u}}, nil
	}, u.Host, nil
}

// parseProxy reads a proxy's URL. Its error never holds the text, which may hold a password.
func parseProxy(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the proxy's address can't be read: it should look like http://HOST:PORT")
	}
	switch u.Scheme {
	case "http", "https":
	default:
		return nil, fmt.Errorf("a proxy of kind %q is not supported: use http or https", u.Scheme)
	}
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "https" {
			port = "443"
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// Classical reports whether TLS with post-quantum key shares was found not to pass here: worth remembering
// for the network, and given back in Config.
func (h *Host) Classical() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.classical
}

// Close ends what is being dialled. Connections that stand stay.
func (h *Host) Close() {
	h.mu.Lock() // who began a dial before is waited for; who begins one later sees the end
	h.cancel()
	h.mu.Unlock()
	h.wg.Wait()
}

// Dial opens a TCP connection, through a proxy where one is to be used.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if h.none {
		return h.Host.Dial(ctx, network, addr)
	}
	return h.race(ctx, addr, func(ctx context.Context, w way) (net.Conn, error) { return h.open(ctx, w, network, addr) })
}

// DialTLS opens a TCP connection and TLS on it; the ways race up to the end of the handshake, since a
// firewall may well accept a connection it lets nothing through. The error for a certificate nobody here
// trusts is an *Untrusted.
func (h *Host) DialTLS(ctx context.Context, network, addr string, conf *tls.Config) (*tls.Conn, error) {
	c, err := h.race(ctx, addr, func(ctx context.Context, w way) (net.Conn, error) {
		return h.secure(ctx, w, network, addr, conf)
	})
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}

// race tries the configured ways and, beside them, the direct one. What works first is kept to.
func (h *Host) race(ctx context.Context, addr string, try func(context.Context, way) (net.Conn, error)) (net.Conn, error) {
	h.mu.Lock()
	if err := h.ctx.Err(); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	h.wg.Add(1)
	h.mu.Unlock()
	defer h.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	direct := func(ctx context.Context) (net.Conn, error) { return try(ctx, way{}) }
	if h.none {
		return direct(ctx)
	}
	var viaProxy atomic.Bool
	configured := func(ctx context.Context) (net.Conn, error) {
		ways, err := h.way(ctx, addr)
		if err != nil {
			h.tried(ctx, err)
			return nil, err
		}
		var dials []func(context.Context) (net.Conn, error)
		for _, w := range ways {
			dials = append(dials, func(ctx context.Context) (net.Conn, error) { return try(ctx, w) })
		}
		viaProxy.Store(ways[0].proxy != nil)
		h.trying(ways[0].name())
		c, _, err := first(ctx, &h.wg, beside, dials...)
		if ways[0].proxy != nil {
			h.tried(ctx, err)
		}
		return c, err
	}
	if h.only {
		return configured(ctx)
	}
	h.mu.Lock()
	settled, byDirect := h.settled, h.direct
	h.mu.Unlock()
	if settled {
		order := []func(context.Context) (net.Conn, error){configured, direct}
		if byDirect {
			order[0], order[1] = direct, configured
		}
		c, _, err := first(ctx, &h.wg, never, order...)
		return c, err
	}
	c, won, err := first(ctx, &h.wg, beside, configured, direct)
	if err == nil && (won == 1 || viaProxy.Load()) {
		h.mu.Lock()
		if !h.settled {
			h.settled, h.direct = true, won == 1
		}
		h.mu.Unlock()
	}
	return c, err
}

// never: the next way is tried only when the one before has failed.
const never = time.Duration(1<<63 - 1)

// first makes the attempts in order, each when the one before has failed or been silent for a while, and
// returns the first connection and whose it is. Late ones are closed.
func first(ctx context.Context, wg *sync.WaitGroup, stagger time.Duration, dials ...func(context.Context) (net.Conn, error)) (net.Conn, int, error) {
	if len(dials) == 1 {
		c, err := dials[0](ctx)
		return c, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		i    int
		err  error
	}
	done := make(chan outcome)
	next := time.NewTimer(0)
	defer next.Stop()
	var told <-chan time.Time // an attempt has said all there is to know; the others get a moment
	var errs []error
	for started, ended := 0, 0; ; {
		select {
		case <-next.C:
			i := started
			started++
			wg.Go(func() {
				c, err := dials[i](ctx)
				select {
				case done <- outcome{c, i, err}:
				case <-ctx.Done():
					if c != nil {
						c.Close()
					}
				}
			})
			if started < len(dials) && stagger != never {
				next.Reset(stagger)
			}
		case o := <-done:
			ended++
			if o.err == nil {
				return o.conn, o.i, nil
			}
			errs = append(errs, o.err)
			if ended == len(dials) {
				return nil, 0, worst(errs)
			}
			if told == nil && telling(o.err) {
				t := time.NewTimer(afterTold)
				defer t.Stop()
				told = t.C
			}
			if started < len(dials) {
				next.Reset(0)
			}
		case <-told:
			return nil, 0, worst(errs)
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// afterTold is how long other ways may take once one has failed for good: a firewall that swallows the direct
// way must not hold up the news.
const afterTold = time.Second

// telling reports whether a failure says what a person has to do: asking again will not help.
func telling(err error) bool {
	_, untrusted := errors.AsType[*Untrusted](err)
	_, login := errors.AsType[*LoginError](err)
	return untrusted || login
}

// worst is the failure to tell of several.
func worst(errs []error) error {
	if i := slices.IndexFunc(errs, telling); i >= 0 {
		return errs[i]
	}
	return errs[0]
}

// Final reports whether an error of Dial or DialTLS will be the same however often one asks: nobody's
// certificate, a login that is missing or wrong, a proxy that refuses the server.
func Final(err error) bool {
	refused, ok := errors.AsType[*Refused](err)
	return telling(err) || ok && refused.Status/100 == 4
}
