// The record of a join in words: what was tried, and sentences a person can act on.
import { groupName, groups } from "../proto/ids.ts";
import { Rung } from "../proto/messages.gen.ts";
import { rounded } from "./clock.ts";
import { keepBy } from "./decide.ts";
import { soundOnUDP } from "./long.ts";
import type { RungTry } from "./media.ts";
import type { Attempt, Mind, State, StepName } from "./mind.ts";
import { leftTunnel, udpFacts } from "./udp.ts";
import { say, words } from "./words.ts";
import { isDeaf, leastRTT, nAnswered, nameOf, udpOpenSomewhere, type Zone, zoneRTT } from "./zones.ts";

/** An attempt in English. */
export type Line = Omit<Attempt, "what" | "why"> & { what: string; why?: string };

/** Explains a join. */
export interface Report {
	state: State;
	summary: string[];
	/** Where the time of the first join went. */
	steps: Step[];
	attempts: Line[];
}

/** One part of the first join. Control and media run beside each other. */
export interface Step {
	phase: StepName;
	/** Since start. */
	end_ms: number;
	took_ms: number;
	/** About so many round trips of its path, where that is known. */
	trips?: number;
}

export function report(m: Mind): Report {
	return {
		state: m.state,
		summary: summary(m),
		steps: steps(m),
		attempts: m.record.map(({ why, ...a }) => ({ ...a, what: words(a.what), ...(why && { why: words(why) }) })),
	};
}

/** The parts of the first join, with what is known of round trips by now. */
export function steps(m: Mind): Step[] {
	const zone = m.grant && findZone(m, m.grant.zone);
	const router = zone ? leastRTT(zone) : 0;
	return m.steps.map(({ phase, end_ms, took_ms, rtt }) => {
		const path = rtt > 0 ? rtt : router;
		const trips = path > 0 ? Math.round((took_ms / path) * 10) / 10 : 0;
		return { phase, end_ms, took_ms, ...(trips > 0 && { trips }) };
	});
}

/** One sentence of the summary: the key chooses the words, the values go into them. */
export type Fact =
	| { key: "best_zone"; values: { zone: string; ms: number } }
	| { key: "no_controller"; values: Nothing }
	| { key: "home_zone"; values: { zone: string } }
	| { key: "other_zone"; values: { best: string; zone: string } }
	| { key: "zones_silent"; values: Zones }
	| { key: "zones_deaf"; values: Zones }
	| { key: "zones_shut"; values: Zones }
	| { key: "zone_nearer"; values: { zone: string; ms: number } }
	| { key: "proxy"; values: { proxy: string } }
	| { key: "proxy_unused"; values: { why: string } }
	| { key: "inspected"; values: { issuer: string } }
	| { key: "long_hello"; values: Nothing }
	| { key: "tunnel"; values: { url: string } }
	| { key: "tunnel_left"; values: Nothing }
	| { key: "network_moved"; values: Nothing }
	| { key: "resumed"; values: Nothing }
	| { key: "udp_blocked"; values: { probes: number; transports: number } }
	| { key: "udp_stopped"; values: Nothing }
	| { key: "udp_lossy"; values: Nothing }
	| { key: "udp_waiting"; values: Nothing }
	| { key: "udp_other_port"; values: { silent: string; port: number } }
	| { key: "udp_opened"; values: Nothing }
	| { key: "udp_back"; values: Nothing }
	| { key: "udp_better"; values: Nothing }
	| { key: "udp_partly"; values: Nothing }
	| { key: "tcp_blocked"; values: Nothing }
	| { key: "nothing_direct"; values: Nothing }
	| { key: "stun_only"; values: Nothing }
	| { key: "checks_only"; values: Nothing }
	| { key: "small_datagrams"; values: Nothing }
	| { key: "ipv6_silent"; values: Nothing }
	| { key: "path"; values: Carried }
	| { key: "path_short"; values: Carried }
	| { key: "tunnelled"; values: Carried }
	| { key: "connecting"; values: { group: GroupName } }
	| { key: "no_path"; values: { group: GroupName } };

type Nothing = Record<string, never>;

/** Zones by name, and how many. */
type Zones = { n: number; zones: string };

/** A medium, its rung and the router's port that packets go to (0: not known). */
type Carried = { group: GroupName; rung: Rung; port: number };

type GroupName = ReturnType<typeof groupName>;

function summary(m: Mind): string[] {
	const why = m.state === "over" ? (m.failure?.text ?? "") : "";
	const sentences = facts(m).map(sentence);
	return why === "" ? sentences : [why, ...sentences];
}

