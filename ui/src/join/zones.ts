// Phase two (S9): every controller of every zone is pinged at once, every probe address probed, and the choice is
// made as early as it can be made rightly (decide.ts). A UDP probe is answered in one round trip, a ping in three
// (TCP, TLS, the request): where a grant is at hand, which needs no controller, the probes alone decide, and the
// pings go on in the background.
import type { Zone as ZoneOffer } from "../proto/messages.gen.ts";
import { some } from "./actions.ts";
import { due, millis, millisecond, type Nanos, rounded, wholeMillis } from "./clock.ts";
import { answered, decide, decideAt, score, unprepare } from "./decide.ts";
import type { EventOf } from "./events.ts";
import { heardLong, type Long, newLong } from "./long.ts";
import { type Attempt, act, amend, begin, end, type Mind } from "./mind.ts";
import type { Target } from "./reach.ts";
import { advanceSilence, handleDirect, mayDial, stopTunnels } from "./tunnel.ts";
import type { Waker } from "./waker.ts";
import { type Phrase, say, told, words } from "./words.ts";

const pingEvery = 50 * millisecond; // between the pings on one connection
const nPings = 3; // per controller
const probeAgain = 100 * millisecond; // a silent UDP probe is repeated, twice
const tunnelAfter = 600 * millisecond; // or three round trips of the lookup

export interface Zones {
	/** Measuring. */
	open: boolean;
	/** The result only orders the controllers for routing. */
	background: boolean;
	list: Zone[];
	/** Tunnel in use. */
	via: string;

	startAt: Nanos;
	/** First controller answered. */
	firstAt: Nanos | undefined;
	/** First zone stands. */
	standsAt: Nanos | undefined;
	/** Third zone stands. */
	thirdAt: Nanos | undefined;
	/** Without any answer. */
	limit: Nanos | undefined;
	/** Desperate measures: tunnels, or a grant taken unmeasured. */
	desAt: Nanos | undefined;
	chosen: string;
	/** What a grant needs was opened ahead of the choice. */
	opened: boolean;

	/** Through a tunnel: when to look for the way without one. */
	directAt: Nanos | undefined;
	/** That way was found: media follows with the next grant. */
	leave: boolean;

	/** The router in use was entered though nothing had been measured: the choice is still open. */
	blind: boolean;
	/** When to enter the next. */
	blindAt: Nanos | undefined;
	/** Zones in the list that have been looked at for one. */
	nBlind: number;

	long: Long;

	/** Still to dial. */
	tunnels: readonly string[];
	tunnelNextAt: Nanos | undefined;
	tunnelsOut: Map<string, Attempt> | undefined;
	tunnelsTried: boolean;
}

/** One zone with what was measured of it. */
export interface Zone {
	offer: ZoneOffer;
	ctrls: Ctrl[];
	probes: Probe[];
	/** It answered nothing, though it had time enough. */
	gone: boolean;
	/** Its controllers answer, and the router they name can't be reached. */
	shut: boolean;
}

interface Ctrl {
	url: string;
	/** Of the ping last sent. */
	seq: number;
	sentAt: Nanos;
	/** Next ping. */
	nextAt: Nanos | undefined;
	/** Least so far, negative before the first answer. */
	rtt: number;
	load: number;
	failed: boolean;
	try: Attempt;
}

export interface Probe {
	addr: string;
	/** Of the probe last sent. */
	seq: number;
	/** Next probe. */
	nextAt: Nanos | undefined;
	/** Negative before the first answer. */
	rtt: number;
	/** A padded one came back too. */
	padded: boolean;
	failed: boolean;
	/** It had time enough to be answered, and was not. */
	dead: boolean;
	try: Attempt;
}

export function newZones(): Zones {
	return {
		open: false,
		background: false,
		list: [],
		via: "",
		startAt: 0,
		firstAt: undefined,
		standsAt: undefined,
		thirdAt: undefined,
		limit: undefined,
		desAt: undefined,
		chosen: "",
		opened: false,
		directAt: undefined,
		leave: false,
		blind: false,
		blindAt: undefined,
		nBlind: 0,
		long: newLong(),
		tunnels: [],
		tunnelNextAt: undefined,
		tunnelsOut: undefined,
		tunnelsTried: false,
	};
}

