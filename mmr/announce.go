package mmr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/wire/proto"
)

const (
	// announceEvery is how often a router says what it hosts; three missed ones and it counts as dead.
	announceEvery = time.Second
	// announceGap coalesces announcements made at once on change.
	announceGap = 50 * time.Millisecond
)

// announceLoop publishes the announcement each second and at once on change, until ctx ends.
func (s *Server) announceLoop(ctx context.Context) {
	subject := fmt.Sprintf(proto.SubjectRouter, s.cfg.Zone, s.cfg.ID)
	publish := func(a proto.RouterAnnounce) {
		if err := s.cfg.Bus.Publish(subject, a); err != nil {
			s.log.Warn("announcement not sent", "err", err)
		}
	}
	stop, err := s.cfg.Bus.Subscribe(fmt.Sprintf(proto.SubjectRollCall, s.cfg.Zone), func(string, []byte) { s.announceSoon() })
	if err != nil {
		s.log.Warn("roll calls are not heard", "err", err)
	} else {
		defer stop()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			publish(s.Announcement())
			timer.Reset(announceEvery)
		case <-s.changed:
			timer.Reset(announceGap)
		case <-ctx.Done():
			last := s.Announcement()
			last.Draining = true // controllers stop sending people here at once
			publish(last)
			return
		}
	}
}

// announceSoon asks for an announcement, because the list of meetings or people changed.
func (s *Server) announceSoon() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Announcement is the router's load and the full list of its meetings.
func (s *Server) Announcement() proto.RouterAnnounce {
	a := proto.RouterAnnounce{
		V: proto.Version, Build: s.cfg.Build, ID: s.cfg.ID, Zone: s.cfg.Zone, URL: s.cfg.URL,
		Candidates: s.candidates(), Fingerprint: s.cfg.Plane.Fingerprint(), Shards: len(s.cfg.Plane.shards),
		MaxPeople: s.cfg.MaxPeople, MaxMeetings: s.cfg.MaxMeetings, Meetings: []proto.MeetingLoad{},
	}
	for _, mark := range s.cfg.Plane.cfg.DSCP {
		a.Marks = append(a.Marks, int(mark))
	}
	s.mu.Lock()
	for _, r := range s.rooms {
		if !r.claimed.Load() {
			continue
		}
		n := int(r.people.Load())
		a.People += n
		a.Meetings = append(a.Meetings, proto.MeetingLoad{ID: r.id, People: n, Epoch: r.epoch.Load()})
	}
	a.Draining = s.closing
	s.mu.Unlock()
	slices.SortFunc(a.Meetings, func(x, y proto.MeetingLoad) int { return strings.Compare(string(x.ID), string(y.ID)) })
	a.Load = max(float64(a.People)/float64(a.MaxPeople), float64(len(a.Meetings))/float64(a.MaxMeetings))
	return a
}

// onPing answers a controller that looks whether this router is alive before it places elsewhere.
func (s *Server) onPing(context.Context, []byte) (any, error) { return s.Announcement(), nil }

// onRevoke keeps the tombstone of an ended meeting or an ejected seat, and acts on it here.
func (s *Server) onRevoke(_ string, data []byte) {
	var m proto.Revoke
	if json.Unmarshal(data, &m) != nil || m.Meeting == "" {
		return
	}
	s.revoke(revocation{m.Meeting, m.Seat}, time.Unix(m.Expires, 0))
	if m.Seat != 0 {
		return // the room that ejected has closed the channel itself
	}
	s.mu.Lock()
	r := s.rooms[m.Meeting]
	s.mu.Unlock()
	if r != nil {
		r.post(command{do: "end"})
	}
}

// onCommand carries out an order of the web infrastructure.
func (s *Server) onCommand(_ context.Context, data []byte) (any, error) {
	var m proto.Command
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, proto.NewError(proto.CodeBadRequest, "malformed command")
	}
	s.mu.Lock()
	r := s.rooms[m.Meeting]
	s.mu.Unlock()
	if r == nil {
		return proto.CommandAnswer{}, nil
	}
	if m.Do != "end" {
		return nil, proto.NewError(proto.CodeUnsupported, "unknown command")
	}
	r.post(command{do: m.Do})
	return proto.CommandAnswer{Done: true}, nil
}
