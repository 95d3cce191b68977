package store

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"parley/wire/proto"
)

// Seat is one person in one instance of a meeting: the same key is the same seat, and the participant
// id stays theirs as long as the instance lasts.
type Seat struct {
	Meeting     proto.MeetingID `bun:",pk"`
	KeyHash     string          `bun:",pk"` // proto.Confirm.Key
	Participant proto.ParticipantID
	Name        string
	UserID      string    // empty: a guest
	CreatedAt   time.Time `bun:",nullzero"`
	SeenAt      time.Time `bun:",nullzero"` // last lookup
	EjectedAt   time.Time `bun:",nullzero"` // not zero: a host has removed this person
}

// ejectedFor is how long an ejection holds: as long as a meeting token at most does. The instance of a
// standing meeting may live for years.
const ejectedFor = 24 * time.Hour

// TakeSeat returns the seat of a key, which it makes the first time with an id of pick's that nobody
// in the meeting has. Name, user and time of an existing seat are brought up to date. ErrEjected: a
// host has removed this key, or this user under any key, from the instance within the last 24 hours.
func (s *Store) TakeSeat(ctx context.Context, seat Seat, pick func() proto.ParticipantID, now time.Time) (Seat, error) {
	at := stamp(now)
	seat.EjectedAt = time.Time{}
	if taken, ok, err := s.newSeat(ctx, seat, pick(), at); ok || err != nil {
		return taken, classify("taking seat", err)
	}
	err := s.update(ctx, func(tx bun.Tx) error {
		var was Seat
		err := tx.NewSelect().Model(&was).Where("meeting = ?", seat.Meeting).Where("key_hash = ?", seat.KeyHash).Scan(ctx)
		if err != nil && !notFound(err) {
			return err
		}
		since := at.Add(-ejectedFor)
		if was.EjectedAt.After(since) {
			return ErrEjected
		}
		if seat.UserID != "" {
			out, err := tx.NewSelect().Model((*Seat)(nil)).Where("meeting = ?", seat.Meeting).
				Where("user_id = ?", seat.UserID).Where("ejected_at > ?", since).Exists(ctx)
			if err != nil {
				return err
			}
			if out {
				return ErrEjected
			}
		}
		seat.SeenAt = at
		if err == nil {
			seat.Participant, seat.CreatedAt = was.Participant, was.CreatedAt
			_, err = tx.NewUpdate().Model(&seat).WherePK().Exec(ctx)
			return err
		}
		seat.CreatedAt = at
		for {
			seat.Participant = pick()
			taken, err := tx.NewSelect().Model((*Seat)(nil)).
				Where("meeting = ?", seat.Meeting).Where("participant = ?", seat.Participant).Exists(ctx)
			if err != nil {
				return err
			}
			if !taken && seat.Participant != 0 && seat.Participant <= proto.MaxParticipantID {
				break
			}
		}
		_, err = tx.NewInsert().Model(&seat).Exec(ctx)
		return err
	})
	return seat, classify("taking seat", err)
}

// hotSeat makes the seat of a newcomer, which nearly all are, by one statement. It makes none where the key or the id
// has one, or the user was removed.
const hotSeat = `INSERT INTO seats (meeting, key_hash, participant, name, user_id, created_at, seen_at)
	SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?6
	WHERE NOT EXISTS (SELECT 1 FROM seats WHERE meeting = ?1 AND user_id = ?5 AND ?5 <> '' AND ejected_at > ?7)
	ON CONFLICT DO NOTHING`

// newSeat makes a seat if its key has none and nothing speaks against it.
func (s *Store) newSeat(ctx context.Context, seat Seat, id proto.ParticipantID, at time.Time) (Seat, bool, error) {
	if id == 0 || id > proto.MaxParticipantID {
		return seat, false, nil
	}
	now := s.timeText(at)
	made, err := s.seat.ExecContext(ctx, seat.Meeting, seat.KeyHash, id, seat.Name, seat.UserID, now, s.timeText(at.Add(-ejectedFor)))
	if err != nil {
		return seat, false, err
	}
	n, err := made.RowsAffected()
	seat.Participant, seat.CreatedAt, seat.SeenAt = id, at, at
	return seat, n == 1, err
}

// timeText is a time as bun writes it: what is compared must be written alike.
func (s *Store) timeText(t time.Time) string {
	return strings.Trim(string(s.write.Dialect().AppendTime(nil, t)), "'")
}

// EjectSeat notes that a host has removed somebody. A seat that is not there is no error: it was of an
// instance that has been forgotten.
func (s *Store) EjectSeat(ctx context.Context, id proto.MeetingID, p proto.ParticipantID, now time.Time) error {
	_, err := s.write.NewRaw("UPDATE seats SET ejected_at = ? WHERE meeting = ? AND participant = ? AND ejected_at IS NULL",
		stamp(now), id, p).Exec(ctx)
	return classify("ejecting seat", err)
}

// Seats lists the seats of an instance, in order of participant id.
func (s *Store) Seats(ctx context.Context, id proto.MeetingID) ([]Seat, error) {
	var seats []Seat
	err := s.read.NewSelect().Model(&seats).Where("meeting = ?", id).OrderExpr("participant").Scan(ctx)
	return seats, classify("listing seats", err)
}
