package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"parley/wire/proto"
)

// The types of meetings.
const (
	MeetingInstant        = 1
	MeetingScheduled      = 2
	MeetingRecurring      = 3 // with no fixed time
	MeetingRecurringFixed = 8
)

// MeetingStatus is where a meeting's present instance stands.
//
//	          host joins, or a guest where guests may begin
//	waiting ──────────────────────────────────────────────▶ started
//	   ▲ ▲                everybody has left                │    │
//	   │ └──────────────────────────────────────────────────┘    │ ended by the host or the API
//	   │                host joins: a new instance               ▼
//	   └───────────────────────────────────────────────────── ended
type MeetingStatus string

// The states of a meeting.
const (
	StatusWaiting MeetingStatus = "waiting"
	StatusStarted MeetingStatus = "started"
	StatusEnded   MeetingStatus = "ended"
)

// Meeting is one meeting as its owner keeps it. Its number stays; its ID is that of the present
// instance, and changes each time the meeting is begun anew after it was ended.
type Meeting struct {
	Number    int64           `bun:",pk"` // 9 to 11 digits
	ID        proto.MeetingID // of the present instance
	HostID    string
	Topic     string
	Agenda    string
	Type      int
	StartAt   time.Time     `bun:",nullzero"` // zero: no fixed time
	Duration  time.Duration // planned
	Timezone  string        // IANA name or empty
	Passcode  string
	Settings  Settings `bun:"type:json"`
	Hosting   string   // "cloud" or "connector:<id>" (S16)
	Status    MeetingStatus
	CreatedAt time.Time `bun:",nullzero"`
	DeletedAt time.Time `bun:",nullzero"` // not zero: gone, but may be recovered for 30 days
}

// Settings are the switches an owner sets beforehand.
type Settings struct {
	HostVideo        bool `json:"host_video"`
	ParticipantVideo bool `json:"participant_video"`
	JoinBeforeHost   bool `json:"join_before_host"`
	MuteUponEntry    bool `json:"mute_upon_entry"`
	WaitingRoom      bool `json:"waiting_room"`
}

// MeetingQuery picks meetings that are not deleted, in order of time: planned start, or creation where
// there is none.
type MeetingQuery struct {
	HostID string        // empty: of everybody
	Status MeetingStatus // empty: any
	Types  []int         // empty: any
	From   time.Time     // planned to end at or after; meetings without a fixed time stay in
	After  Cursor        // zero: from the beginning
	Offset int
	Limit  int // 0: 30
}

// Cursor is a place in a list of meetings: that of the last one seen.
type Cursor struct {
	At     time.Time
	Number int64
}

// Cursor is the meeting's place in lists.
func (m Meeting) Cursor() Cursor {
	if m.StartAt.IsZero() {
		return Cursor{m.CreatedAt, m.Number}
	}
	return Cursor{m.StartAt, m.Number}
}

func (m *Meeting) normalise() {
	m.StartAt, m.CreatedAt, m.DeletedAt = stamp(m.StartAt), stamp(m.CreatedAt), stamp(m.DeletedAt)
}

// CreateMeeting adds a meeting with its first instance. ErrExists: number or id is taken; make others.
func (s *Store) CreateMeeting(ctx context.Context, m Meeting) error {
	m.normalise()
	err := s.update(ctx, func(tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&m).Exec(ctx); err != nil {
			return err
		}
		return addInstance(ctx, tx, m.ID, m.Number, m.CreatedAt)
	})
	return classify("creating meeting", err)
}

func addInstance(ctx context.Context, tx bun.Tx, id proto.MeetingID, number int64, now time.Time) error {
	_, err := tx.NewRaw("INSERT INTO instances (id, number, created_at) VALUES (?, ?, ?)", id, number, stamp(now)).Exec(ctx)
	return err
}

// Meeting finds a meeting by number. Deleted ones are not found.
func (s *Store) Meeting(ctx context.Context, number int64) (Meeting, error) {
	var m Meeting
	err := s.one(ctx, hotMeeting, number, &m)
	return m, classify("reading meeting", err)
}

// MeetingByID finds the meeting of a present or former instance. Deleted ones are not found.
func (s *Store) MeetingByID(ctx context.Context, id proto.MeetingID) (Meeting, error) {
	var m Meeting
	err := s.read.NewSelect().Model(&m).Where("number = (SELECT number FROM instances WHERE id = ?)", id).
		Where("deleted_at IS NULL").Scan(ctx)
	return m, classify("reading meeting", err)
}

