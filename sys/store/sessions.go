package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The kinds of sessions.
const (
	SessionLogin = "login" // by address and password
	SessionAPI   = "api"   // a token for programs
)

// Session is one way in that was granted to a user. Only the hash of its token is kept: who reads the
// database can't sign in with what is in it.
type Session struct {
	Hash      string `bun:",pk"` // of the bearer token
	UserID    string
	Kind      string
	CreatedAt time.Time `bun:",nullzero"`
	ExpiresAt time.Time `bun:",nullzero"`
}

// CreateSession adds a session.
func (s *Store) CreateSession(ctx context.Context, x Session) error {
	x.CreatedAt, x.ExpiresAt = stamp(x.CreatedAt), stamp(x.ExpiresAt)
	_, err := s.write.NewInsert().Model(&x).Exec(ctx)
	return classify("creating session", err)
}

// SessionUser finds whose token this is. ErrNotFound: nobody's, not any more, or that of an account
// that is not active.
func (s *Store) SessionUser(ctx context.Context, hash string, now time.Time) (User, error) {
	var u User
	err := s.read.NewSelect().Model(&u).
		Join("JOIN sessions AS x ON x.user_id = ?TableAlias.id").
		Where("x.hash = ?", hash).Where("x.expires_at > ?", stamp(now)).Where("?TableAlias.status = ?", UserActive).Scan(ctx)
	return u, classify("reading session", err)
}

// DeleteSession ends a session. One that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, hash string) error {
	_, err := s.write.NewRaw("DELETE FROM sessions WHERE hash = ?", hash).Exec(ctx)
	return classify("deleting session", err)
}

// Enrolment is the right of one server to join the site once (S24, S28).
type Enrolment struct {
	Hash      string `bun:",pk"` // of the token
	Role      string // what it may become: "zone", "mmr", "tunnel", "connector"
	Zone      string
	Server    string    // the id the server gets, the common name of its certificate
	Names     string    // DNS names and addresses of its certificate, separated by spaces
	CreatedAt time.Time `bun:",nullzero"`
	ExpiresAt time.Time `bun:",nullzero"`
	UsedAt    time.Time `bun:",nullzero"`
}

// CreateEnrolment adds an enrolment.
func (s *Store) CreateEnrolment(ctx context.Context, e Enrolment) error {
	e.CreatedAt, e.ExpiresAt, e.UsedAt = stamp(e.CreatedAt), stamp(e.ExpiresAt), stamp(e.UsedAt)
	_, err := s.write.NewInsert().Model(&e).Exec(ctx)
	return classify("creating enrolment", err)
}

// UseEnrolment spends an enrolment: of any number of tries at once, one succeeds. ErrExpired: it was
// used before, or its time is over. ErrNotFound: there never was one.
func (s *Store) UseEnrolment(ctx context.Context, hash string, now time.Time) (Enrolment, error) {
	var e Enrolment
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := tx.NewSelect().Model(&e).Where("hash = ?", hash).Scan(ctx); err != nil {
			return err
		}
		if !e.UsedAt.IsZero() || !stamp(now).Before(e.ExpiresAt) {
			return ErrExpired
		}
		e.UsedAt = stamp(now)
		_, err := tx.NewRaw("UPDATE enrolments SET used_at = ? WHERE hash = ?", e.UsedAt, hash).Exec(ctx)
		return err
	})
	return e, classify("using enrolment", err)
}
