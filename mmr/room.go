package mmr

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"sync/atomic"
	"time"

	"parley/core/meeting"
	"parley/sys/trust"
	"parley/wire/proto"
)

// room is one meeting: a goroutine around a core/meeting mind, and the control channels it speaks to.
// Fields without a note are owned by that goroutine.
type room struct {
	srv   *Server
	plane *Plane
	id    proto.MeetingID
	tag   uint64
	log   *slog.Logger

	events chan any      // from channels and the bus
	news   newsBox       // from the shards
	ended  chan struct{} // closed when the loop has ended: events posted later go nowhere

	people  atomic.Int64
	claimed atomic.Bool // this router is the meeting's home
	epoch   atomic.Uint32

	mind     *meeting.Meeting
	first    proto.Claims
	channels map[proto.ParticipantID]*channel
	seats    map[proto.ParticipantID]*seat
	over     bool

	levels levelBox
}

// seat is what the room knows of one participant beside the mind: what its transports need.
type seat struct {
	claims proto.Claims
	caps   proto.Caps
	seed   uint32 // of the slot table
	ssrc   uint32 // of our RTCP
	rungs  [proto.NGroups]proto.Rung
	stats  []proto.MediaStats // the client's own, as last reported (S40)

	heardAt time.Time // the first sound of this seat that passed
}

// The events of a room.
type (
	joined struct{ c *channel }
	gone   struct {
		c   *channel
		why proto.Code
	}
	received struct {
		c   *channel
		msg proto.Message
	}
	command  struct{ do string }
	shutdown struct{}
	pathUp   struct {
		id    proto.ParticipantID
		group proto.Group
		rung  proto.Rung
	}
	pathDown struct {
		id    proto.ParticipantID
		group proto.Group
		why   string
	}
	mapped struct {
		id     proto.ParticipantID
		slot   int
		source proto.SourceID
		time   uint32
	}
	heard   struct{} // levels wait in the box
	inspect struct{ answer chan<- []SeatInfo }
)

func newRoom(s *Server, c proto.Claims) *room {
	return &room{
		srv: s, plane: s.cfg.Plane, id: c.Meeting, tag: trust.MeetingTag(c.Meeting),
		log:    s.log,
		events: make(chan any, 1024), ended: make(chan struct{}),
		news:     newsBox{more: make(chan struct{}, 1)},
		first:    c,
		channels: make(map[proto.ParticipantID]*channel),
		seats:    make(map[proto.ParticipantID]*seat),
	}
}

// post queues an event without waiting. False: the room has ended, or is so far behind that the event was
// dropped.
func (r *room) post(ev any) bool {
	select {
	case <-r.ended:
		return false
	default:
	}
	select {
	case r.events <- ev:
		return true
	default:
		return false
	}
}

// postWait queues an event, waiting for room: what a client says is held back at its socket, not lost.
func (r *room) postWait(ctx context.Context, ev any) bool {
	select {
	case r.events <- ev:
		return true
	case <-r.ended:
		return false
	case <-ctx.Done():
		return false
	}
}

// say queues what a client says, of which only so much may wait at a time.
func (r *room) say(ctx context.Context, c *channel, msg proto.Message) bool {
	select {
	case c.said <- struct{}{}:
		return r.postWait(ctx, received{c, msg})
	case <-r.ended:
	case <-ctx.Done():
	}
	return false
}

// run claims the meeting's home and then serves it until it is over.
func (r *room) run() {
	defer r.srv.roomEnded(r)
	defer close(r.ended)
	if err := r.claim(); err != nil {
		r.turnAway(err)
		return
	}
	r.claimed.Store(true)
	r.srv.announceSoon()
	cfg := r.srv.cfg.Meeting
	cfg.ID = r.id
	cfg.Info = proto.MeetingInfo{ID: r.id, Number: r.first.Number, Topic: r.first.Topic, Hosting: r.first.Hosting}
	r.mind = meeting.New(time.Now(), cfg, r.first.Settings)
	for _, s := range r.plane.shards {
		s.do(func(time.Time) { s.openRoom(r) })
		defer s.do(func(now time.Time) { s.closeRoom(now, r) })
	}

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !r.over {
		if at, _ := r.mind.Wake(); at.IsZero() {
			timer.Reset(time.Hour)
		} else {
			timer.Reset(time.Until(at))
		}
		select {
		case ev := <-r.events:
			r.handle(time.Now(), ev)
		case <-r.news.more:
			now := time.Now()
			for _, ev := range r.news.take() {
				r.handle(now, ev)
			}
		case <-timer.C:
			r.mind.Handle(time.Now(), meeting.Tick{})
		}
		r.act()
	}
	r.drain()
}

