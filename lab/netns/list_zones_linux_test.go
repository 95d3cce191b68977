package netns

import (
	"net/netip"
	"time"

	"parley/client"
	"parley/lab/netns/wire"
)

// zones: servers out of reach, full or dying, and the tunnels around them.
func zones() []scenario {
	return []scenario{
		{
			number: "24", fast: true, cause: client.CauseTunnelOnly, browsers: []string{"chromium", "firefox"}, pageSays: []string{"(?i)tunnel"}, name: "no zone reachable, tunnels are", audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack, friend: true,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			says:    []string{"(?i)tunnel", "Without the tunnel nothing answers"}, never: []string{"blocked"},
		},
		{
			number: "24c", cause: client.CauseTunnelOnly, browsers: []string{"chromium"}, says: []string{"It began through a tunnel"}, pageSays: []string{"It began through a tunnel"}, name: "the same, and then zones are in reach", audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack, friend: true,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			after: func(r *run) {
				r.markedDown(tlsRung)
				r.pause(7 * time.Second)
				r.heard.Forget()
				r.forward()
				r.turn.rest()
				opened := time.Now()
				direct := func(f Flow) bool {
					return f.Dir == wire.Up && f.Proto == wire.UDP && f.Kind == soundKind
				}
				for len(r.access.Flows(direct)) == 0 {
					if time.Since(opened) > 60*time.Second {
						r.Error("sound still goes through the tunnel")
						return
					}
					r.pause(100 * ms)
				}
				r.note("sound leaves the tunnel after %.1f s", time.Since(opened).Seconds())
				r.pause(2 * time.Second)
				r.moved()
			},
		},
		{
			number: "24b", noPage: "it comes from the site, which is out of reach", cause: client.CauseTunnelOnly, name: "neither site nor zones, tunnels known from before", audio: only(udpRung), video: only(udpRung), within: 3 * time.Second,
			prepare: func(r *run) {
				r.visit()
				r.forward("ip daddr " + r.servers("site", "ctl", "mmr") + " drop")
			},
			says: []string{"(?i)tunnel"},
		},
		{
			number: "x2", browsers: []string{"chromium"}, page: frozenLate, name: "the zone dies in the middle of joining", alone: true, world: InternetConfig{Tunnels: -1}, audio: only(udpRung), video: only(udpRung), within: 1300 * ms,
			says: []string{"The best meeting zone is B,", "A does not answer", "Audio runs over UDP 8801"},
			prepare: func(r *run) {
				// Zone b is far, so a is chosen; it freezes when the lookup has been answered, or a page's Join clicked.
				far(r.access, "b", 40*ms)
				phase := "lookup"
				if r.browser != "" {
					phase = "click"
				}
				r.onPhase(phase, func() {
					r.in.Server("ctl-a").Freeze()
					r.in.Server("mmr-a").Freeze()
				})
			},
		},
		{
			number: "x3", cause: client.CauseZone, doctor: []string{`Zone c does not answer over HTTPS to ctl-c`, `(?m)TCP 443 to ctl-c[^,]*$`}, browsers: []string{"chromium"}, name: "one of five zones is a black hole", alone: true, world: InternetConfig{Tunnels: -1, Small: []string{"c", "d", "e"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			says: []string{"The best meeting zone is", "Zone c does not answer", "Audio runs over UDP 8801"}, never: []string{"blocked"},
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl-c") + " drop") },
		},
		{
			number: "x4", cause: client.CauseZone, browsers: []string{"chromium"}, doctor: []string{`A does not answer over HTTPS to ctl-a\S* and UDP 8801`, `Zone c does not answer over HTTPS to ctl-c`, `Zone e does not answer over HTTPS to ctl-e`, `TCP 443 to ctl-a`, `UDP 8801 to `}, name: "four of five zones are black holes", alone: true, world: InternetConfig{Tunnels: -1, Small: []string{"c", "d", "e"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			says: []string{"The best meeting zone is B,", "A, c, d, e do not answer", "Audio runs over UDP 8801"}, never: []string{"blocked"},
			prepare: func(r *run) {
				r.forward("ip daddr " + r.servers("ctl-a", "mmr-a", "ctl-c", "ctl-d", "ctl-e") + " drop")
			},
		},
		{
			number: "x5", browsers: []string{"chromium"}, name: "the router is full", alone: true, world: InternetConfig{Tunnels: -1, Router: map[string]string{"a": ", max_people: 1"}}, audio: only(udpRung), video: only(udpRung), within: 7*rtt + slack,
			says: []string{"The best meeting zone is B,", "A is nearer", "Audio runs over UDP 8801"}, pageSays: []string{"A is nearer"},
			prepare: func(r *run) {
				far(r.access, "b", 40*ms)
				other, err := r.in.NewMeeting("The only one there")
				r.must(err)
				m, a := r.goodMachine()
				far(a, "b", 100*ms)
				first, err := r.in.JoinNative(m.Namespace, other, NativeConfig{Name: "First"})
				r.must(err)
				joined, err := first.WaitJoined(10 * time.Second)
				r.must(err)
				if joined.Router != "mmr-a" {
					r.Fatalf("the first is on %s", joined.Router)
				}
			},
		},
		{
			number: "x6", browsers: []string{"chromium"}, name: "the router is behind 1:1 NAT", alone: true, world: InternetConfig{Tunnels: -1, Zones: []string{"a"}, Mapped: []string{"a"}}, audio: only(udpRung), video: only(udpRung), within: 6*rtt + slack,
			says: []string{"Audio runs over UDP 8801", "Video runs over UDP 8801"},
		},
		{
			number: "x7", cause: client.CauseTunnelOnly, browsers: []string{"chromium"}, pageSays: []string{"(?i)tunnel"}, name: "no zone reachable, the nearer tunnel accepts and never answers", alone: true, world: InternetConfig{Silent: true}, audio: only(udpRung), video: only(udpRung), within: 1500*ms + slack,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("ctl", "mmr") + " drop") },
			says:    []string{"(?i)tunnel"},
		},
	}
}

// frozenLate: a page has its connections to a server up before Join is clicked, and has to find out that they are dead.
func frozenLate(s *scenario) { s.within = 9 * time.Second }

// far puts a zone's servers at a distance from an access, one way; the others are where they are by default.
func far(a *Access, zone string, delay time.Duration) {
	var classes []wire.Class
	for _, name := range []string{"ctl-" + zone, "mmr-" + zone} {
		c := wire.Both(wire.Link{Delay: delay})
		c.Net = netip.PrefixFrom(a.in.Server(name).Addr, 32)
		classes = append(classes, c)
	}
	a.Wire.Set(append(classes, wire.Both(wire.Link{Delay: rtt / 2}))...)
}
