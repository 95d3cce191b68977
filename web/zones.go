package web

import (
	"net/url"
	"slices"
	"sync"
	"time"

	"parley/core/lookup"
	"parley/core/steer"
	"parley/wire/proto"
)

// freshFor is how old a controller's announcement may be for its zone to be offered: controllers
// announce each second.
const freshFor = 5 * time.Second

// zones is what controllers announced lately: soft state, complete a second after the start.
type zones struct {
	mu    sync.Mutex
	heard map[string]heard       // by controller id; guarded by mu
	minds map[string]*steer.Mind // by zone id; the same placements as the zone's own controllers; guarded by mu
}

type heard struct {
	said proto.ControllerAnnounce
	at   time.Time
}

func newZones() *zones {
	return &zones{heard: map[string]heard{}, minds: map[string]*steer.Mind{}}
}

// hear takes an announcement in.
func (z *zones) hear(now time.Time, a proto.ControllerAnnounce) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.heard[a.ID] = heard{a, now}
	mind := z.minds[a.Zone]
	if mind == nil {
		mind = steer.New(steer.Config{})
		z.minds[a.Zone] = mind
	}
	for _, r := range a.Routers {
		mind.Handle(now, steer.Announce{Router: r})
	}
	drain(mind)
}

// sweepLocked forgets controllers that fell silent and lets their zones' minds look at the clock.
func (z *zones) sweepLocked(now time.Time) {
	live := map[string]bool{}
	for id, h := range z.heard {
		if now.Sub(h.at) > freshFor {
			delete(z.heard, id)
			continue
		}
		live[h.said.Zone] = true
	}
	for zone, mind := range z.minds {
		if !live[zone] {
			delete(z.minds, zone)
			continue
		}
		mind.Handle(now, steer.Tick{})
		drain(mind)
	}
}

// fresh lists the announcements that still count.
func (z *zones) fresh(now time.Time) []proto.ControllerAnnounce {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.sweepLocked(now)
	out := make([]proto.ControllerAnnounce, 0, len(z.heard))
	for _, h := range z.heard {
		out = append(out, h.said)
	}
	return out
}

// urls lists the base URLs of the controllers and routers announced just now.
func (z *zones) urls(now time.Time) []string {
	var out []string
	for _, c := range z.fresh(now) {
		out = append(out, c.URL)
		for _, r := range c.Routers {
			out = append(out, r.URL)
		}
	}
	return out
}

// origins lists the origins of base URLs, each for HTTP and for WebSockets. Relative ones are of the site's own
// origin and need no mention.
func origins(bases []string) []string {
	var out []string
	for _, base := range bases {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || !plainHost(u.Host) {
			continue
		}
		for _, scheme := range map[string][]string{"https": {"https://", "wss://"}, "http": {"http://", "ws://"}}[u.Scheme] {
			if o := scheme + u.Host; !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	slices.Sort(out)
	return out
}

// place chooses the router of a zone for a meeting, as the zone's controllers would.
func (z *zones) place(now time.Time, zone string, id proto.MeetingID) (proto.RouterAnnounce, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	mind := z.minds[zone]
	if mind == nil {
		return proto.RouterAnnounce{}, proto.NewError(proto.CodeNoRouter, "No router of this zone is alive.")
	}
	p, err := mind.Place(now, steer.Query{Meeting: id})
	drain(mind)
	return p.Router, err
}

// router finds a living router by zone and id.
func (z *zones) router(now time.Time, zone, id string) (proto.RouterAnnounce, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.sweepLocked(now)
	mind := z.minds[zone]
	if mind == nil {
		return proto.RouterAnnounce{}, false
	}
	return mind.Router(id)
}

// home is the router that announces a meeting as its own, with its zone and epoch: the highest epoch
// of all zones, then the lower router id.
func (z *zones) home(now time.Time, id proto.MeetingID) (best proto.RouterAnnounce, epoch uint32, ok bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.sweepLocked(now)
	for _, mind := range z.minds {
		r, e, found := mind.Home(id)
		if found && (!ok || e > epoch || (e == epoch && r.ID < best.ID)) {
			best, epoch, ok = r, e, true
		}
	}
	return best, epoch, ok
}

// drain throws a mind's actions away: the web infrastructure only asks it for placements.
func drain(m *steer.Mind) {
	for {
		if _, ok := m.Next(); !ok {
			return
		}
	}
}

// rank lists the zones for a client, best first. A zone the operator assigned to the client's address
// range comes first whatever its distance.
func rank(req lookup.Request, said []proto.ControllerAnnounce, own string) []lookup.Ranked {
	known := lookup.FromAnnounces(said)
	for _, z := range known {
		if z.ID == own && z.At != nil && req.Loc == nil {
			req.Loc = z.At
		}
	}
	out := lookup.Rank(req, known)
	for i, r := range out {
		if r.ID == own {
			copy(out[1:i+1], out[:i])
			out[0] = r
			break
		}
	}
	return out
}
