package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/lab"
	"parley/sys/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority is a certificate authority with a name.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(240 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) issue(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// world is a client, a server and a proxy between them.
type world struct {
	*testing.T
	net    *lab.Net
	client *lab.Host
	server *lab.Host
	proxy  *lab.Host
	ca     *authority
}

func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: lab.NewNet(1)}
		w.net.Default(lab.Link{Delay: 10 * time.Millisecond})
		w.client = w.net.Host("client", lab.HostOpts{})
		w.server = w.net.Host("server", lab.HostOpts{Names: []string{"meet.test", "zone.test"}})
		w.proxy = w.net.Host("proxy", lab.HostOpts{})
		w.ca = newAuthority(t, "Public CA")
		cert, err := w.ca.issue("meet.test")
		if err != nil {
			t.Fatal(err)
		}
		srv, err := lab.Serve(w.server, netip.AddrPortFrom(w.server.Addr(), 443),
			http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { fmt.Fprint(rw, r.Proto) }), *cert)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			srv.Close()
			w.net.Quiet()
			w.net.Close()
			time.Sleep(time.Second)
		})
		f(t, w)
	})
}

func (w *world) serveProxy(o lab.ProxyOpts) *lab.Proxy {
	w.Helper()
	o.Addr = netip.AddrPortFrom(w.proxy.Addr(), 3128)
	p, err := lab.ServeProxy(w.proxy, o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.Close)
	return p
}

// onlyProxy makes the firewall let the client reach nothing but the proxy.
func (w *world) onlyProxy() { w.client.Block(lab.Rule{Proto: lab.TCP, To: w.server.Addr()}) }

func (w *world) host(c Config) *Host {
	w.Helper()
	c.Host = w.client
	h, err := New(c)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(h.Close)
	return h
}

// get makes one HTTPS request through a host, on a connection of its own.
func (w *world) get(h *Host, limit time.Duration) (proto, via string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conf := &tls.Config{RootCAs: w.ca.pool()}
	c, err := h.DialTLS(ctx, "tcp", "meet.test:443", conf)
	if err != nil {
		return "", "", err
	}
	via = Of(c)
	c.Close()
	client := link.HTTPClient(h, conf)
	defer client.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://meet.test/", nil)
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), via, err
}

func env(kv ...string) func(string) string {
	return func(key string) string {
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == key {
				return kv[i+1]
			}
		}
		return ""
	}
}

// S13: CONNECT without a login, and with each kind; the second connection needs no question.
func TestConnect(t *testing.T) {
	for _, tt := range []struct {
		name    string
		opts    lab.ProxyOpts
		refused int // answers 407 for two connections
		dialled int
	}{
		{"open", lab.ProxyOpts{}, 0, 2},
		{"basic", lab.ProxyOpts{Auth: lab.ProxyBasic}, 1, 2},
		{"digest with MD5", lab.ProxyOpts{Auth: lab.ProxyDigestMD5}, 1, 2},
		{"digest with SHA-256", lab.ProxyOpts{Auth: lab.ProxyDigestSHA256}, 1, 2},
		{"a nonce for one request", lab.ProxyOpts{Auth: lab.ProxyDigestSHA256, NonceUses: 1}, 2, 2},
		{"the next nonce is told", lab.ProxyOpts{Auth: lab.ProxyDigestMD5, NextNonce: true}, 1, 2},
		{"a proxy that hangs up with each question", lab.ProxyOpts{Auth: lab.ProxyBasic, Hangup: true}, 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.opts.User, tt.opts.Password = `Muße "x"`, "geheim:1"
				p := w.serveProxy(tt.opts)
				w.onlyProxy()
				h := w.host(Config{URL: "proxy:3128", Login: Login{tt.opts.User, "geheim:1"}})
				proto, via, err := w.get(h, 10*time.Second)
				if err != nil || proto != "HTTP/2.0" || via != "proxy:3128" {
					t.Errorf("got %q via %q, %v", proto, via, err)
				}
				if p.Refused() != tt.refused || p.Dialled() != tt.dialled {
					t.Errorf("%d questions on %d connections, want %d on %d", p.Refused(), p.Dialled(), tt.refused, tt.dialled)
				}
			})
		})
	}
}

func TestAProxyBehindTLS(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := newAuthority(t, "Office CA")
		cert, err := own.issue("proxy")
		if err != nil {
			t.Fatal(err)
		}
		w.serveProxy(lab.ProxyOpts{Certificate: cert})
		w.onlyProxy()
		h := w.host(Config{URL: "https://proxy:3128", TLS: &tls.Config{RootCAs: own.pool()}})
		if _, via, err := w.get(h, 10*time.Second); err != nil || via != "proxy:3128" {
			t.Errorf("via %q, %v", via, err)
		}
	})
}