/** What a person can act on. */
export function facts(m: Mind): Fact[] {
	const out: Fact[] = [];
	const { chosen, list, open, via } = m.zones;
	const best = findZone(m, chosen);
	if (best !== undefined) {
		out.push({ key: "best_zone", values: { zone: nameOf(best), ms: leastRTT(best) } });
	} else if (m.lookup.answeredAt !== undefined && !open && nAnswered(m) === 0 && list.length > 0) {
		out.push({ key: "no_controller", values: {} });
	}
	out.push(...zoneFacts(m, best));
	const shut = m.zones.list.filter(z => z.shut).map(nameOf);
	if (shut.length > 0) {
		out.push({ key: "zones_shut", values: { n: shut.length, zones: shut.join(", ") } });
	}
	if (m.lookup.proxy !== "") {
		out.push({ key: "proxy", values: { proxy: m.lookup.proxy } });
	}
	if (m.lookup.unused !== "") {
		out.push({ key: "proxy_unused", values: { why: m.lookup.unused } });
	}
	if (m.lookup.inspected !== "") {
		out.push({ key: "inspected", values: { issuer: m.lookup.inspected } });
	}
	if (m.lookup.classical) {
		out.push({ key: "long_hello", values: {} });
	}
	if (via !== "") {
		out.push({ key: "tunnel", values: { url: via } });
	} else if (leftTunnel(m)) {
		out.push({ key: "tunnel_left", values: {} });
	}
	if (m.moved) {
		out.push({ key: "network_moved", values: {} });
	} else if (resumed(m)) {
		out.push({ key: "resumed", values: {} });
	}
	return [...out, ...udpFacts(m), ...pathFacts(m)];
}

/** Why the meeting is not where one might expect it. */
function zoneFacts(m: Mind, best: Zone | undefined): Fact[] {
	if (best === undefined) {
		return [];
	}
	const out: Fact[] = [];
	if (m.grant !== undefined && m.grant.zone !== best.offer.id) {
		const used = findZone(m, m.grant.zone);
		const zone = used ? nameOf(used) : m.grant.zone;
		out.push(
			meetsThere(m)
				? { key: "home_zone", values: { zone } }
				: { key: "other_zone", values: { best: nameOf(best), zone } },
		);
	}
	if (m.zones.via !== "") {
		return out; // what can't be reached directly says nothing of the zones
	}
	const gone = m.zones.list.filter(z => z.gone).map(nameOf);
	const deaf = m.zones.list.filter(z => zoneRTT(z) >= 0 && isDeaf(z) && !z.shut).map(nameOf);
	if (gone.length > 0) {
		out.push({ key: "zones_silent", values: { n: gone.length, zones: gone.join(", ") } });
	}
	if (deaf.length > 0 && udpOpenSomewhere(m)) {
		out.push({ key: "zones_deaf", values: { n: deaf.length, zones: deaf.join(", ") } });
	}
	let near = best;
	for (const z of m.zones.list) {
		const rtt = leastRTT(z);
		if (
			rtt >= 0 &&
			!isDeaf(z) &&
			rtt < leastRTT(near) - keepBy &&
			z.offer.bias - best.offer.bias >= leastRTT(best) - rtt
		) {
			near = z;
		}
	}
	if (near !== best && m.grant?.zone !== near.offer.id) {
		out.push({ key: "zone_nearer", values: { zone: nameOf(near), ms: leastRTT(near) } });
	}
	return out;
}

/** Whether the meeting had its home already. */
function meetsThere(m: Mind): boolean {
	return m.record.some(a => a.why?.code === "runs_there" || a.why?.code === "lives_here" || a.why?.code === "lives_on");
}

/** Whether the control channel was lost in the meeting and has come again. */
function resumed(m: Mind): boolean {
	let entered = false;
	let lost = false;
	for (const a of m.record.filter(r => r.phase === "control")) {
		if (a.outcome === "won") {
			if (lost) {
				return true;
			}
			entered = true;
		} else if (a.outcome === "lost") {
			lost = entered;
		}
	}
	return false;
}

function pathFacts(m: Mind): Fact[] {
	const out: Fact[] = [];
	for (const g of groups) {
		const l = m.lanes[g];
		const group = groupName(g);
		if (l.inUse !== undefined) {
			const { rung, port } = l.inUse;
			out.push({ key: pathKey(m, l.inUse), values: { group, rung, port } });
		} else if (l.wanted && (m.state === "in" || m.state === "over")) {
			const first = m.state === "in" && l.round === 0 && l.tries.some(t => !t.done);
			out.push({ key: first ? "connecting" : "no_path", values: { group } });
		}
	}
	return out;
}

function pathKey(m: Mind, { rung, via }: RungTry): "path" | "path_short" | "tunnelled" {
	if (via !== "") {
		return "tunnelled";
	}
	return m.short && rung !== Rung.UDP8801 && soundOnUDP(m) ? "path_short" : "path";
}

