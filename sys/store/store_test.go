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

	"parley/wire/proto"
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

func TestMeetingRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		got, err := s.Meeting(t.Context(), weekly().Number)
		must(t, err)
		if diff := cmp.Diff(weekly(), got); diff != "" {
			t.Errorf("meeting differs (-want +got)\n%s", diff)
		}
		other := weekly()
		other.ID = "other"
		wantErr(t, s.CreateMeeting(t.Context(), other), ErrExists) // number
		other = weekly()
		other.Number = 123456789
		wantErr(t, s.CreateMeeting(t.Context(), other), ErrExists) // id
		if _, err := s.Meeting(t.Context(), 123456789); !errors.Is(err, ErrNotFound) {
			t.Errorf("half a meeting was kept: %v", err)
		}
		got, err = s.UpdateMeeting(t.Context(), weekly().Number, func(m *Meeting) error {
			m.Topic, m.Status, m.ID, m.StartAt = "New", StatusEnded, "x", time.Time{}
			return nil
		})
		must(t, err)
		want := weekly()
		want.Topic, want.StartAt = "New", time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("updated meeting differs (-want +got)\n%s", diff)
		}
		no := errors.New("no")
		_, err = s.UpdateMeeting(t.Context(), weekly().Number, func(m *Meeting) error { m.Topic = "lost"; return no })
		wantErr(t, err, no)
		got, err = s.MeetingByID(t.Context(), weekly().ID)
		must(t, err)
		if got.Topic != "New" {
			t.Errorf("topic %q after a refused change", got.Topic)
		}
		_, err = s.Meeting(t.Context(), 1)
		wantErr(t, err, ErrNotFound)
	})
}

func TestDeleteAndRecover(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		n := weekly().Number
		wantErr(t, s.RecoverMeeting(t.Context(), n), ErrNotFound)
		must(t, s.DeleteMeeting(t.Context(), n, t0))
		wantErr(t, s.DeleteMeeting(t.Context(), n, t0), ErrNotFound)
		_, err := s.Meeting(t.Context(), n)
		wantErr(t, err, ErrNotFound)
		_, err = s.Claim(t.Context(), weekly().ID, "r1", "z", t0, nil)
		wantErr(t, err, ErrNotFound)
		if m, err := s.DeletedMeeting(t.Context(), n); err != nil || m.HostID != ann().ID {
			t.Errorf("deleted meeting: %v, %v", m, err)
		}
		must(t, s.RecoverMeeting(t.Context(), n))
		_, err = s.Meeting(t.Context(), n)
		must(t, err)
		must(t, s.DeleteMeeting(t.Context(), n, t0))
		must(t, s.Purge(t.Context(), t0.Add(29*24*time.Hour)))
		_, err = s.DeletedMeeting(t.Context(), n)
		must(t, err)
		must(t, s.Purge(t.Context(), t0.Add(30*24*time.Hour)))
		wantErr(t, s.RecoverMeeting(t.Context(), n), ErrNotFound)
	})
}

func TestDeletedUsersMeetings(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateUser(t.Context(), bob()))
		m := weekly()
		m.HostID = bob().ID
		must(t, s.CreateMeeting(t.Context(), m))
		must(t, s.DeleteUser(t.Context(), bob().ID, ann().ID))
		got, err := s.Meeting(t.Context(), m.Number)
		must(t, err)
		if got.HostID != ann().ID {
			t.Errorf("host %q, want %q", got.HostID, ann().ID)
		}
		must(t, s.CreateUser(t.Context(), bob()))
		m.Number, m.ID = 111111111, "x"
		must(t, s.CreateMeeting(t.Context(), m))
		must(t, s.DeleteUser(t.Context(), bob().ID, ""))
		_, err = s.Meeting(t.Context(), m.Number)
		wantErr(t, err, ErrNotFound)
	})
}

