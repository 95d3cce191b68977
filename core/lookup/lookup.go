// Package lookup ranks the meeting zones for one client (S8): by distance, load, hosting and where
// the meeting runs. It is pure; the ranking is a list of offers, and the client's own measurement
// decides (S9). What it adds to that measurement are two numbers per zone: Bias, what a round trip to
// the zone does not show, and Floor, the round trip geography does not let it go below.
package lookup

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strings"

	"parley/wire/proto"
)

// Numbers of the ranking, in milliseconds of round trip unless said otherwise.
const (
	kmPerMs     = 100 // light in fibre covers 200 km/ms, there and back
	slackKm     = 500 // what Geo-IP is wrong by without being wrong; Floor must not exclude a near zone
	detour      = 1.5 // a route is longer than the great circle; for guessing, not for Floor
	loadCost    = 60  // bias of a zone at full load; grows with the square, so that half load costs 15
	fullCost    = 150 // more for a zone where no router takes a new meeting
	awayCost    = 20  // a zone that is not the home's, when their distance is unknown
	unknownRTT  = 150 // guess for a zone nobody gave a place
	orderStep   = 25  // one step of the configured order, when the client's place is unknown
	earthRadius = 6371.0
)

// Point is a place on earth in degrees.
type Point struct{ Lat, Lon float64 }

// Zone is a zone as the web infrastructure knows it.
type Zone struct {
	ID, Name    string
	Hosting     string   // "cloud" or "connector:<id>" (S16); empty: cloud
	At          *Point   // nil where unknown
	Controllers []string // base URLs; none: the zone can't be offered
	IDs         []string // of the controllers, in the same order
	Probes      []string // "ip:port" for STUN
	Load        float64  // 0 to 1
	Full        bool     // no router takes a new meeting
	// Silent: controllers are known, but none was heard of lately. Such a zone is offered last and
	// only when Request.KeepSilent: the client may reach what the site can't.
	Silent bool
}

// Request describes the client and its meeting.
type Request struct {
	Loc        *Point   // of the client by Geo-IP; nil where unknown
	Hosting    string   // of the meeting; empty: cloud
	Home       string   // zone the meeting already lives in; empty: none yet
	Order      []string // zone ids in the operator's order; those not named follow by id
	Last       string   // zone this client used last from its network; breaks near ties
	KeepSilent bool
	Max        int // most zones offered; 0: 8
}

// Ranked is one zone of the answer.
type Ranked struct {
	Zone
	Bias  int     // milliseconds; goes into proto.Zone
	Floor int     // milliseconds; goes into proto.Zone, 0 where unknown
	Km    float64 // great-circle distance of the client, negative where unknown
	Score float64 // guessed round trip plus bias; ascending in the answer
}

// Proto is the zone as it is offered to the client.
func (r Ranked) Proto() proto.Zone {
	return proto.Zone{ID: r.ID, Name: r.Name, Controllers: r.Controllers, ControllerIDs: r.IDs, Probes: r.Probes, Bias: r.Bias, Floor: r.Floor}
}

// Rank sorts the zones that may host the meeting, best first. A connector's meeting is offered its own
// zones only, and a cloud meeting none of a connector's (S16). The home's zone is always offered.
func Rank(req Request, zones []Zone) []Ranked {
	var home *Zone
	for i := range zones {
		if req.Home != "" && zones[i].ID == req.Home {
			home = &zones[i]
		}
	}
	var out []Ranked
	for _, z := range zones {
		if len(z.Controllers) == 0 || hosting(z.Hosting) != hosting(req.Hosting) || z.Silent && !req.KeepSilent {
			continue
		}
		out = append(out, rate(req, z, home))
	}
	slices.SortStableFunc(out, func(a, b Ranked) int {
		return cmp.Or(
			cmp.Compare(b2i(a.Silent), b2i(b.Silent)),
			cmp.Compare(a.Score, b.Score),
			cmp.Compare(place(req.Order, a.ID), place(req.Order, b.ID)),
			strings.Compare(a.ID, b.ID),
		)
	})
	limit := req.Max
	if limit <= 0 {
		limit = 8
	}
	if len(out) > limit {
		if i := slices.IndexFunc(out, func(r Ranked) bool { return r.ID == req.Home }); i >= limit {
			out[limit-1] = out[i]
		}
		out = out[:limit]
	}
	return out
}

