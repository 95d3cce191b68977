// Package web is the web infrastructure (S2): the site people open, meeting lookup (S7, S8), the REST
// API under /v2, sign-in, and the durable answers other servers ask for over the bus: where a meeting
// lives, that it has ended, and which keys verify a token.
//
// It keeps nothing of a running meeting in memory but what servers announce each second; any number of
// replicas over one database and one bus answer alike. (Only the slowing of passcode guesses is counted
// per replica.)
package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/sys/bus"
	"parley/sys/geo"
	"parley/sys/link"
	"parley/sys/store"
	"parley/sys/trust"
)

// Config of the web infrastructure. Site, Store and Bus are needed; the rest has defaults.
type Config struct {
	// URL is where people reach the site, "https://meet.example.org", without a path. Links are made
	// from it. Empty: from the Host of each request, which is right for one machine and a loopback name.
	URL   string
	Site  *trust.Site
	Store *store.Store
	Bus   *bus.Bus
	// Geo places client addresses; nil: no place is known. Ranges send address ranges to zones of
	// their own and come first; nil: none.
	Geo    *geo.DB
	Ranges *geo.Map
	// ZoneOrder is the operator's order of zones for clients whose place is unknown; zones not named
	// follow by id.
	ZoneOrder []string
	// Tunnels are the base URLs of HTTP tunnels (S14) that every client is given before those that announce
	// themselves on the bus.
	Tunnels []string
	// UI is the built web client: index.html and its files. nil: pages answer 404.
	UI fs.FS
	// Balancers say whom they speak for.
	Balancers link.Balancers
	// APIToken, if not empty, is a bearer token with the rights of the first administrator. It lives
	// in memory only, for programs started together with the site.
	APIToken string
	// Build is told to clients (S41); empty: "dev".
	Build string
	// Log gets one line per fault; nil: nothing.
	Log *slog.Logger
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Server answers for the site. Safe for concurrent use.
type Server struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	zones    *zones
	tunnels  tunnels
	guesses  *guesses
	logins   *guesses
	examined perMinute // by GET /network
	hasher   *trust.Hasher
	pageKey  []byte                      // signs next_page_tokens, the same on all replicas
	foreign  *http.CrossOriginProtection // refuses what other sites' pages ask with our cookie
	token    string                      // hash of Config.APIToken, empty without one
	stops    []func()
}

// New checks the config and begins to listen on the bus. Run must follow, or the bus be closed.
func New(cfg Config) (*Server, error) {
	if cfg.Site == nil || cfg.Store == nil || cfg.Bus == nil {
		return nil, errors.New("web: needs a site, a store and a bus")
	}
	cfg.URL = strings.TrimSuffix(cfg.URL, "/")
	if cfg.URL != "" {
		u, err := url.Parse(cfg.URL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("web: url %q must be https://host without a path", cfg.URL)
		}
	}
	if cfg.Build == "" {
		cfg.Build = "dev"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, log: cfg.Log, now: cfg.Now, zones: newZones(), tunnels: tunnels{heard: map[string]tunnelHeard{}},
		guesses: newGuesses(lookupLimits), logins: newGuesses(loginLimits), foreign: http.NewCrossOriginProtection(), hasher: trust.NewHasher(0)}
	if cfg.APIToken != "" {
		s.token = trust.HashToken(cfg.APIToken)
	}
	var err error
	s.pageKey, err = cfg.Store.Secret(context.Background(), "pages", func() []byte { return []byte(trust.NewSessionToken()) })
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if err := s.listen(); err != nil {
		s.stop()
		return nil, fmt.Errorf("web: %w", err)
	}
	return s, nil
}

