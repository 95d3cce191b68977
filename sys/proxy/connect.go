package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/sys/link"
)

// Bounds of one CONNECT: an answer to each request, the header and body of a refusal, and how often a proxy
// may ask for another login.
const (
	connectFor   = 10 * time.Second
	maxRefusal   = 64 << 10
	maxChallenge = 6
)

// Refused is a proxy's answer other than 200: it does not let this client through to that server.
type Refused struct {
	Proxy  string
	Status int
}

// Error names proxy and status.
func (e *Refused) Error() string {
	return fmt.Sprintf("the proxy %s refuses: %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
}

// LoginError says that a proxy wants a login there is none for, or of a kind that is not known here.
type LoginError struct {
	Proxy   string
	Schemes []string // what it offers
	Wrong   bool     // a login was tried
}

// Error says what the proxy wants.
func (e *LoginError) Error() string {
	if e.Wrong {
		return "the proxy " + e.Proxy + " does not accept the user name and password"
	}
	return fmt.Sprintf("the proxy %s wants a user name and password (%s)", e.Proxy, strings.Join(e.Schemes, ", "))
}

// proxied is a connection through a proxy. Bytes the proxy sent right behind its answer come first.
type proxied struct {
	net.Conn
	proxy string
	early io.Reader // nil: none
}

func (c *proxied) Read(b []byte) (int, error) {
	if c.early != nil {
		n, err := c.early.Read(b)
		if err == nil {
			return n, nil
		}
		c.early = nil
	}
	return c.Conn.Read(b)
}

// NetConn is the connection to the proxy.
func (c *proxied) NetConn() net.Conn { return c.Conn }

// Of is the proxy a connection goes through, host and port; "" for a direct one.
func Of(c net.Conn) string {
	for c != nil {
		if p, ok := c.(*proxied); ok {
			return p.proxy
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return ""
		}
		c = inner.NetConn()
	}
	return ""
}

// open opens a connection to addr one way.
func (h *Host) open(ctx context.Context, w way, network, addr string) (net.Conn, error) {
	if w.proxy == nil {
		return h.Host.Dial(ctx, network, addr)
	}
	return h.connect(ctx, w, addr)
}

// connect asks a proxy for a tunnel (RFC 9110 §9.3.6), logging in where it wants that. All the steps of a
// login go over one connection, where the proxy keeps it: NTLM and Negotiate bind themselves to it.
func (h *Host) connect(ctx context.Context, w way, addr string) (net.Conn, error) {
	acc := h.account(w)
	var conn net.Conn
	var br *bufio.Reader
	drop := func() {
		if conn != nil {
			conn.Close()
			conn = nil
		}
	}
	for range maxChallenge {
		if conn == nil {
			c, err := h.reach(ctx, w)
			if err != nil {
				return nil, fmt.Errorf("the proxy %s can't be reached: %w", w.name(), err)
			}
			conn, br = c, bufio.NewReader(c)
		}
		sent, err := acc.authorize(addr)
		if err != nil {
			drop()
			return nil, err
		}
		resp, err := ask(ctx, conn, br, addr, sent.header)
		if err != nil {
			drop()
			return nil, fmt.Errorf("the proxy %s: %w", w.name(), err)
		}
		switch {
		case resp.StatusCode/100 == 2:
			acc.accepted(resp.Header)
			p := &proxied{Conn: conn, proxy: w.name()}
			if n := br.Buffered(); n > 0 {
				b, _ := br.Peek(n)
				p.early = strings.NewReader(string(b))
			}
			return p, nil
		case resp.StatusCode != http.StatusProxyAuthRequired:
			drop()
			return nil, &Refused{w.name(), resp.StatusCode}
		}
		asked, err := h.challenged(ctx, w, acc, resp.Header, sent)
		if err != nil {
			drop()
			return nil, err
		}
		if asked || resp.Close {
			drop() // a person takes longer than a proxy waits
		}
	}
	drop()
	return nil, &LoginError{Proxy: w.name(), Wrong: true}
}

// reach opens the connection to the proxy itself.
func (h *Host) reach(ctx context.Context, w way) (net.Conn, error) {
	c, err := h.Host.Dial(ctx, "tcp", w.proxy.Host)
	if err != nil || w.proxy.Scheme != "https" {
		return c, err
	}
	conf := h.cfg.TLS
	if conf == nil {
		conf = link.ClientTLS(nil)
	}
	conf = conf.Clone()
	conf.ServerName, conf.NextProtos = w.proxy.Hostname(), []string{"http/1.1"}
	tc := tls.Client(c, conf)
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, untrusted(w.proxy.Hostname(), err)
	}
	return tc, nil
}