// prompts answers with its logins, one after the other.
type prompts struct {
	logins []Login
	asked  []string
	takes  time.Duration
}

func (p *prompts) ProxyLogin(_ context.Context, proxy, realm string, again bool) (Login, error) {
	p.asked = append(p.asked, fmt.Sprintf("%s %s %v", proxy, realm, again))
	time.Sleep(p.takes)
	if len(p.logins) == 0 {
		return Login{}, errors.New("nobody answers")
	}
	l := p.logins[0]
	p.logins = p.logins[1:]
	return l, nil
}

func TestAPersonIsAskedForTheLogin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveProxy(lab.ProxyOpts{Auth: lab.ProxyDigestSHA256, User: "ann", Password: "right"})
		p := &prompts{logins: []Login{{"ann", "wrong"}, {"ann", "right"}}, takes: 40 * time.Second}
		h := w.host(Config{URL: "proxy:3128", Prompter: p})
		if _, _, err := w.get(h, 2*time.Minute); err != nil {
			t.Error(err)
		}
		want := []string{"proxy:3128 the proxy false", "proxy:3128 the proxy true"}
		if fmt.Sprint(p.asked) != fmt.Sprint(want) {
			t.Errorf("asked %q, want %q", p.asked, want)
		}
	})
}

func TestLoginsThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts lab.ProxyOpts
		cfg  Config
		want string
	}{
		{"none is known", lab.ProxyOpts{Auth: lab.ProxyBasic, User: "a", Password: "b"}, Config{}, "wants a user name and password (basic)"},
		{"a wrong one", lab.ProxyOpts{Auth: lab.ProxyBasic, User: "a", Password: "b"}, Config{Login: Login{"a", "c"}}, "does not accept"},
		{"nobody answers", lab.ProxyOpts{Auth: lab.ProxyBasic, User: "a", Password: "b"}, Config{Prompter: &prompts{}}, "wants a user name and password"},
		{"a kind not known here", lab.ProxyOpts{Auth: lab.ProxyNTLM}, Config{Login: Login{"a", "c"}}, "(negotiate, ntlm)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveProxy(tt.opts)
				tt.cfg.URL = "http://proxy:3128"
				_, _, err := w.get(w.host(tt.cfg), 5*time.Second)
				if _, ok := errors.AsType[*LoginError](err); !ok || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// A login is for the proxy it was given for: a script names what it likes, and gets nothing for it.
func TestALoginIsForItsProxy(t *testing.T) {
	const pac = `function FindProxyForURL(url, host) { return "PROXY proxy:3128"; }`
	script := filepath.Join(t.TempDir(), "proxy.pac")
	if err := os.WriteFile(script, []byte(pac), 0o600); err != nil {
		t.Fatal(err)
	}
	login := Login{"ann", "geheim"}
	for _, tt := range []struct {
		name  string
		cfg   Config
		asked int
		ok    bool
	}{
		{"the one set by hand", Config{URL: "proxy:3128", Login: login}, 0, true},
		{"the environment's", Config{Env: env("HTTPS_PROXY", "http://proxy:3128"), Login: login}, 0, true},
		{"a script's", Config{PAC: script, Login: login}, 0, false},
		{"a script's, named with the login", Config{PAC: script, Login: login, LoginFor: "proxy:3128"}, 0, true},
		{"a script's, another named with the login", Config{PAC: script, Login: login, LoginFor: "proxy:8080"}, 0, false},
		{"the one set by hand, another named with the login", Config{URL: "proxy:3128", Login: login, LoginFor: "other:3128"}, 0, false},
		{"a script's, with somebody to ask", Config{PAC: script, Login: Login{"bob", "his"}, Prompter: &prompts{logins: []Login{login}}}, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveProxy(lab.ProxyOpts{Auth: lab.ProxyBasic, User: "ann", Password: "geheim"})
				w.onlyProxy()
				_, via, err := w.get(w.host(tt.cfg), 5*time.Second)
				if (err == nil) != tt.ok || tt.ok && !strings.EqualFold(via, "proxy:3128") {
					t.Errorf("via %q, %v; want it to work: %v", via, err, tt.ok)
				}
				if e, is := errors.AsType[*LoginError](err); !tt.ok && (!is || e.Wrong) {
					t.Errorf("got %v, want that a login is wanted, and none was shown", err)
				}
				if q, is := tt.cfg.Prompter.(*prompts); is && len(q.asked) != tt.asked {
					t.Errorf("asked %q", q.asked)
				}
			})
		})
	}
}

