package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/sys/bus"
	"parley/sys/store"
	"parley/sys/trust"
	"parley/wire/proto"
)

// queue makes one replica answer each request on the bus.
const queue = "web"

// maxTokenLife bounds a meeting token, and with the leeway of those who check it a tombstone.
const maxTokenLife = 24 * time.Hour

// listen takes the site's place on the bus.
func (s *Server) listen() error {
	for _, sub := range []struct {
		subject string
		h       func(subject string, data []byte)
	}{
		{fmt.Sprintf(proto.SubjectController, "*", "*"), s.hear},
		{fmt.Sprintf(proto.SubjectTunnel, "*"), s.hearTunnel},
		{proto.SubjectEnded, s.meetingEnded},
		{proto.SubjectRevoke, s.ejected},
	} {
		stop, err := s.cfg.Bus.Subscribe(sub.subject, sub.h)
		if err != nil {
			return err
		}
		s.stops = append(s.stops, stop)
	}
	for _, srv := range []struct {
		subject string
		h       func(ctx context.Context, data []byte) (any, error)
	}{
		{proto.SubjectClaim, s.claim},
		{proto.SubjectHome, s.home},
		{fmt.Sprintf(proto.SubjectKeys, "*"), s.keys},
		{proto.SubjectSite, s.siteKeys},
		{proto.SubjectRenew, s.renew},
	} {
		stop, err := s.cfg.Bus.Serve(srv.subject, queue, srv.h)
		if err != nil {
			return err
		}
		s.stops = append(s.stops, stop)
	}
	return nil
}

// hear takes a controller's announcement in. The subject says who speaks (the bus admits enrolled servers
// only, and trusts each), so the body must not name another zone or controller, nor routers of other zones.
func (s *Server) hear(subject string, data []byte) {
	var a proto.ControllerAnnounce
	err := json.Unmarshal(data, &a)
	if err != nil || !bus.ValidID(a.ID) || !bus.ValidID(a.Zone) || subject != fmt.Sprintf(proto.SubjectController, a.Zone, a.ID) || !proto.Compatible(a.V) {
		s.log.Warn("announcement of a controller refused", "subject", subject, "version", a.V, "err", err)
		return
	}
	a.Routers = slices.DeleteFunc(a.Routers, func(r proto.RouterAnnounce) bool { return r.Zone != a.Zone || !bus.ValidID(r.ID) })
	s.zones.hear(s.now(), a)
}

// claim answers a router that got the first hello of a meeting: who is home, the asker if nobody was.
// A home that neither is announced nor answers is dead, and the meeting goes to who asks.
func (s *Server) claim(ctx context.Context, data []byte) (any, error) {
	var q proto.ClaimRequest
	if err := json.Unmarshal(data, &q); err != nil || !bus.ValidID(q.Router) || !bus.ValidID(q.Zone) {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed claim")
	}
	h, err := s.cfg.Store.Claim(ctx, q.Meeting, q.Router, q.Zone, s.now(), nil)
	if err == nil && h.Router != q.Router && s.dead(ctx, h) {
		s.log.Warn("home is dead, meeting moves", "from", h.Router, "to", q.Router, "epoch", h.Epoch+1)
		h, err = s.cfg.Store.Claim(ctx, q.Meeting, q.Router, q.Zone, s.now(), func(now store.Home) bool {
			return now.Router == h.Router && now.Epoch == h.Epoch
		})
	}
	return answerHome(h, err)
}

// dead reports whether a home is lost: no controller announces the router, and it does not answer
// itself either; or its last word was that it stops, and nobody listens under its name any more.
func (s *Server) dead(ctx context.Context, h store.Home) bool {
	r, announced := s.zones.router(s.now(), h.Zone, h.Router)
	if announced && !r.Draining {
		return false
	}
	var a proto.RouterAnnounce
	err := s.cfg.Bus.Request(ctx, fmt.Sprintf(proto.SubjectPingRouter, h.Router), nil, &a)
	if announced {
		return errors.Is(err, bus.ErrNoResponder)
	}
	return err != nil && ctx.Err() == nil
}

// home answers where a meeting lives. Where the zones have moved it by themselves, their word (in a
// higher epoch) is recorded first.
func (s *Server) home(ctx context.Context, data []byte) (any, error) {
	var q proto.HomeRequest
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed home request")
	}
	return answerHome(s.homeOf(ctx, q.Meeting))
}

