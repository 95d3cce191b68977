// The choice among zones, made as early as it can be made rightly.
import type { Grant } from "../proto/messages.gen.ts";
import { millis, millisecond, type Nanos, rounded } from "./clock.ts";
import { good } from "./lookup.ts";
import { act, type Mind, note, progress, step } from "./mind.ts";
import { startRouting, takeGrant } from "./reach.ts";
import { leaveBlind, settle, takeTunnel } from "./tunnel.ts";
import { say } from "./words.ts";
import {
	allFailed,
	leastRTT,
	nameOf,
	stopMeasuring,
	udp,
	udpOpenSomewhere,
	udpRTT,
	type Zone,
	zoneRTT,
} from "./zones.ts";

const decideAfter = 400 * millisecond; // after the first answer, whoever is silent
const udpPenalty = 50; // ms; a zone whose UDP is dead means TCP, and TCP stalls
export const keepBy = 10; // ms; hysteresis towards the last zone, together with 2/3

/**
 * When the choice is made with what is known now; undefined before the first zone stands, and in the background,
 * unless a router was entered blind, before the first controller has answered.
 * - nobody is missing: now
 * - no missing zone can win any more: geography (floor), its UDP answer, or the time it has been silent says so: a
 *   round trip where UDP is open, three (TCP, TLS and the request) where it is not known
 * - three zones stand, and as long again as the slowest of them took
 * - 400 ms after the first: what a silent nearest zone may cost
 *
 * The zone used last may win though it is 10 ms slower, and is waited for as long as that takes: 10 ms where UDP
 * chooses, or says that the zone is gone; 30 where controllers do, whose answer comes after three round trips. Not
 * longer, since it may have died meanwhile.
 */
export function decideAt(m: Mind, now: Nanos): Nanos | undefined {
	const { background, blind, thirdAt, list } = m.zones;
	const from = background && !blind ? m.zones.firstAt : m.zones.standsAt;
	const standing = list.filter(z => stands(m, now, z));
	if (from === undefined || standing.length === 0) {
		return undefined; // none yet, or the grants have lapsed meanwhile
	}
	const best = Math.min(...standing.map(z => score(m, now, z)));
	const slowest = Math.max(0, ...standing.map(leastRTT));
	let unbeaten = from;
	let grace = 0;
	for (const z of list) {
		if (stands(m, now, z) || allFailed(z)) {
			continue;
		}
		const known = Math.max(z.offer.floor ?? 0, udpRTT(z)) + z.offer.bias;
		if (z.offer.id === m.cfg.last_zone && known < best + keepBy) {
			grace = keepBy * (chosenByUDP(standing) ? 1 : tripsTo(m, z));
		}
		if (known < best) {
			unbeaten = Math.max(unbeaten, beatenAt(m, z, best));
		}
	}
	const at = Math.min(unbeaten + millis(grace), from + decideAfter);
	return thirdAt === undefined ? at : Math.min(at, Math.max(from, thirdAt + millis(slowest)));
}

/**
 * Whether there is a way into the zone: a controller has answered, or UDP has where a grant is at hand, which needs
 * no controller.
 */
function stands(m: Mind, now: Nanos, z: Zone): boolean {
	return zoneRTT(z) >= 0 || (udpRTT(z) >= 0 && grantFor(m, now, z) !== undefined);
}

/** Whether one of these zones stands by UDP alone, so that the choice is that much earlier. */
function chosenByUDP(standing: Zone[]): boolean {
	return standing.some(z => zoneRTT(z) < 0);
}

/** After how many round trips the silence of a zone says something. */
function tripsTo(m: Mind, z: Zone): number {
	// It would have answered within one, or its UDP is dead and another's is not.
	return udpOpenSomewhere(m) && z.probes.length > 0 && udpRTT(z) < 0 ? 1 : 3;
}

/** When the silence of a zone says that it is no better than the best. */
function beatenAt(m: Mind, z: Zone, best: number): Nanos {
	return m.zones.startAt + millis(tripsTo(m, z) * (best - z.offer.bias));
}

