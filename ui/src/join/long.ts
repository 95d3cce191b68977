// Datagrams of full size. Where the way to the router is too narrow for them and nothing says so, sound and checks
// pass over UDP and key frames never do, though few packets are lost. So where short probes are answered and no long
// one is, a few pairs of both are sent once there is a router, which delays nothing; and where that stays so,
// pictures rather run over connections, which cut what they carry to length. UDP is still the last resort of
// pictures, and stays the first of sound. It is asked again once in a while: what was in the way may go. A page can't
// probe: there this never comes to anything.
import { Group, Rung } from "../proto/messages.gen.ts";
import { due, millis, millisecond, type Nanos, second } from "./clock.ts";
import { newDescent } from "./demote.ts";
import type { EventOf } from "./events.ts";
import { dropTries } from "./media.ts";
import { act, type Mind, note, progress } from "./mind.ts";
import type { Waker } from "./waker.ts";
import { say } from "./words.ts";
import { nameOf, type Probe, udpRTT, type Zone } from "./zones.ts";

const longTries = 3; // pairs
const longEvery = 150 * millisecond; // between them
const longWait = 600 * millisecond; // after the last, and two round trips: each is repeated meanwhile
const longSeq = 4; // of the first: measuring uses those below
const longAgain = 45 * second; // after the last answer or silence, where long ones got lost

/** S11's order, best first. */
const usual: readonly Rung[] = [Rung.UDP8801, Rung.TCP8801, Rung.TLS443];
/** That of pictures where long datagrams get lost. */
const narrow: readonly Rung[] = [Rung.TCP8801, Rung.TLS443, Rung.UDP8801];

/** The question whether datagrams of full size pass. */
export interface Long {
	/** Zone that it is asked of. */
	zone: string;
	/** "": not asked yet. */
	addr: string;
	sent: number;
	/** Short ones answered. */
	short: number;
	nextAt: Nanos | undefined;
	over: boolean;
	/** Not for the first time. */
	again: boolean;
}

export function newLong(zone = "", again = false): Long {
	return { zone, addr: "", sent: 0, short: 0, nextAt: undefined, over: false, again };
}

/** Whether the path to the router is too narrow for a group. */
export function isNarrow(m: Mind, g: Group): boolean {
	return m.short && g !== Group.Audio;
}

/** The order of rungs for a group, best first. */
export function ladder(m: Mind, g: Group): readonly Rung[] {
	return isNarrow(m, g) ? narrow : usual;
}

/** A rung's place in the group's ladder. */
export function rank(m: Mind, g: Group, rung: Rung): number {
	return rankIn(ladder(m, g), rung);
}

/** A rung's place in S11's order. */
export function usualRank(rung: Rung): number {
	return rankIn(usual, rung);
}

function rankIn(order: readonly Rung[], rung: Rung): number {
	const i = order.indexOf(rung);
	return i >= 0 ? i : order.length;
}

/** Takes from a probe's answer what it tells of length. */
export function heardLong(m: Mind, now: Nanos, z: Zone, p: Probe, e: EventOf<"probe_done">): void {
	const l = m.zones.long;
	if (!e.padded) {
		if (e.seq >= longSeq && e.addr === l.addr && !l.over) {
			l.short++;
		}
		return;
	}
	p.padded = true;
	if (m.grant === undefined || z.offer.id === m.grant.zone) {
		setShort(m, now, false);
	}
}

/** The zone whose router is in use, if length may be asked about now. */
function longZone(m: Mind): Zone | undefined {
	if (m.zones.open || (m.state !== "connecting" && m.state !== "lobby" && m.state !== "in")) {
		return undefined;
	}
	return m.zones.list.find(z => z.offer.id === m.grant?.zone);
}

export function wakeLong(m: Mind, w: Waker): void {
	if (longZone(m)?.offer.id === m.zones.long.zone) {
		w.add(m.zones.long.nextAt, "probe");
	}
}

/** Asks, where nobody knows. */
export function advanceLong(m: Mind, now: Nanos): void {
	const z = longZone(m);
	if (z === undefined) {
		return;
	}
	const zone = z.offer.id;
	const last = m.zones.long;
	if (last.zone !== zone) {
		m.zones.long = newLong(zone);
	} else if (last.over && due(now, last.nextAt)) {
		m.zones.long = newLong(zone, true);
	}
	const l = m.zones.long;
	const answered = z.probes.find(p => p.rtt >= 0);
	if (l.over || answered === undefined) {
		return;
	}
	if (z.probes.some(p => p.padded)) {
		l.over = true;
		l.nextAt = undefined;
		setShort(m, now, false);
		return;
	}
	if (l.addr === "") {
		l.addr = answered.addr;
		l.nextAt = now;
	}
	if (!due(now, l.nextAt)) {
		return;
	}
	if (l.sent < longTries) {
		const seq = longSeq + 2 * l.sent;
		act(m, { do: "probe", zone, addr: l.addr, seq, padded: true });
		act(m, { do: "probe", zone, addr: l.addr, seq: seq + 1 });
		l.sent++;
		l.nextAt = now + (l.sent === longTries ? longWait + millis(2 * udpRTT(z)) : longEvery);
		return;
	}
	l.over = true;
	l.nextAt = undefined;
	if (l.short >= 2) {
		const why = say("udp_small");
		if (!l.again) note(m, now, "probe", say("probe", { zone: nameOf(z), address: l.addr }), "lost", why);
		setShort(m, now, true);
	}
	if (m.short) {
		l.nextAt = now + longAgain;
	}
}

/** Changes the ladder of pictures, which look for a better rung on it. What is in use stays until one is up. */
function setShort(m: Mind, now: Nanos, short: boolean): void {
	if (m.short === short) {
		return;
	}
	m.short = short;
	for (const g of [Group.Video, Group.Content]) {
		const l = m.lanes[g];
		Object.assign(l, newDescent()); // of the other ladder
		const { inUse } = l;
		if (inUse !== undefined) {
			dropTries(m, now, g, t => rank(m, g, t.rung) > rank(m, g, inUse.rung), say("better_path"));
			l.probeAt = now;
		}
	}
	if (short) {
		progress(m, now, "media", "large datagrams get lost over UDP");
	}
}

/** Asks again: the network is another. */
export function forgetLong(m: Mind): void {
	for (const p of m.zones.list.flatMap(z => z.probes)) {
		p.padded = false;
	}
	m.zones.long = newLong();
	m.short = false;
}

/** Whether sound runs over UDP, so that only length keeps pictures off it. */
export function soundOnUDP(m: Mind): boolean {
	return m.lanes[Group.Audio].inUse?.rung === Rung.UDP8801;
}
