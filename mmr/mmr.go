// Package mmr is the multimedia router (S5): it hosts meetings and sees to it that voice, video and
// content reach every participant as they should.
//
// A Server is one router's identity: its control channels and its meetings, each with a goroutine of
// its own around a core/meeting mind. A Plane is the process's media: the sockets and the shard that
// owns every transport. Rooms tell the shard what shall flow; the shard tells rooms what it saw. A
// packet never meets a room.
package mmr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"parley/core/meeting"
	"parley/sys/bus"
	"parley/sys/trust"
	"parley/wire/proto"
)

// Config describes one router. Zero values are the documented defaults.
type Config struct {
	ID   string // unique in the site; no dots or spaces
	Zone string
	// URL is the router's base, under which Handler is reached: the control channel is at URL + "/control".
	URL   string
	Build string
	Plane *Plane
	// TLS is "host:port" under which URL is reached over TLS; clients that nothing else lets out take
	// their media there (S11). Empty: that rung is not offered.
	TLS string
	Bus *bus.Bus
	// Verifier knows the site's token keys; ZoneKey makes and opens this zone's media credentials.
	Verifier *trust.Verifier
	ZoneKey  trust.ZoneKey
	// MaxPeople on this router, 1000 by default; MaxMeetings, 200 by default. More are refused with
	// router_full, and the client asks for another route.
	MaxPeople   int
	MaxMeetings int
	// Meeting holds the limits of each meeting.
	Meeting meeting.Config
	// HelloTimeout is how long a control channel may stay silent at first: 75 s by default, since pages open
	// theirs in the lobby, for a minute.
	HelloTimeout time.Duration
	// Heartbeat is how often we ping a control channel, 2 s by default; after three silent ones it is lost.
	Heartbeat time.Duration
	Log       *slog.Logger
}

// Server is one router.
type Server struct {
	cfg    Config
	log    *slog.Logger
	replay *trust.Replay
	clock  clockDoubt
	detach func()

	mu      sync.Mutex
	rooms   map[proto.MeetingID]*room
	revoked map[revocation]time.Time // tombstones until expiry
	pending pending                  // control channels that have not said hello yet
	closing bool

	open    context.Context // of control channels without a hello; ends when the router stops
	shut    context.CancelFunc
	tasks   sync.WaitGroup // rooms and control channels
	changed chan struct{}  // holds a token when the announcement is out of date
}

// revocation names an ended meeting (seat 0) or an ejected seat.
type revocation struct {
	meeting proto.MeetingID
	seat    proto.ParticipantID
}

// New checks the config and attaches the router to its media plane.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.ID == "":
		return nil, errors.New("mmr: no id")
	case cfg.Zone == "":
		return nil, fmt.Errorf("mmr %s: no zone", cfg.ID)
	case cfg.Plane == nil || cfg.Bus == nil || cfg.Verifier == nil:
		return nil, fmt.Errorf("mmr %s: media plane, bus and token keys are required", cfg.ID)
	}
	cfg.MaxPeople = cmp.Or(cfg.MaxPeople, 1000)
	cfg.MaxMeetings = cmp.Or(cfg.MaxMeetings, 200)
	cfg.HelloTimeout = cmp.Or(cfg.HelloTimeout, 75*time.Second)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	detach, err := cfg.Plane.attach(cfg.ID, cfg.ZoneKey)
	if err != nil {
		return nil, err
	}
	open, shut := context.WithCancel(context.Background())
	return &Server{
		open: open, shut: shut,
		cfg:     cfg,
		log:     cfg.Log.With("router", cfg.ID),
		replay:  trust.NewReplay(0),
		detach:  detach,
		rooms:   make(map[proto.MeetingID]*room),
		revoked: make(map[revocation]time.Time),
		changed: make(chan struct{}, 1),
	}, nil
}

// Handler serves GET /control, the WebSocket of the control channel (S10), and GET /media, those of media
// where nothing but TLS 443 passes (S11).
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control", s.serveControl)
	mux.HandleFunc("GET /media", s.serveMedia)
	return mux
}

// Run announces the router and serves its meetings until ctx ends; then it says goodbye to everybody
// and returns when the last goroutine has ended.
func (s *Server) Run(ctx context.Context) error {
	defer s.detach()
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
		keep(s.cfg.Bus.Subscribe(proto.SubjectRevoke, s.onRevoke)),
		keep(s.cfg.Bus.Serve(fmt.Sprintf(proto.SubjectCommand, s.cfg.ID), "", s.onCommand)),
		keep(s.cfg.Bus.Serve(fmt.Sprintf(proto.SubjectPingRouter, s.cfg.ID), "", s.onPing)),
	)
	if err != nil {
		return fmt.Errorf("mmr %s: %w", s.cfg.ID, err)
	}
	s.announceLoop(ctx)

	s.mu.Lock()
	s.closing = true
	rooms := make([]*room, 0, len(s.rooms))
	for _, r := range s.rooms {
		rooms = append(rooms, r)
	}
	s.mu.Unlock()
	s.shut()
	for _, r := range rooms {
		r.postWait(context.Background(), shutdown{})
	}
	s.tasks.Wait()
	return nil
}

// room finds or makes the room of a meeting.
func (s *Server) room(c proto.Claims) (*room, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, proto.NewError(proto.CodeShutdown, "This server is stopping. Join again in a moment.")
	}
	if r := s.rooms[c.Meeting]; r != nil {
		return r, nil
	}
	if len(s.rooms) >= s.cfg.MaxMeetings {
		return nil, proto.NewError(proto.CodeRouterFull, "This router hosts as many meetings as it may.")
	}
	r := newRoom(s, c)
	s.rooms[c.Meeting] = r
	s.tasks.Go(r.run)
	return r, nil
}

// roomEnded takes a room off the list; its control channels are closed already.
func (s *Server) roomEnded(r *room) {
	s.mu.Lock()
	if s.rooms[r.id] == r {
		delete(s.rooms, r.id)
	}
	s.mu.Unlock()
	s.announceSoon()
}

// revoke keeps a tombstone.
func (s *Server) revoke(key revocation, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for k, at := range s.revoked {
		if now.After(at) {
			delete(s.revoked, k)
		}
	}
	s.revoked[key] = until
}

// isRevoked reports the code a seat is refused with, "" if it is welcome.
func (s *Server) isRevoked(c proto.Claims, now time.Time) proto.Code {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.revoked[revocation{c.Meeting, 0}]; ok && now.Before(at) {
		return proto.CodeEnded
	}
	if at, ok := s.revoked[revocation{c.Meeting, c.Participant}]; ok && now.Before(at) {
		return proto.CodeEjected
	}
	return ""
}

// people counts the seats of all rooms.
func (s *Server) people() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.rooms {
		n += int(r.people.Load())
	}
	return n
}
