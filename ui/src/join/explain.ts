// The record of a join in words: what was tried, and sentences a person can act on.
import { groupName, groups } from "../proto/ids.ts";
import { Rung } from "../proto/messages.gen.ts";
import { rounded } from "./clock.ts";
import type { Attempt, Mind, State } from "./mind.ts";
import { nAnswered, nameOf, type Zone, zoneRTT } from "./zones.ts";

/** Explains a join. */
export interface Report {
	state: State;
	summary: string[];
	attempts: Attempt[];
}

export function report(m: Mind): Report {
	return { state: m.state, summary: summary(m), attempts: m.record.map(a => ({ ...a })) };
}

function summary(m: Mind): string[] {
	const out: string[] = [];
	if (m.state === "over" && m.failure !== undefined && m.failure.text !== "") {
		out.push(m.failure.text);
	}
	const { chosen, list, open, via } = m.zones;
	const best = findZone(m, chosen);
	if (best !== undefined) {
		out.push(`The best meeting zone is ${nameOf(best)}, ${rounded(zoneRTT(best))} ms away.`);
	} else if (m.lookup.answeredAt !== undefined && !open && nAnswered(m) === 0 && list.length > 0) {
		out.push("No zone controller answered over HTTPS.");
	}
	if (m.grant !== undefined && chosen !== "" && m.grant.zone !== chosen) {
		const home = findZone(m, m.grant.zone);
		out.push(`The meeting runs in zone ${home ? nameOf(home) : m.grant.zone}, so everybody meets there.`);
	}
	if (via !== "") {
		out.push(`Servers are reached through the tunnel ${via}.`);
	}
	return [...out, ...udpSummary(m), ...pathSummary(m)];
}

function pathSummary(m: Mind): string[] {
	const out: string[] = [];
	for (const g of groups) {
		const l = m.lanes[g];
		const name = groupName(g);
		const title = name.charAt(0).toUpperCase() + name.slice(1);
		if (l.inUse !== undefined) {
			out.push(`${title} runs over ${rungName(l.inUse.rung)}.`);
		} else if (l.wanted && (m.state === "in" || m.state === "over")) {
			out.push(`${title} has no path.`);
		}
	}
	return out;
}

/** What probes and transports together tell of UDP. A probe that was not waited for tells nothing. */
function udpSummary(m: Mind): string[] {
	if (m.zones.open) {
		return [];
	}
	const probes = m.zones.list.flatMap(z => z.probes);
	const answered = probes.filter(p => p.rtt >= 0);
	const transports = m.record.filter(a => a.phase === "media" && a.what.endsWith(Rung.UDP8801));
	const down = transports.filter(a => a.outcome === "lost").length;
	const up = transports.some(a => a.outcome === "won");
	const allDead = probes.length > 0 && probes.every(p => p.dead);
	const out: string[] = [];
	if (!up && answered.length === 0 && (allDead || down > 0)) {
		out.push(`UDP 8801 seems to be blocked: none of ${probes.length} probes and ${down} transports was answered.`);
	}
	if (answered.some(p => !p.padded)) {
		out.push("Large UDP datagrams get lost on the way: the path's MTU is too small, or a firewall drops fragments.");
	}
	return out;
}

const maxTried = 24;

/** For the user: what did not work, each thing once. */
export function tried(m: Mind): string[] {
	const lines = m.record
		.filter(a => a.outcome !== "won" && a.why !== "over")
		.map(a => `${a.phase}: ${a.what}: ${a.why ?? "no answer"}`);
	const out = [...new Set(lines)];
	if (out.length > maxTried) {
		out.splice(maxTried / 2, out.length - maxTried);
	}
	return out;
}

function findZone(m: Mind, id: string): Zone | undefined {
	return m.zones.list.find(z => z.offer.id === id);
}

function rungName(rung: Rung): string {
	switch (rung) {
		case Rung.UDP8801:
			return "UDP 8801";
		case Rung.TCP8801:
			return "TCP 8801";
		case Rung.TLS443:
			return "TLS 443";
	}
}

/** The line of one attempt, for people. */
export function attemptLine(a: Attempt): string {
	const how =
		a.outcome === "pending" ? "under way" : `${a.outcome === "won" ? "good" : "not used"} after ${a.took_ms} ms`;
	const why = a.why === undefined ? "" : ` (${a.why})`;
	return `${String(a.start_ms).padStart(6)} ms  ${a.phase.padEnd(7)} ${a.what}: ${how}${why}`;
}
