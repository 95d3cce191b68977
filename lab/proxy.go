package lab

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ProxyAuth is how a Proxy wants its users to log in.
type ProxyAuth string

// The kinds of login.
const (
	ProxyOpen         ProxyAuth = ""
	ProxyBasic        ProxyAuth = "Basic"
	ProxyDigestMD5    ProxyAuth = "MD5"
	ProxyDigestSHA256 ProxyAuth = "SHA-256"
	ProxyNTLM         ProxyAuth = "NTLM" // only asked for, never accepted
)

// ProxyOpts says what kind of proxy to run.
type ProxyOpts struct {
	Addr           netip.AddrPort
	Auth           ProxyAuth
	User, Password string
	NonceUses      int  // a digest's nonce is stale after so many requests; 0: never
	NextNonce      bool // names the next nonce with each consent
	Hangup         bool // closes the connection with each 407
	Ports          []uint16
	// Certificate makes the proxy itself speak TLS.
	Certificate *tls.Certificate
	// Inspect makes it open TLS with certificates of its own; Roots are what it believes servers by.
	Inspect func(name string) (*tls.Certificate, error)
	Silent  bool // takes connections and says nothing
}

// Proxy is an HTTP proxy for CONNECT on a host.
type Proxy struct {
	opts   ProxyOpts
	h      *Host
	ln     net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	nonces   map[string]map[string]bool // the counts used with each nonce
	made     int
	connects []string
	conns    map[net.Conn]bool
	refused  int
	dialled  int
}

// ServeProxy runs a proxy on h. Close it before the bubble ends.
func ServeProxy(h *Host, opts ProxyOpts) (*Proxy, error) {
	ln, err := h.Listen(opts.Addr)
	if err != nil {
		return nil, err
	}
	if len(opts.Ports) == 0 {
		opts.Ports = []uint16{443}
	}
	p := &Proxy{opts: opts, h: h, ln: ln, nonces: map[string]map[string]bool{}, conns: map[net.Conn]bool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.dialled++
			p.mu.Unlock()
			p.wg.Go(func() { p.serve(c) })
		}
	})
	return p, nil
}

// Close ends the proxy and all that goes through it.
func (p *Proxy) Close() {
	p.cancel()
	p.ln.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// Connects are the servers people were let through to.
func (p *Proxy) Connects() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.connects)
}

// Refused counts the answers 407.
func (p *Proxy) Refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Dialled counts the connections made to the proxy.
func (p *Proxy) Dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialled
}

func (p *Proxy) keep(c net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		c.Close()
	}
	p.conns[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		c.Close()
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer p.keep(c)()
	if p.opts.Silent {
		io.Copy(io.Discard, c)
		return
	}
	if p.opts.Certificate != nil {
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*p.opts.Certificate}})
	}
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		info, ok := p.login(r)
		if !ok {
			p.mu.Lock()
			p.refused++
			p.mu.Unlock()
			body := strings.Repeat("You are not logged in. ", 100)
			end := ""
			if p.opts.Hangup {
				end = "Connection: close\r\n"
			}
			fmt.Fprintf(c, "HTTP/1.1 407 Proxy Authentication Required\r\n%s%sContent-Length: %d\r\n\r\n%s", info, end, len(body), body)
			if p.opts.Hangup {
				return
			}
			continue
		}
		p.connect(c, br, r, info)
		return
	}
}

// connect lets one request through.
func (p *Proxy) connect(c net.Conn, br *bufio.Reader, r *http.Request, info string) {
	_, port, _ := net.SplitHostPort(r.RequestURI)
	n, err := strconv.ParseUint(port, 10, 16)
	if r.Method != http.MethodConnect || err != nil || !slices.Contains(p.opts.Ports, uint16(n)) {
		io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
		return
	}
	p.mu.Lock()
	p.connects = append(p.connects, r.RequestURI)
	p.mu.Unlock()
	there, err := p.h.Dial(p.ctx, "tcp", r.RequestURI)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer p.keep(there)()
	fmt.Fprintf(c, "HTTP/1.1 200 Connection established\r\n%s\r\n", info)
	here := net.Conn(&buffered{c, br})
	if p.opts.Inspect != nil {
		if here, there, err = p.open(here, there); err != nil {
			return
		}
	}
	p.wg.Go(func() {
		io.Copy(there, here)
		there.Close()
		here.Close()
	})
	io.Copy(here, there)
}

