package netns

import "parley/client"

// unreached: the routers that controllers name are out of reach, the controllers are not. How long a router may be silent
// before another way is taken is the greater part of the bounds.
func unreached() []scenario {
	const silent = 5200 * ms
	return []scenario{
		{
			number: "24d", cause: client.CauseTunnelOnly, name: "no router reachable, controllers and tunnels are", audio: only(udpRung), video: only(udpRung), within: silent + 1500*ms + slack, friend: true,
			prepare: func(r *run) { r.forward("ip daddr " + r.servers("mmr") + " drop") },
			says:    []string{"(?i)tunnel", "The meeting servers of .* can't be reached directly"}, never: []string{"nothing answers", "blocked"},
		},
		{
			number: "24e", cause: client.CauseNoPath, browsers: []string{"chromium"}, name: "the nearest zone's router is out of reach, its controller is not", alone: true, world: InternetConfig{Tunnels: -1}, audio: only(udpRung), video: only(udpRung), within: silent + 8*2*100*ms + slack,
			says:     []string{"The best meeting zone is .*A,", "The meeting servers of zone .*A can't be reached directly", "Audio runs over UDP 8801"},
			pageSays: []string{"The meeting servers of zone .*A can.t be reached directly"}, never: []string{"blocked"},
			prepare: func(r *run) {
				far(r.access, "b", 100*ms) // further than what a zone without UDP is put back by
				r.forward("ip daddr " + r.servers("mmr-a") + " drop")
			},
		},
	}
}