// handle turns one event into the mind's terms.
func (r *room) handle(now time.Time, ev any) {
	switch ev := ev.(type) {
	case joined:
		r.join(now, ev.c)
	case gone:
		if id := ev.c.claims.Participant; r.channels[id] == ev.c {
			delete(r.channels, id)
			r.mind.Handle(now, meeting.Gone{ID: id, Why: ev.why})
		}
	case received:
		<-ev.c.said
		if id := ev.c.claims.Participant; r.channels[id] == ev.c {
			r.streams(id, ev.msg)
			r.mind.Handle(now, meeting.Received{From: id, Msg: ev.msg})
		}
	case heard:
		levels := r.levels.take()
		for _, l := range levels {
			if s := r.seats[l.Source.Participant()]; s != nil && s.heardAt.IsZero() {
				s.heardAt = now
			}
		}
		r.mind.Levels(now, levels)
	case mapped:
		r.mind.Handle(now, meeting.Mapped{ID: ev.id, Slot: ev.slot, Source: ev.source, Time: ev.time})
	case command:
		r.mind.Handle(now, meeting.Command{Do: ev.do})
	case pathUp:
		if s := r.seats[ev.id]; s != nil {
			s.rungs[ev.group] = ev.rung
		}
	case pathDown:
		if s := r.seats[ev.id]; s != nil {
			s.rungs[ev.group] = ""
		}
	case inspect:
		ev.answer <- r.inspect()
	case shutdown:
		for _, c := range r.channels {
			c.close(proto.Bye{Code: proto.CodeShutdown, Text: "This server is stopping. Join again in a moment."})
		}
		r.over = true
	}
}

// join brings a verified control channel to the mind. One that replaces another of the same seat is a
// takeover in place: the old channel is told and closed, everything else goes on.
func (r *room) join(now time.Time, c *channel) {
	id := c.claims.Participant
	if old := r.channels[id]; old != nil {
		old.close(proto.Bye{Code: proto.CodeReplaced, Text: "You joined from somewhere else."})
	} else if r.seats[id] == nil && r.srv.people() >= r.srv.cfg.MaxPeople {
		c.close(proto.Bye{Code: proto.CodeRouterFull, Text: "This router is full."})
		return
	}
	r.channels[id] = c
	s := r.seats[id]
	if s != nil && s.caps.VideoSlots != c.caps.VideoSlots {
		s.seed = randomSeed() // other slots: their sequences must not run into the old ones'
	}
	if s == nil {
		s = &seat{seed: randomSeed(), ssrc: randomSeed()}
		r.seats[id] = s
		r.people.Store(int64(len(r.seats)))
		r.srv.announceSoon()
	}
	s.seed = cmp.Or(c.caps.SlotSeed, s.seed)
	s.claims, s.caps = c.claims, c.caps
	key, fingerprint := r.key(id), c.claims.Confirm.Fingerprint
	sh := r.plane.seat(now, key)
	sh.do(func(now time.Time) { sh.attach(now, r, key, fingerprint) })
	r.mind.Handle(now, meeting.Join{Claims: c.claims, Caps: c.caps, Seed: s.seed})
}

// maxStats bounds what a client may report: each kind, both ways.
const maxStats = 2 * proto.NKinds

// streams passes the media side of a message to the shard, in order with what the mind decides of it.
func (r *room) streams(id proto.ParticipantID, msg proto.Message) {
	key := r.key(id)
	sh := r.plane.shardOf(key)
	switch m := msg.(type) {
	case proto.Stats:
		if s := r.seats[id]; s != nil {
			s.stats = m.Media[:min(len(m.Media), maxStats)]
		}
	case proto.Answer:
		sh.do(func(now time.Time) {
			sh.takesTWCC(key, m.TWCC)
			sh.announce(now, key, m.Streams)
		})
	case proto.Publish:
		if len(m.Streams) == 0 {
			return
		}
		own := make([]proto.Stream, 0, len(m.Streams))
		for _, st := range m.Streams {
			st.Kind = m.Kind
			own = append(own, st)
		}
		sh.do(func(now time.Time) { sh.announce(now, key, own) })
	}
}

// act carries out everything the mind wants now.
func (r *room) act() {
	var wires []meeting.Wire
	for {
		a, ok := r.mind.Next()
		if !ok {
			break
		}
		switch a := a.(type) {
		case meeting.Send:
			r.send(a.To, r.fill(a.To, a.Msg))
		case meeting.Broadcast:
			b := proto.Encode(a.Msg)
			for _, id := range a.To {
				r.sendBytes(id, b)
			}
		case meeting.Admit:
			s, key := r.seats[a.ID], r.key(a.ID)
			if s == nil {
				continue
			}
			ssrc, one := s.ssrc, s.caps.OneGroup
			sh := r.plane.shardOf(key)
			sh.do(func(now time.Time) { sh.admitPeer(now, key, a.Slots, one, ssrc) })
		case meeting.Close:
			r.close(a)
		case meeting.Remove:
			key := r.key(a.ID)
			sh := r.plane.shardOf(key)
			delete(r.seats, a.ID)
			r.people.Store(int64(len(r.seats)))
			r.srv.announceSoon()
			sh.do(func(now time.Time) { sh.removePeer(now, key, time.Time{}) })
		case meeting.Gate:
			key := r.key(a.Source.Participant())
			sh := r.plane.shardOf(key)
			sh.do(func(now time.Time) { sh.gate(now, key, a.Source.Kind(), a.Open) })
		case meeting.Wire:
			wires = append(wires, a)
		case meeting.Ended:
			r.end(a)
		}
	}
	if len(wires) > 0 {
		r.plane.wire(r, wires)
	}
}

