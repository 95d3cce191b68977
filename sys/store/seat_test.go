package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/wire/proto"
)

func TestSeats(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		ids := []proto.ParticipantID{7, 7, 0, proto.MaxParticipantID + 1, 8, 9}
		pick := func() proto.ParticipantID { id := ids[0]; ids = ids[1:]; return id }
		take := func(key, name string, at time.Time) Seat {
			t.Helper()
			seat, err := s.TakeSeat(t.Context(), Seat{Meeting: weekly().ID, KeyHash: key, Name: name}, pick, at)
			must(t, err)
			return seat
		}
		if got := take("k1", "A", t0); got.Participant != 7 {
			t.Errorf("first seat %d, want 7", got.Participant)
		}
		if got := take("k2", "B", t0); got.Participant != 8 {
			t.Errorf("second seat %d, want 8: 7 is taken, 0 and 2^29 are no ids", got.Participant)
		}
		if got := take("k1", "A. renamed", t0.Add(time.Minute)); got.Participant != 7 || !got.CreatedAt.Equal(t0) {
			t.Errorf("the same key got seat %d of %v", got.Participant, got.CreatedAt)
		}
		seats, err := s.Seats(t.Context(), weekly().ID)
		must(t, err)
		want := []Seat{
			{weekly().ID, "k1", 7, "A. renamed", "", t0, t0.Add(time.Minute), time.Time{}},
			{weekly().ID, "k2", 8, "B", "", t0, t0, time.Time{}},
		}
		if diff := cmp.Diff(want, seats); diff != "" {
			t.Errorf("seats differ (-want +got)\n%s", diff)
		}
	})
}

// A meeting that goes on for years, with every join a key of its own, must not keep them all.
func TestSeatsNobodyTookForAMonthAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		next := proto.ParticipantID(0)
		take := func(key string, at time.Time) Seat {
			seat, err := s.TakeSeat(t.Context(), Seat{Meeting: weekly().ID, KeyHash: key},
				func() proto.ParticipantID { next++; return next }, at)
			must(t, err)
			return seat
		}
		month := 30 * 24 * time.Hour
		take("old", t0)
		out := take("ejected", t0)
		must(t, s.EjectSeat(t.Context(), weekly().ID, out.Participant, t0))
		kept := take("kept", t0.Add(time.Hour))
		must(t, s.Purge(t.Context(), t0.Add(month)))
		seats, err := s.Seats(t.Context(), weekly().ID)
		must(t, err)
		if len(seats) != 2 || seats[0].Participant != out.Participant || seats[1].Participant != kept.Participant {
			t.Errorf("kept %v, want the ejected one and the one of an hour later", seats)
		}
	})
}

func TestEjectedStayOut(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		next := proto.ParticipantID(0)
		take := func(key, user string) (Seat, error) {
			return s.TakeSeat(t.Context(), Seat{Meeting: weekly().ID, KeyHash: key, UserID: user},
				func() proto.ParticipantID { next++; return next }, t0)
		}
		guest, err := take("k1", "")
		must(t, err)
		user, err := take("k2", "bob")
		must(t, err)
		must(t, s.EjectSeat(t.Context(), weekly().ID, guest.Participant, t0))
		must(t, s.EjectSeat(t.Context(), weekly().ID, user.Participant, t0))
		must(t, s.EjectSeat(t.Context(), "never", 1, t0))
		for _, c := range []struct {
			key, user string
			want      error
		}{
			{"k1", "", ErrEjected},
			{"k2", "bob", ErrEjected},
			{"k3", "bob", ErrEjected}, // another device of the same account
			{"k4", "", nil},
			{"k5", "eve", nil},
		} {
			_, err := take(c.key, c.user)
			if !errors.Is(err, c.want) {
				t.Errorf("%s %s: %v, want %v", c.key, c.user, err, c.want)
			}
		}
	})
}

func TestRacingLookupsOfOneKeyGetOneSeat(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		var wg sync.WaitGroup
		seats := make([]Seat, 40)
		for i := range seats {
			wg.Go(func() {
				var err error
				n := proto.ParticipantID(100 * i)
				seats[i], err = s.TakeSeat(t.Context(), Seat{Meeting: weekly().ID, KeyHash: fmt.Sprint("k", i%2)},
					func() proto.ParticipantID { n++; return n }, t0)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range seats {
			if seats[i].Participant != seats[i%2].Participant {
				t.Errorf("key %d sits on %d and %d", i%2, seats[i].Participant, seats[i%2].Participant)
			}
		}
	})
}

func TestAnEjectionLastsADay(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		must(t, s.CreateUser(t.Context(), ann()))
		must(t, s.CreateMeeting(t.Context(), weekly()))
		next := proto.ParticipantID(0)
		take := func(key string, at time.Time) error {
			_, err := s.TakeSeat(t.Context(), Seat{Meeting: weekly().ID, KeyHash: key, UserID: "bob"},
				func() proto.ParticipantID { next++; return next }, at)
			return err
		}
		must(t, take("k1", t0))
		must(t, s.EjectSeat(t.Context(), weekly().ID, 1, t0))
		keys := []string{"k1", "k2"} // any device of the account
		for _, key := range keys {
			if err := take(key, t0.Add(23*time.Hour)); !errors.Is(err, ErrEjected) {
				t.Errorf("%s the same day: %v, want ErrEjected", key, err)
			}
		}
		for _, key := range keys {
			if err := take(key, t0.Add(25*time.Hour)); err != nil {
				t.Errorf("%s a day later: %v", key, err)
			}
		}
	})
}

// BenchmarkLookup is what one lookup asks of the database.
func BenchmarkLookup(b *testing.B) {
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "site.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	m := weekly()
	if err := errors.Join(s.CreateUser(b.Context(), ann()), s.CreateMeeting(b.Context(), m)); err != nil {
		b.Fatal(err)
	}
	var next proto.ParticipantID
	for b.Loop() {
		_, err1 := s.Meeting(b.Context(), m.Number)
		_, err2 := s.Home(b.Context(), m.ID)
		next++
		_, err3 := s.TakeSeat(b.Context(), Seat{Meeting: m.ID, KeyHash: fmt.Sprint(next), Name: "Bob"}, func() proto.ParticipantID { return next }, t0)
		if err := errors.Join(err1, err2, err3); err != nil {
			b.Fatal(err)
		}
	}
}
