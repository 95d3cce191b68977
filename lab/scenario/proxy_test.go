package scenario

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
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/sys/proxy"
	"parley/wire/proto"
)

// office is a person's network: a proxy at its edge, and a firewall.
type office struct {
	*world
	proxy *lab.Proxy
	at    *lab.Host
}

const proxyAt = "proxy:3128"

// office makes a proxy that CONNECTs to port 443 alone.
func (w *world) officeProxy(o lab.ProxyOpts) *office {
	w.Helper()
	h := w.host("proxy", nil)
	o.Addr = netip.AddrPortFrom(h.Addr(), 3128)
	p, err := lab.ServeProxy(h, o)
	if err != nil {
		w.Fatal(err)
	}
	w.onClose(p.Close)
	return &office{w, p, h}
}

// inside lets a person reach the proxy and, besides, what the rules pass.
func (o *office) inside(pass ...func(lab.Packet) bool) option {
	return func(p *person, _ *client.Config) {
		p.host = o.host("host-"+p.name, nil)
		at := o.at.Addr() // a rule must not ask a host
		p.host.Block(lab.Rule{Match: func(k lab.Packet) bool {
			return k.Dst.Addr() != at && !slices.ContainsFunc(pass, func(f func(lab.Packet) bool) bool { return f(k) })
		}})
	}
}

func udp(k lab.Packet) bool { return k.Proto == lab.UDP }

// through configures the proxy.
func through(c proxy.Config) option {
	return func(_ *person, cfg *client.Config) { cfg.Proxy = c }
}

func environment(kv map[string]string) func(string) string {
	return func(k string) string { return kv[k] }
}

var viaEnv = proxy.Config{Env: environment(map[string]string{"HTTPS_PROXY": "http://" + proxyAt})}

// rungs are the paths of a person's media by group, as the person knows them.
func (p *person) rungs() map[string]proto.Rung {
	out := map[string]proto.Rung{}
	for _, m := range every[client.Media](p) {
		out[m.Kind] = m.Path
	}
	return out
}

// WaitRung waits until sound and picture run over a rung, and says when the first did.
func (p *person) WaitRung(want proto.Rung) time.Duration {
	p.w.Helper()
	p.WaitMedia()
	p.w.until(10*time.Second, fmt.Sprintf("%s has sound and picture over %s", p.name, want), func() bool {
		r := p.rungs()
		return r["audio"] == want && r["video"] == want
	})
	_, after, _ := find[client.Media](p)
	return after
}

// says looks for words in the report of a person's join.
func (p *person) says(words ...string) {
	p.w.Helper()
	text := strings.Join(p.Explain().Summary, "\n")
	for _, want := range words {
		if !strings.Contains(text, want) {
			p.w.Errorf("%s is told %q, without %q", p.name, text, want)
		}
	}
}

// S13: where a proxy stands in the way it is used at once for controller and router, and media goes through it
// over TLS; each kind of login, asked for once.
func TestAProxyAloneCarriesEverything(t *testing.T) {
	for _, tt := range []struct {
		name string
		auth lab.ProxyAuth
	}{
		{"without a login", lab.ProxyOpen}, {"Basic", lab.ProxyBasic}, {"Digest", lab.ProxyDigestSHA256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				o := w.officeProxy(lab.ProxyOpts{Auth: tt.auth, User: "ann", Password: "geheim"})
				m := w.Meeting(nil)
				bob := w.Join("bob", m, performs)
				bob.WaitMedia()
				conf := viaEnv
				conf.Login = proxy.Login{User: "ann", Password: "geheim"}
				ann := w.Join("ann", m, performs, o.inside(), through(conf))
				if after := ann.WaitRung(proto.TLS443); after > 1200*time.Millisecond {
					t.Errorf("the first medium after %v, want 1.2 s at most", after)
				}
				ann.says("through the proxy "+proxyAt, "Audio runs over TLS 443.")
				if n := o.proxy.Refused(); tt.auth != lab.ProxyOpen && (n == 0 || n > 3) {
					t.Errorf("%d questions for a login", n)
				}
				w.pass(2 * time.Second)
				ann.Forget()
				bob.Forget()
				w.pass(2 * time.Second)
				if ann.Hears("bob") < 90 || bob.Hears("ann") < 90 || bob.Sees("ann") < 15 {
					t.Errorf("in 2 s ann heard %d of bob, bob heard %d and saw %d of ann", ann.Hears("bob"), bob.Hears("ann"), bob.Sees("ann"))
				}
			})
		})
	}
}

// Many networks with a proxy leave UDP open: one probe goes out, and media takes it.
func TestAProxyWithUDPOpenBesideIt(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		o := w.officeProxy(lab.ProxyOpts{})
		p := w.Join("ann", w.Meeting(nil), o.inside(udp), through(viaEnv))
		p.WaitRung(proto.UDP8801)
		p.says("through the proxy "+proxyAt, "Audio runs over UDP 8801.")
	})
}

// prompted answers a proxy's question after a while.
type prompted struct {
	login proxy.Login
	takes time.Duration
	asked int
}