// Many environments name a proxy of yesterday's network: the direct way is tried beside it.
func TestTheEnvironmentsProxy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    []string
		dead   bool // the proxy takes connections and never answers
		closed bool // only the proxy may be reached
		via    string
		within time.Duration
		kind   string // as the site is told
	}{
		{"is used", []string{"HTTPS_PROXY", "http://proxy:3128"}, false, true, "proxy:3128", 150 * time.Millisecond, "env, used"},
		{"in lower case", []string{"https_proxy", "proxy:3128"}, false, true, "proxy:3128", 150 * time.Millisecond, "env, used"},
		{"is excepted", []string{"HTTPS_PROXY", "http://proxy:3128", "NO_PROXY", ".example,meet.test"}, false, false, "", 100 * time.Millisecond, "env"},
		{"is dead", []string{"HTTPS_PROXY", "http://proxy:3128"}, true, false, "", 300*time.Millisecond + 100*time.Millisecond, "env, not used"},
		{"does not exist", []string{"HTTPS_PROXY", "http://nowhere:3128"}, false, false, "", 100 * time.Millisecond, "env, not used"},
		{"is not there", nil, false, false, "", 100 * time.Millisecond, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveProxy(lab.ProxyOpts{Silent: tt.dead})
				if tt.closed {
					w.onlyProxy()
				}
				h := w.host(Config{Env: env(tt.env...)})
				began := time.Now()
				c, err := h.DialTLS(context.Background(), "tcp", "meet.test:443", &tls.Config{RootCAs: w.ca.pool()})
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				if took := time.Since(began); Of(c) != tt.via || took > tt.within {
					t.Errorf("via %q after %v, want %q within %v", Of(c), took, tt.via, tt.within)
				}
				if _, via, err := w.get(h, time.Second); err != nil || via != tt.via {
					t.Errorf("then via %q, %v", via, err)
				}
				if got := h.Kind(); got != tt.kind {
					t.Errorf("the kind is %q, want %q", got, tt.kind)
				}
			})
		})
	}
}

func TestAProxySetByHandIsTheOnlyWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		h := w.host(Config{URL: "http://nowhere:1", Env: env("HTTPS_PROXY", "http://proxy:3128")})
		if _, _, err := w.get(h, 5*time.Second); err == nil {
			t.Error("connected past the proxy that was set")
		}
		h = w.host(Config{URL: "direct", Env: env("HTTPS_PROXY", "http://nowhere:1")})
		if _, via, err := w.get(h, 5*time.Second); err != nil || via != "" {
			t.Errorf("via %q, %v", via, err)
		}
	})
}

func TestFaultyAddressesOfProxies(t *testing.T) {
	for _, text := range []string{"socks5://x:1", "http://", "http://us er:geheim@:1", "ftp://ann:geheim@x:1", "http://ann:geheim@x:port"} {
		_, err := New(Config{URL: text})
		if err == nil {
			t.Errorf("%q passes", text)
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error shows the password: %v", text, err)
		}
	}
}

func TestAPortTheProxyRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveProxy(lab.ProxyOpts{})
		_, err := w.host(Config{URL: "proxy:3128"}).Dial(context.Background(), "tcp", "meet.test:8801")
		refused, ok := errors.AsType[*Refused](err)
		if !ok || refused.Status != http.StatusForbidden {
			t.Errorf("got %v", err)
		}
	})
}

// S13: a box that opens TLS is named by its certificates' issuer.
func TestInterceptionIsNamed(t *testing.T) {
	for _, tt := range []struct{ issuer, want string }{
		{"FGT60F FortiGate CA", "TLS is intercepted by ‘FGT60F FortiGate CA’, of Fortinet: the certificate shown for meet.test"},
		{"Corp Web Filter", "TLS is intercepted by ‘Corp Web Filter’: "},
		{"Parley CA site-x", "the site's own authority"},
	} {
		t.Run(tt.issuer, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				box := newAuthority(t, tt.issuer)
				w.serveProxy(lab.ProxyOpts{Inspect: box.issue})
				began := time.Now()
				_, _, err := w.get(w.host(Config{URL: "proxy:3128"}), 10*time.Second)
				u, ok := errors.AsType[*Untrusted](err)
				if !ok || u.Issuer != tt.issuer || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("told after %v", took)
				}
			})
		})
	}
}

// A firewall that swallows the direct way must not hold up what the proxy's answer tells.
func TestWhatAProxySaysIsToldWithinTwoSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveProxy(lab.ProxyOpts{Auth: lab.ProxyBasic, User: "a", Password: "b"})
		w.onlyProxy()
		began := time.Now()
		_, _, err := w.get(w.host(Config{Env: env("HTTPS_PROXY", "proxy:3128")}), 30*time.Second)
		if took := time.Since(began); !Final(err) || took > 2*time.Second {
			t.Errorf("told %v after %v", err, took)
		}
	})
}

