package lab

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"parley/sys/link"
)

// Server is an HTTP server on a host.
type Server struct {
	h        *Host
	addr     netip.AddrPort
	http     *http.Server
	cancel   context.CancelFunc
	served   chan error
	handlers sync.WaitGroup
}

// drainTimeout is how long Close lets requests finish before it breaks them.
const drainTimeout = time.Second

// Serve runs handler on h at addr (port 0 picks one), over TLS with cert, over plain HTTP where cert
// is empty. Close it before the bubble ends.
func Serve(h *Host, addr netip.AddrPort, handler http.Handler, cert tls.Certificate) (*Server, error) {
	ln, err := h.Listen(addr)
	if err != nil {
		return nil, err
	}
	base, cancel := context.WithCancel(context.Background())
	s := &Server{h: h, addr: ln.Addr().(*net.TCPAddr).AddrPort(), cancel: cancel, served: make(chan error, 1)}
	s.http = link.HTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		handler.ServeHTTP(w, r)
	}), nil)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	go func() {
		if len(cert.Certificate) == 0 {
			s.served <- s.http.Serve(ln)
			return
		}
		s.http.TLSConfig = link.ServerTLS(cert)
		s.served <- s.http.ServeTLS(ln, "", "")
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Close ends the server: no new connections, handlers' contexts cancelled, a second for requests to
// end, then every connection reset, those taken over by WebSockets too. It returns when all handlers
// have, and what they sent has arrived.
func (s *Server) Close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	<-s.served
	s.h.resetPort(s.addr.Port())
	s.handlers.Wait()
	s.h.n.Quiet()
}

// resetPort breaks the accepted streams of a local port.
func (h *Host) resetPort(port uint16) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	for _, c := range sorted(h.conns) {
		if c.t.local.Port() == port && !c.closed {
			c.reset()
			c.closed = true
			c.end(net.ErrClosed)
		}
	}
}