export function openZones(m: Mind, now: Nanos): void {
	unprepare(m);
	m.zones = {
		...newZones(),
		open: true,
		list: (m.lookup.answer?.zones ?? []).map(offer => ({ offer, ctrls: [], probes: [], gone: false, shut: false })),
		startAt: now,
		limit: now + m.cfg.answer_for,
		desAt: now + Math.min(Math.max(tunnelAfter, 3 * m.lookup.rtt), m.cfg.answer_for),
		tunnels: m.lookup.answer?.tunnels ?? [],
	};
	measure(m, now);
	if (!m.cfg.no_probes) {
		for (const z of m.zones.list) {
			for (const addr of z.offer.probes) {
				probe(m, now, z, addr);
			}
		}
	}
}

function probe(m: Mind, now: Nanos, z: Zone, addr: string): void {
	z.probes.push({
		addr,
		seq: 1,
		nextAt: now + probeAgain,
		rtt: -1,
		padded: false,
		failed: false,
		dead: false,
		try: begin(m, now, "probe", say("probe", { zone: nameOf(z), address: addr })),
	});
	act(m, { do: "probe", zone: z.offer.id, addr, seq: 0 });
	act(m, { do: "probe", zone: z.offer.id, addr, seq: 1, padded: true });
}

/** Pings every controller, from the start or anew through a tunnel. */
export function measure(m: Mind, now: Nanos): void {
	for (const z of m.zones.list) {
		z.ctrls = [];
		for (const url of z.offer.controllers) {
			z.ctrls.push({
				url,
				seq: 0,
				sentAt: now,
				nextAt: undefined,
				rtt: -1,
				load: 0,
				failed: false,
				try: begin(m, now, "zone", say("zone", { zone: nameOf(z), url })),
			});
			act(m, { do: "ping", zone: z.offer.id, controller: url, seq: 0, via: some(m.zones.via) });
		}
	}
}

export function nameOf(z: Zone): string {
	return z.offer.name || z.offer.id;
}

/** The least of the round trips measured, negative where there is none. */
function least(measured: readonly { rtt: number }[]): number {
	let best = -1;
	for (const { rtt } of measured) {
		if (rtt >= 0 && (best < 0 || rtt < best)) {
			best = rtt;
		}
	}
	return best;
}

/** The least round trip to any controller of the zone, negative where none answered. */
export function zoneRTT(z: Zone): number {
	return least(z.ctrls);
}

/** The least round trip of the zone's probes, negative where none answered. */
export function udpRTT(z: Zone): number {
	return least(z.probes);
}

/** The least round trip measured to the zone, negative where there is none. */
export function leastRTT(z: Zone): number {
	return least([...z.ctrls, ...z.probes]);
}

/** Whether every controller is known to be out of reach. */
export function allFailed(z: Zone): boolean {
	return z.ctrls.every(c => c.failed);
}

/** What the probes say; undefined while it is too early to tell. */
export function udp(z: Zone, now: Nanos, startAt: Nanos): "open" | "silent" | undefined {
	if (udpRTT(z) >= 0) {
		return "open";
	}
	const patience = Math.max(150 * millisecond, millis(2.5 * Math.max(0, zoneRTT(z))));
	return z.probes.length === 0 || now - startAt < patience ? undefined : "silent";
}

/** Whether a probe that has not been answered by now has had time enough: two and a half round trips of one that was. */
function silent(z: Zone, now: Nanos, startAt: Nanos): boolean {
	const rtt = udpRTT(z);
	return rtt < 0 ? udp(z, now, startAt) === "silent" : now - startAt >= Math.max(150 * millisecond, millis(2.5 * rtt));
}

/** Whether the zone's probes were waited for and none came back. */
export function isDeaf(z: Zone): boolean {
	return udpRTT(z) < 0 && z.probes.some(p => p.dead && !p.failed);
}

/**
 * Whether a zone has answered nothing by now, and others show that it had time enough: its controllers refuse, its
 * probes are late by the time others' took, or a controller of another zone took half as long.
 */
function isGone(m: Mind, now: Nanos, z: Zone): boolean {
	const { firstAt, startAt } = m.zones;
	const waited = now - startAt;
	if (leastRTT(z) >= 0 || z.ctrls.length === 0) {
		return false;
	}
	if (allFailed(z)) {
		return true;
	}
	if (waited < millis(3 * (z.offer.floor ?? 0))) {
		return false; // it is far
	}
	if (udpOpenSomewhere(m) && z.probes.some(p => !p.failed)) {
		const nearest = least(m.zones.list.flatMap(o => [...o.ctrls, ...o.probes]));
		return silent(z, now, startAt) && waited >= millis(2.5 * nearest);
	}
	return firstAt !== undefined && waited >= 2 * (firstAt - startAt);
}

