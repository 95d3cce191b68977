// Package zone is the zone controller (S4): it tracks the load of its zone's routers, answers the
// clients' performance test (S9), and brokers each into the router that is best for them (S10). Every
// controller of a zone is active: all hear the same announcements, any of them can place.
//
// The choices are core/steer's; this package is its shell: HTTP in front, the bus behind.
package zone

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"parley/core/steer"
	"parley/sys/bus"
	"parley/sys/monitor"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Config describes one controller. Zero values are the documented defaults.
type Config struct {
	Zone string // id of the zone; stands in bus subjects (bus.ValidID) and in tokens as "zone:<id>"
	ID   string // of this controller, unique in the site
	// URL is the base under which Handler is reached, as clients are told; it may be relative to the site.
	URL     string
	Name    string  // of the zone, for people; default the id
	Hosting string  // "cloud", the default, or "connector:<id>" (S16)
	Lat     float64 // degrees; 0, 0 is nowhere
	Lon     float64
	Build   string
	Bus     *bus.Bus
	// Verifier knows the site's token keys; ZoneKey makes this zone's media credentials; Signer signs
	// the grants, a fresh key by default.
	Verifier *trust.Verifier
	ZoneKey  trust.ZoneKey
	Signer   *trust.GrantSigner
	Steer    steer.Config
	// RouteRate and RouteBurst limit POST /route per client address (an IPv6 /64 is one): requests per
	// second, 50 by default, and at once, 400 by default: a whole meeting may sit behind one address (S20).
	// Negative: no limit.
	RouteRate  float64
	RouteBurst int
	Metrics    *monitor.Metrics // nil: none
	Log        *slog.Logger     // nil: nothing
}

const (
	// announceEvery is how often a controller says what its zone has.
	announceEvery = time.Second
	// announceGap coalesces announcements made at once on change.
	announceGap = 50 * time.Millisecond
	// maxTombstones bounds them; beyond it new ones are refused. 100,000 are 10 MB.
	maxTombstones = 100_000
)

// Server is one controller.
type Server struct {
	cfg     Config
	log     *slog.Logger
	limit   *limiter
	homes   *asker[proto.MeetingID, proto.ClaimAnswer]
	pings   *asker[string, bool]
	routes  *monitor.Counter
	changed chan struct{} // holds a token when the announcement is out of date
	stirred chan struct{} // holds a token when the mind's Wake may have moved
	load    atomic.Uint64 // bits of the float64 that ping tells
	closing atomic.Bool

	mu      sync.Mutex
	mind    *steer.Mind             // guarded by mu
	revoked map[tombstone]time.Time // when each lapses; guarded by mu
}

// tombstone names an ended meeting (seat 0) or an ejected seat.
type tombstone struct {
	meeting proto.MeetingID
	seat    proto.ParticipantID
}

// New checks the config. Nothing runs before Run, and until then nobody is placed.
func New(cfg Config) (*Server, error) {
	switch {
	case !bus.ValidID(cfg.Zone):
		return nil, fmt.Errorf("zone: id %q: must be 1 to 64 letters, digits, dashes or underscores", cfg.Zone)
	case !bus.ValidID(cfg.ID):
		return nil, fmt.Errorf("zone %s: controller id %q: must be 1 to 64 letters, digits, dashes or underscores", cfg.Zone, cfg.ID)
	case cfg.Bus == nil || cfg.Verifier == nil:
		return nil, fmt.Errorf("zone %s: bus and token keys are required", cfg.Zone)
	case cfg.ZoneKey == trust.ZoneKey{}:
		return nil, fmt.Errorf("zone %s: no zone key", cfg.Zone)
	}
	if cfg.Signer == nil {
		var err error
		if cfg.Signer, err = trust.NewGrantSigner(cfg.ID); err != nil {
			return nil, fmt.Errorf("zone %s: %w", cfg.Zone, err)
		}
	}
	cfg.Name = cmp.Or(cfg.Name, cfg.Zone)
	cfg.Hosting = cmp.Or(cfg.Hosting, "cloud")
	cfg.RouteRate = cmp.Or(cfg.RouteRate, 50)
	cfg.RouteBurst = cmp.Or(cfg.RouteBurst, 400)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg:     cfg,
		log:     cfg.Log.With("zone", cfg.Zone, "controller", cfg.ID),
		limit:   newLimiter(cfg.RouteRate, cfg.RouteBurst),
		changed: make(chan struct{}, 1),
		stirred: make(chan struct{}, 1),
		mind:    steer.New(cfg.Steer),
		revoked: make(map[tombstone]time.Time),
	}
	metrics := cfg.Metrics.With("zone", cfg.Zone).With("controller", cfg.ID)
	s.routes = metrics.Counter("parley_zone_routes_total", "Routes asked of this controller, by how they ended.", "result")
	s.homes = newAsker(s.askHome)
	s.pings = newAsker(s.askAlive)
	s.load.Store(math.Float64bits(1))
	metrics.Gauge("parley_zone_load_ratio", "Load of the zone's routers, 0 to 1.", s.loadNow)
	return s, nil
}

