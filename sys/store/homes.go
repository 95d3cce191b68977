package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"parley/wire/proto"
)

// Home is the one router a meeting lives on (design: a meeting has one home). The epoch rises each
// time the home changes; of two that both believe to be home, the higher epoch is right.
type Home struct {
	Meeting   proto.MeetingID `bun:",pk"`
	Router    string          // empty: released, the next to claim gets it
	Zone      string
	Epoch     uint32
	ClaimedAt time.Time `bun:",nullzero"`
}

// instance is the part of a row of instances this file reads.
type instance struct {
	ID      proto.MeetingID `bun:",pk"`
	Number  int64
	EndedAt time.Time `bun:",nullzero"`
}

// Claim makes router the home of a meeting, unless it has one; either way it says who is home. The
// same router claiming again changes nothing. replace may be nil; it is asked about a home that stands
// and is another router's, and true gives the meeting to the claimant in a new epoch (the old home is
// known to be dead). A meeting that guests may begin counts as started from here on. ErrEnded: the
// instance is over. ErrNotFound: there is none of that id.
func (s *Store) Claim(ctx context.Context, id proto.MeetingID, router, zone string, now time.Time, replace func(Home) bool) (Home, error) {
	var h Home
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := alive(ctx, tx, id); err != nil {
			return err
		}
		err := tx.NewSelect().Model(&h).Where("meeting = ?", id).Scan(ctx)
		switch {
		case notFound(err):
			h = Home{Meeting: id}
		case err != nil:
			return err
		case h.Router == router && h.Zone == zone:
			return nil
		case h.Router != "" && (replace == nil || !replace(h)):
			return nil
		}
		h.Router, h.Zone, h.Epoch, h.ClaimedAt = router, zone, h.Epoch+1, stamp(now)
		if err := putHome(ctx, tx, h); err != nil {
			return err
		}
		var m Meeting
		if err := tx.NewSelect().Model(&m).Where("id = ?", id).Scan(ctx); err != nil {
			return err
		}
		if m.Status != StatusWaiting || !m.Settings.JoinBeforeHost {
			return nil
		}
		m.Status = StatusStarted
		return setStatus(ctx, tx, m, now)
	})
	return h, classify("claiming meeting", err)
}

// Home says where a meeting lives; a Home without router where it lives nowhere. ErrEnded and
// ErrNotFound as for Claim.
func (s *Store) Home(ctx context.Context, id proto.MeetingID) (Home, error) {
	h := Home{Meeting: id}
	var i instance
	err := s.one(ctx, hotInstance, id, &i)
	if err == nil {
		err = i.alive()
	}
	if err != nil {
		return h, classify("reading home", err)
	}
	err = s.one(ctx, hotHome, id, &h)
	if notFound(err) {
		return Home{Meeting: id}, nil
	}
	return h, classify("reading home", err)
}

// MoveHome records a home the zones have moved by themselves. Only a higher epoch is believed; one
// that is not higher changes nothing.
func (s *Store) MoveHome(ctx context.Context, h Home, now time.Time) error {
	h.ClaimedAt = stamp(now)
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := alive(ctx, tx, h.Meeting); err != nil {
			return err
		}
		return putHome(ctx, tx, h)
	})
	return classify("moving home", err)
}

// ReleaseHome notes that everybody has left a meeting: it lives nowhere, and waits for its next
// beginning. The word of a router that is not home any more changes nothing.
func (s *Store) ReleaseHome(ctx context.Context, id proto.MeetingID, router string, epoch uint32, now time.Time) error {
	err := s.update(ctx, func(tx bun.Tx) error {
		var h Home
		if err := tx.NewSelect().Model(&h).Where("meeting = ?", id).Scan(ctx); err != nil {
			if notFound(err) {
				return nil
			}
			return err
		}
		if epoch < h.Epoch || (epoch == h.Epoch && router != h.Router) {
			return nil
		}
		if _, err := tx.NewRaw("UPDATE homes SET router = '', zone = '', epoch = ? WHERE meeting = ?", epoch, id).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewRaw("UPDATE meetings SET status = ? WHERE id = ? AND status = ?", StatusWaiting, id, StatusStarted).Exec(ctx)
		return err
	})
	return classify("releasing home", err)
}

func putHome(ctx context.Context, tx bun.Tx, h Home) error {
	_, err := tx.NewInsert().Model(&h).On("CONFLICT (meeting) DO UPDATE").
		Set("router = EXCLUDED.router").Set("zone = EXCLUDED.zone").Set("epoch = EXCLUDED.epoch").
		Set("claimed_at = EXCLUDED.claimed_at").Where("home.epoch < EXCLUDED.epoch").Exec(ctx)
	return err
}

// alive is ErrEnded or ErrNotFound for an instance nobody may host.
func alive(ctx context.Context, db bun.IDB, id proto.MeetingID) error {
	var i instance
	err := db.NewSelect().Model(&i).
		Where("id = ?", id).Where("number IN (SELECT number FROM meetings WHERE deleted_at IS NULL)").Scan(ctx)
	if err != nil {
		return err
	}
	return i.alive()
}

func (i *instance) alive() error {
	if !i.EndedAt.IsZero() {
		return ErrEnded
	}
	return nil
}

func notFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