// homeOf is a meeting's home by the database, or by the announcements where those know better.
func (s *Server) homeOf(ctx context.Context, id proto.MeetingID) (store.Home, error) {
	h, err := s.cfg.Store.Home(ctx, id)
	if err != nil {
		return h, err
	}
	r, epoch, ok := s.zones.home(s.now(), id)
	if !ok || epoch <= h.Epoch {
		return h, nil
	}
	h = store.Home{Meeting: id, Router: r.ID, Zone: r.Zone, Epoch: epoch}
	return h, s.cfg.Store.MoveHome(ctx, h, s.now())
}

func answerHome(h store.Home, err error) (any, error) {
	if errors.Is(err, store.ErrEnded) || errors.Is(err, store.ErrNotFound) {
		return proto.ClaimAnswer{Ended: true}, nil
	}
	if err != nil {
		return nil, err
	}
	return proto.ClaimAnswer{Router: h.Router, Zone: h.Zone, Epoch: h.Epoch}, nil
}

// keys answers what a zone's servers verify and grant with. The bus lets a server ask on its own zone's
// subject only.
func (s *Server) keys(ctx context.Context, data []byte) (any, error) {
	var q proto.KeysRequest
	if err := json.Unmarshal(data, &q); err != nil || !bus.ValidID(q.Zone) || bus.Subject(ctx) != fmt.Sprintf(proto.SubjectKeys, q.Zone) {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed keys request")
	}
	key := s.cfg.Site.ZoneKey(q.Zone)
	return proto.KeysAnswer{Site: s.cfg.Site.ID(), Tokens: s.cfg.Site.Keys(), ZoneKey: key[:]}, nil
}

// meetingEnded takes a router's word that a meeting is over: for good if its host ended it, else until
// somebody comes again.
func (s *Server) meetingEnded(_ string, data []byte) {
	var r proto.MeetingReport
	if err := json.Unmarshal(data, &r); err != nil {
		s.log.Warn("meeting report not understood", "err", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	if r.ByHost {
		if _, _, err = s.cfg.Store.EndMeeting(ctx, r.Meeting, s.now()); err == nil {
			s.revoke(r.Meeting)
		}
	} else {
		err = s.cfg.Store.ReleaseHome(ctx, r.Meeting, r.Router, r.Epoch, s.now())
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.log.Error("end of a meeting not recorded", "err", err)
	}
}

// ejected takes a router's word that a host has removed somebody, so that the same key or account gets
// no new token. (Tombstones of whole meetings come from here, or are in the database already.)
func (s *Server) ejected(_ string, data []byte) {
	var r proto.Revoke
	if err := json.Unmarshal(data, &r); err != nil || r.Seat == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.cfg.Store.EjectSeat(ctx, r.Meeting, r.Seat, s.now()); err != nil {
		s.log.Error("removal from a meeting not recorded", "err", err)
	}
}

// end ends a meeting's present instance for everybody, wherever it runs.
func (s *Server) end(ctx context.Context, id proto.MeetingID) error {
	// Where it is announced, if the database does not know yet.
	if _, err := s.homeOf(ctx, id); err != nil && !errors.Is(err, store.ErrEnded) && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, h, err := s.cfg.Store.EndMeeting(ctx, id, s.now())
	if errors.Is(err, store.ErrNotFound) {
		return nil // another instance runs by now: this one is over
	}
	if err != nil {
		return err
	}
	s.stopRouter(id, h)
	return nil
}

// stopRouter makes an ended meeting known: to all servers as a tombstone, so that no token of it
// admits, and to its home as an order. A home out of reach hears the tombstone when it is back, or its
// participants find no way in again.
func (s *Server) stopRouter(id proto.MeetingID, h store.Home) {
	s.revoke(id)
	if h.Router == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var a proto.CommandAnswer
	err := s.cfg.Bus.Request(ctx, fmt.Sprintf(proto.SubjectCommand, h.Router), proto.Command{Do: "end", Meeting: id}, &a)
	if err != nil {
		s.log.Warn("router did not take the order to end a meeting", "router", h.Router, "err", err)
	}
}

func (s *Server) revoke(id proto.MeetingID) {
	until := s.now().Add(maxTokenLife + trust.Leeway)
	if err := s.cfg.Bus.Publish(proto.SubjectRevoke, proto.Revoke{Meeting: id, Expires: until.Unix()}); err != nil {
		s.log.Error("tombstone not published", "err", err)
	}
}