// Run hears the zone's routers, announces the zone each second, and answers other servers' requests
// for grants, until ctx ends. Every goroutine it started has ended when it returns.
func (s *Server) Run(ctx context.Context) error {
	var stops []func()
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	keep := func(stop func(), err error) error {
		if err == nil {
			stops = append(stops, stop)
		}
		return err
	}
	err := errors.Join(
		keep(s.cfg.Bus.Subscribe(fmt.Sprintf(proto.SubjectRouter, s.cfg.Zone, "*"), s.onRouter)),
		keep(s.cfg.Bus.Subscribe(proto.SubjectRevoke, s.onRevoke)),
		keep(s.cfg.Bus.Serve(fmt.Sprintf(proto.SubjectGrant, s.cfg.Zone), "controllers", s.onGrant)),
	)
	if err != nil {
		return fmt.Errorf("zone %s: %w", s.cfg.Zone, err)
	}
	// Whoever announced before we listened is heard now, and not a second later.
	if err := s.cfg.Bus.Publish(fmt.Sprintf(proto.SubjectRollCall, s.cfg.Zone), struct{}{}); err != nil {
		return fmt.Errorf("zone %s: %w", s.cfg.Zone, err)
	}
	announce, wake := time.NewTimer(0), time.NewTimer(time.Hour)
	defer announce.Stop()
	defer wake.Stop()
	for {
		select {
		case <-announce.C:
			s.announce()
			announce.Reset(announceEvery)
		case <-s.changed:
			announce.Reset(announceGap)
		case <-s.stirred:
			wake.Reset(s.untilWake())
		case <-wake.C:
			s.handle(steer.Tick{})
			wake.Reset(s.untilWake())
		case <-ctx.Done():
			s.closing.Store(true)
			return nil
		}
	}
}

// handle gives the mind a fact and does what it asks for.
func (s *Server) handle(e steer.Event) {
	s.mu.Lock()
	s.mind.Handle(time.Now(), e)
	s.drainLocked()
	s.mu.Unlock()
}

// drainLocked carries out the mind's actions: all it can want is to be heard.
func (s *Server) drainLocked() {
	for {
		a, ok := s.mind.Next()
		if !ok {
			break
		}
		switch a := a.(type) {
		case steer.RouterUp:
			s.log.Info("router is up", "router", a.ID)
		case steer.RouterDown:
			s.log.Warn("router is down", "router", a.ID, "why", a.Why.String(), "meetings", len(a.Meetings))
		case steer.Changed:
			poke(s.changed)
		}
	}
	poke(s.stirred)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// untilWake is how long the mind may be left alone.
func (s *Server) untilWake() time.Duration {
	s.mu.Lock()
	at, _ := s.mind.Wake()
	s.mu.Unlock()
	if at.IsZero() {
		return time.Hour
	}
	return max(0, time.Until(at))
}

// onRouter takes an announcement of one of the zone's routers.
func (s *Server) onRouter(_ string, data []byte) {
	var a proto.RouterAnnounce
	if json.Unmarshal(data, &a) != nil || a.Zone != s.cfg.Zone || !bus.ValidID(a.ID) {
		return
	}
	s.handle(steer.Announce{Router: a})
}

// onRevoke keeps the tombstone of an ended meeting or an ejected seat.
func (s *Server) onRevoke(_ string, data []byte) {
	var m proto.Revoke
	if json.Unmarshal(data, &m) != nil || !trust.ValidMeetingID(m.Meeting) {
		return
	}
	now := time.Now()
	// A token is taken for a while after its expiry, so its tombstone stays as much longer.
	until := time.Unix(m.Expires, 0).Add(trust.Leeway)
	if until.Before(now) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.revoked) >= maxTombstones {
		s.forgetLocked(now)
	}
	if len(s.revoked) >= maxTombstones {
		s.log.Error("too many tombstones; a revocation is not kept here", "tombstones", len(s.revoked))
		return
	}
	s.revoked[tombstone{m.Meeting, m.Seat}] = until
}

