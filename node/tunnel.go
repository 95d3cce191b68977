package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"parley/sys/link"
	"parley/sys/trust"
	"parley/tunnel"
	"parley/wire/proto"
)

// Tunnel is this process's HTTP tunnel (S6).
type Tunnel struct {
	ID  string `yaml:"id"`  // as it was enrolled; default "tunnel-<host name>"
	URL string `yaml:"url"` // public base; beside a web section a path on the site by default
	// CA is a PEM file of an authority to trust for the site, besides the system's; default bus.ca.
	CA string `yaml:"ca"`
	// Streams is how many it carries at once, 20000 by default.
	Streams int `yaml:"streams"`
}

// openTunnel makes the tunnel. Beside the web infrastructure it answers lookups by that; elsewhere it asks the
// site for its keys and passes lookups on.
func (n *Node) openTunnel(ctx context.Context) error {
	t := n.cfg.Tunnel
	if t == nil {
		return nil
	}
	at := base(t.URL, "/tunnel")
	c := tunnel.Config{
		ID: t.ID, URL: at, Build: n.deps.Build, Site: n.cfg.Site, Host: n.deps.Host, Bus: n.bus, Log: n.log,
		Local: n.local(), Loopback: n.plane != nil && n.site != nil, Limits: tunnel.Limits{Total: t.Streams},
	}
	var err error
	if n.site != nil {
		c.Lookup = n.web.Handler()
		c.TLS = link.ClientTLS(withSystem(n.site.CA().PEM()))
		c.Verifier, err = trust.NewVerifier(n.site.Keys())
	} else if c.Verifier, err = n.askSite(ctx); err == nil {
		c.TLS, err = n.siteTLS()
	}
	if err != nil {
		return err
	}
	if n.tunnel, err = tunnel.New(c); err != nil {
		return err
	}
	return n.mount(at, n.tunnel.Handler())
}

// local is where this process's own front is dialled, "" without one.
func (n *Node) local() string {
	if n.https == nil {
		return ""
	}
	a, err := netip.ParseAddrPort(n.https.Addr().String())
	if err != nil {
		return ""
	}
	if !a.Addr().IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(a.Port()))
}

// askSite gets what tunnel tokens are verified with from the web infrastructure, patiently: servers of a site
// start in any order.
func (n *Node) askSite(ctx context.Context) (*trust.Verifier, error) {
	deadline := time.Now().Add(keysPatient)
	for {
		var ans proto.SiteAnswer
		tctx, cancel := context.WithTimeout(ctx, keysTry)
		err := n.bus.Request(tctx, proto.SubjectSite, proto.SiteRequest{}, &ans)
		cancel()
		if err == nil {
			return trust.NewVerifier(ans.Tokens)
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("no keys from the web infrastructure over the bus after %v: %w", keysPatient, err)
		}
		n.log.Info("waiting for the web infrastructure on the bus", "err", err)
		select {
		case <-time.After(keysTry):
		case <-ctx.Done():
		}
	}
}

// siteTLS trusts the system's authorities, and the site's own where this server is enrolled there.
func (n *Node) siteTLS() (*tls.Config, error) {
	path := cmp.Or(n.cfg.Tunnel.CA, n.cfg.Bus.CA)
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tunnel.ca: %w", err)
	}
	pool := withSystem(pem)
	if pool == nil {
		return nil, fmt.Errorf("tunnel.ca: %s holds no certificate", path)
	}
	return link.ClientTLS(pool), nil
}

// withSystem is the system's authorities and those of a PEM file; nil where that holds none.
func withSystem(pem []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil
	}
	return pool
}

// Tunnel is the node's HTTP tunnel, nil without one.
func (n *Node) Tunnel() *tunnel.Server { return n.tunnel }

func tunnelURL(t *Tunnel) string {
	if t == nil {
		return ""
	}
	return t.URL
}
