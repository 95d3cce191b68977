package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"parley/sys/link"
	"parley/sys/monitor"
)

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
		srv := link.HTTPServer(link.PeekedTLS(link.LimitBody(h)), n.log)
		srv.TLSConfig, srv.ConnContext = conf, link.PeekedContext // connections come with TLS done: this says that HTTP/2 may be spoken
		n.unread.Watch(srv)
		f.servers = append(f.servers, srv)
		f.wg.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("%s listener: %w", name, err))
			}
		})
	}
	if n.https != nil {
		conf := link.ServerTLS()
		conf.GetCertificate = n.cert.get
		dc := link.DemuxConfig{TLS: conf, Proxies: n.proxies}
		switch {
		case n.plane != nil:
			dc.STUN = n.plane.ServeTURN
		case n.tunnel != nil:
			dc.STUN = n.tunnel.ServeTURN
		}
		n.demux = link.NewDemux(n.https, dc)
		start(n.demux, n.mux, conf, "HTTPS")
	}
	start(n.http, localOnly(n.mux), nil, "HTTP")
	start(n.admin, monitor.Admin(n.metrics, n.debugPages()), nil, "admin")
	return f
}

// stopAccepting closes the listeners. Requests under way go on for d, then they are cut; wait for that
// with wait. WebSockets are the parts' own to end.
func (f *front) stopAccepting(d time.Duration) {
	for _, s := range f.servers {
		f.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		})
	}
}

// wait returns when no request is under way.
func (f *front) wait() { f.wg.Wait() }

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
