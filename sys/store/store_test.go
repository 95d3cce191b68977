package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var t0 = time.Date(2026, 11, 20, 10, 0, 0, 123e6, time.UTC)

// each runs a test on every kind of database there is.
func each(t *testing.T, test func(t *testing.T, s *Store)) {
	for _, name := range []string{"memory", "file"} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}
			if name == "file" {
				cfg.Path = filepath.Join(t.TempDir(), "site #1?.db") // characters that mean something in a URI
			}
			s, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(t, s)
		})
	}
}

func ann() User {
	return User{ID: "AnnAnnAnnAnnAnnAnnAnn1", Email: "ann@example.org", FirstName: "Ann", Type: UserLicensed, Role: RoleAdmin, Status: UserActive, CreatedAt: t0}
}

func bob() User {
	return User{ID: "BobBobBobBobBobBobBob1", Email: "bob@example.org", LastName: "Bób 鮑伯 Боб", Type: UserBasic, Role: RoleMember, Status: UserActive, CreatedAt: t0}
}

func weekly() Meeting {
	return Meeting{Number: 98765432109, ID: "first-instance", HostID: ann().ID, Topic: "Weekly <round>", Type: MeetingScheduled,
		StartAt: t0.Add(time.Hour), Duration: time.Hour, Timezone: "Europe/Paris", Passcode: "123456",
		Settings: Settings{WaitingRoom: true}, Hosting: "cloud", Status: StatusWaiting, CreatedAt: t0}
}

// must fails the test on an error of a step that is only setup.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func TestUserRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		u := bob()
		u.Email = " Bob@Example.ORG"
		u.CreatedAt = t0.Add(456789 * time.Nanosecond).In(time.FixedZone("x", 3600))
		must(t, s.CreateUser(t.Context(), u))
		got, err := s.UserByEmail(t.Context(), "BOB@example.org ")
		must(t, err)
		if diff := cmp.Diff(bob(), got); diff != "" {
			t.Errorf("user differs (-want +got)\n%s", diff)
		}
		got, err = s.User(t.Context(), u.ID)
		must(t, err)
		if got.Email != "bob@example.org" {
			t.Errorf("email %q", got.Email)
		}
		_, err = s.User(t.Context(), "nobody")
		wantErr(t, err, ErrNotFound)
		_, err = s.UserByEmail(t.Context(), "")
		wantErr(t, err, ErrNotFound)
	})
}

func TestUserConflicts(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateFirstUser(t.Context(), ann()))
		wantErr(t, s.CreateFirstUser(t.Context(), bob()), ErrExists)
		must(t, s.CreateUser(t.Context(), bob()))
		same := bob()
		same.ID = "another"
		wantErr(t, s.CreateUser(t.Context(), same), ErrExists) // address
		same = bob()
		same.Email = "other@example.org"
		wantErr(t, s.CreateUser(t.Context(), same), ErrExists) // id
		_, err := s.UpdateUser(t.Context(), bob().ID, func(u *User) error { u.Email = "ANN@example.org"; return nil })
		wantErr(t, err, ErrExists)
		_, err = s.UpdateUser(t.Context(), "nobody", func(*User) error { return nil })
		wantErr(t, err, ErrNotFound)
	})
}

func TestLastAdminStays(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateUser(t.Context(), bob()))
		demote := func(u *User) error { u.Role = RoleMember; return nil }
		disable := func(u *User) error { u.Status = UserInactive; return nil }
		_, err := s.UpdateUser(t.Context(), ann().ID, demote)
		wantErr(t, err, ErrLastAdmin)
		_, err = s.UpdateUser(t.Context(), ann().ID, disable)
		wantErr(t, err, ErrLastAdmin)
		wantErr(t, s.DeleteUser(t.Context(), ann().ID, ""), ErrLastAdmin)
		_, err = s.UpdateUser(t.Context(), bob().ID, func(u *User) error { u.Role = RoleAdmin; return nil })
		must(t, err)
		must(t, s.DeleteUser(t.Context(), ann().ID, ""))
		wantErr(t, s.DeleteUser(t.Context(), bob().ID, ""), ErrLastAdmin)
	})
}

