package scenario

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"parley/client"
	"parley/lab"
	"parley/wire/proto"
)

// long chooses the length of a story: PARLEY_SOAK=1 asks for 200 comings and goings of two each and ten
// minutes of media, in simulated time. Without it the same stories run short.
func long[T any](soak, short T) T {
	if os.Getenv("PARLEY_SOAK") != "" {
		return soak
	}
	return short
}

// footprint is what the process holds when nothing is under way.
type footprint struct {
	heap       uint64 // bytes in use after a collection
	goroutines int
	kept       int64 // bytes of packets and of room for them, which are outside the heap
}

// footprint is what is held now.
func (w *world) footprint() footprint {
	f := measure()
	for _, z := range w.zones {
		for _, r := range z.routers {
			f.kept += r.Plane().Kept()
		}
	}
	return f
}

func measure() footprint {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&m)
	return footprint{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
}

func (f footprint) String() string {
	return fmt.Sprintf("%.1f MiB, %d goroutines, %.1f MiB kept", float64(f.heap)/(1<<20), f.goroutines, float64(f.kept)/(1<<20))
}

// flat fails where memory or goroutines grew from one quiet moment to another.
func flat(t *testing.T, what string, before, after footprint, spare uint64) {
	t.Helper()
	t.Logf("%s: %v, then %v", what, before, after)
	if after.goroutines > before.goroutines+2 {
		buf := make([]byte, 1<<20)
		t.Errorf("%s: goroutines grew from %d to %d\n%s", what, before.goroutines, after.goroutines, buf[:runtime.Stack(buf, true)])
	}
	if after.heap > before.heap+spare {
		t.Errorf("%s: memory grew from %v to %v", what, before, after)
	}
	if after.kept > before.kept+int64(spare) {
		t.Errorf("%s: kept packets grew from %v to %v", what, before, after)
	}
}

// from joins from a host that is used again and again.
func from(h *lab.Host) option { return func(p *person, _ *client.Config) { p.host = h } }

// Dismiss forgets somebody who has left, with all that was noted.
func (w *world) Dismiss(p *person) {
	<-p.ended
	for i, q := range w.people {
		if q == p {
			w.people = append(w.people[:i], w.people[i+1:]...)
			break
		}
	}
	w.seats.Delete(p.name)
}

// Whoever comes and goes, by goodbye or by vanishing, leaves no seat, goroutine or memory behind.
func TestJoinsAndLeavesLeaveNothingBehind(t *testing.T) {
	cycles := long(200, 24)
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		anna, ben := w.Join("anna", m, hosts, performs), w.Join("ben", m, performs)
		anna.WaitMedia()
		ben.WaitMedia()
		router, _ := w.Router(anna.WaitJoined().Router)
		guests := []*lab.Host{w.host("guest-0", nil), w.host("guest-1", nil)}
		cycle := func(i int) {
			meeting := m
			if i%8 == 7 {
				meeting = w.Meeting(nil) // of their own, which ends with them
			}
			var here []*person
			for k, h := range guests {
				here = append(here, w.Join(fmt.Sprintf("guest-%d", k), meeting, from(h), performs))
			}
			for _, p := range here {
				p.WaitMedia()
			}
			w.pass(time.Second)
			if i%8 != 7 && anna.Sees("guest-0") == 0 {
				t.Errorf("cycle %d: a guest was not seen", i)
			}
			if i%4 == 3 {
				guests[0].Down() // vanishes without a word
			}
			if i%8 == 7 {
				w.End(meeting)
				w.pass(time.Second)
			}
			for _, p := range here {
				p.Leave()
				w.Dismiss(p)
			}
			guests[0].Kill()
			guests[0].Up()
			anna.rest()
			ben.rest()
			w.pass(time.Second)
		}
		quiet := func() footprint {
			w.pass(3 * time.Minute) // seats kept for the vanished, idle connections, remembered hellos
			anna.rest()
			ben.rest()
			if n := len(anna.Roster()); n != 2 {
				t.Errorf("%d people in the roster, want 2", n)
			}
			if n := router.Plane().Peers(); n != 2 {
				t.Errorf("%d seats on the media plane, want 2", n)
			}
			if homes := len(w.meetings()); homes != 1 {
				t.Errorf("%d meetings are hosted, want 1", homes)
			}
			return w.footprint()
		}
		for i := range cycles / 4 {
			cycle(i)
		}
		before := quiet()
		for i := range cycles {
			cycle(i)
		}
		flat(t, fmt.Sprintf("%d joins and leaves", 2*cycles), before, quiet(), 4<<20)
	})
}

