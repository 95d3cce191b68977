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
	fit     *fit       // how many fit is sought; then members and count are its
	due     float64    // packets/s that have to arrive, all in all, for a run to have served everybody; 0: not asked
	viewers int        // receivers made of pion/webrtc besides the members, who alone are measured
	plain   bool       // without UDP_GRO only
	fresh   bool       // a set-up for each run: joining is what is measured, or one window all that viewers can do
	like    string     // scenario whose packets in a send are this one's too
	peer    string     // best figure of another server, rel (performance notes of 20 November 2026)
	target  [2]float64 // rel, without and with GRO; 0: none
}

func camera(n int) load.Member { return load.Member{Count: n, Video: load.OneLayer()} }

func viewing(n int) load.Member { return load.Member{Count: n} }

// watching is who sees one 720p camera, all but two frames of a window of a second: whoever hears nothing any more misses
// nothing by the sequence numbers.
func watching(n int) load.Member {
	return load.Member{Count: n, Due: load.Due{Streams: 1, PerSecond: 0.95 * camera720}}
}

// speaker is who holds a webinar.
func speaker() load.Member { return load.Member{Count: 1, Audio: true, Video: load.OneLayer()} }

// scenarios are what `make bench` measures.
func scenarios() []scenario {
	return []scenario{
		{name: "video 1→100", quick: true, members: []load.Member{camera(1), watching(100)}, peer: "1.96", target: [2]float64{0.45, 0.25}},
		{name: "video 1→400", members: []load.Member{camera(1), watching(400)}, peer: "1.80"},
		{name: "video 1→1000", members: []load.Member{camera(1), watching(1000)}},
		{name: "video 1→10", members: []load.Member{camera(1), watching(10)}},
		{name: "audio 10→50, all heard", quick: true, loudest: 10, members: []load.Member{{Count: 10, Audio: true}, viewing(50)}, peer: "1.41", target: [2]float64{0.75, 0.75}},
		{name: "audio 10→1000, loudest", members: []load.Member{{Count: 10, Audio: true}, viewing(1000)}},
		{name: "meeting 15×15", quick: true, loudest: 15, members: []load.Member{{Count: 15, Audio: true, Video: load.OneLayer()}}, peer: "1.33", target: [2]float64{0.55, 0.40}},
		{name: "meetings of ten ×20", count: 20, members: ofTen()},
		{name: "simulcast 1→150", members: []load.Member{{Count: 1, Video: load.ThreeLayers()}, {Count: 150, Layout: load.ByThirds}}, peer: "1.63"},
		{name: "video 1→400, 10 % NACK", members: []load.Member{camera(1), watching(400)}, feed: func(c *load.Config) { c.Nack = 0.1 }},
		{name: "video 1→100, 10 are liars", members: []load.Member{camera(1), watching(100)}, feed: func(c *load.Config) { c.Liars = 10 }},
		{name: "video 1→100, a port moves", members: []load.Member{camera(1), watching(100)}, feed: func(c *load.Config) { c.Movers = 1 }},
		{name: "video 1→100, 20 Mbit/s uplink", members: []load.Member{camera(1), watching(100)}, feed: func(c *load.Config) { c.Uplink = 20 }},
		{name: "video 1→100 of pion/webrtc", members: []load.Member{camera(1)}, viewers: 100, plain: true, fresh: true, like: "video 1→100"},
		{name: "churn 20/s of 1000", members: []load.Member{camera(1), viewing(1000)}, feed: func(c *load.Config) { c.Churn = 20 }},
		{name: "join storm 500 in 5 s", members: []load.Member{speaker(), viewing(500)}, feed: func(c *load.Config) { c.JoinIn = 5 * time.Second; c.Parallel = 64 }, fresh: true},
		{name: "join one by one, 1→50", members: []load.Member{speaker(), viewing(50)}, plain: true, fresh: true, feed: func(c *load.Config) { c.Parallel = 1 }},
		{name: "meetings of ten, as many as fit", fit: &fit{from: 58, people: 10, due: 10*tiles + 27*voice, members: func(n int) (int, []load.Member) { return n, ofTen() }}},
		{name: "webinar, as many as fit", fit: &fit{from: 2800, people: 1, due: camera720 + voice, members: func(n int) (int, []load.Member) {
			return 1, []load.Member{speaker(), {Count: n, Due: load.Due{Streams: 2, PerSecond: camera720 + voice}}}
		}}},
	}
}

// Packets a second of what the load publishes.
const (
	voice     = 50
	camera720 = 180
	thumbnail = 30
	tiles     = camera720 + 8*thumbnail // of ofTen
)

// ofTen is a meeting in which everybody sees one other large and eight small, and hears the loudest three: who
// is among them hears two.
func ofTen() []load.Member {
	return []load.Member{{
		Count: 10, Audio: true, Video: load.TileLayers(), Layout: load.OneLarge,
		Due: load.Due{Streams: 9 + 2, PerSecond: tiles + 2*voice},
	}}
}

// receivers is with which kinds of receivers, of those asked for, it is run.
func (s scenario) receivers(merges []bool) []bool {
	return slices.DeleteFunc(slices.Clone(merges), func(merge bool) bool { return merge && s.plain })
}

// choose keeps the scenarios that were asked for: by a whole name, which then means nothing else, or by
// parts of names, separated by commas.
func choose(all []scenario, filter string, quick bool) []scenario {
	if filter == "" && !quick {
		return all
	}
	named := func(name string) bool {
		return slices.ContainsFunc(all, func(s scenario) bool { return s.name == name })
	}
	wanted := strings.Split(filter, ",")
	if named(filter) {
		wanted = []string{filter}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool {
		if filter == "" {
			return !s.quick
		}
		return !slices.ContainsFunc(wanted, func(f string) bool {
			f = strings.TrimSpace(f)
			return s.name == f || !named(f) && strings.Contains(s.name, f)
		})
	})
}
