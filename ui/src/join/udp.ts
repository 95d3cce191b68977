// What the record says of UDP: whether it carries media, how it failed, and whether it has mended.
import { groupName, groups } from "../proto/ids.ts";
import { Group, Rung } from "../proto/messages.gen.ts";
import type { Fact } from "./explain.ts";
import { soundOnUDP } from "./long.ts";
import { type Mind, sinceStart } from "./mind.ts";
import type { Phrase, PhraseCode } from "./words.ts";
import { udpRTT, type Zone } from "./zones.ts";

/** How UDP failed a medium, the gravest last: nothing came or nothing any more, too much was lost, checks alone passed. */
const faults = ["none", "silent", "lossy", "checks"] as const;
type Fault = (typeof faults)[number];

/** What ends attempts whose path has done nothing wrong. */
const blameless: ReadonlySet<PhraseCode> = new Set([
	"over",
	"network",
	"full",
	"other_server",
	"fresh_grant",
	"leaves_tunnel",
	"fresh_transports",
	"restarted",
	"again",
	"lives_elsewhere",
	"faster",
	"better_path",
	"left",
	"together",
	"other_table",
	"waiting",
]);

function faultOf(why: Phrase | undefined): Fault {
	if (why !== undefined && blameless.has(why.code)) {
		return "none";
	}
	return why?.code === "lossy" || why?.code === "checks" ? why.code : "silent";
}

/** How one medium fared on one rung, without a tunnel. */
interface Carried {
	/** It was up. */
	up: boolean;
	/** Since it was up last. */
	fault: Fault;
	/** It had failed before it was up first. */
	late: boolean;
	/** How it had failed before it was up again. */
	mended: Fault;
}

/**
 * Goes through the record in the order in which things ended, from when the router in use was chosen: what another did
 * not answer says nothing of UDP.
 */
function faredOn(m: Mind, g: Group, rung: Rung): Carried {
	const c: Carried = { up: false, fault: "none", late: false, mended: "none" };
	const from = sinceStart(m, m.grantAt);
	const ended = m.record
		.filter(a => a.phase === "media" && a.outcome !== "pending" && a.start_ms >= from)
		.filter(a => a.what.values["group"] === groupName(g))
		.sort((a, b) => a.start_ms + a.took_ms - b.start_ms - b.took_ms);
	for (const a of ended) {
		const here = a.what.code === "media" && a.what.values["rung"] === rung;
		const moved = a.why?.code === "browser_moved" && a.why.values["rung"] === rung;
		if (moved || (here && a.outcome === "won")) {
			if (!c.up) {
				c.late = c.fault !== "none";
			} else if (faults.indexOf(c.fault) > faults.indexOf(c.mended)) {
				c.mended = c.fault;
			}
			c.up = true;
			c.fault = "none";
		} else if (here && faultOf(a.why) !== "none") {
			c.fault = faultOf(a.why);
		}
	}
	return c;
}

/** What probes and transports together tell of UDP. A probe that was not waited for tells nothing. */
export function udpFacts(m: Mind): Fact[] {
	const probes = m.zones.list.flatMap(z => z.probes);
	const transports = m.record.filter(
		a => a.phase === "media" && a.what.code === "media" && a.what.values["rung"] === Rung.UDP8801,
	);
	// Another router's transport counts too.
	const answered = probes.some(p => p.rtt >= 0) || transports.some(a => a.outcome === "won");
	const allDead = probes.length > 0 && probes.every(p => p.dead);
	const down = transports.filter(a => a.outcome === "lost").length;
	const fared = groups.map(g => faredOn(m, g, Rung.UDP8801));
	const out: Fact[] = [];
	if (m.zones.open) {
		// It is too early to tell.
	} else if (fared.some(c => c.up)) {
		out.push(...udpWorked(m, fared));
	} else if (overConnection(m) && fared.some(c => c.fault === "checks")) {
		out.push({ key: "checks_only", values: {} });
	} else if (!answered && (allDead || down > 0)) {
		if (m.zones.list.some(z => z.shut)) {
			// No port is to blame for a server that is out of reach.
		} else if (m.zones.via === "") {
			out.push({ key: "udp_blocked", values: { probes: probes.length, transports: down } });
		} else {
			out.push({ key: "nothing_direct", values: {} }); // a tunnel is taken where no controller answers either
		}
	} else if (!m.short && overConnection(m)) {
		const failed = fared.some(c => c.fault !== "none");
		out.push({ key: answered && failed ? "stun_only" : "udp_waiting", values: {} });
	}
	if (tcpBlocked(m)) {
		out.push({ key: "tcp_blocked", values: {} });
	}
	if (deadIPv6(m)) {
		out.push({ key: "ipv6_silent", values: {} });
	}
	if (m.short) {
		out.push({ key: "small_datagrams", values: {} });
	}
	return out;
}

/** What has become of UDP since it was up. */
function udpWorked(m: Mind, fared: readonly Carried[]): Fact[] {
	const ports = soundOnUDP(m) ? udpPorts(m) : undefined;
	const out: Fact[] = ports ? [{ key: "udp_other_port", values: ports }] : [];
	const key = m.short || m.zones.via !== "" ? undefined : become(m, fared);
	return key ? [...out, { key, values: {} }] : out;
}

function become(m: Mind, fared: readonly Carried[]) {
	const sound = soundOnUDP(m);
	if (overConnection(m)) {
		if (fared.some(c => c.fault === "lossy")) {
			return "udp_lossy";
		}
		if (fared.some(c => c.fault !== "none")) {
			return sound ? "udp_partly" : "udp_stopped";
		}
		return undefined;
	}
	if (!sound) {
		return undefined;
	}
	if (fared.some(c => c.mended === "lossy")) {
		return "udp_better";
	}
	if (fared.some(c => c.mended !== "none")) {
		return "udp_back";
	}
	return fared.some(c => c.late) && !leftTunnel(m) ? "udp_opened" : undefined;
}

/** The ports of which no probe came back, the usual one among them, and the one that sound uses instead. */
function udpPorts(m: Mind): { silent: string; port: number } | undefined {
	const port = m.lanes[Group.Audio].inUse?.port ?? 0;
	const answers = new Map<string, boolean>();
	for (const p of m.zones.list.flatMap(z => z.probes)) {
		if (p.rtt >= 0 || (p.dead && !p.failed)) {
			const at = p.addr.slice(p.addr.lastIndexOf(":") + 1);
			answers.set(at, answers.get(at) === true || p.rtt >= 0);
		}
	}
	const [usual] = answers.values(); // the first
	const silent = [...answers].filter(([, answered]) => !answered).map(([at]) => at);
	return port === 0 || usual !== false || silent.includes(String(port))
		? undefined
		: { silent: silent.join(", "), port };
}

/** Whether some medium takes TLS, and TCP was tried for it and never was up. */
function tcpBlocked(m: Mind): boolean {
	return groups.some(g => {
		const l = m.lanes[g].inUse;
		if (l?.rung !== Rung.TLS443 || l.via !== "") {
			return false;
		}
		const c = faredOn(m, g, Rung.TCP8801);
		return !c.up && c.fault !== "none";
	});
}

/** Whether the meeting began through a tunnel that is not needed any more. */
export function leftTunnel(m: Mind): boolean {
	return m.zones.via === "" && m.record.some(a => a.phase === "tunnel" && a.why?.code === "without_tunnel");
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
		m.zones.list.some(z => udpRTT(z) >= 0 && sixth(z).some(p => p.dead))
	);
}