func TestOtherFaultsOfCertificates(t *testing.T) {
	for _, tt := range []struct {
		name string
		cert func(*world) (*tls.Certificate, error)
		want string
	}{
		{"of somebody else", func(w *world) (*tls.Certificate, error) { return w.ca.issue("portal.test") }, "this network may want you to sign in first"},
		{"by a clock that is wrong", func(w *world) (*tls.Certificate, error) {
			c, err := w.ca.issue("meet.test")
			time.Sleep(48 * time.Hour)
			return c, err
		}, "is its clock right?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				cert, err := tt.cert(w)
				if err != nil {
					t.Fatal(err)
				}
				w.serveProxy(lab.ProxyOpts{Inspect: func(string) (*tls.Certificate, error) { return cert, nil }})
				if _, _, err := w.get(w.host(Config{URL: "proxy:3128"}), 10*time.Second); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// chokes is a network that drops or resets the connection of a first message longer than a packet.
type chokes struct {
	link.Host
	reset bool
	n     int
}

func (h *chokes) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := h.Host.Dial(ctx, network, addr)
	return &choked{Conn: c, h: h}, err
}

type choked struct {
	net.Conn
	h    *chokes
	said bool
	dead bool
}

func (c *choked) Write(b []byte) (int, error) {
	if !c.said && len(b) > 1200 {
		c.h.n++
		if c.h.reset {
			c.Conn.Close()
			return 0, io.ErrUnexpectedEOF
		}
		c.dead = true
	}
	c.said = true
	if c.dead {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// A ClientHello with a post-quantum share is too much for some firewalls: classical curves pass, and are
// remembered.
func TestAFirewallThatChokesOnPostQuantumTLS(t *testing.T) {
	for _, reset := range []bool{true, false} {
		t.Run(fmt.Sprintf("reset %v", reset), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				net := &chokes{Host: w.client, reset: reset}
				h, err := New(Config{Host: net})
				if err != nil {
					t.Fatal(err)
				}
				defer h.Close()
				began := time.Now()
				if _, _, err := w.get(h, 10*time.Second); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); net.n != 1 || took > 2*time.Second || !h.Classical() {
					t.Errorf("%d large hellos in two connections, %v, remembered %v", net.n, took, h.Classical())
				}
				h, _ = New(Config{Host: net, Classical: true})
				defer h.Close()
				if _, _, err := w.get(h, 10*time.Second); err != nil || net.n != 1 {
					t.Errorf("told beforehand: %d large hellos, %v", net.n, err)
				}
			})
		})
	}
}

// trapping is a network that takes every direct connection and lets nothing through.
type trapping struct{ link.Host }

func (h trapping) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr != "proxy:3128" {
		addr = "trap:443"
	}
	return h.Host.Dial(ctx, network, addr)
}

// A firewall may take every connection and let nothing through: what counts is TLS, not TCP.
func TestAConnectionThatLeadsNowhereWinsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveProxy(lab.ProxyOpts{})
		w.net.Link(w.client, w.proxy, lab.Link{Delay: 200 * time.Millisecond}) // its answer comes after the trap's
		trap := w.net.Host("trap", lab.HostOpts{})
		ln, err := trap.Listen(netip.AddrPortFrom(trap.Addr(), 443))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		h, err := New(Config{Host: trapping{w.client}, Env: env("HTTPS_PROXY", "proxy:3128")})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if _, via, err := w.get(h, 10*time.Second); err != nil || via != "proxy:3128" {
			t.Errorf("via %q, %v", via, err)
		}
	})
}

func TestCloseEndsWhatIsBeingDialled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveProxy(lab.ProxyOpts{Silent: true})
		w.onlyProxy()
		h := w.host(Config{Env: env("HTTPS_PROXY", "proxy:3128")})
		ended := make(chan time.Time)
		go func() {
			h.DialTLS(context.Background(), "tcp", "meet.test:443", nil)
			ended <- time.Now()
		}()
		time.Sleep(time.Second)
		began := time.Now()
		go h.Close()
		if took := (<-ended).Sub(began); took > 100*time.Millisecond {
			t.Errorf("a dial went on for %v", took)
		}
	})
}

func TestSecretsAreNotShown(t *testing.T) {
	l := Login{"ann", "geheim"}
	cfg := Config{Login: l}
	for _, text := range []string{fmt.Sprint(l), fmt.Sprintf("%+v %#v %q %s %x", l, l, l, l, l), fmt.Sprintf("%+v", cfg.Login.Password)} {
		if strings.Contains(text, "geheim") || strings.Contains(text, "67656865696d") {
			t.Errorf("shown: %s", text)
		}
	}
}
