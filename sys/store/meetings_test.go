package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/wire/proto"
)

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