// rest drops what was noted of a long stay.
func (p *person) rest() {
	p.Forget()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = nil
}

// meetings are all meetings hosted anywhere.
func (w *world) meetings() (out []proto.MeetingID) {
	for _, z := range w.zones {
		for _, n := range z.routers {
			for _, r := range n.Routers() {
				for _, m := range r.Announcement().Meetings {
					out = append(out, m.ID)
				}
			}
		}
	}
	return out
}

// Minutes of media on faulty links cost no memory, and every receiver keeps up.
func TestMinutesOfMediaStayFlat(t *testing.T) {
	stretch := long(5*time.Minute, 10*time.Second)
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		var all []*person
		for i := range 6 {
			all = append(all, w.Join(fmt.Sprintf("p%d", i), m, performs))
		}
		for _, p := range all {
			p.WaitMedia()
			for _, z := range w.zones {
				for _, h := range z.hosts {
					w.net.Change(p.host, h, func(l *lab.Link) { l.Loss, l.Jitter = 0.005, 3*time.Millisecond })
				}
			}
		}
		w.pass(20 * time.Second)
		var marks []footprint
		for range 2 {
			for _, p := range all {
				p.rest()
			}
			w.pass(stretch)
			for _, p := range all {
				sounds := 0
				for _, q := range all {
					if p == q {
						continue
					}
					want := int(stretch / pictureEvery)
					if got := p.Sees(q.name); got < want*95/100 {
						t.Errorf("%s saw %d pictures of %s in %v, want %d", p.name, got, q.name, stretch, want)
					}
					sounds += p.Hears(q.name)
				}
				// Three of six are passed on, and nobody hears herself.
				if want := int(stretch/soundEvery) * 2; sounds < want*95/100 {
					t.Errorf("%s heard %d sounds in %v, want %d at least", p.name, sounds, stretch, want)
				}
				p.rest()
			}
			marks = append(marks, w.footprint())
		}
		flat(t, fmt.Sprintf("%v of media", 2*stretch), marks[0], marks[1], 4<<20)
		if n := w.Drops("seal"); n > 0 {
			t.Errorf("%d packets would have been sealed twice", n)
		}
	})
}

// S20: one router serves up to 200 concurrent participants (the long story; the short one has 40).
func TestOneRouterServesTwoHundredParticipants(t *testing.T) {
	people := long(200, 40)
	inWorld(t, threeZones(1), func(t *testing.T, w *world) {
		m := w.Meeting(nil)
		var all []*person
		for i := range people {
			var opts []option
			if i < 2 {
				opts = append(opts, performs)
			}
			all = append(all, w.Join(fmt.Sprintf("p%03d", i), m, opts...))
		}
		for _, p := range all {
			p.WaitMedia()
		}
		w.pass(5 * time.Second)
		for _, p := range all {
			p.Forget()
		}
		w.pass(2 * time.Second)
		for i, p := range all {
			if n := len(p.Roster()); n != people {
				t.Errorf("%s sees %d people, want %d", p.name, n, people)
			}
			for _, q := range all[:2] {
				if p == q {
					continue
				}
				if p.Sees(q.name) < 18 || p.Hears(q.name) < 90 {
					t.Errorf("person %d got %d pictures and %d sounds of %s in 2 s, want 20 and 100", i, p.Sees(q.name), p.Hears(q.name), q.name)
				}
			}
		}
	})
}