/** The lookup's grant for a zone, if it is still good. */
export function grantFor(m: Mind, now: Nanos, z: Zone): Grant | undefined {
	return m.lookup.grants.find(g => g.zone === z.offer.id && good(m, now, g));
}

/** Takes note of what has just been measured. */
export function answered(m: Mind, now: Nanos): void {
	const n = m.zones.list.filter(z => stands(m, now, z)).length;
	if (n > 0) {
		m.zones.standsAt ??= now;
	}
	if (n >= 3) {
		m.zones.thirdAt ??= now;
	}
}

/**
 * What zones are compared by, in milliseconds. A zone whose UDP is dead is worse, unless UDP is dead to
 * everywhere: then it says nothing about the zone.
 */
export function score(m: Mind, now: Nanos, z: Zone): number {
	const s = leastRTT(z) + z.offer.bias;
	return udp(z, now, m.zones.startAt) === "silent" && udpOpenSomewhere(m) ? s + udpPenalty : s;
}

/**
 * The best zone that stands, with hysteresis towards the last one: a client that is told apart by a few
 * milliseconds would otherwise wander.
 */
function choose(m: Mind, now: Nanos): Zone | undefined {
	let best: Zone | undefined;
	let last: Zone | undefined;
	for (const z of m.zones.list) {
		if (!stands(m, now, z)) {
			continue;
		}
		if (best === undefined || score(m, now, z) < score(m, now, best)) {
			best = z;
		}
		if (z.offer.id === m.cfg.last_zone) {
			last = z;
		}
	}
	if (best !== undefined && last !== undefined && best !== last) {
		const b = score(m, now, best);
		const l = score(m, now, last);
		if (b > l - keepBy || b > (l * 2) / 3) {
			return last;
		}
	}
	return best;
}

export function decide(m: Mind, now: Nanos): void {
	const before = m.zones.list.find(z => z.offer.id === m.zones.chosen); // by the probes
	const z = before ?? choose(m, now);
	if (z === undefined) {
		throw new Error("join: decides although no zone stands");
	}
	m.zones.chosen = z.offer.id;
	const { blind } = m.zones;
	if (blind && z.offer.id !== (m.grant?.zone ?? "")) {
		leaveBlind(m, now, say("faster"));
	} else if (blind) {
		settle(m);
	}
	const early = (blind || !m.zones.background) && zoneRTT(z) < 0;
	if (!early) {
		stopMeasuring(m, now, z);
	}
	if (before === undefined && !m.zones.background) {
		step(m, now, "zone", m.lookup.answeredAt ?? now, leastRTT(z));
	}
	if (before === undefined) {
		progress(m, now, "zone", `${nameOf(z)}, ${rounded(leastRTT(z))} ms`);
	}
	const g = grantFor(m, now, z);
	if (m.zones.background) {
		takeTunnel(m, now);
	} else if (g !== undefined) {
		// Chosen early, it is not known yet that HTTPS passes here too, nor whom to ask after a loss: pings go on.
		m.zones.background = early;
		takeSites(m, now, g);
	} else {
		startRouting(m, now, "");
	}
}

/** Uses the site's grant for the zone chosen. */
export function takeSites(m: Mind, now: Nanos, g: Grant): void {
	const why = say("grant_good");
	note(m, now, "route", say("said", { text: g.router }), "won", why);
	takeGrant(m, now, g);
}

/**
 * Opens what the site's grants need while the choice among their zones is still to be made: then it costs nothing
 * to have chosen.
 */
export function prepare(m: Mind, now: Nanos): void {
	for (const grant of m.lookup.grants) {
		if (good(m, now, grant)) {
			m.zones.opened = true;
			act(m, { do: "prepare", grant });
		}
	}
}

/** Drops what was prepared and is not in use. */
export function unprepare(m: Mind): void {
	if (m.zones.opened) {
		m.zones.opened = false;
		act(m, { do: "cancel", what: "prepare" });
	}
}
