package lookup

import (
	"math"
	"slices"
	"testing"

	"parley/wire/proto"
)

var (
	paris    = &Point{48.86, 2.35}
	london   = &Point{51.51, -0.13}
	newYork  = &Point{40.71, -74.01}
	tokyo    = &Point{35.68, 139.69}
	brussels = &Point{50.85, 4.35}
)

// z is a living cloud zone.
func z(id string, at *Point, change ...func(*Zone)) Zone {
	zone := Zone{ID: id, Name: id, At: at, Controllers: []string{"https://" + id}}
	for _, f := range change {
		f(&zone)
	}
	return zone
}

func load(l float64) func(*Zone)   { return func(z *Zone) { z.Load = l } }
func hosts(who string) func(*Zone) { return func(z *Zone) { z.Hosting = who } }
func full(z *Zone)                 { z.Full = true }
func silent(z *Zone)               { z.Silent = true }
func noControllers(z *Zone)        { z.Controllers = nil }
func ids(ranked []Ranked) (s []string) {
	for _, r := range ranked {
		s = append(s, r.ID)
	}
	return s
}

func TestRank(t *testing.T) {
	world := []Zone{z("tokyo", tokyo), z("ny", newYork), z("london", london), z("paris", paris)}
	tests := []struct {
		name  string
		req   Request
		zones []Zone
		want  []string
	}{
		{"by distance", Request{Loc: brussels}, world, []string{"paris", "london", "ny", "tokyo"}},
		{"no place known: configured order, then id", Request{Order: []string{"ny", "tokyo"}}, world, []string{"ny", "tokyo", "london", "paris"}},
		{"no place, no order", Request{}, world, []string{"london", "ny", "paris", "tokyo"}},
		{"load pushes back the near", Request{Loc: brussels}, []Zone{z("paris", paris, load(1)), z("london", london)}, []string{"london", "paris"}},
		{"but not behind an ocean", Request{Loc: brussels}, []Zone{z("paris", paris, load(1)), z("ny", newYork)}, []string{"paris", "ny"}},
		{"a full zone comes behind it", Request{Loc: brussels}, []Zone{z("paris", paris, load(1), full), z("ny", newYork)}, []string{"ny", "paris"}},
		{"the meeting's home draws", Request{Loc: brussels, Home: "ny"}, []Zone{z("paris", paris), z("ny", newYork)}, []string{"paris", "ny"}},
		{"and wins where the near zone is busy too", Request{Loc: newYork, Home: "paris"}, []Zone{z("ny", newYork, load(0.7)), z("paris", paris)}, []string{"paris", "ny"}},
		{"no place known: home first", Request{Home: "ny"}, []Zone{z("a", nil), z("ny", nil)}, []string{"ny", "a"}},
		{"a zone without a place is guessed far", Request{Loc: brussels}, []Zone{z("odd", nil), z("london", london), z("tokyo", tokyo)}, []string{"london", "tokyo", "odd"}},
		{"near tie goes to the last zone", Request{Loc: brussels, Last: "london"}, world, []string{"london", "paris", "ny", "tokyo"}},
		{"cloud meetings stay out of connectors", Request{Loc: brussels}, []Zone{z("office", paris, hosts("connector:7")), z("london", london)}, []string{"london"}},
		{"a connector's meeting stays in", Request{Loc: brussels, Hosting: "connector:7"},
			[]Zone{z("office", paris, hosts("connector:7")), z("other", paris, hosts("connector:8")), z("london", london)}, []string{"office"}},
		{"empty hosting is cloud", Request{Hosting: "cloud"}, world[:1], []string{"tokyo"}},
		{"no controller, no offer", Request{Loc: brussels}, []Zone{z("paris", paris, noControllers), z("ny", newYork)}, []string{"ny"}},
		{"silent zones are out", Request{Loc: brussels}, []Zone{z("paris", paris, silent), z("ny", newYork)}, []string{"ny"}},
		{"or last, if wished", Request{Loc: brussels, KeepSilent: true}, []Zone{z("paris", paris, silent), z("ny", newYork)}, []string{"ny", "paris"}},
		{"at most so many", Request{Loc: brussels, Max: 2}, world, []string{"paris", "london"}},
		{"with the home among them", Request{Loc: brussels, Max: 2, Home: "tokyo"}, world, []string{"london", "tokyo"}}, // London is nearer to Tokyo
		{"nothing to offer", Request{}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Rank(tt.req, tt.zones)
			if !slices.Equal(ids(got), tt.want) {
				t.Errorf("got %v, want %v; %+v", ids(got), tt.want, got)
			}
		})
	}
}

