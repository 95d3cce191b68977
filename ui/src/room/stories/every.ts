// One of each sentence that the connection panel can say, so that none is forgotten where they are looked at and tested.
import type { Fact } from "../../join/explain.ts";
import { Rung } from "../../proto/messages.gen.ts";

/** By its key. A new one that is not here does not compile. */
const every: { readonly [K in Fact["key"]]: Extract<Fact, { key: K }>["values"] } = {
	best_zone: { zone: "Paris", ms: 18 },
	no_controller: {},
	home_zone: { zone: "Tokyo" },
	other_zone: { best: "Paris", zone: "Tokyo" },
	zones_silent: { n: 2, zones: "London, Frankfurt" },
	zones_deaf: { n: 1, zones: "Amsterdam" },
	zones_shut: { n: 1, zones: "Oslo" },
	zone_nearer: { zone: "Lyon", ms: 7 },
	proxy: { proxy: "proxy.example.org:3128" },
	proxy_unused: { why: "The proxy script could not be used: its server answers 404" },
	inspected: { issuer: "Example Works Web Gateway CA" },
	long_hello: {},
	tunnel: { url: "https://tunnel-1.meetings.example.org" },
	tunnel_left: {},
	network_moved: {},
	resumed: {},
	udp_blocked: { probes: 8, transports: 3 },
	udp_waiting: {},
	udp_stopped: {},
	udp_lossy: {},
	udp_other_port: { silent: "8801", port: 3478 },
	udp_opened: {},
	udp_back: {},
	udp_better: {},
	udp_partly: {},
	tcp_blocked: {},
	nothing_direct: {},
	stun_only: {},
	checks_only: {},
	small_datagrams: {},
	ipv6_silent: {},
	path: { group: "audio", rung: Rung.UDP8801, port: 3478 },
	path_short: { group: "video", rung: Rung.TCP8801, port: 8801 },
	tunnelled: { group: "content", rung: Rung.TLS443, port: 0 },
	connecting: { group: "content" },
	no_path: { group: "video" },
};

/** All of them, in the order of the report. */
export const sentences = Object.entries(every).map(([key, values]) => ({ key, values }) as Fact);
