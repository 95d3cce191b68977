package web

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"parley/core/lookup"
	"parley/wire/proto"
)

// maxNetworkRouters bounds the routers named of one zone: what reaches one reaches the others.
const maxNetworkRouters = 2

// network answers GET /network: the ways to the zones of this site, for who examines a network. It names no
// meeting and lets nobody in; clients get the same addresses with each lookup.
func (s *Server) network(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "no-store")
	now, addr := s.now(), s.cfg.Balancers.Client(r)
	if wait := s.examined.allow(now, addr); wait > 0 {
		e := proto.NewError(proto.CodeSlowDown, "This network has been examined many times. Wait a moment and try again.")
		e.RetryAfter = seconds(wait)
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
		render(w, e.Code.HTTPStatus(), e)
		return
	}
	req := lookup.Request{Order: s.cfg.ZoneOrder}
	if lat, lon, _, ok := s.cfg.Geo.Locate(addr); ok {
		req.Loc = &lookup.Point{Lat: lat, Lon: lon}
	}
	said := s.zones.fresh(now)
	a := proto.NetworkAnswer{V: proto.Version, Build: s.cfg.Build, ServerTime: now.UnixMilli(), YourAddr: addrText(addr),
		Binding: s.binding(r), Zones: []proto.NetworkZone{}, Tunnels: s.tunnelsFor(now, "")}
	for _, z := range rank(req, said, s.cfg.Ranges.Zone(addr)) {
		a.Zones = append(a.Zones, proto.NetworkZone{Zone: z.Proto(), Routers: routersOf(z.ID, said)})
	}
	render(w, http.StatusOK, a)
}

// routersOf are some routers of a zone that take new people, those with the least to do first.
func routersOf(zone string, said []proto.ControllerAnnounce) []proto.NetworkRouter {
	var all []proto.RouterAnnounce
	for _, c := range said {
		for _, r := range c.Routers {
			if r.Zone == zone && !r.Draining && !slices.ContainsFunc(all, func(o proto.RouterAnnounce) bool { return o.ID == r.ID }) {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b proto.RouterAnnounce) int {
		return cmp.Or(cmp.Compare(a.Load, b.Load), cmp.Compare(a.ID, b.ID))
	})
	out := []proto.NetworkRouter{}
	for _, r := range all[:min(len(all), maxNetworkRouters)] {
		out = append(out, proto.NetworkRouter{ID: r.ID, URL: r.URL, Candidates: r.Candidates, Marks: r.Marks})
	}
	return out
}

// A network is examined by its administrator, who looks again after each change of a rule.
const (
	examineEvery = time.Minute
	maxExamined  = 30      // in that time, of one address or /64
	maxExaminers = 1 << 14 // addresses counted
)

// perMinute counts what addresses ask for in the minute under way. Safe for concurrent use.
type perMinute struct {
	mu     sync.Mutex
	since  time.Time      // guarded by mu
	counts map[string]int // by bucket; guarded by mu
}

// allow counts one more, or says how long to wait.
func (p *perMinute) allow(now time.Time, addr netip.Addr) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil || now.Sub(p.since) >= examineEvery || now.Before(p.since) {
		p.since, p.counts = now, map[string]int{}
	}
	key := bucket(addr)
	n := p.counts[key]
	if n >= maxExamined || n == 0 && len(p.counts) >= maxExaminers {
		return p.since.Add(examineEvery).Sub(now)
	}
	p.counts[key] = n + 1
	return 0
}