func TestBiasAndFloor(t *testing.T) {
	tests := []struct {
		name        string
		req         Request
		zone        Zone
		bias, floor int
	}{
		{"idle and near", Request{Loc: brussels}, z("paris", paris), 0, 0}, // 264 km: within Geo-IP's error
		{"over the ocean", Request{Loc: paris}, z("ny", newYork), 0, 53},   // 5837 km − 500
		{"half load", Request{Loc: paris}, z("ny", newYork, load(0.5)), 15, 53},
		{"full load", Request{Loc: paris}, z("ny", newYork, load(3)), 60, 53}, // announced loads are clamped
		{"full", Request{}, z("ny", newYork, load(1), full), 210, 0},
		{"home far away", Request{Loc: paris, Home: "tokyo"}, z("paris", paris), 97, 0},
		{"home somewhere", Request{Loc: paris, Home: "lost"}, z("paris", paris), 20, 0},
	}
	for _, tt := range tests {
		zones := []Zone{tt.zone, z("tokyo", tokyo), z("lost", nil)}
		for _, r := range Rank(tt.req, zones) {
			if r.ID == tt.zone.ID && (r.Bias != tt.bias || r.Floor != tt.floor) {
				t.Errorf("%s: bias %d floor %d, want %d %d", tt.name, r.Bias, r.Floor, tt.bias, tt.floor)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b *Point
		want float64
	}{
		{paris, paris, 0},
		{paris, london, 344},
		{paris, newYork, 5837},
		{&Point{0, 179}, &Point{0, -179}, 222}, // over the date line
		{&Point{90, 0}, &Point{-90, 0}, 20015}, // pole to pole
	}
	for _, tt := range tests {
		if got := km(*tt.a, *tt.b); math.Abs(got-tt.want) > 3 {
			t.Errorf("%v to %v: %.0f km, want %.0f", *tt.a, *tt.b, got, tt.want)
		}
	}
}

func TestFromAnnounces(t *testing.T) {
	router := func(id, addr string, load float64, people int) proto.RouterAnnounce {
		return proto.RouterAnnounce{ID: id, Load: load, People: people, MaxPeople: 200,
			Candidates: []proto.Candidate{{Rung: proto.UDP8801, Addr: addr}, {Rung: proto.TCP8801, Addr: addr}}}
	}
	r1, r2 := router("r1", "192.0.2.1:8801", 0.2, 10), router("r2", "[2001:db8::2]:8801", 0.6, 200)
	bad := router("r3", "example.net:8801", 0, 0)
	bad.Draining = true
	said := []proto.ControllerAnnounce{
		{ID: "c2", Zone: "eu", Name: "Europe", URL: "https://c2", Hosting: "cloud", Lat: 48.86, Lon: 2.35, Routers: []proto.RouterAnnounce{r2, r1}},
		{ID: "c1", Zone: "eu", Name: "Europe", URL: "https://c1", Hosting: "cloud", Lat: 48.86, Lon: 2.35, Routers: []proto.RouterAnnounce{r1, r2, bad}},
		{ID: "c9", Zone: "as", URL: "https://c9"},
	}
	got := FromAnnounces(said)
	if len(got) != 2 || got[0].ID != "as" || got[1].ID != "eu" {
		t.Fatalf("got %+v", got)
	}
	eu := got[1]
	if !slices.Equal(eu.Controllers, []string{"https://c1", "https://c2"}) {
		t.Errorf("controllers %v", eu.Controllers)
	}
	if !slices.Equal(eu.IDs, []string{"c1", "c2"}) {
		t.Errorf("ids %v", eu.IDs)
	}
	if !slices.Equal(eu.Probes, []string{"192.0.2.1:8801", "[2001:db8::2]:8801"}) {
		t.Errorf("probes %v", eu.Probes)
	}
	if math.Abs(eu.Load-0.6) > 1e-9 || eu.Full || eu.At == nil {
		t.Errorf("load %v full %v at %v", eu.Load, eu.Full, eu.At)
	}
	if as := got[0]; as.At != nil || as.Load != 1 || !as.Full {
		t.Errorf("a zone without routers: %+v", as)
	}
	if said[0].ID != "c2" {
		t.Errorf("the caller's slice was sorted")
	}
	if p := Rank(Request{Loc: paris}, got)[0].Proto(); p.ID != "eu" || p.Name != "Europe" || len(p.Probes) != 2 {
		t.Errorf("as offered: %+v", p)
	}
}