/** The words of the report that is the same in Go. A page that speaks other languages has its own. */
function sentence({ key, values: v }: Fact): string {
	switch (key) {
		case "best_zone":
			return `The best meeting zone is ${v.zone}, ${rounded(v.ms)} ms away.`;
		case "no_controller":
			return "No zone controller answered over HTTPS.";
		case "home_zone":
			return `The meeting runs in zone ${v.zone}, so everybody meets there.`;
		case "other_zone":
			return `Zone ${v.best} could not take this call, so it runs in zone ${v.zone}.`;
		case "zones_silent":
			return `${zonesDo(v, "not answer")}.`;
		case "zones_deaf":
			return `${zonesDo(v, "not answer over UDP")}, but over HTTPS.`;
		case "zones_shut":
			return `The meeting servers of ${v.n === 1 ? "zone" : "zones"} ${v.zones} can't be reached directly.`;
		case "zone_nearer":
			return `Zone ${v.zone} is nearer, ${rounded(v.ms)} ms away, but the site prefers others: it is busy, or meant for other people.`;
		case "proxy":
			return `Servers are reached through the proxy ${v.proxy}.`;
		case "proxy_unused":
			return `${v.why}; servers are reached directly.`;
		case "inspected":
			return `TLS is opened and inspected on the way by ‘${v.issuer}’; sound and pictures stay encrypted up to the server.`;
		case "long_hello":
			return "A firewall on the way drops TLS handshakes with post-quantum keys, which are long; older keys are used.";
		case "tunnel":
			return `Servers are reached through the tunnel ${v.url}.`;
		case "tunnel_left":
			return "It began through a tunnel; servers answer directly by now, and it is not used any more.";
		case "network_moved":
			return "The network changed in the meeting; sound and pictures moved along.";
		case "resumed":
			return "The connection was lost in the meeting, and came back.";
		case "udp_blocked":
			return `UDP 8801 seems to be blocked: none of ${asked(v.probes, v.transports)} was answered.`;
		case "udp_stopped":
			return "UDP worked at first, and then stopped.";
		case "udp_lossy":
			return "UDP works, and loses too many packets.";
		case "udp_waiting":
			return "UDP 8801 has not answered so far.";
		case "udp_other_port":
			return `UDP ${v.silent} does not answer, UDP ${v.port} does.`;
		case "udp_opened":
			return "UDP did not answer at first, and works now.";
		case "udp_back":
			return "UDP fell silent for a while, and works again.";
		case "udp_better":
			return "UDP lost too many packets for a while, and works well again.";
		case "udp_partly":
			return "UDP carries sound, but failed the pictures.";
		case "tcp_blocked":
			return "TCP 8801 does not get through.";
		case "nothing_direct":
			return "Without the tunnel nothing answers, neither over UDP nor over HTTPS.";
		case "stun_only":
			return "UDP lets short checks (STUN) through and nothing else, as firewalls do that know STUN only: sound and pictures can't use it.";
		case "checks_only":
			return "UDP lets short checks (STUN) through and nothing else: a firewall knows STUN only, or drops long packets. Sound and pictures can't use it.";
		case "small_datagrams":
			return "Large UDP datagrams get lost on the way: the path's MTU is too small, or a firewall drops fragments.";
		case "ipv6_silent":
			return "IPv6 does not answer; IPv4 is used.";
		case "path":
			return `${title(v.group)} runs over ${wayName(v.rung, v.port)}.`;
		case "path_short":
			return `${title(v.group)} runs over ${wayName(v.rung, v.port)}, since large UDP datagrams get lost.`;
		case "tunnelled":
			return `${title(v.group)} runs over ${wayName(v.rung, v.port)} through the tunnel.`;
		case "connecting":
			return `${title(v.group)} is being connected.`;
		case "no_path":
			return `${title(v.group)} has no path.`;
	}
}

/** What was sent over UDP; what was not sent is no evidence. */
function asked(probes: number, transports: number): string {
	const kinds = [probes > 0 ? `${probes} probes` : "", transports > 0 ? `${transports} transports` : ""];
	return kinds.filter(k => k !== "").join(" and ");
}

function zonesDo({ n, zones }: Zones, what: string): string {
	return n === 1 ? `Zone ${zones} does ${what}` : `Zones ${zones} do ${what}`;
}

function title(name: string): string {
	return name.charAt(0).toUpperCase() + name.slice(1);
}

const maxTried = 24;

/** For the user: what did not work, each thing once. */
export function tried(m: Mind): string[] {
	const lines = m.record
		.filter(a => a.outcome !== "won" && a.why?.code !== "over")
		.map(a => `${a.phase}: ${words(a.what)}: ${words(a.why ?? say("no_answer"))}`);
	const out = [...new Set(lines)];
	if (out.length > maxTried) {
		out.splice(maxTried / 2, out.length - maxTried);
	}
	return out;
}

function findZone(m: Mind, id: string): Zone | undefined {
	return m.zones.list.find(z => z.offer.id === id);
}

/** A rung by the port that packets go to, since there may be several; 0 is the usual one. */
function wayName(rung: Rung, port: number): string {
	switch (rung) {
		case Rung.UDP8801:
			return `UDP ${port || 8801}`;
		case Rung.TCP8801:
			return `TCP ${port || 8801}`;
		case Rung.TLS443:
			return "TLS 443";
	}
}
