// Package tunnel is the HTTP tunnel (S6, S14): a point of connection for clients that can reach the platform
// no other way. It carries byte streams to controllers and routers, with TLS to the real server inside, and
// datagrams to routers' UDP 8801, all in WebSockets over TLS 443. For pages, which have no TLS of their own to put
// inside, it speaks with the servers itself, and carries datagrams by TURN.
//
// It is no open relay. Targets are named by zone and id out of what enrolled servers announce on the bus; who
// opens a stream shows a token of the site, and gets to the servers of its meeting's zones only. What is refused
// is counted by reason.
package tunnel

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"parley/sys/bus"
	"parley/sys/link"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Config of a tunnel. ID, URL, Site, Bus and Verifier are needed.
type Config struct {
	ID    string // unique among tunnels
	URL   string // public base; a path alone is one on the site's origin
	Build string // told to clients; empty: "dev"

	// Site is the web infrastructure's base URL, for lookups. Lookup answers them instead where the web
	// infrastructure is in this process.
	Site   string
	Lookup http.Handler
	// Local is where servers are reached whose announced base URL is a path on the site's origin, "host:port":
	// this process's own front. Empty: they can't be.
	Local string
	// Loopback lets servers be on loopback addresses: where all of a site runs in one process.
	Loopback bool

	Host     link.Host   // nil: the kernel's
	TLS      *tls.Config // towards the site, and for pages towards its servers; nil: the system's roots
	Bus      *bus.Bus
	Verifier *trust.Verifier // of the site's tokens
	Limits   Limits
	Log      *slog.Logger // nil: discard
}

// openFor bounds how long a client may take for its first message, and dialFor the way to its server.
const (
	openFor       = 5 * time.Second
	dialFor       = 5 * time.Second
	announceEvery = time.Second
)

// Server is one tunnel. Safe for concurrent use.
type Server struct {
	cfg      Config
	log      *slog.Logger
	host     string // the only Host it answers to, without port; "" any
	port     string // ":" and the port of its URL where that is the scheme's own, which a Host may have or not
	site     *http.Client
	servers  *http.Client // for pages
	relayKey [32]byte     // of relays' credentials: good as long as this process lives
	registry *registry
	limits   *limits
	stops    []func()

	mu      sync.Mutex
	closed  bool
	streams map[io.Closer]struct{} // guarded by mu
	wg      sync.WaitGroup         // of them
}

// New checks the config and begins to hear what servers there are.
func New(cfg Config) (*Server, error) {
	if !bus.ValidID(cfg.ID) || cfg.URL == "" || cfg.Bus == nil || cfg.Verifier == nil {
		return nil, errors.New("tunnel: needs an id, a URL, a bus and the site's keys")
	}
	own, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("tunnel: url: %w", err)
	}
	if u, err := url.Parse(cfg.Site); cfg.Lookup == nil && (err != nil || u.Host == "") {
		return nil, errors.New("tunnel: the site's base URL is required, such as https://meet.example.org")
	}
	if cfg.Host == nil {
		cfg.Host = link.Real()
	}
	cfg.Build = cmp.Or(cfg.Build, "dev")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	port := map[string]string{"https": ":443", "http": ":80"}[own.Scheme]
	host := strings.TrimSuffix(own.Host, port)
	if host == own.Host && own.Port() != "" {
		port = ""
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, host: host, port: port, site: link.HTTPClient(cfg.Host, cfg.TLS), registry: newRegistry(),
		limits: newLimits(cfg.Limits), streams: map[io.Closer]struct{}{},
	}
	rand.Read(s.relayKey[:])
	s.servers = link.HTTPClient(checked{cfg.Host, s}, cfg.TLS)
	for subject, hear := range map[string]func(string, []byte){
		fmt.Sprintf(proto.SubjectController, "*", "*"): s.hearController,
		fmt.Sprintf(proto.SubjectRouter, "*", "*"):     s.hearRouter,
	} {
		stop, err := cfg.Bus.Subscribe(subject, hear)
		if err != nil {
			s.leave()
			return nil, fmt.Errorf("tunnel: %w", err)
		}
		s.stops = append(s.stops, stop)
	}
	return s, nil
}

func (s *Server) leave() {
	for _, stop := range s.stops {
		stop()
	}
	s.stops = nil
}

// Run announces the tunnel until ctx ends, then cuts all streams: clients come back through another tunnel.
func (s *Server) Run(ctx context.Context) error {
	defer s.leave()
	defer s.site.CloseIdleConnections()
	defer s.servers.CloseIdleConnections()
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		s.announce()
		select {
		case <-tick.C:
			s.limits.sweep(time.Now())
			continue
		case <-ctx.Done():
		}
		break
	}
	s.mu.Lock()
	s.closed = true
	all := make([]io.Closer, 0, len(s.streams))
	for c := range s.streams {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	s.wg.Wait()
	return nil
}

func (s *Server) announce() {
	n := s.limits.open()
	err := s.cfg.Bus.Publish(fmt.Sprintf(proto.SubjectTunnel, s.cfg.ID), proto.TunnelAnnounce{
		V: proto.Version, Build: s.cfg.Build, ID: s.cfg.ID, URL: s.cfg.URL, Streams: n, Load: float64(n) / float64(s.limits.Total),
	})
	if err != nil {
		s.log.Warn("announcement not sent", "err", err)
	}
}

// enter registers what Run ends; false where it has ended.
func (s *Server) enter(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.streams[c] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) exit(c io.Closer) {
	s.mu.Lock()
	delete(s.streams, c)
	s.mu.Unlock()
	s.wg.Done()
}

// Refused is how much was refused, by reason.
func (s *Server) Refused() map[string]uint64 { return s.limits.refused() }

// Handler answers all HTTP of the tunnel.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /ping", s.ping)
	m.HandleFunc("POST /lookup", s.lookup)
	m.HandleFunc("GET /stream", s.stream)
	m.HandleFunc("GET /media", s.media)
	m.HandleFunc("POST /server/{zone}/{server}/ping", s.pagePing)
	m.HandleFunc("POST /server/{zone}/{server}/route", s.pageRoute)
	m.HandleFunc("POST /server/{zone}/{server}/relay", s.pageRelay)
	m.HandleFunc("GET /server/{zone}/{server}/control", s.pageControl)
	m.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.refuse(w, ReasonPath, http.StatusNotFound, proto.NewError(proto.CodeBadRequest, "a tunnel has no such path"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A target is never taken from a Host header; one that is not this tunnel's is up to something.
		if s.host != "" && !strings.EqualFold(strings.TrimSuffix(r.Host, s.port), s.host) {
			s.refuse(w, ReasonHost, http.StatusMisdirectedRequest, proto.NewError(proto.CodeBadRequest, "this is the tunnel's address alone"))
			return
		}
		m.ServeHTTP(w, r)
	})
}

func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	render(w, http.StatusOK, proto.TunnelPong{V: proto.Version, ID: s.cfg.ID})
}

func (s *Server) refuse(w http.ResponseWriter, why Reason, status int, e *proto.Error) {
	s.limits.count(why)
	render(w, status, e)
}

func render(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Timing-Allow-Origin", "*") // pages measure
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// addrOf is the address a request comes from.
func addrOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}
