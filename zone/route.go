package zone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/core/steer"
	"parley/sys/bus"
	"parley/wire/proto"
)

// How long answers of other servers are used again.
const (
	// homeKept: a meeting that has a home keeps it, save for a death, which this zone sees by itself
	// and another zone's controllers see for theirs.
	homeKept = 2 * time.Second
	// noHomeKept is short: the first person's control channel claims the home a moment after this.
	// Who is sent to the wrong router meanwhile is sent on by it.
	noHomeKept = 200 * time.Millisecond
	// webLostKept spares joins the wait for a web infrastructure that does not answer.
	webLostKept = time.Second
	// aliveKept answers many who lost the same router with one ping.
	aliveKept = 250 * time.Millisecond
	// askTimeout is for one request over the bus; it goes once more, to whoever else is in the queue.
	askTimeout = 300 * time.Millisecond
)

// route finds the router for one client and makes its grant.
func (s *Server) route(ctx context.Context, now time.Time, req proto.RouteRequest) (proto.SignedGrant, error) {
	if s.closing.Load() {
		return "", proto.NewError(proto.CodeShutdown, "This zone controller is stopping; trying another.")
	}
	if !proto.Compatible(req.V) {
		return "", proto.NewError(proto.CodeTooOld, "This version of the client is too old for this site; please update it.")
	}
	claims, err := s.cfg.Verifier.Claims(req.Token, now, "zone:"+s.cfg.Zone)
	if err != nil {
		return "", err
	}
	if err := s.checkRevoked(now, claims.Meeting, claims.Participant); err != nil {
		return "", err
	}
	if req.Lost != "" {
		s.suspect(ctx, req.Lost)
	}
	home, err := s.home(ctx, claims.Meeting)
	if err != nil {
		return "", err
	}
	if home.Router != "" && home.Zone != s.cfg.Zone {
		return s.askZone(ctx, home, claims, req.Lost)
	}
	return s.place(steer.Query{Meeting: claims.Meeting, Home: home.Router, Lost: req.Lost}, claims.Participant, home.Epoch)
}

// place asks the mind and signs the grant. claimed is the epoch of the claim on q.Home, for a home
// that does not announce the meeting yet.
func (s *Server) place(q steer.Query, seat proto.ParticipantID, claimed uint32) (proto.SignedGrant, error) {
	now := time.Now()
	s.mu.Lock()
	p, err := s.mind.Place(now, q)
	s.drainLocked()
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	home, epoch := p.Why == steer.ReasonHome, p.Epoch
	if home && epoch == 0 {
		epoch = claimed
	}
	s.log.Debug("placed", "router", p.Router.ID, "why", p.Why.String())
	grant, err := s.cfg.Signer.Sign(s.cfg.ZoneKey.Grant(p.Router, q.Meeting, seat, home, epoch, now))
	if err != nil {
		return "", fmt.Errorf("signing a grant: %w", err)
	}
	return grant, nil
}

// home finds where a meeting lives: a router of this zone that announces it, else what the web
// infrastructure says. When that can't be reached the meeting counts as without a home: tokens issued
// still admit (design §6), and the claim decides in the end.
func (s *Server) home(ctx context.Context, meeting proto.MeetingID) (proto.ClaimAnswer, error) {
	s.mu.Lock()
	r, epoch, ok := s.mind.Home(meeting)
	s.mu.Unlock()
	if ok {
		return proto.ClaimAnswer{Router: r.ID, Zone: s.cfg.Zone, Epoch: epoch}, nil
	}
	a, err := s.homes.ask(ctx, meeting)
	if err != nil {
		if ctx.Err() != nil {
			return a, fmt.Errorf("asking for a meeting's home: %w", err)
		}
		s.log.Warn("the web infrastructure does not say where meetings live", "err", err)
		return proto.ClaimAnswer{}, nil
	}
	if a.Ended {
		return a, proto.NewError(proto.CodeEnded, "This meeting has ended.")
	}
	return a, nil
}

