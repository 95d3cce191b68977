package main

import (
	"slices"
	"strings"
	"time"

	"parley/bench/load"
)

// scenario is one line of the table.
type scenario struct {
	name    string
	quick   bool // part of the quick mode, and compared with other servers: a socket for each transport, as there
	count   int  // meetings
	members []load.Member
	loudest int // speakers the server forwards; 0: its default
	spread  bool
	feed    func(*load.Config)
	peer    string     // best figure of another server, rel (performance notes of 20 November 2026)
	target  [2]float64 // rel, without and with GRO; 0: none
}

func camera(n int) load.Member { return load.Member{Count: n, Video: load.OneLayer()} }

func viewers(n int) load.Member { return load.Member{Count: n} }

// scenarios are what `make bench` measures.
func scenarios() []scenario {
	list := []scenario{
		{name: "video 1→100", quick: true, members: []load.Member{camera(1), viewers(100)}, peer: "1.96", target: [2]float64{0.45, 0.25}},
		{name: "video 1→400", members: []load.Member{camera(1), viewers(400)}, peer: "1.80"},
		{name: "video 1→1000", members: []load.Member{camera(1), viewers(1000)}},
		{name: "audio 10→50, all heard", quick: true, loudest: 10, members: []load.Member{{Count: 10, Audio: true}, viewers(50)}, peer: "1.41", target: [2]float64{0.75, 0.75}},
		{name: "audio 10→1000, loudest", members: []load.Member{{Count: 10, Audio: true}, viewers(1000)}},
		{name: "meeting 15×15", quick: true, loudest: 15, members: []load.Member{{Count: 15, Audio: true, Video: load.OneLayer()}}, peer: "1.33", target: [2]float64{0.55, 0.40}},
		{name: "simulcast 1→150", members: []load.Member{{Count: 1, Video: load.ThreeLayers()}, {Count: 150, Layout: load.ByThirds}}, peer: "1.63"},
		{name: "video 1→400, 10 % NACK", members: []load.Member{camera(1), viewers(400)}, feed: func(c *load.Config) { c.Nack = 0.1 }},
		{name: "churn 20/s of 1000", members: []load.Member{camera(1), viewers(1000)}, feed: func(c *load.Config) { c.Churn = 20 }},
		{name: "join storm 500 in 5 s", members: []load.Member{{Count: 1, Audio: true, Video: load.OneLayer()}, viewers(500)}, feed: func(c *load.Config) { c.JoinIn = 5 * time.Second; c.Parallel = 64 }},
		{name: "join one by one, 1→50", members: []load.Member{{Count: 1, Audio: true, Video: load.OneLayer()}, viewers(50)}, feed: func(c *load.Config) { c.Parallel = 1 }},
		{name: "video 1→100, 20 Mbit/s uplink", members: []load.Member{camera(1), viewers(100)}, feed: func(c *load.Config) { c.Uplink = 20 }},
	}
	for _, n := range []int{5, 20, 40, 60, 80, 100} {
		list = append(list, scenario{
			name: "meetings of ten ×" + itoa(n), count: n,
			members: []load.Member{{Count: 10, Audio: true, Video: load.TileLayers(), Layout: load.OneLarge}},
		})
	}
	for _, n := range []int{1500, 2000, 2500} {
		list = append(list, scenario{
			name:    "webinar 1→" + itoa(n),
			members: []load.Member{{Count: 1, Audio: true, Video: load.OneLayer()}, viewers(n)},
		})
	}
	return list
}

// choose keeps the scenarios that were asked for.
func choose(all []scenario, filter string, quick bool) []scenario {
	if filter == "" && !quick {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool {
		if filter != "" {
			return !slices.ContainsFunc(strings.Split(filter, ","), func(f string) bool {
				f = strings.TrimSpace(f)
				return s.name == f || !exact(all, f) && strings.Contains(s.name, f)
			})
		}
		return !s.quick
	})
}

// exact reports whether a filter is a whole name, which then means nothing else.
func exact(all []scenario, f string) bool {
	return slices.ContainsFunc(all, func(s scenario) bool { return s.name == f })
}
