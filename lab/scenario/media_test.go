package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
)

// S3–S5, S9–S11: twenty people in three meetings over three zones. Sound and picture of everybody who
// sends reach everybody of the same meeting, under the right name, and nobody else.
func TestMediaReachesEveryParticipantOfItsMeetingAndNobodyElse(t *testing.T) {
	inWorld(t, threeZones(2), func(t *testing.T, w *world) {
		zones := []string{"oslo", "paris", "tokyo"}
		rooms := make([][]*person, 3)
		for r := range rooms {
			m := w.Meeting(nil)
			for i := range []int{7, 7, 6}[r] {
				// Two perform, one shows a picture only, one is muted from the start, the others watch.
				opts := []option{near(zones[(r+i)%3])}
				switch i {
				case 0, 1, 3:
					opts = append(opts, performs)
				case 2:
					opts = append(opts, shows)
				}
				p := w.Join(fmt.Sprintf("r%d-p%d", r, i), m, opts...)
				if i == 3 {
					p.Mute(proto.Audio, true)
					p.Mute(proto.Video, true)
				}
				rooms[r] = append(rooms[r], p)
				w.pass(37 * time.Millisecond)
			}
		}
		for _, room := range rooms {
			for _, p := range room {
				p.WaitMedia()
			}
			room[3].Mute(proto.Audio, true) // said before joining it counts for nothing at the router
			room[3].Mute(proto.Video, true)
		}
		w.pass(3 * time.Second)
		for _, room := range rooms {
			for _, p := range room {
				p.Forget()
			}
		}
		w.pass(5 * time.Second)
		for r, room := range rooms {
			home := ""
			for i, p := range room {
				if got, want := p.ZoneChosen(), zones[(r+i)%3]; got != want {
					t.Errorf("%s chose zone %q, want %q", p.name, got, want)
				}
				if j := p.WaitJoined(); home == "" {
					home = j.Router
				} else if j.Router != home {
					t.Errorf("%s is on %s, the others of the meeting on %s", p.name, j.Router, home)
				}
				var want []string
				for k, q := range room[:3] {
					if k == i {
						continue
					}
					if k < 2 {
						want = append(want, q.name+" audio")
					}
					want = append(want, q.name+" video")
				}
				if got := p.Everything(); !slices.Equal(got, want) {
					t.Errorf("%s got %v, want %v", p.name, got, want)
				}
				for k, q := range room[:3] {
					if k == i {
						continue
					}
					if n := p.Sees(q.name); n < 45 || n > 55 {
						t.Errorf("%s saw %d pictures of %s in 5 s, want 50", p.name, n, q.name)
					}
					if n := p.Hears(q.name); k < 2 && (n < 240 || n > 260) {
						t.Errorf("%s heard %d sounds of %s in 5 s, want 250", p.name, n, q.name)
					}
				}
				if bad := p.Mistaken(); len(bad) > 0 {
					t.Errorf("%s: %v", p.name, bad)
				}
			}
		}
		if n := w.Drops("seal"); n > 0 {
			t.Errorf("%d packets would have been sealed twice", n)
		}
	})
}

// S35: what is shared reaches everybody beside the camera, and muting and unmuting is heard at once.
func TestMutedIsNotHeardAndUnmutedIsHeardAgain(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs, shares), w.Join("ben", m)
		anna.WaitMedia()
		ben.WaitMedia()
		w.pass(4 * time.Second)
		ben.Forget()
		w.pass(time.Second)
		if got, want := ben.Everything(), []string{"anna audio", "anna content", "anna video"}; !slices.Equal(got, want) {
			t.Fatalf("ben got %v, want %v", got, want)
		}
		anna.Mute(proto.Audio, true)
		anna.Mute(proto.Video, true)
		w.pass(200 * time.Millisecond)
		ben.Forget()
		w.pass(2 * time.Second)
		if got, want := ben.Everything(), []string{"anna content"}; !slices.Equal(got, want) {
			t.Errorf("while muted ben got %v, want %v", got, want)
		}
		anna.Mute(proto.Audio, false)
		anna.Mute(proto.Video, false)
		w.until(time.Second, "ben hears and sees anna again", func() bool { return ben.Hears("anna") > 0 && ben.Sees("anna") > 0 })
	})
}