func TestUserPages(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for i := range 25 {
			u := bob()
			u.ID, u.Email = fmt.Sprint("id", 99-i), fmt.Sprintf("u%02d@example.org", i)
			if i%5 == 0 {
				u.Status = UserInactive
			}
			must(t, s.CreateUser(t.Context(), u))
		}
		var got []string
		q := UserQuery{Status: UserActive, Limit: 8}
		for {
			page, total, err := s.Users(t.Context(), q)
			must(t, err)
			if total != 20 {
				t.Errorf("total %d, want 20", total)
			}
			if len(page) == 0 {
				break
			}
			for _, u := range page {
				got = append(got, u.Email)
			}
			q.After = page[len(page)-1].Email
		}
		if len(got) != 20 || got[0] != "u01@example.org" || got[19] != "u24@example.org" {
			t.Errorf("pages gave %v", got)
		}
		page, _, err := s.Users(t.Context(), UserQuery{Limit: 10, Offset: 20})
		must(t, err)
		if len(page) != 5 || page[0].Email != "u20@example.org" {
			t.Errorf("third page by number: %v", page)
		}
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateUser(t.Context(), bob()))
		sign := func(hash string) {
			must(t, s.CreateSession(t.Context(), Session{Hash: hash, UserID: bob().ID, Kind: SessionLogin, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour)}))
		}
		sign("h1")
		u, err := s.SessionUser(t.Context(), "h1", t0.Add(59*time.Minute))
		must(t, err)
		if diff := cmp.Diff(bob(), u); diff != "" {
			t.Errorf("user of session (-want +got)\n%s", diff)
		}
		_, err = s.SessionUser(t.Context(), "h1", t0.Add(time.Hour))
		wantErr(t, err, ErrNotFound) // over
		must(t, s.DeleteSession(t.Context(), "h1"))
		must(t, s.DeleteSession(t.Context(), "h1"))
		_, err = s.SessionUser(t.Context(), "h1", t0)
		wantErr(t, err, ErrNotFound) // signed out

		sign("h2")
		_, err = s.UpdateUser(t.Context(), bob().ID, func(u *User) error { u.FirstName = "B"; return nil })
		must(t, err)
		if _, err = s.SessionUser(t.Context(), "h2", t0); err != nil {
			t.Errorf("a new name ended the session: %v", err)
		}
		_, err = s.UpdateUser(t.Context(), bob().ID, func(u *User) error { u.Password = "new"; return nil })
		must(t, err)
		_, err = s.SessionUser(t.Context(), "h2", t0)
		wantErr(t, err, ErrNotFound) // a new password ends what an intruder signed in

		sign("h3")
		must(t, s.LoggedIn(t.Context(), bob().ID, "old", "rehash", t0))
		u, err = s.User(t.Context(), bob().ID)
		must(t, err)
		if u.Password != "new" || !u.LoginAt.Equal(t0) {
			t.Errorf("password %q, login %v: a rehash of an old password must not win", u.Password, u.LoginAt)
		}
		must(t, s.DeleteUser(t.Context(), bob().ID, ""))
		_, err = s.SessionUser(t.Context(), "h3", t0)
		wantErr(t, err, ErrNotFound)
	})
}

func TestDatabaseIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	s, err := Open(t.Context(), Config{Path: path})
	must(t, err)
	defer s.Close()
	must(t, s.CreateUser(t.Context(), ann()))
	files, err := filepath.Glob(path + "*")
	must(t, err)
	for _, f := range files {
		st, err := os.Stat(f)
		must(t, err)
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), st.Mode())
		}
	}
}

// The laboratory runs whole sites in bubbles of simulated time, with this database in them.
func TestLivesInABubble(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			s, err := Open(t.Context(), Config{Path: path})
			must(t, err)
			defer s.Close()
			if _, err := s.User(t.Context(), ann().ID); errors.Is(err, ErrNotFound) {
				must(t, s.CreateUser(t.Context(), ann()))
			}
			time.Sleep(time.Hour) // of the bubble
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if err := s.LoggedIn(t.Context(), ann().ID, "", "", time.Now()); err != nil {
						t.Error(err)
					}
					if _, err := s.User(t.Context(), ann().ID); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestEnrolmentIsUsedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		e := Enrolment{Hash: "h", Role: "mmr", Zone: "par", CreatedAt: t0, ExpiresAt: t0.Add(24 * time.Hour)}
		must(t, s.CreateEnrolment(t.Context(), e))
		_, err := s.UseEnrolment(t.Context(), "h", e.ExpiresAt)
		wantErr(t, err, ErrExpired)
		_, err = s.UseEnrolment(t.Context(), "other", t0)
		wantErr(t, err, ErrNotFound)
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.UseEnrolment(t.Context(), "h", t0) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantErr(t, err, ErrExpired)
			}
		}
		if won != 1 {
			t.Errorf("%d servers enrolled with one token", won)
		}
	})
}

func TestSecretIsMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		for _, want := range []string{"one", "one"} {
			got, err := s.Secret(t.Context(), "pages", func() []byte { return []byte(want) })
			must(t, err)
			if string(got) != "one" {
				t.Errorf("secret %q", got)
			}
		}
		got, err := s.Secret(t.Context(), "pages", func() []byte { return []byte("two") })
		must(t, err)
		if string(got) != "one" {
			t.Errorf("secret %q was replaced", got)
		}
	})
}

func TestReopenKeepsEverything(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "site.db")
	s, err := Open(ctx, Config{Path: path})
	must(t, err)
	must(t, s.CreateUser(ctx, ann()))
	must(t, s.Close())
	s, err = Open(ctx, Config{Path: path})
	must(t, err)
	defer s.Close()
	must(t, s.Ping(ctx))
	if _, err := s.User(ctx, ann().ID); err != nil {
		t.Error(err)
	}
}

func TestOpenFailsWithAReason(t *testing.T) {
	if _, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "none", "site.db")}); err == nil {
		t.Error("a database in a missing directory opened")
	}
}

func TestOneProcessOpensADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	first, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Open(t.Context(), Config{Path: path}); !errors.Is(err, ErrInUse) {
		if err == nil {
			second.Close()
		}
		t.Errorf("a second time: %v, want ErrInUse", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatalf("after closing: %v", err)
	}
	again.Close()
}