// open opens TLS on both sides, with the protocol the server chooses.
func (p *Proxy) open(here, there net.Conn) (net.Conn, net.Conn, error) {
	var up *tls.Conn
	down := tls.Server(here, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		// What a server shows to the inspector is the inspector's to judge; this one trusts everybody.
		up = tls.Client(there, &tls.Config{ServerName: hello.ServerName, InsecureSkipVerify: true, NextProtos: hello.SupportedProtos})
		if err := up.HandshakeContext(p.ctx); err != nil {
			return nil, err
		}
		cert, err := p.opts.Inspect(hello.ServerName)
		if err != nil {
			return nil, err
		}
		conf := &tls.Config{Certificates: []tls.Certificate{*cert}}
		if proto := up.ConnectionState().NegotiatedProtocol; proto != "" {
			conf.NextProtos = []string{proto}
		}
		return conf, nil
	}})
	if err := down.HandshakeContext(p.ctx); err != nil {
		return nil, nil, err
	}
	return down, up, nil
}

// buffered is a connection whose first bytes have been read already.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

// login checks a request. info is the header lines for the answer.
func (p *Proxy) login(r *http.Request) (info string, ok bool) {
	given := r.Header.Get("Proxy-Authorization")
	switch p.opts.Auth {
	case ProxyOpen:
		return "", true
	case ProxyNTLM:
		return "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n", false
	case ProxyBasic:
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.opts.User+":"+p.opts.Password))
		return "Proxy-Authenticate: Basic realm=\"the proxy\"\r\n", given == want
	}
	return p.digest(r, given)
}

// digest checks RFC 7616 with qop=auth.
func (p *Proxy) digest(r *http.Request, given string) (info string, ok bool) {
	param := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(given, "Digest "), ", ") {
		k, v, _ := strings.Cut(part, "=")
		param[k] = strings.Trim(v, `"`)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	used, known := p.nonces[param["nonce"]]
	sum := func(s string) string {
		if p.opts.Auth == ProxyDigestSHA256 {
			b := sha256.Sum256([]byte(s))
			return hex.EncodeToString(b[:])
		}
		b := md5.Sum([]byte(s))
		return hex.EncodeToString(b[:])
	}
	a1 := sum(p.opts.User + ":the proxy:" + p.opts.Password)
	a2 := sum(r.Method + ":" + r.RequestURI)
	want := sum(strings.Join([]string{a1, param["nonce"], param["nc"], param["cnonce"], "auth", a2}, ":"))
	right := param["response"] == want && param["uri"] == r.RequestURI && param["opaque"] == `o\"paque`
	// Requests made at once may arrive in another order than they were counted in.
	fresh := known && (p.opts.NonceUses == 0 || len(used) < p.opts.NonceUses) && !used[param["nc"]]
	p.made++
	next := fmt.Sprintf("nonce-%d", p.made)
	if right && fresh {
		used[param["nc"]] = true
		if p.opts.NextNonce {
			delete(p.nonces, param["nonce"])
			p.nonces[next] = map[string]bool{}
			return fmt.Sprintf("Proxy-Authentication-Info: nextnonce=%q, qop=auth\r\n", next), true
		}
		return "", true
	}
	p.nonces[next] = map[string]bool{}
	stale := ""
	if right {
		stale = ", stale=true"
	}
	return fmt.Sprintf("Proxy-Authenticate: Basic realm=\"old\"\r\nProxy-Authenticate: Digest realm=\"the proxy\", nonce=%q, qop=\"auth,auth-int\", algorithm=%s, opaque=\"o\\\"paque\"%s\r\n", next, p.opts.Auth, stale), false
}