func TestMeetingLists(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		for i, m := range []Meeting{
			{Type: MeetingScheduled, StartAt: t0.Add(3 * time.Hour)},
			{Type: MeetingScheduled, StartAt: t0.Add(time.Hour), Status: StatusStarted},
			{Type: MeetingScheduled, StartAt: t0.Add(-72 * time.Hour)},
			{Type: MeetingInstant},
			{Type: MeetingRecurring},
		} {
			m.Number, m.ID, m.HostID = int64(100000000+i), proto.MeetingID(fmt.Sprint("id", i)), ann().ID
			m.CreatedAt = t0.Add(time.Duration(i) * time.Second)
			if m.Status == "" {
				m.Status = StatusWaiting
			}
			must(t, s.CreateMeeting(t.Context(), m))
		}
		for _, c := range []struct {
			name string
			q    MeetingQuery
			want []int64
		}{
			{"all by time", MeetingQuery{HostID: ann().ID}, []int64{2, 3, 4, 1, 0}},
			{"of nobody", MeetingQuery{HostID: "x"}, nil},
			{"live", MeetingQuery{Status: StatusStarted}, []int64{1}},
			{"scheduled", MeetingQuery{Types: []int{2, 3, 8}}, []int64{2, 4, 1, 0}},
			{"upcoming", MeetingQuery{Types: []int{2, 3, 8}, From: t0}, []int64{4, 1, 0}},
			{"page", MeetingQuery{Limit: 2, Offset: 2}, []int64{4, 1}},
			{"after", MeetingQuery{Limit: 2, After: Cursor{t0.Add(3 * time.Second), 100000003}}, []int64{4, 1}},
		} {
			page, _, err := s.Meetings(t.Context(), c.q)
			must(t, err)
			var got []int64
			for _, m := range page {
				got = append(got, m.Number-100000000)
			}
			if !cmp.Equal(got, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestInstances(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		n := weekly().Number
		m, err := s.BeginMeeting(t.Context(), n, "unused", t0)
		must(t, err)
		if m.ID != weekly().ID || m.Status != StatusStarted {
			t.Errorf("begun: %v %v", m.ID, m.Status)
		}
		_, err = s.Claim(t.Context(), m.ID, "r1", "z", t0, nil)
		must(t, err)
		m, h, err := s.EndMeeting(t.Context(), m.ID, t0.Add(time.Hour))
		must(t, err)
		if m.Status != StatusEnded || h.Router != "r1" {
			t.Errorf("ended: %v at %q", m.Status, h.Router)
		}
		_, _, err = s.EndMeeting(t.Context(), m.ID, t0.Add(time.Hour))
		must(t, err) // twice
		_, err = s.Claim(t.Context(), m.ID, "r2", "z", t0, nil)
		wantErr(t, err, ErrEnded)
		_, err = s.Home(t.Context(), m.ID)
		wantErr(t, err, ErrEnded)
		_, err = s.Home(t.Context(), "never")
		wantErr(t, err, ErrNotFound)

		m, err = s.BeginMeeting(t.Context(), n, "second", t0.Add(2*time.Hour))
		must(t, err)
		if m.ID != "second" || m.Status != StatusStarted {
			t.Errorf("begun again: %v %v", m.ID, m.Status)
		}
		m, err = s.BeginMeeting(t.Context(), n, "third", t0.Add(2*time.Hour))
		must(t, err)
		if m.ID != "second" {
			t.Errorf("a running instance was replaced: %v", m.ID)
		}
		_, _, err = s.EndMeeting(t.Context(), weekly().ID, t0)
		wantErr(t, err, ErrNotFound) // the former instance must not end this one
		m, err = s.MeetingByID(t.Context(), weekly().ID)
		must(t, err)
		if m.ID != "second" {
			t.Errorf("a former instance's meeting has id %v", m.ID)
		}
	})
}

func TestHomes(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		m := weekly()
		m.Settings.JoinBeforeHost = true
		must(t, s.CreateMeeting(t.Context(), m))
		claim := func(router string, replace func(Home) bool) string {
			t.Helper()
			h, err := s.Claim(t.Context(), m.ID, router, "z-"+router, t0, replace)
			must(t, err)
			return fmt.Sprint(h.Router, h.Epoch)
		}
		never := func(Home) bool { t.Error("replace was asked about nobody's or one's own home"); return false }
		for _, c := range []struct {
			router  string
			replace func(Home) bool
			want    string
		}{
			{"r1", never, "r11"},                            // nobody had it
			{"r1", never, "r11"},                            // again
			{"r2", nil, "r11"},                              // taken
			{"r2", func(Home) bool { return false }, "r11"}, // alive
			{"r2", func(h Home) bool { return h.Router == "r1" && h.Epoch == 1 }, "r22"}, // dead
		} {
			if got := claim(c.router, c.replace); got != c.want {
				t.Errorf("claim by %s: %s, want %s", c.router, got, c.want)
			}
		}
		home := func() string {
			t.Helper()
			h, err := s.Home(t.Context(), m.ID)
			must(t, err)
			return fmt.Sprint(h.Router, h.Epoch)
		}
		must(t, s.MoveHome(t.Context(), Home{Meeting: m.ID, Router: "r9", Zone: "z", Epoch: 2}, t0))
		if got := home(); got != "r22" {
			t.Errorf("moved by the same epoch: %s", got)
		}
		must(t, s.MoveHome(t.Context(), Home{Meeting: m.ID, Router: "r3", Zone: "z", Epoch: 3}, t0))
		if got := home(); got != "r33" {
			t.Errorf("not moved by a higher epoch: %s", got)
		}
		must(t, s.ReleaseHome(t.Context(), m.ID, "r2", 2, t0)) // an old home's word
		must(t, s.ReleaseHome(t.Context(), m.ID, "r4", 3, t0)) // a stranger's
		must(t, s.ReleaseHome(t.Context(), "never", "r4", 3, t0))
		if got := home(); got != "r33" {
			t.Errorf("released by who is not home: %s", got)
		}
		if m, _ := s.Meeting(t.Context(), m.Number); m.Status != StatusStarted {
			t.Errorf("status %v after guests have claimed, want started", m.Status)
		}
		must(t, s.ReleaseHome(t.Context(), m.ID, "r3", 3, t0))
		if m, _ := s.Meeting(t.Context(), m.Number); m.Status != StatusWaiting {
			t.Errorf("status %v after all left, want waiting", m.Status)
		}
		if got := home(); got != "3" {
			t.Errorf("home %q after release", got)
		}
		if got := claim("r1", never); got != "r14" {
			t.Errorf("claim after release: %s, want r14: the epoch only rises", got)
		}
	})
}

func TestFiftyRacingClaimsHaveOneWinner(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		var wg sync.WaitGroup
		homes := make([]Home, 50)
		for i := range homes {
			wg.Go(func() {
				var err error
				homes[i], err = s.Claim(t.Context(), weekly().ID, fmt.Sprint("r", i), "z", t0, nil)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, h := range homes {
			if h.Router != homes[0].Router || h.Epoch != 1 || h.Router == "" {
				t.Fatalf("two homes: %v and %v", homes[0], h)
			}
		}
	})
}

func TestRacingBeginnersShareOneInstance(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		_, _, err := s.EndMeeting(t.Context(), weekly().ID, t0)
		must(t, err)
		var wg sync.WaitGroup
		ids := make([]proto.MeetingID, 20)
		for i := range ids {
			wg.Go(func() {
				m, err := s.BeginMeeting(t.Context(), weekly().Number, proto.MeetingID(fmt.Sprint("new", i)), t0)
				if err != nil {
					t.Error(err)
				}
				ids[i] = m.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two instances: %v and %v", ids[0], id)
			}
		}
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
