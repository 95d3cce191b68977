package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
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

// Who comes late sees and hears within two round trips of being in: the router asks for a key frame.
func TestALateJoinerSeesAndHearsAtOnce(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		w.Join("anna", m, performs).WaitMedia()
		w.pass(7 * time.Second)
		for i := range 5 {
			late := w.Join(fmt.Sprint("late", i), m)
			late.WaitJoined()
			took := w.until(5*time.Second, "anna is seen and heard", func() bool { return late.Sees("anna") > 0 && late.Hears("anna") > 0 })
			if took > 150*time.Millisecond { // 40 ms of round trips, and 100 ms until the camera's next frame
				t.Errorf("%s saw anna %v after joining", late.name, took)
			}
			w.pass(1270 * time.Millisecond)
		}
	})
}

// A fixed number of slots carries what a receiver wishes, whoever comes and goes (design §4).
func TestSlotsCarryWhatAReceiverWishes(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		var all []*person
		for i := range 6 {
			all = append(all, w.Join(fmt.Sprint("p", i), m, shows))
			w.pass(13 * time.Millisecond)
		}
		few := w.Join("few", m, func(_ *person, c *client.Config) { c.Slots = 3 })
		few.WaitMedia()
		pictures := func() (names []string) {
			few.Forget()
			w.pass(2 * time.Second)
			for _, p := range all {
				if few.Sees(p.name) > 15 {
					names = append(names, p.name)
				}
			}
			return names
		}
		w.pass(3 * time.Second)
		if got := pictures(); len(got) != 3 {
			t.Errorf("with three slots and no wish: %v", got)
		}
		tile := func(i, height int) proto.Tile {
			return proto.Tile{Source: proto.Source(mustSelf(all[i]), proto.Video), Height: height}
		}
		few.Layout(tile(5, 720), tile(4, 90))
		w.pass(time.Second)
		if got, want := pictures(), []string{"p4", "p5"}; !slices.Equal(got, want) {
			t.Errorf("wished for %v, got %v", want, got)
		}
		few.Layout(tile(0, 90), tile(1, 90), tile(2, 90), tile(3, 90))
		w.pass(time.Second)
		if got, want := pictures(), []string{"p0", "p1", "p2"}; !slices.Equal(got, want) {
			t.Errorf("wished for four with three slots, want the first %v, got %v", want, got)
		}
		all[1].Leave()
		w.pass(time.Second)
		if got, want := pictures(), []string{"p0", "p2", "p3"}; !slices.Equal(got, want) {
			t.Errorf("after p1 has left, want %v, got %v", want, got)
		}
		if bad := few.Mistaken(); len(bad) > 0 {
			t.Errorf("under the wrong name: %v", bad)
		}
	})
}

// On lossy links pictures are complete all the same: what is lost is asked for again, both ways.
func TestLostPicturesAreRepairedBothWays(t *testing.T) {
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, performs), w.Join("ben", m, performs)
		for _, p := range []*person{anna, ben} {
			p.WaitMedia()
			for _, h := range w.Zone("oslo").hosts {
				w.net.Change(p.host, h, func(l *lab.Link) {
					l.Loss, l.Jitter, l.Reorder, l.Duplicate = 0.08, 20*time.Millisecond, 0.02, 0.02
				})
			}
		}
		w.pass(5 * time.Second)
		anna.Forget()
		ben.Forget()
		w.pass(20 * time.Second)
		for _, pair := range [][2]*person{{anna, ben}, {ben, anna}} {
			if got := pair[0].Sees(pair[1].name); got < 190 {
				t.Errorf("%s saw %d pictures of %s in 20 s, want 200", pair[0].name, got, pair[1].name)
			}
			// Sound is not asked for again: what two links lose of a hundred, 85 remain.
			if got := pair[0].Hears(pair[1].name); got < 780 {
				t.Errorf("%s heard %d sounds of %s in 20 s, want about 846", pair[0].name, got, pair[1].name)
			}
		}
	})
}