// fill adds what only the router knows to a welcome.
func (r *room) fill(to proto.ParticipantID, m proto.Message) proto.Message {
	w, ok := m.(proto.Welcome)
	if !ok {
		return m
	}
	cfg := &r.srv.cfg
	w.V, w.Build, w.Router, w.Zone = proto.Version, cfg.Build, cfg.ID, cfg.Zone
	w.Candidates, w.Fingerprint = r.srv.candidates(), r.plane.Fingerprint()
	ticket := trust.Ticket{
		Router: trust.RouterTag(cfg.ID), Meeting: r.tag, Participant: to,
		Expires: time.Now().Add(ticketFor), Nonce: randomSeed(),
	}
	w.Groups = make([]proto.Credentials, proto.NGroups)
	for g := range w.Groups {
		ticket.Group = proto.Group(g)
		w.Groups[g] = cfg.ZoneKey.Credentials(ticket)
	}
	return w
}

// ticketFor is how long fresh credentials are good for a group's first check. While the control channel
// stands later ones are taken too.
const ticketFor = 10 * time.Second

func (r *room) send(to proto.ParticipantID, m proto.Message) { r.sendBytes(to, proto.Encode(m)) }

func (r *room) sendBytes(to proto.ParticipantID, b []byte) {
	if c := r.channels[to]; c != nil && !c.send(b) {
		r.log.Info("control channel too slow, cut off")
	}
}

// close ends a participant's control channel with a reason, for good where the mind says so. The channel
// a takeover replaces has been closed in join already.
func (r *room) close(a meeting.Close) {
	if a.Bye.Code == proto.CodeReplaced {
		return
	}
	c := r.channels[a.ID]
	if c != nil {
		delete(r.channels, a.ID)
		c.close(a.Bye)
	}
	s, key := r.seats[a.ID], r.key(a.ID)
	if s == nil {
		return
	}
	if !a.Revoke {
		return
	}
	until := tombstone(s.claims.Expires)
	r.srv.revoke(revocation{r.id, a.ID}, time.Unix(until, 0))
	r.publishRevoke(proto.Revoke{Meeting: r.id, Seat: a.ID, Expires: until})
	sh := r.plane.shardOf(key)
	sh.do(func(now time.Time) { sh.removePeer(now, key, time.Unix(until, 0)) })
}

// tombstone is until when a token that expires then must be refused: it is taken for a little longer
// than it says, because clocks are wrong.
func tombstone(expires int64) int64 { return expires + int64(trust.Leeway/time.Second) }

// end reports that the meeting is over, with a tombstone if a host ended it for all.
func (r *room) end(a meeting.Ended) {
	r.over = true
	if a.ByHost {
		until := r.first.Expires
		for _, s := range r.seats {
			until = max(until, s.claims.Expires)
		}
		until = tombstone(until)
		r.srv.revoke(revocation{r.id, 0}, time.Unix(until, 0))
		r.publishRevoke(proto.Revoke{Meeting: r.id, Expires: until})
	}
	report := proto.MeetingReport{Meeting: r.id, Router: r.srv.cfg.ID, Epoch: r.epoch.Load(), ByHost: a.ByHost}
	if err := r.srv.cfg.Bus.Publish(proto.SubjectEnded, report); err != nil {
		r.log.Warn("meeting's end not reported", "err", err)
	}
}

func (r *room) publishRevoke(m proto.Revoke) {
	if err := r.srv.cfg.Bus.Publish(proto.SubjectRevoke, m); err != nil {
		r.log.Warn("tombstone not published", "err", err)
	}
}

// drain refuses what was queued while the room ended.
func (r *room) drain() {
	for _, c := range r.channels {
		c.close(proto.Bye{Code: proto.CodeEnded, Text: "This meeting has ended."})
	}
	for {
		select {
		case ev := <-r.events:
			switch ev := ev.(type) {
			case joined:
				ev.c.close(proto.Bye{Code: proto.CodeShutdown, Text: "The meeting is closing. Join again."})
			case inspect:
				ev.answer <- nil
			}
		default:
			return
		}
	}
}

func (r *room) key(id proto.ParticipantID) peerKey {
	return peerKey{trust.RouterTag(r.srv.cfg.ID), r.tag, id}
}

func randomSeed() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return binary.BigEndian.Uint32(b[:])
}