export function udpOpenSomewhere(m: Mind): boolean {
	return m.zones.list.some(z => udpRTT(z) >= 0);
}

function findCtrl(m: Mind, url: string): [Zone, Ctrl] | undefined {
	for (const z of m.zones.list) {
		const c = z.ctrls.find(x => x.url === url);
		if (c !== undefined) {
			return [z, c];
		}
	}
	return undefined;
}

function findProbe(m: Mind, addr: string): [Zone, Probe] | undefined {
	for (const z of m.zones.list) {
		const p = z.probes.find(x => x.addr === addr);
		if (p !== undefined) {
			return [z, p];
		}
	}
	return undefined;
}

export function handlePingDone(m: Mind, now: Nanos, e: EventOf<"ping_done">): void {
	if ((e.via ?? "") !== m.zones.via) {
		handleDirect(m, now, e);
		return;
	}
	const found = findCtrl(m, e.controller);
	if (found === undefined || !m.zones.open || !(e.rtt_ms >= 0)) {
		return;
	}
	const [z, c] = found;
	const first = c.rtt < 0;
	if (first || e.rtt_ms < c.rtt) {
		c.rtt = e.rtt_ms;
	}
	c.load = e.load ?? 0;
	c.failed = false;
	if (m.zones.firstAt === undefined) {
		m.zones.firstAt = now;
		if (m.zones.tunnelsOut !== undefined) {
			stopTunnels(m, now, ""); // what was measured without one must not be thrown away
		}
	}
	answered(m, now);
	if (e.seq === c.seq && c.seq + 1 < nPings) {
		c.nextAt = Math.max(now, c.sentAt + pingEvery);
	}
	if (first) {
		act(m, {
			do: "candidate",
			zone: z.offer.id,
			controller: c.url,
			rtt_ms: some(c.rtt),
			udp: udp(z, now, m.zones.startAt),
			load: some(c.load),
			score: some(score(m, now, z)),
		});
	}
}

export function handlePingFailed(m: Mind, now: Nanos, e: EventOf<"ping_failed">): void {
	const found = findCtrl(m, e.controller);
	if (found === undefined || !m.zones.open || (e.via ?? "") !== m.zones.via) {
		return;
	}
	const [z, c] = found;
	if (c.rtt >= 0 || c.failed) {
		return;
	}
	c.failed = true;
	const error = told(e.text, say("no_connection"));
	end(m, c.try, now, "lost", error);
	act(m, { do: "candidate", zone: z.offer.id, controller: c.url, error: words(error) });
}

export function handleProbeDone(m: Mind, now: Nanos, e: EventOf<"probe_done">): void {
	const found = findProbe(m, e.addr);
	if (found === undefined || !(e.rtt_ms >= 0)) {
		return;
	}
	const [z, p] = found;
	heardLong(m, now, z, p, e);
	if (!m.zones.open) {
		return;
	}
	if (p.rtt < 0 || e.rtt_ms < p.rtt) {
		p.rtt = e.rtt_ms;
	}
	p.nextAt = undefined;
	end(m, p.try, now, "won", say("udp_open", { ms: Number(rounded(p.rtt)) }));
	answered(m, now);
}

export function handleProbeFailed(m: Mind, now: Nanos, e: EventOf<"probe_failed">): void {
	const p = findProbe(m, e.addr)?.[1];
	if (p === undefined || !m.zones.open || p.rtt >= 0 || p.failed) {
		return;
	}
	p.failed = true;
	p.nextAt = undefined;
	end(m, p.try, now, "lost", told(e.text, say("unsent")));
}

export function nAnswered(m: Mind): number {
	return m.zones.list.filter(z => zoneRTT(z) >= 0).length;
}

export function advanceZones(m: Mind, now: Nanos): void {
	while (due(now, decideAt(m, now))) {
		decide(m, now);
		if (!m.zones.open) {
			return;
		}
	}
	for (const z of m.zones.list) {
		for (const c of z.ctrls) {
			if (due(now, c.nextAt)) {
				c.seq++;
				c.sentAt = now;
				c.nextAt = undefined;
				act(m, { do: "ping", zone: z.offer.id, controller: c.url, seq: c.seq, via: some(m.zones.via) });
			}
		}
		for (const p of z.probes) {
			if (due(now, p.nextAt)) {
				p.seq++;
				p.nextAt = p.seq === 3 ? undefined : now + probeAgain;
				act(m, { do: "probe", zone: z.offer.id, addr: p.addr, seq: p.seq });
			}
		}
	}
	if (m.zones.firstAt === undefined) {
		advanceSilence(m, now);
	}
}