func rate(req Request, z Zone, home *Zone) Ranked {
	r := Ranked{Zone: z, Km: -1}
	load := min(1, max(0, z.Load))
	bias := loadCost * load * load
	if z.Full {
		bias += fullCost
	}
	if home != nil && home.ID != z.ID {
		if home.At != nil && z.At != nil {
			bias += km(*home.At, *z.At) / kmPerMs
		} else {
			bias += awayCost
		}
	}
	r.Bias = int(math.Round(bias))
	switch {
	case req.Loc != nil && z.At != nil:
		r.Km = km(*req.Loc, *z.At)
		r.Floor = int(max(0, r.Km-slackKm) / kmPerMs)
		r.Score = detour * r.Km / kmPerMs
	case req.Loc != nil:
		r.Score = unknownRTT
	default:
		r.Score = orderStep * float64(min(place(req.Order, z.ID), len(req.Order)))
	}
	r.Score += float64(r.Bias)
	if z.ID == req.Last {
		r.Score -= 10 // the hysteresis of zone selection
	}
	return r
}

// FromAnnounces makes the zones out of the fresh announcements of controllers: all controllers of a
// zone together, probes from its routers' UDP candidates, load weighted by capacity. Order of the
// answer: by zone id; controllers by id.
func FromAnnounces(said []proto.ControllerAnnounce) []Zone {
	sorted := slices.Clone(said)
	slices.SortFunc(sorted, func(a, b proto.ControllerAnnounce) int {
		return cmp.Or(strings.Compare(a.Zone, b.Zone), strings.Compare(a.ID, b.ID))
	})
	var out []Zone
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j].Zone == sorted[i].Zone {
			j++
		}
		out = append(out, merge(sorted[i:j]))
		i = j
	}
	return out
}

// maxProbes bounds the UDP probes of one zone: two of each address family show whether UDP is open.
const maxProbes = 4

func merge(said []proto.ControllerAnnounce) Zone {
	first := said[0]
	z := Zone{ID: first.Zone, Name: first.Name, Hosting: first.Hosting}
	if first.Lat != 0 || first.Lon != 0 {
		z.At = &Point{first.Lat, first.Lon}
	}
	routers := map[string]proto.RouterAnnounce{}
	for _, c := range said {
		z.Controllers = append(z.Controllers, c.URL)
		z.IDs = append(z.IDs, c.ID)
		for _, r := range c.Routers {
			routers[r.ID] = r
		}
	}
	ids := make([]string, 0, len(routers))
	for id := range routers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	weight, sum := 0.0, 0.0
	z.Full = true
	for _, id := range ids {
		r := routers[id]
		load := r.Load
		if r.Draining {
			load = 1
		} else if r.MaxPeople == 0 || r.People < r.MaxPeople {
			z.Full = false
		}
		w := float64(max(1, r.MaxPeople))
		weight, sum = weight+w, sum+w*load
		for _, c := range r.Candidates {
			if c.Rung == proto.UDP8801 && len(z.Probes) < maxProbes && !slices.Contains(z.Probes, c.Addr) {
				if _, err := netip.ParseAddrPort(c.Addr); err == nil {
					z.Probes = append(z.Probes, c.Addr)
				}
			}
		}
	}
	z.Load = 1
	if weight > 0 {
		z.Load = sum / weight
	}
	return z
}

// km is the great-circle distance (haversine).
func km(a, b Point) float64 {
	rad := math.Pi / 180
	dLat, dLon := (b.Lat-a.Lat)*rad, (b.Lon-a.Lon)*rad
	s := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * earthRadius * math.Asin(math.Min(1, math.Sqrt(s)))
}

func hosting(s string) string {
	if s == "" {
		return "cloud"
	}
	return s
}

func place(order []string, id string) int {
	if i := slices.Index(order, id); i >= 0 {
		return i
	}
	return math.MaxInt
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