// askHome is one request to the web infrastructure, repeated once.
func (s *Server) askHome(ctx context.Context, meeting proto.MeetingID) (a proto.ClaimAnswer, keep time.Duration, err error) {
	if err := s.request(ctx, askTimeout, proto.SubjectHome, proto.HomeRequest{Meeting: meeting}, &a); err != nil {
		return a, webLostKept, err
	}
	if a.Router == "" && !a.Ended {
		return a, noHomeKept, nil
	}
	return a, homeKept, nil
}

// askZone gets the grant of a router of another zone from a controller of that zone, since only they
// have the key for it.
func (s *Server) askZone(ctx context.Context, home proto.ClaimAnswer, c proto.Claims, lost string) (proto.SignedGrant, error) {
	if !bus.ValidID(home.Zone) {
		return "", fmt.Errorf("the home's zone id %q is malformed", home.Zone)
	}
	var a proto.GrantAnswer
	each := askTimeout
	if lost != "" {
		each *= 2 // the other controller pings the lost router first
	}
	err := s.request(ctx, each, fmt.Sprintf(proto.SubjectGrant, home.Zone), proto.GrantRequest{
		Meeting: c.Meeting, Participant: c.Participant, Router: home.Router, Epoch: home.Epoch, Lost: lost}, &a)
	if _, told := errors.AsType[*proto.Error](err); told {
		return "", err
	}
	if err != nil {
		s.log.Warn("no grant from the meeting's zone", "other", home.Zone, "err", err)
		return "", proto.NewError(proto.CodeNoRouter, "The zone in which this meeting runs can't be reached at the moment.")
	}
	return a.Grant, nil
}

// onGrant serves askZone of other zones' controllers, and routers of whose meetings another became
// the home. Who may ask is the bus's to know; the asker has checked the client's token.
func (s *Server) onGrant(ctx context.Context, data []byte) (any, error) {
	var req proto.GrantRequest
	if err := json.Unmarshal(data, &req); err != nil || req.Participant == 0 || req.Participant > proto.MaxParticipantID {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed request for a grant")
	}
	if s.closing.Load() {
		return nil, proto.NewError(proto.CodeShutdown, "This zone controller is stopping.")
	}
	if err := s.checkRevoked(time.Now(), req.Meeting, req.Participant); err != nil {
		return nil, err
	}
	if req.Lost != "" {
		s.suspect(ctx, req.Lost)
	}
	grant, err := s.place(steer.Query{Meeting: req.Meeting, Home: req.Router, Lost: req.Lost}, req.Participant, req.Epoch)
	if err != nil {
		return nil, err
	}
	return proto.GrantAnswer{Grant: grant}, nil
}

// suspect looks whether a router that a client lost is alive, before anybody is placed on it. One
// that does not answer is dead to this controller until it announces itself again.
func (s *Server) suspect(ctx context.Context, id string) {
	s.mu.Lock()
	_, known := s.mind.Router(id)
	s.mu.Unlock()
	if !known {
		return // another zone's, or dead already
	}
	alive, err := s.pings.ask(ctx, id)
	if err == nil && !alive {
		s.handle(steer.Lost{ID: id})
	}
}

// askAlive pings a router once. No answer is an answer.
func (s *Server) askAlive(ctx context.Context, id string) (alive bool, keep time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var a proto.RouterAnnounce
	err = s.cfg.Bus.Request(ctx, fmt.Sprintf(proto.SubjectPingRouter, id), nil, &a)
	switch {
	case err == nil:
		return true, aliveKept, nil
	case errors.Is(err, bus.ErrNoResponder), errors.Is(err, context.DeadlineExceeded):
		return false, aliveKept, nil
	}
	return false, 0, err // the bus itself is in trouble: that says nothing about the router
}

// request asks over the bus, and once more where nobody answered in time: the queue may have others
// who do.
func (s *Server) request(ctx context.Context, each time.Duration, subject string, in, out any) error {
	var err error
	for range 2 {
		try, cancel := context.WithTimeout(ctx, each)
		err = s.cfg.Bus.Request(try, subject, in, out)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return err
}