func (p *prompted) ProxyLogin(context.Context, string, string, bool) (proxy.Login, error) {
	p.asked++
	time.Sleep(p.takes)
	return p.login, nil
}

func TestAPersonMayTakeAMinuteForTheProxysPassword(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		o := w.officeProxy(lab.ProxyOpts{Auth: lab.ProxyBasic, User: "ann", Password: "geheim"})
		conf := viaEnv
		q := &prompted{login: proxy.Login{User: "ann", Password: "geheim"}, takes: time.Minute}
		conf.Prompter = q
		p := w.Join("ann", w.Meeting(nil), o.inside(), through(conf))
		time.Sleep(time.Minute)
		p.WaitRung(proto.TLS443)
		if q.asked != 1 {
			t.Errorf("asked %d times", q.asked)
		}
	})
}

func TestAProxyThatWantsALoginNobodyHas(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		o := w.officeProxy(lab.ProxyOpts{Auth: lab.ProxyBasic, User: "ann", Password: "geheim"})
		began := time.Now()
		err := w.Join("ann", w.Meeting(nil), o.inside(), through(viaEnv)).WaitEnd(5 * time.Second)
		failed, ok := errors.AsType[*client.ConnectError](err)
		if !ok || !strings.Contains(failed.Text, "wants a user name and password") || failed.WebURL == "" || time.Since(began) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// S13: the script is obeyed for each host, and one that is broken costs little.
func TestAProxyScript(t *testing.T) {
	serve := func(w *world, script string) string {
		h := w.net.Host("config", lab.HostOpts{})
		srv, err := lab.Serve(h, netip.AddrPortFrom(h.Addr(), 80), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if script == "" {
				<-r.Context().Done()
				return
			}
			fmt.Fprint(rw, script)
		}), tls.Certificate{})
		if err != nil {
			w.Fatal(err)
		}
		w.onClose(srv.Close)
		return "http://config/proxy.pac"
	}
	t.Run("zones direct, the site through the proxy", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{})
			pac := serve(w, `function FindProxyForURL(url, host) { return host == "meet.test" ? "PROXY `+proxyAt+`" : "DIRECT"; }`)
			site := w.siteHost.Addr()
			notSite := func(k lab.Packet) bool { return k.Dst.Addr() != site }
			p := w.Join("ann", w.Meeting(nil), o.inside(notSite), through(proxy.Config{PAC: pac}))
			p.WaitRung(proto.UDP8801)
			for _, to := range o.proxy.Connects() {
				if to != "meet.test:443" {
					t.Errorf("the proxy was asked for %s", to)
				}
			}
			p.says("through the proxy " + proxyAt)
		})
	})
	for name, script := range map[string]string{"broken": "function FindProxyForURL(", "never answers": ""} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeZones(1), func(t *testing.T, w *world) {
				p := w.Join("ann", w.Meeting(nil), through(proxy.Config{PAC: serve(w, script)}))
				p.WaitRung(proto.UDP8801)
				if _, after, _ := p.phase("lookup"); after > 3*time.Second {
					t.Errorf("looked up after %v", after)
				}
			})
		})
	}
}

// inspector makes certificates for whatever it is asked, as boxes do that open TLS.
type inspector struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newInspector(t *testing.T, name string) *inspector {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(100 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &inspector{c, key}
}

func (i *inspector) forge(name string) (*tls.Certificate, error) {
	c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(50 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, i.cert, &i.key.PublicKey, i.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key}, err
}

const inspectorName = "FortiGate CA of the office"

// S13, design §3: a box that opens TLS is named. Who trusts it gets in, and is told; who does not is told
// within two seconds, once.
func TestTLSIsInspected(t *testing.T) {
	t.Run("trusted", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			box := newInspector(t, inspectorName)
			o := w.officeProxy(lab.ProxyOpts{Inspect: box.forge})
			trusting := func(_ *person, c *client.Config) {
				roots := x509.NewCertPool()
				roots.AddCert(box.cert)
				c.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			}
			p := w.Join("ann", w.Meeting(nil), o.inside(), through(viaEnv), trusting)
			p.WaitRung(proto.TLS443)
			p.says("inspected on the way by ‘" + inspectorName + "’")
		})
	})
	t.Run("not trusted", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			o := w.officeProxy(lab.ProxyOpts{Inspect: newInspector(t, inspectorName).forge})
			began := time.Now()
			p := w.Join("ann", w.Meeting(nil), o.inside(), through(viaEnv))
			err := p.WaitEnd(5 * time.Second)
			failed, ok := errors.AsType[*client.ConnectError](err)
			if !ok || !strings.Contains(failed.Text, "TLS is intercepted by ‘"+inspectorName+"’, of Fortinet") || failed.WebURL == "" {
				t.Errorf("told %v", err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("told after %v", took)
			}
		})
	})
	t.Run("nobody does", func(t *testing.T) {
		inWorld(t, threeZones(1), func(t *testing.T, w *world) {
			p := w.Join("ann", w.Meeting(nil))
			p.WaitJoined()
			if text := strings.Join(p.Explain().Summary, "\n"); strings.Contains(text, "inspected") {
				t.Errorf("told %q", text)
			}
		})
	})
}
