package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/monitor"
)

// openFront makes the certificate of the HTTPS listener.
func (n *Node) openFront(context.Context) (err error) {
	if n.https == nil {
		return nil
	}
	switch t := n.cfg.TLS; {
	case t.Cert != "":
		if n.cert, err = tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	case n.site != nil:
		names, ips := n.certNames()
		if n.cert, err = n.site.CA().Keep("front", names, ips, time.Now()); err != nil {
			return err
		}
	case n.cfg.Bus.Cert != "":
		if n.cert, err = tls.LoadX509KeyPair(n.cfg.Bus.Cert, n.cfg.Bus.Key); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	default:
		return errors.New("tls: a certificate is needed: tls.cert and tls.key, or the enrolled one in bus.cert and bus.key")
	}
	return nil
}

// certNames are the names and addresses people may reach this machine by.
func (n *Node) certNames() (names []string, ips []netip.Addr) {
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
	for _, s := range []string{n.cfg.Site, zoneURL(n.cfg.Zone), routerURL(n.cfg.Router)} {
		if u, err := url.Parse(s); err == nil {
			add(u.Hostname())
		}
	}
	for _, s := range n.cfg.TLS.Names {
		add(s)
	}
	ips = append(ips, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	if a, err := netip.ParseAddrPort(n.https.Addr().String()); err == nil && !a.Addr().IsUnspecified() {
		ips = append(ips, a.Addr().Unmap())
	} else {
		ips = append(ips, link.Addresses()...)
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

// front is the running HTTP listeners.
type front struct {
	servers []*http.Server
	wg      sync.WaitGroup
}

// serve starts the listeners. A listener that fails ends the node.
func (n *Node) serve(fail context.CancelCauseFunc) *front {
	f := &front{}
	start := func(l net.Listener, h http.Handler, conf *tls.Config, name string) {
		if l == nil {
			return
		}
		srv := link.HTTPServer(h, n.log)
		srv.TLSConfig = conf
		f.servers = append(f.servers, srv)
		f.wg.Go(func() {
			var err error
			if conf != nil {
				err = srv.ServeTLS(l, "", "")
			} else {
				err = srv.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("%s listener: %w", name, err))
			}
		})
	}
	start(n.https, n.mux, link.ServerTLS(n.cert), "HTTPS")
	start(n.http, localOnly(n.mux), nil, "HTTP")
	start(n.admin, monitor.Admin(n.metrics, n.debugPages()), nil, "admin")
	return f
}

// stopAccepting closes the listeners at once; requests under way go on until drain.
func (f *front) stopAccepting() {
	for _, s := range f.servers {
		s.SetKeepAlivesEnabled(false)
	}
}

// drain waits for requests under way, and cuts them after d.
func (f *front) drain(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	for _, s := range f.servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	}
	f.wg.Wait()
}

// localOnly refuses requests whose Host is not this machine's own name: a page elsewhere whose name was
// pointed at loopback (DNS rebinding) gets nothing.
func localOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		} else if len(host) > 1 && host[0] == '[' {
			host = host[1 : len(host)-1]
		}
		if !isLoopback(host) {
			http.Error(w, "this listener is for this machine only: use localhost", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}
