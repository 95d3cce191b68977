package steer

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/wire/proto"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }

// said is an idle router for 200 people.
func said(id string, change ...func(*proto.RouterAnnounce)) Announce {
	a := proto.RouterAnnounce{V: 1, ID: id, Zone: "z", URL: "https://" + id, MaxPeople: 200, MaxMeetings: 100}
	for _, f := range change {
		f(&a)
	}
	return Announce{a}
}

func hosts(meeting proto.MeetingID, epoch uint32) func(*proto.RouterAnnounce) {
	return func(a *proto.RouterAnnounce) {
		a.Meetings = append(a.Meetings, proto.MeetingLoad{ID: meeting, People: 1, Epoch: epoch})
	}
}

func people(n int) func(*proto.RouterAnnounce) {
	return func(a *proto.RouterAnnounce) { a.People = n }
}

func load(l float64) func(*proto.RouterAnnounce) {
	return func(a *proto.RouterAnnounce) { a.Load = l }
}

func draining(a *proto.RouterAnnounce) { a.Draining = true }

// mind has heard the given announcements at second 0.
func mind(cfg Config, all ...Announce) *Mind {
	m := New(cfg)
	for _, a := range all {
		m.Handle(t0, a)
	}
	return m
}

func codeOf(err error) proto.Code {
	var e *proto.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestPlace(t *testing.T) {
	tests := []struct {
		name string
		say  []Announce
		q    Query
		want string // router, or code
		why  Reason
	}{
		{"nobody there", nil, Query{Meeting: "m"}, "no_router", 0},
		{"the only one", []Announce{said("a")}, Query{Meeting: "m"}, "a", ReasonHash},
		{"home as announced", []Announce{said("a"), said("b", hosts("m", 1)), said("c")}, Query{Meeting: "m"}, "b", ReasonHome},
		{"home as claimed, not announced yet", []Announce{said("a"), said("b"), said("c")}, Query{Meeting: "m", Home: "c"}, "c", ReasonHome},
		{"what routers say goes before the claim", []Announce{said("a"), said("b", hosts("m", 2))}, Query{Meeting: "m", Home: "a"}, "b", ReasonHome},
		{"a claimed home in another zone is not ours to give", []Announce{said("a")}, Query{Meeting: "m", Home: "elsewhere"}, "a", ReasonHash},
		{"higher epoch wins", []Announce{said("a", hosts("m", 1)), said("b", hosts("m", 2))}, Query{Meeting: "m"}, "b", ReasonHome},
		{"then the lower id", []Announce{said("b", hosts("m", 2)), said("a", hosts("m", 2))}, Query{Meeting: "m"}, "a", ReasonHome},
		{"a draining home is the home still", []Announce{said("a", hosts("m", 1), draining), said("b")}, Query{Meeting: "m"}, "a", ReasonHome},
		{"a full home is not replaced by another", []Announce{said("a", hosts("m", 1), people(200)), said("b")}, Query{Meeting: "m"}, "router_full", 0},
		{"home at high load still takes people", []Announce{said("a", hosts("m", 1), load(0.95)), said("b")}, Query{Meeting: "m"}, "a", ReasonHome},
		{"no new meeting while draining", []Announce{said("a", draining), said("b")}, Query{Meeting: "m"}, "b", ReasonHash},
		{"all draining", []Announce{said("a", draining)}, Query{Meeting: "m"}, "no_router", 0},
		{"full of people", []Announce{said("a", people(200)), said("b")}, Query{Meeting: "m"}, "b", ReasonHash},
		{"full for so many", []Announce{said("a", people(195))}, Query{Meeting: "m", People: 10}, "router_full", 0},
		{"full of load", []Announce{said("a", load(0.95)), said("b")}, Query{Meeting: "m"}, "b", ReasonHash},
		{"all full", []Announce{said("a", load(0.95)), said("b", people(200))}, Query{Meeting: "m"}, "router_full", 0},
		{"not the lost one", []Announce{said("a"), said("b")}, Query{Meeting: "m", Lost: "a"}, "b", ReasonHash},
		{"only the lost one", []Announce{said("a")}, Query{Meeting: "m", Lost: "a"}, "no_router", 0},
		{"a lost home that lives is the home", []Announce{said("a", hosts("m", 1)), said("b")}, Query{Meeting: "m", Lost: "a"}, "a", ReasonHome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := mind(Config{}, tt.say...).Place(at(1), tt.q)
			got := p.Router.ID
			if err != nil {
				got = string(codeOf(err))
			}
			if got != tt.want || err == nil && p.Why != tt.why {
				t.Errorf("got %q (%v), want %q (%v)", got, p.Why, tt.want, tt.why)
			}
		})
	}
}