// Run does what is due by the clock until ctx ends, then leaves the bus.
func (s *Server) Run(ctx context.Context) error {
	defer s.stop()
	// What it removes has been useless for hours at least; once an hour is often enough.
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.cfg.Store.Purge(ctx, s.now()); err != nil && ctx.Err() == nil {
			s.log.Error("purging the store", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) stop() {
	for _, stop := range s.stops {
		stop()
	}
	s.stops = nil
}

// Handler answers all HTTP of the site. Paths are listed here and nowhere else.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /lookup", s.lookup)
	m.HandleFunc("GET /network", s.network)
	m.HandleFunc("GET /.well-known/jwks.json", s.jwks)
	m.HandleFunc("GET /healthz", s.healthz)

	m.HandleFunc("POST /api/v1/session", s.signIn)
	m.HandleFunc("GET /api/v1/session", s.whoAmI)
	m.HandleFunc("DELETE /api/v1/session", s.signOut)

	m.HandleFunc("POST /api/v1/enroll", s.enroll)
	m.HandleFunc("POST /api/v1/enroll/tokens", s.api(s.createEnrolToken))

	m.HandleFunc("GET /v2/users", s.api(s.listUsers))
	m.HandleFunc("POST /v2/users", s.api(s.createUser))
	m.HandleFunc("GET /v2/users/email", s.api(s.checkEmail))
	m.HandleFunc("GET /v2/users/{user}", s.api(s.getUser))
	m.HandleFunc("PATCH /v2/users/{user}", s.api(s.patchUser))
	m.HandleFunc("DELETE /v2/users/{user}", s.api(s.deleteUser))
	m.HandleFunc("PUT /v2/users/{user}/password", s.api(s.putPassword))
	m.HandleFunc("PUT /v2/users/{user}/status", s.api(s.putUserStatus))
	m.HandleFunc("GET /v2/users/{user}/meetings", s.api(s.listMeetings))
	m.HandleFunc("POST /v2/users/{user}/meetings", s.api(s.createMeeting))
	m.HandleFunc("GET /v2/meetings/{meeting}", s.api(s.getMeeting))
	m.HandleFunc("PATCH /v2/meetings/{meeting}", s.api(s.patchMeeting))
	m.HandleFunc("DELETE /v2/meetings/{meeting}", s.api(s.deleteMeeting))
	m.HandleFunc("PUT /v2/meetings/{meeting}/status", s.api(s.putMeetingStatus))
	m.HandleFunc("/v2/", s.api(noSuchPath))
	m.HandleFunc("/api/", s.api(noSuchPath))

	m.HandleFunc("GET /j/{number}", s.index)
	m.HandleFunc("/", s.page)
	return s.secure(m)
}

// healthz says whether this replica can serve: its database answers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.cfg.Store.Ping(ctx); err != nil {
		s.log.Error("health check", "err", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// base is the origin links are made from.
func (s *Server) base(r *http.Request) string {
	if s.cfg.URL != "" {
		return s.cfg.URL
	}
	scheme := "http"
	if r.TLS != nil || (s.cfg.Balancers.Sent(r) && r.Header.Get("X-Forwarded-Proto") == "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// EnsureAdmin makes the first account of a site that has none: an administrator with this address. It
// returns the password, made at random and kept nowhere else, or "" where accounts exist already.
func EnsureAdmin(ctx context.Context, st *store.Store, email string, now time.Time) (password string, err error) {
	if _, n, err := st.Users(ctx, store.UserQuery{Limit: 1}); err != nil || n > 0 {
		return "", err
	}
	password = trust.NewPassword()
	hash, err := trust.NewHasher(1).HashPassword(ctx, password)
	if err != nil {
		return "", err
	}
	err = st.CreateFirstUser(ctx, store.User{ID: newUserID(), Email: email, DisplayName: "Administrator", Type: store.UserLicensed,
		Role: store.RoleAdmin, Password: hash, Status: store.UserActive, CreatedAt: now})
	if errors.Is(err, store.ErrExists) {
		return "", nil // another replica was faster
	}
	return password, err
}

// newUserID makes an account's id: 16 random bytes in base64url, like a meeting's.
func newUserID() string { return string(trust.NewMeetingID()) }
