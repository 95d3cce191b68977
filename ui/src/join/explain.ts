// The record of a join in words: what was tried, and sentences a person can act on.
import { groupName, groups } from "../proto/ids.ts";
import { Rung } from "../proto/messages.gen.ts";
import { rounded } from "./clock.ts";
import { soundOnUDP } from "./long.ts";
import type { RungTry } from "./media.ts";
import type { Attempt, Mind, State, StepName } from "./mind.ts";
import { say, words } from "./words.ts";
import { leastRTT, nAnswered, nameOf, type Zone } from "./zones.ts";

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
	| { key: "no_controller"; values: Record<string, never> }
	| { key: "home_zone"; values: { zone: string } }
	| { key: "proxy"; values: { proxy: string } }
	| { key: "proxy_unused"; values: { why: string } }
	| { key: "inspected"; values: { issuer: string } }
	| { key: "tunnel"; values: { url: string } }
	| { key: "udp_blocked"; values: { probes: number; transports: number } }
	| { key: "udp_stopped"; values: Record<string, never> }
	| { key: "udp_lossy"; values: Record<string, never> }
	| { key: "nothing_direct"; values: Record<string, never> }
	| { key: "stun_only"; values: Record<string, never> }
	| { key: "small_datagrams"; values: Record<string, never> }
	| { key: "ipv6_silent"; values: Record<string, never> }
	| { key: "path"; values: Carried }
	| { key: "path_short"; values: Carried }
	| { key: "tunnelled"; values: Carried }
	| { key: "connecting"; values: { group: GroupName } }
	| { key: "no_path"; values: { group: GroupName } };

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
	if (m.grant !== undefined && chosen !== "" && m.grant.zone !== chosen) {
		const home = findZone(m, m.grant.zone);
		out.push({ key: "home_zone", values: { zone: home ? nameOf(home) : m.grant.zone } });
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
	if (via !== "") {
		out.push({ key: "tunnel", values: { url: via } });
	}
	return [...out, ...udpFacts(m), ...pathFacts(m)];
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

/** What probes and transports together tell of UDP. A probe that was not waited for tells nothing. */
function udpFacts(m: Mind): Fact[] {
	const probes = m.zones.list.flatMap(z => z.probes);
	const answered = probes.filter(p => p.rtt >= 0);
	const transports = m.record.filter(
		a => a.phase === "media" && a.what.code === "media" && a.what.values["rung"] === Rung.UDP8801,
	);
	const down = transports.filter(a => a.outcome === "lost").length;
	const up = transports.some(a => a.outcome === "won");
	const allDead = probes.length > 0 && probes.every(p => p.dead);
	const out: Fact[] = [];
	const silent = transports.some(a => a.outcome === "lost" && a.why?.code !== "over");
	// Since it was up last.
	const lossy = transports.reduce((was, a) => a.outcome !== "won" && (was || a.why?.code === "lossy"), false);
	if (m.zones.open) {
		// It is too early to tell.
	} else if (up) {
		if (silent && !m.short && overConnection(m) && (lossy || !soundOnUDP(m))) {
			out.push({ key: lossy ? "udp_lossy" : "udp_stopped", values: {} });
		}
	} else if (answered.length === 0 && (allDead || down > 0)) {
		out.push(
			m.zones.via === ""
				? { key: "udp_blocked", values: { probes: probes.length, transports: down } }
				: { key: "nothing_direct", values: {} }, // a tunnel is taken where no controller answers either
		);
	} else if (answered.length > 0 && silent && !m.short && overConnection(m)) {
		out.push({ key: "stun_only", values: {} });
	}
	if (deadIPv6(m)) {
		out.push({ key: "ipv6_silent", values: {} });
	}
	if (m.short) {
		out.push({ key: "small_datagrams", values: {} });
	}
	return out;
}

/**
 * Whether some medium has a way to a router over TCP or TLS, and without a tunnel: then the router is not to blame for
 * what does not pass over UDP.
 */
function overConnection(m: Mind): boolean {
	return groups.some(g => {
		const l = m.lanes[g];
		return l.inUse !== undefined && l.inUse.rung !== Rung.UDP8801 && l.inUse.via === "";
	});
}

/**
 * Whether probes over IPv6 went out and none of them came back, though it had time enough in zones that answered over
 * IPv4.
 */
function deadIPv6(m: Mind): boolean {
	const sixth = (z: Zone) => z.probes.filter(p => p.addr.startsWith("[") && !p.failed);
	return (
		!m.zones.list.some(z => sixth(z).some(p => p.rtt >= 0)) &&
		m.zones.list.some(z => z.probes.some(p => p.rtt >= 0) && sixth(z).some(p => p.dead))
	);
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
		case "proxy":
			return `Servers are reached through the proxy ${v.proxy}.`;
		case "proxy_unused":
			return `${v.why}; servers are reached directly.`;
		case "inspected":
			return `TLS is opened and inspected on the way by ‘${v.issuer}’; sound and pictures stay encrypted up to the server.`;
		case "tunnel":
			return `Servers are reached through the tunnel ${v.url}.`;
		case "udp_blocked":
			return `UDP 8801 seems to be blocked: none of ${asked(v.probes, v.transports)} was answered.`;
		case "udp_stopped":
			return "UDP worked at first, and then stopped.";
		case "udp_lossy":
			return "UDP works, and loses too many packets.";
		case "nothing_direct":
			return "Without the tunnel nothing answers, neither over UDP nor over HTTPS.";
		case "stun_only":
			return "UDP lets short checks (STUN) through and nothing else, as firewalls do that know STUN only: sound and pictures can't use it.";
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