// Meetings lists meetings, and how many there are in all pages together.
func (s *Store) Meetings(ctx context.Context, q MeetingQuery) (page []Meeting, total int, err error) {
	if q.Limit <= 0 {
		q.Limit = 30
	}
	sel := s.read.NewSelect().Model(&page).Where("deleted_at IS NULL")
	if q.HostID != "" {
		sel = sel.Where("host_id = ?", q.HostID)
	}
	if q.Status != "" {
		sel = sel.Where("status = ?", q.Status)
	}
	if len(q.Types) > 0 {
		sel = sel.Where("type IN (?)", bun.List(q.Types))
	}
	if !q.From.IsZero() {
		// No meeting is planned for longer than a day, so this may keep one too many and never one too few.
		sel = sel.Where("start_at IS NULL OR start_at >= ?", stamp(q.From.Add(-24*time.Hour)))
	}
	count, err := sel.Clone().Count(ctx)
	if err != nil {
		return nil, 0, classify("counting meetings", err)
	}
	if q.After != (Cursor{}) {
		at := stamp(q.After.At)
		sel = sel.Where("COALESCE(start_at, created_at) > ? OR (COALESCE(start_at, created_at) = ? AND number > ?)",
			at, at, q.After.Number)
	}
	err = sel.OrderExpr("COALESCE(start_at, created_at), number").Limit(int64(q.Limit)).Offset(int64(q.Offset)).Scan(ctx)
	return page, int(count), classify("listing meetings", err)
}

// UpdateMeeting changes a meeting in one transaction: change gets it as it is and alters it; an error
// of change undoes all. Number, id and status can't change this way.
func (s *Store) UpdateMeeting(ctx context.Context, number int64, change func(*Meeting) error) (Meeting, error) {
	var m Meeting
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := tx.NewSelect().Model(&m).Where("number = ?", number).Where("deleted_at IS NULL").Scan(ctx); err != nil {
			return err
		}
		was := m
		if err := change(&m); err != nil {
			return err
		}
		m.Number, m.ID, m.Status, m.DeletedAt = was.Number, was.ID, was.Status, was.DeletedAt
		m.normalise()
		_, err := tx.NewUpdate().Model(&m).WherePK().Exec(ctx)
		return err
	})
	return m, classify("updating meeting", err)
}

// DeleteMeeting hides a meeting; RecoverMeeting brings it back within 30 days.
func (s *Store) DeleteMeeting(ctx context.Context, number int64, now time.Time) error {
	err := changed(s.write.NewRaw("UPDATE meetings SET deleted_at = ? WHERE number = ? AND deleted_at IS NULL",
		stamp(now), number).Exec(ctx))
	return classify("deleting meeting", err)
}

// DeletedMeeting finds a meeting that DeleteMeeting has hidden.
func (s *Store) DeletedMeeting(ctx context.Context, number int64) (Meeting, error) {
	var m Meeting
	err := s.read.NewSelect().Model(&m).Where("number = ?", number).Where("deleted_at IS NOT NULL").Scan(ctx)
	return m, classify("reading deleted meeting", err)
}

// RecoverMeeting undoes DeleteMeeting. ErrNotFound: there is no deleted meeting of that number.
func (s *Store) RecoverMeeting(ctx context.Context, number int64) error {
	err := changed(s.write.NewRaw("UPDATE meetings SET deleted_at = NULL WHERE number = ? AND deleted_at IS NOT NULL", number).Exec(ctx))
	return classify("recovering meeting", err)
}

// BeginMeeting marks the present instance as started. Of a meeting that was ended it first makes a new
// instance with the id next; of several who do so at once, one makes it and all get it.
func (s *Store) BeginMeeting(ctx context.Context, number int64, next proto.MeetingID, now time.Time) (Meeting, error) {
	var m Meeting
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := tx.NewSelect().Model(&m).Where("number = ?", number).Where("deleted_at IS NULL").Scan(ctx); err != nil {
			return err
		}
		switch m.Status {
		case StatusStarted:
			return nil
		case StatusEnded:
			m.ID = next
			if err := addInstance(ctx, tx, next, number, now); err != nil {
				return err
			}
		}
		m.Status = StatusStarted
		return setStatus(ctx, tx, m, now)
	})
	return m, classify("beginning meeting", err)
}

// EndMeeting ends the present instance, if it is the one with this id, and says where it ran. Ending
// twice is no error; the id of a former instance is.
func (s *Store) EndMeeting(ctx context.Context, id proto.MeetingID, now time.Time) (Meeting, Home, error) {
	var m Meeting
	var h Home
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := tx.NewSelect().Model(&m).Where("id = ?", id).Scan(ctx); err != nil {
			return err
		}
		if err := tx.NewSelect().Model(&h).Where("meeting = ?", id).Scan(ctx); err != nil && !notFound(err) {
			return err
		}
		if m.Status == StatusEnded {
			return nil
		}
		m.Status = StatusEnded
		return setStatus(ctx, tx, m, now)
	})
	return m, h, classify("ending meeting", err)
}

// setStatus writes a meeting's state, and its instance's times with it.
func setStatus(ctx context.Context, tx bun.Tx, m Meeting, now time.Time) error {
	if _, err := tx.NewRaw("UPDATE meetings SET status = ?, id = ? WHERE number = ?", m.Status, m.ID, m.Number).Exec(ctx); err != nil {
		return err
	}
	var err error
	switch m.Status {
	case StatusStarted:
		_, err = tx.NewRaw("UPDATE instances SET started_at = ? WHERE id = ? AND started_at IS NULL", stamp(now), m.ID).Exec(ctx)
	case StatusEnded:
		_, err = tx.NewRaw("UPDATE instances SET ended_at = ? WHERE id = ? AND ended_at IS NULL", stamp(now), m.ID).Exec(ctx)
	}
	return err
}