func TestMeetingLimit(t *testing.T) {
	one := func(a *proto.RouterAnnounce) { a.MaxMeetings = 1 }
	m := mind(Config{}, said("a", one, hosts("x", 1)))
	if _, err := m.Place(t0, Query{Meeting: "m"}); codeOf(err) != proto.CodeRouterFull {
		t.Errorf("a second meeting: %v, want router_full", err)
	}
	if _, err := m.Place(t0, Query{Meeting: "x"}); err != nil {
		t.Errorf("the meeting it has: %v", err)
	}
}

// TestFirstJoinsOfAMeetingMeet: the offer is repeated for ten seconds, whatever loads do meanwhile.
func TestFirstJoinsOfAMeetingMeet(t *testing.T) {
	m := mind(Config{DeadAfter: time.Minute}, said("a"), said("b"), said("c"))
	first, err := m.Place(t0, Query{Meeting: "m"})
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(at(1), said(first.Router.ID, load(0.95)))
	p, err := m.Place(at(9), Query{Meeting: "m"})
	if err != nil || p.Router.ID != first.Router.ID || p.Why != ReasonSticky {
		t.Errorf("at 9 s got %s (%v, %v), want %s again", p.Router.ID, p.Why, err, first.Router.ID)
	}
	m.Handle(at(10), said(first.Router.ID, draining))
	if p, _ := m.Place(at(10), Query{Meeting: "m"}); p.Router.ID == first.Router.ID {
		t.Errorf("a draining router is offered again")
	}
	if p, _ := m.Place(at(30), Query{Meeting: "m2"}); p.Why != ReasonHash {
		t.Errorf("another meeting got %v", p.Why)
	}
}

func TestBothControllersAgree(t *testing.T) {
	a := mind(Config{}, said("r1"), said("r2", load(0.31)), said("r3"), said("r4", people(20)))
	b := mind(Config{}, said("r4", people(21)), said("r3"), said("r2", load(0.33)), said("r1")) // a moment apart, another order
	count := map[string]int{}
	for i := range 1000 {
		id := proto.MeetingID(fmt.Sprintf("meeting-%d", i))
		// Fresh minds every time would be the same: pending people are what must not differ here.
		pa, errA := a.Place(t0, Query{Meeting: id})
		pb, errB := b.Place(t0, Query{Meeting: id})
		if errA != nil || errB != nil {
			break // both fill up at the same point, or nearly
		}
		if pa.Router.ID != pb.Router.ID && i < 500 {
			t.Fatalf("meeting %d: %s and %s", i, pa.Router.ID, pb.Router.ID)
		}
		count[pa.Router.ID]++
	}
	for _, id := range []string{"r1", "r2", "r3", "r4"} {
		if count[id] < 60 {
			t.Errorf("%s got %d meetings: %v", id, count[id], count)
		}
	}
}

func TestWeightFollowsRoom(t *testing.T) {
	big := func(a *proto.RouterAnnounce) { a.MaxPeople, a.MaxMeetings = 100_000, 0 }
	m := mind(Config{}, said("idle", big), said("busy", big, load(0.7)))
	count := map[string]int{}
	for i := range 4000 {
		p, err := m.Place(t0, Query{Meeting: proto.MeetingID(fmt.Sprint("m", i))})
		if err != nil {
			t.Fatal(err)
		}
		count[p.Router.ID]++
	}
	// Weights 8/8 and 3/8: three eleventh of 4000 are 1091.
	if n := count["busy"]; n < 950 || n > 1250 {
		t.Errorf("busy got %d of 4000, want about 1091", n)
	}
}

// TestNewRouterTakesOnlyItsShare: adding one of n routers moves about 1/n of the meetings.
func TestNewRouterTakesOnlyItsShare(t *testing.T) {
	before := mind(Config{}, said("a"), said("b"), said("c"))
	after := mind(Config{}, said("a"), said("b"), said("c"), said("d"))
	moved := 0
	for i := range 300 {
		id := proto.MeetingID(fmt.Sprint("m", i))
		p, _ := before.Place(t0, Query{Meeting: id})
		q, _ := after.Place(t0, Query{Meeting: id})
		if p.Router.ID != q.Router.ID {
			if q.Router.ID != "d" {
				t.Fatalf("meeting %d moved from %s to %s", i, p.Router.ID, q.Router.ID)
			}
			moved++
		}
	}
	if moved < 45 || moved > 110 {
		t.Errorf("%d of 300 moved, want about 75", moved)
	}
}

// TestBurstDoesNotOverfill: people offered a router count until its announcements can include them.
func TestBurstDoesNotOverfill(t *testing.T) {
	m := mind(Config{}, said("a", people(190)))
	placed := 0
	for range 50 {
		if _, err := m.Place(t0, Query{Meeting: "m"}); err == nil {
			placed++
		}
	}
	if placed != 10 {
		t.Errorf("%d placed into 10 seats", placed)
	}
	m.Handle(at(1), said("a", people(190)))
	m.Handle(at(2), said("a", people(190))) // they never came
	if _, err := m.Place(at(2), Query{Meeting: "m"}); err != nil {
		t.Errorf("seats of those who never came stay taken: %v", err)
	}
}

