package mmr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/wire/proto"
)

const (
	// claimTries is how often the web infrastructure is asked before newcomers are sent away: its
	// answer is one database row, and a request that takes longer than claimTimeout was lost.
	claimTries   = 3
	claimTimeout = time.Second
)

// claim makes this router the meeting's home, or says where the home is (design §6). It is made when
// the first control hello arrives, so a meeting nobody reaches has no home.
func (r *room) claim() error {
	cfg := &r.srv.cfg
	req := proto.ClaimRequest{Meeting: r.id, Router: cfg.ID, Zone: cfg.Zone}
	var home proto.ClaimAnswer
	var err error
	for range claimTries {
		ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
		err = cfg.Bus.Request(ctx, proto.SubjectClaim, req, &home)
		cancel()
		if err == nil {
			break
		}
	}
	var pe *proto.Error
	switch {
	case errors.As(err, &pe):
		return pe
	case err != nil:
		r.log.Warn("home not claimed", "err", err)
		return proto.NewError(proto.CodeShutdown, "The meeting can't be started just now. Try again in a moment.")
	case home.Ended:
		return proto.NewError(proto.CodeEnded, "This meeting has ended.")
	case home.Router == cfg.ID:
		r.epoch.Store(home.Epoch)
		return nil
	}
	return moved{home}
}

// moved says that another router is the meeting's home.
type moved struct{ home proto.ClaimAnswer }

func (m moved) Error() string { return "the meeting lives on router " + m.home.Router }

// turnAway ends a room whose claim failed: everyone who waits is told, with the home's grant where the
// meeting lives elsewhere. It stays for a moment, so that a burst of newcomers costs one claim; for no
// longer, however many come, because the next claim may have another answer.
func (r *room) turnAway(why error) {
	over := time.After(turnAwayFor)
	for {
		select {
		case ev := <-r.events:
			r.turnOneAway(ev, why)
		case <-over:
			for range len(r.events) {
				r.turnOneAway(<-r.events, why)
			}
			return
		}
	}
}

func (r *room) turnOneAway(ev any, why error) {
	switch ev := ev.(type) {
	case joined:
		r.forgetSeat(ev.c.claims.Participant)
		ev.c.close(r.byeFor(ev.c, why))
	case received:
		<-ev.c.said
	case inspect:
		ev.answer <- nil
	}
}

const turnAwayFor = 200 * time.Millisecond

// byeFor words a failed claim for one client.
func (r *room) byeFor(c *channel, why error) proto.Bye {
	var pe *proto.Error
	if errors.As(why, &pe) {
		return proto.Bye{Code: pe.Code, Text: pe.Text}
	}
	var m moved
	if !errors.As(why, &m) {
		return proto.Bye{Code: proto.CodeInternal, Text: "The meeting can't be started."}
	}
	bye := proto.Bye{Code: proto.CodeMoved, Text: "The meeting is on another server; following."}
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	var ans proto.GrantAnswer
	req := proto.GrantRequest{Meeting: r.id, Participant: c.claims.Participant, Router: m.home.Router, Epoch: m.home.Epoch}
	if err := r.srv.cfg.Bus.Request(ctx, fmt.Sprintf(proto.SubjectGrant, m.home.Zone), req, &ans); err != nil {
		r.log.Warn("no grant for the home router", "err", err)
		return bye // without a grant the client asks for a route again
	}
	bye.Grant = ans.Grant
	return bye
}

// forgetSeat drops what the shard holds of a participant who was sent away.
func (r *room) forgetSeat(id proto.ParticipantID) {
	key := r.key(id)
	sh := r.plane.shardOf(key)
	sh.do(func(now time.Time) { sh.removePeer(now, key, time.Time{}) })
}