func (s *Server) forgetLocked(now time.Time) {
	for t, until := range s.revoked {
		if now.After(until) {
			delete(s.revoked, t)
		}
	}
}

// checkRevoked refuses who may not come back.
func (s *Server) checkRevoked(now time.Time, meeting proto.MeetingID, seat proto.ParticipantID) error {
	s.mu.Lock()
	ended := now.Before(s.revoked[tombstone{meeting, 0}])
	ejected := now.Before(s.revoked[tombstone{meeting, seat}])
	s.mu.Unlock()
	switch {
	case ended:
		return proto.NewError(proto.CodeEnded, "This meeting has ended.")
	case ejected:
		return proto.NewError(proto.CodeEjected, "A host has removed you from this meeting.")
	}
	return nil
}

// announce says what the zone has, and keeps what ping tells.
func (s *Server) announce() {
	now := time.Now()
	s.mu.Lock()
	s.mind.Handle(now, steer.Tick{}) // so that no dead router is announced
	sum := s.mind.Summary()
	s.forgetLocked(now)
	s.drainLocked()
	s.mu.Unlock()
	s.load.Store(math.Float64bits(sum.Load))
	a := proto.ControllerAnnounce{
		V: proto.Version, Build: s.cfg.Build, ID: s.cfg.ID, Zone: s.cfg.Zone, Name: s.cfg.Name, URL: s.cfg.URL,
		Hosting: s.cfg.Hosting, Lat: s.cfg.Lat, Lon: s.cfg.Lon, Key: s.cfg.Signer.Key(), Routers: sum.Routers,
	}
	if err := s.cfg.Bus.Publish(fmt.Sprintf(proto.SubjectController, s.cfg.Zone, s.cfg.ID), a); err != nil {
		s.log.Warn("announcement not sent", "err", err)
	}
}

func (s *Server) loadNow() float64 { return math.Float64frombits(s.load.Load()) }

// Debug writes the zone as this controller sees it, for the page under /debug.
func (s *Server) Debug(w io.Writer) {
	s.mu.Lock()
	sum := s.mind.Summary()
	nRevoked := len(s.revoked)
	at, why := s.mind.Wake()
	s.mu.Unlock()
	fmt.Fprintf(w, "zone %s, controller %s: %d people of %d, %d meetings, load %.2f, %d tombstones\n",
		s.cfg.Zone, s.cfg.ID, sum.People, sum.MaxPeople, sum.Meetings, sum.Load, nRevoked)
	if !at.IsZero() {
		fmt.Fprintf(w, "next wake-up in %v: %v\n", time.Until(at).Round(time.Millisecond), why)
	}
	for _, r := range sum.Routers {
		state := "up"
		if r.Draining {
			state = "draining"
		}
		fmt.Fprintf(w, "router %-24s %-8s build %-12s %5d people of %5d, %4d meetings of %4d, load %.2f\n",
			r.ID, state, r.Build, r.People, r.MaxPeople, len(r.Meetings), r.MaxMeetings, r.Load)
	}
}

// Handler serves GET /ping and POST /route below the controller's base URL.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", s.servePing)
	mux.HandleFunc("POST /route", s.serveRoute)
	return mux
}