func actions(m *Mind) (out []string) {
	for {
		a, ok := m.Next()
		if !ok {
			return out
		}
		switch a := a.(type) {
		case RouterUp:
			out = append(out, "up "+a.ID)
		case RouterDown:
			out = append(out, fmt.Sprintf("down %s %v %d", a.ID, a.Why, len(a.Meetings)))
		case Changed:
			out = append(out, "changed")
		}
	}
}

func TestLifeOfARouter(t *testing.T) {
	m := New(Config{})
	if at, why := m.Wake(); !at.IsZero() || why != ReasonNone {
		t.Errorf("empty mind wakes at %v, %v", at, why)
	}
	steps := []struct {
		at   float64
		e    Event
		want []string
	}{
		{0, said("a"), []string{"up a", "changed"}},
		{1, said("a"), nil},
		{2, said("a", draining), []string{"changed"}},
		{4.9, Tick{}, nil},
		{5, Tick{}, []string{"down a silent 0", "changed"}},
		{6, said("a", hosts("m", 1)), []string{"up a", "changed"}},
		{7, Lost{"a"}, []string{"down a lost 1", "changed"}},
		{7, Lost{"a"}, nil},
		{8, said("a"), []string{"up a", "changed"}}, // it was only cut off
		{9, Gone{"a"}, []string{"down a gone 0", "changed"}},
		{9, said(""), nil},
		{9, Announce{proto.RouterAnnounce{ID: "old"}}, nil}, // version 0
	}
	for _, s := range steps {
		m.Handle(at(s.at), s.e)
		if got := actions(m); !slices.Equal(got, s.want) {
			t.Errorf("at %v: %v, want %v", s.at, got, s.want)
		}
	}
	m.Handle(at(20), said("b"))
	if wake, why := m.Wake(); !wake.Equal(at(23)) || why != ReasonSilent {
		t.Errorf("wakes at %v for %v", wake, why)
	}
}

// A controller that stood still has not read what routers said meanwhile: that is no silence of theirs.
func TestAControllerThatStoodStillWaitsForOneMoreAnnouncement(t *testing.T) {
	steps := []struct {
		at   float64
		e    Event
		want []string
	}{
		{0, said("a"), []string{"up a", "changed"}},
		{0.9, said("b"), []string{"up b", "changed"}},
		{10, Tick{}, nil},      // due at 3
		{10.1, said("a"), nil}, // it had been waiting to be read
		{10.9, Tick{}, nil},
		{11, Tick{}, []string{"down b silent 0", "changed"}},
		{13.1, Tick{}, []string{"down a silent 0", "changed"}},
		{20, said("a"), []string{"up a", "changed"}},
		{23.9, Tick{}, []string{"down a silent 0", "changed"}}, // late by less than an announcement's time
	}
	m := New(Config{})
	for _, s := range steps {
		m.Handle(at(s.at), s.e)
		if got := actions(m); !slices.Equal(got, s.want) {
			t.Errorf("at %v: %v, want %v", s.at, got, s.want)
		}
	}
}

func TestSummary(t *testing.T) {
	m := mind(Config{}, said("b", load(0.5), people(10), hosts("m", 1)), said("a", people(30)), said("c", draining))
	s := m.Summary()
	if len(s.Routers) != 3 || s.Routers[0].ID != "a" || s.People != 40 || s.MaxPeople != 600 || s.Meetings != 1 {
		t.Errorf("got %+v", s)
	}
	if want := (0.15 + 0.5 + 1) / 3; s.Load < want-1e-9 || s.Load > want+1e-9 {
		t.Errorf("load %v, want %v", s.Load, want)
	}
	if s := New(Config{}).Summary(); s.Load != 1 {
		t.Errorf("an empty zone has load %v, want 1", s.Load)
	}
	for r := ReasonNone; r <= ReasonOfferLapses; r++ {
		if r.String() == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
	}
}

func BenchmarkPlace200Routers(b *testing.B) {
	m := New(Config{})
	for i := range 200 {
		a := said(fmt.Sprint("r", i))
		a.Router.MaxPeople, a.Router.MaxMeetings = 0, 0
		m.Handle(t0, a)
	}
	ids := make([]proto.MeetingID, 1000)
	for i := range ids {
		ids[i] = proto.MeetingID(fmt.Sprint("m", i))
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := m.Place(t0, Query{Meeting: ids[i%len(ids)]}); err != nil {
			b.Fatal(err)
		}
	}
}
