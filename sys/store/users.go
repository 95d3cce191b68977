package store

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Role is what an account may do on the site.
type Role string

// The roles of accounts.
const (
	RoleAdmin  Role = "admin"  // everything
	RoleMember Role = "member" // own account and own meetings
)

// The types of accounts (S23).
const (
	UserBasic    = 1
	UserLicensed = 2
	UserOnPrem   = 3
)

// The states of accounts. Only an active one signs in.
const (
	UserActive   = "active"
	UserInactive = "inactive"
)

// User is one account (S38).
type User struct {
	ID          string `bun:",pk"` // 22 base64url characters
	Email       string // unique, kept in lower case
	FirstName   string
	LastName    string
	DisplayName string
	Type        int
	Role        Role
	Password    string // PHC string, empty: nobody signs in by password
	Status      string
	Timezone    string    // IANA name or empty
	CreatedAt   time.Time `bun:",nullzero"`
	LoginAt     time.Time `bun:",nullzero"` // last sign-in, zero: never
}

// Name is what others see: the display name, else first and last, else the address before the @.
func (u User) Name() string {
	if u.DisplayName != "" {
		return u.DisplayName
	}
	if n := strings.TrimSpace(u.FirstName + " " + u.LastName); n != "" {
		return n
	}
	name, _, _ := strings.Cut(u.Email, "@")
	return name
}

func (u *User) normalise() {
	u.Email = strings.ToLower(strings.TrimSpace(u.Email))
	u.CreatedAt, u.LoginAt = stamp(u.CreatedAt), stamp(u.LoginAt)
}

// UserQuery picks users, in order of address.
type UserQuery struct {
	Status string // empty: all
	After  string // addresses after this one
	Offset int
	Limit  int // 0: 30
}

// CreateUser adds an account. ErrExists: the id or the address is taken.
func (s *Store) CreateUser(ctx context.Context, u User) error {
	u.normalise()
	_, err := s.write.NewInsert().Model(&u).Exec(ctx)
	return classify("creating user", err)
}

// CreateFirstUser adds an account only if the site has none. ErrExists: it has.
func (s *Store) CreateFirstUser(ctx context.Context, u User) error {
	u.normalise()
	err := s.update(ctx, func(tx bun.Tx) error {
		n, err := tx.NewSelect().Model((*User)(nil)).Count(ctx)
		if err != nil {
			return err
		}
		if n > 0 {
			return ErrExists
		}
		_, err = tx.NewInsert().Model(&u).Exec(ctx)
		return err
	})
	return classify("creating first user", err)
}

// User finds an account by id.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	var u User
	err := s.read.NewSelect().Model(&u).Where("id = ?", id).Scan(ctx)
	return u, classify("reading user", err)
}

// UserByEmail finds an account by address, in any case of letters.
func (s *Store) UserByEmail(ctx context.Context, email string) (User, error) {
	var u User
	err := s.read.NewSelect().Model(&u).Where("email = ?", strings.ToLower(strings.TrimSpace(email))).Scan(ctx)
	return u, classify("reading user", err)
}

// Users lists accounts, and how many there are in all pages together.
func (s *Store) Users(ctx context.Context, q UserQuery) (page []User, total int, err error) {
	if q.Limit <= 0 {
		q.Limit = 30
	}
	sel := s.read.NewSelect().Model(&page)
	if q.Status != "" {
		sel = sel.Where("status = ?", q.Status)
	}
	count, err := sel.Clone().Count(ctx)
	if err != nil {
		return nil, 0, classify("counting users", err)
	}
	if q.After != "" {
		sel = sel.Where("email > ?", q.After)
	}
	err = sel.OrderExpr("email").Limit(int64(q.Limit)).Offset(int64(q.Offset)).Scan(ctx)
	return page, int(count), classify("listing users", err)
}

// UpdateUser changes an account in one transaction: change gets it as it is and alters it; an error of
// change undoes all. ErrLastAdmin: the site would have no active administrator left. ErrExists: the
// new address is taken. The id can't change.
func (s *Store) UpdateUser(ctx context.Context, id string, change func(*User) error) (User, error) {
	var u User
	err := s.update(ctx, func(tx bun.Tx) error {
		if err := tx.NewSelect().Model(&u).Where("id = ?", id).Scan(ctx); err != nil {
			return err
		}
		was := u
		if err := change(&u); err != nil {
			return err
		}
		u.ID = id
		u.normalise()
		if was.governs() && !u.governs() {
			if err := otherAdmins(ctx, tx, id); err != nil {
				return err
			}
		}
		if _, err := tx.NewUpdate().Model(&u).WherePK().Exec(ctx); err != nil {
			return err
		}
		// A new password, or no right to be here any more, ends what was signed in before.
		if u.Password != was.Password || u.Status != UserActive {
			_, err := tx.NewRaw("DELETE FROM sessions WHERE user_id = ?", id).Exec(ctx)
			return err
		}
		return nil
	})
	return u, classify("updating user", err)
}

// DeleteUser removes an account with its sessions. Its meetings go to the account transferTo, or away
// with it where that is empty.
func (s *Store) DeleteUser(ctx context.Context, id, transferTo string) error {
	err := s.update(ctx, func(tx bun.Tx) error {
		var u User
		if err := tx.NewSelect().Model(&u).Where("id = ?", id).Scan(ctx); err != nil {
			return err
		}
		if u.governs() {
			if err := otherAdmins(ctx, tx, id); err != nil {
				return err
			}
		}
		if transferTo != "" {
			if _, err := tx.NewRaw("UPDATE meetings SET host_id = ? WHERE host_id = ?", transferTo, id).Exec(ctx); err != nil {
				return err
			}
		}
		_, err := tx.NewRaw("DELETE FROM users WHERE id = ?", id).Exec(ctx)
		return err
	})
	return classify("deleting user", err)
}

// LoggedIn notes a sign-in. A rehash that is not empty replaces the stored password hash, if that is
// still the one it was made from.
func (s *Store) LoggedIn(ctx context.Context, id, was, rehash string, now time.Time) error {
	err := s.update(ctx, func(tx bun.Tx) error {
		if rehash != "" {
			_, err := tx.NewRaw("UPDATE users SET password = ? WHERE id = ? AND password = ?", rehash, id, was).Exec(ctx)
			if err != nil {
				return err
			}
		}
		return changed(tx.NewRaw("UPDATE users SET login_at = ? WHERE id = ?", stamp(now), id).Exec(ctx))
	})
	return classify("noting sign-in", err)
}

func (u User) governs() bool { return u.Role == RoleAdmin && u.Status == UserActive }

func otherAdmins(ctx context.Context, tx bun.Tx, but string) error {
	n, err := tx.NewSelect().Model((*User)(nil)).
		Where("role = ?", RoleAdmin).Where("status = ?", UserActive).Where("id <> ?", but).Count(ctx)
	if err == nil && n == 0 {
		return ErrLastAdmin
	}
	return err
}

// FirstAdmin is the active administrator who has been here longest.
func (s *Store) FirstAdmin(ctx context.Context) (User, error) {
	var u User
	err := s.read.NewSelect().Model(&u).Where("role = ?", RoleAdmin).Where("status = ?", UserActive).
		OrderExpr("created_at, id").Limit(1).Scan(ctx)
	return u, classify("reading administrator", err)
}