// ask makes one CONNECT request and reads the answer; the body of a refusal is read to its end, so that the
// connection can go on.
func ask(ctx context.Context, conn net.Conn, br *bufio.Reader, addr, authorization string) (*http.Response, error) {
	if err := conn.SetDeadline(time.Now().Add(connectFor)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Parley\r\nProxy-Connection: keep-alive\r\n", addr, addr)
	if authorization != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: %s\r\n", authorization)
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, cause(ctx, err)
	}
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, cause(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxRefusal))
		if err != nil || n == maxRefusal {
			resp.Close = true
		}
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return resp, conn.SetDeadline(time.Time{})
}

// cause is the context's error where that is what ended an exchange.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("closed the connection without an answer")
	}
	return err
}

// account is what is known of a proxy's logins. Guarded by its own mu.
type account struct {
	mu     sync.Mutex
	login  Login
	has    bool
	scheme scheme // nil: no login was wanted so far
}

// attempt is what one request said of its login.
type attempt struct {
	header string
	login  Login
}

func (h *Host) account(w way) *account {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.states[w.name()]
	if a == nil {
		a = &account{}
		if strings.EqualFold(w.name(), h.loginFor) {
			a.login, a.has = h.cfg.Login, h.cfg.Login != Login{}
		}
		if u := w.proxy.User; u != nil {
			p, _ := u.Password()
			a.login, a.has = Login{u.Username(), Redacted(p)}, true
		}
		h.states[w.name()] = a
	}
	return a
}

// authorize makes the header for one request, "" while no login is wanted: what the proxy asked for the last
// time it will ask for again, and to say it at once saves a round trip.
func (a *account) authorize(addr string) (attempt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scheme == nil || !a.has {
		return attempt{}, nil
	}
	header, err := a.scheme.authorize(a.login, http.MethodConnect, addr)
	return attempt{header, a.login}, err
}

// accepted takes in what a proxy says with its consent.
func (a *account) accepted(h http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scheme != nil {
		a.scheme.accepted(h)
	}
}

// challenged prepares for the next request after a 407. asked says that a person was asked meanwhile.
func (h *Host) challenged(ctx context.Context, w way, a *account, header http.Header, sent attempt) (asked bool, err error) {
	s, schemes := choose(header)
	if s == nil {
		return false, &LoginError{Proxy: w.name(), Schemes: schemes}
	}
	a.mu.Lock()
	a.scheme = s
	has, current := a.has, a.login
	a.mu.Unlock()
	if has && (sent.header == "" || s.stale() || current != sent.login) {
		return false, nil
	}
	failed := &LoginError{Proxy: w.name(), Schemes: schemes, Wrong: sent.header != ""}
	if h.cfg.Prompter == nil {
		return false, failed
	}
	h.asking.Lock()
	defer h.asking.Unlock()
	a.mu.Lock()
	has, current = a.has, a.login
	a.mu.Unlock()
	if has && current != sent.login {
		return true, nil // another connection asked while this one waited
	}
	login, err := h.cfg.Prompter.ProxyLogin(ctx, w.name(), s.realm(), sent.header != "")
	if err != nil {
		return true, failed
	}
	a.mu.Lock()
	a.login, a.has = login, true
	a.mu.Unlock()
	return true, nil
}