export function wakeZones(m: Mind, w: Waker): void {
	for (const z of m.zones.list) {
		for (const c of z.ctrls) {
			w.add(c.nextAt, "ping");
		}
		for (const p of z.probes) {
			w.add(p.nextAt, "probe");
		}
	}
	w.add(decideAt(m, m.seenAt), "decide");
	if (m.zones.firstAt !== undefined) {
		return;
	}
	w.add(m.zones.limit, "give-up");
	w.add(m.zones.desAt, "tunnel");
	if (m.zones.via === "") {
		w.add(m.zones.blindAt, "tunnel");
	}
	if (mayDial(m)) {
		w.add(m.zones.tunnelNextAt, "tunnel");
	}
}

/** Ends phase two and writes into the record why each zone won or lost. */
export function stopMeasuring(m: Mind, now: Nanos, won: Zone | undefined): void {
	m.zones.open = false;
	act(m, { do: "cancel", what: "measure" });
	if (m.zones.tunnelsOut !== undefined) {
		stopTunnels(m, now, "");
	}
	const took = wholeMillis(now - m.zones.startAt);
	for (const z of m.zones.list) {
		z.gone = isGone(m, now, z);
		for (const c of z.ctrls) {
			if (c.rtt < 0 && udpRTT(z) >= 0) {
				end(m, c.try, now, "lost", say("not_waited", { ms: took }));
			} else if (c.rtt < 0) {
				end(m, c.try, now, "lost", say("silent", { ms: took }));
			} else if (z === won) {
				end(m, c.try, now, "won", say("rtt", { ms: Number(rounded(c.rtt)) }));
			} else if (won !== undefined) {
				end(m, c.try, now, "lost", whyLost(m, now, z, c.rtt, won));
			}
		}
		for (const p of z.probes) {
			if (p.rtt < 0 && !silent(z, now, m.zones.startAt)) {
				end(m, p.try, now, "lost", say("probe_unknown", { ms: took }));
			} else if (p.rtt < 0) {
				p.dead = true;
				end(m, p.try, now, "lost", say("probe_silent"));
			} else if (!p.padded) {
				amend(p.try, say("udp_small"));
			}
		}
	}
}

function whyLost(m: Mind, now: Nanos, z: Zone, rtt: number, won: Zone): Phrase {
	const mine = score(m, now, z);
	const best = score(m, now, won);
	const ms = Number(rounded(rtt));
	return won.offer.id === m.cfg.last_zone && mine < best
		? say("last_zone", { ms })
		: say("rated", { ms, mine: Number(rounded(mine)), best: Number(rounded(best)) });
}

/**
 * All controllers for routing: the chosen zone's first, then the other zones by score, the silent in the
 * site's order, the unreachable last. Within a zone the fastest first.
 */
export function order(m: Mind, now: Nanos): Target[] {
	const ranked = m.zones.list.flatMap(z =>
		z.ctrls.map(c => {
			const known = leastRTT(z) >= 0;
			const place = z.offer.id === m.zones.chosen ? 0 : known ? 1 : 2;
			return {
				target: { zone: z.offer.id, controller: c.url, rtt: c.rtt },
				key: [c.failed || z.shut ? place + 3 : place, known ? score(m, now, z) : 0, c.rtt < 0 ? Infinity : c.rtt],
			};
		}),
	);
	return ranked.sort((a, b) => compare(a.key, b.key)).map(r => r.target);
}

function compare(a: readonly number[], b: readonly number[]): number {
	for (const [i, x] of a.entries()) {
		const y = b[i] ?? 0;
		if (x !== y) {
			return x < y ? -1 : 1;
		}
	}
	return 0;
}

/** Until something was measured, or more if the lookup took more. */
const defaultRTT = 100 * millisecond;

/** The round trip to assume towards a router: that of its zone, else of any. */
export function assumedRTT(m: Mind): Nanos {
	let best = -1;
	for (const z of m.zones.list) {
		const r = leastRTT(z);
		if (r < 0) {
			continue;
		}
		if (z.offer.id === m.grant?.zone) {
			return millis(r);
		}
		best = Math.max(best, r);
	}
	return best < 0 ? Math.max(defaultRTT, m.lookup.rtt) : millis(best);
}
