package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"parley/sys/link"
)

// certEvery is how often a certificate is looked at again: what renews it (the site's own CA, an ACME
// client, renewal) replaces it weeks before its end.
const certEvery = time.Hour

// keeper hands out a certificate, and takes up its successor without a restart.
type keeper struct {
	load func() (tls.Certificate, error)
	log  *slog.Logger

	mu   sync.Mutex
	cert *tls.Certificate // guarded by mu
	at   time.Time        // guarded by mu: when it was loaded
}

// newKeeper loads the first certificate.
func newKeeper(load func() (tls.Certificate, error), log *slog.Logger) (*keeper, error) {
	c, err := load()
	if err != nil {
		return nil, err
	}
	return &keeper{load: load, log: log, cert: &c, at: time.Now()}, nil
}

// get is tls.Config.GetCertificate. A successor that can't be read leaves the certificate as it is.
func (k *keeper) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) >= certEvery {
		k.at = time.Now()
		if c, err := k.load(); err != nil {
			k.log.Error("reading the successor of a certificate", "err", err)
		} else {
			k.cert = &c
		}
	}
	return k.cert, nil
}

// openFront makes the certificate of the HTTPS listener.
func (n *Node) openFront(context.Context) (err error) {
	if n.https == nil {
		return nil
	}
	n.cert, err = newKeeper(n.loadCert, n.log)
	return err
}

// loadCert finds the certificate of the front: the configured one, one of the site's own CA, the
// enrolled one.
func (n *Node) loadCert() (c tls.Certificate, err error) {
	switch t := n.cfg.TLS; {
	case t.Cert != "":
		c, err = tls.LoadX509KeyPair(t.Cert, t.Key)
	case n.site != nil:
		names, ips := n.certNames()
		c, err = n.site.CA().Keep("front", names, ips, time.Now())
	case n.cfg.Bus.Cert != "":
		c, err = tls.LoadX509KeyPair(n.cfg.Bus.Cert, n.cfg.Bus.Key)
	default:
		err = errors.New("a certificate is needed: tls.cert and tls.key, or the enrolled one in bus.cert and bus.key")
	}
	if err != nil {
		return c, fmt.Errorf("tls: %w", err)
	}
	return c, nil
}

// certNames are the names and addresses people may reach this machine's front by.
func (n *Node) certNames() (names []string, ips []netip.Addr) {
	names, ips = n.hostNames(n.cfg.Site, zoneURL(n.cfg.Zone), routerURL(n.cfg.Router), tunnelURL(n.cfg.Tunnel))
	if a, err := netip.ParseAddrPort(n.https.Addr().String()); err == nil && !a.Addr().IsUnspecified() {
		return names, append(ips, a.Addr().Unmap())
	}
	return names, append(ips, link.Addresses()...)
}

// hostNames are this machine's names as far as it knows them, those in base URLs, and tls.names.
func (n *Node) hostNames(bases ...string) (names []string, ips []netip.Addr) {
	ips = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil {
			ips = append(ips, a)
		} else if s != "" {
			names = append(names, s)
		}
	}
	add("localhost")
	if host, err := os.Hostname(); err == nil {
		add(host)
	}
	for _, s := range bases {
		if u, err := url.Parse(s); err == nil {
			add(u.Hostname())
		}
	}
	for _, s := range n.cfg.TLS.Names {
		add(s)
	}
	return names, ips
}

func zoneURL(z *Zone) string {
	if z == nil {
		return ""
	}
	return z.URL
}

func routerURL(r *Router) string {
	if r == nil {
		return ""
	}
	return r.URL
}

// busTLS is mutual TLS for the bus: with the enrolled certificate, or, where the web infrastructure
// itself listens beyond loopback, with one of the site's own CA. nil where the bus stays on this machine.
func (n *Node) busTLS() (*tls.Config, error) {
	b := n.cfg.Bus
	switch {
	case b.Cert != "":
		k, err := newKeeper(func() (tls.Certificate, error) { return tls.LoadX509KeyPair(b.Cert, b.Key) }, n.log)
		if err != nil {
			return nil, fmt.Errorf("bus certificate: %w", err)
		}
		pem, err := os.ReadFile(b.CA)
		if err != nil {
			return nil, fmt.Errorf("bus CA: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bus CA: %s holds no certificate", b.CA)
		}
		return mutual(k, pool), nil
	case n.site != nil && b.Listen != "" && !isLoopbackAddr(b.Listen):
		names, ips := n.hostNames(n.cfg.Site)
		ips = append(ips, link.Addresses()...)
		k, err := newKeeper(func() (tls.Certificate, error) { return n.site.CA().Keep("bus", names, ips, time.Now()) }, n.log)
		if err != nil {
			return nil, err
		}
		return mutual(k, n.site.CA().Pool()), nil
	}
	return nil, nil
}

// mutual is TLS in which both ends show a certificate of the site's CA.
func mutual(k *keeper, pool *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, GetCertificate: k.get,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return k.get(nil) },
		RootCAs:              pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}
