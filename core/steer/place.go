package steer

import (
	"math"
	"time"

	"parley/wire/proto"
)

// Place chooses the router for a Query: the meeting's home; else the one offered for this meeting a
// moment ago, so that the first people of a meeting who race each other meet; else the rendezvous
// hash. The error is a *proto.Error with CodeRouterFull (there is a router, but no room) or
// CodeNoRouter.
func (m *Mind) Place(now time.Time, q Query) (Placement, error) {
	m.expire(now)
	people := max(1, q.People)
	if home, epoch, ok := m.living(q); ok {
		if !home.room(people) {
			return Placement{}, proto.NewError(proto.CodeRouterFull, "The server of this meeting takes no more people at the moment.")
		}
		home.fresh += people
		return Placement{Router: home.said, Why: ReasonHome, Epoch: epoch}, nil
	}
	if o, ok := m.offers[q.Meeting]; ok && o.router != q.Lost {
		if r := m.routers[o.router]; r != nil && m.takes(r, people, false) {
			return m.offer(now, q.Meeting, r, people, ReasonSticky), nil
		}
	}
	r := m.hash(q, people)
	if r == nil {
		return Placement{}, m.refusal(q)
	}
	return m.offer(now, q.Meeting, r, people, ReasonHash), nil
}

// living finds the meeting's home in this zone. What the routers say goes before what the claim says:
// after a take-over the claim may be older. A claimed home that does not announce the meeting yet is
// the home all the same.
func (m *Mind) living(q Query) (*router, uint32, bool) {
	if said, epoch, ok := m.Home(q.Meeting); ok {
		return m.routers[said.ID], epoch, true
	}
	if r, ok := m.routers[q.Home]; ok {
		return r, 0, true
	}
	return nil, 0, false
}

func (m *Mind) offer(now time.Time, meeting proto.MeetingID, r *router, people int, why Reason) Placement {
	r.fresh += people
	until := now.Add(m.cfg.StickFor)
	m.offers[meeting] = offer{router: r.said.ID, until: until}
	if m.lapseAt.IsZero() || until.Before(m.lapseAt) {
		m.lapseAt = until
	}
	return Placement{Router: r.said, Why: why}
}

// hash is weighted rendezvous hashing: each router draws a number from (meeting, router), stretched by
// its weight, and the highest wins. A router that comes or goes moves only the meetings it wins or
// had. Weights are coarse so that two controllers which heard the last announcement a moment apart
// still agree nearly always.
func (m *Mind) hash(q Query, people int) *router {
	var best *router
	bestScore := math.Inf(-1)
	for id, r := range m.routers {
		if id == q.Lost || !m.takes(r, people, true) {
			continue
		}
		score := -r.weight() / math.Log(draw(string(q.Meeting), id))
		if score > bestScore || score == bestScore && id < best.said.ID {
			best, bestScore = r, score
		}
	}
	return best
}

func (m *Mind) refusal(q Query) error {
	for id, r := range m.routers {
		if id != q.Lost && !r.said.Draining {
			return proto.NewError(proto.CodeRouterFull, "All servers of this zone are full at the moment.")
		}
	}
	return proto.NewError(proto.CodeNoRouter, "No server of this zone can host the meeting at the moment.")
}

// takes reports whether a router may get a meeting it does not host. fresh: nobody was offered it for
// this meeting before, so the load limit counts too.
func (m *Mind) takes(r *router, people int, fresh bool) bool {
	if r.said.Draining || !r.room(people) {
		return false
	}
	if !fresh {
		return true
	}
	return r.said.Load < m.cfg.FullAt && (r.said.MaxMeetings == 0 || len(r.meetings) < r.said.MaxMeetings)
}

// room reports whether so many more people fit. A router that names no limit has none.
func (r *router) room(people int) bool {
	return r.said.MaxPeople == 0 || r.said.People+r.fresh+r.earlier+people <= r.said.MaxPeople
}

// load is the greater of what the router says and how many seats are taken.
func (r *router) load() float64 {
	load := min(1, max(0, r.said.Load))
	if r.said.MaxPeople > 0 {
		load = max(load, min(1, float64(r.said.People)/float64(r.said.MaxPeople)))
	}
	return load
}

// weight is the room a router has: capacity times idleness in eighths, never zero.
func (r *router) weight() float64 {
	capacity := float64(r.said.MaxPeople)
	if capacity == 0 {
		capacity = 200 // what S20 asks of any router
	}
	return capacity * max(1, math.Ceil((1-r.load())*8)) / 8
}

// draw maps (meeting, router) to a number in (0, 1): FNV-1a over both with a separator, then a mixer,
// since FNV alone leaves the high bits of short inputs poorly spread.
func draw(meeting, router string) float64 {
	h := uint64(14695981039346656037)
	for _, s := range [2]string{meeting, router} {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return (float64(h>>11) + 0.5) / (1 << 53)
}
