// Down the ladder on the evidence of media, and up again. A path that answers checks may carry no media, or lose a
// quarter of it; one below may do. What is in use stays until its successor is up.
//
//	        silent, 25 % lost for 10 s, 3/4 for 4 s          up
//	in use ─────────────────────────────▶ lower rungs tried ────▶ in use, better ones probed every 60 s
//	  ▲                                     │ heard again                              │ one is up
//	  └─────────────────────────────────────┴──────────────────────────────────────────┘
import { groupName, groups } from "../proto/ids.ts";
import { Group, Rung } from "../proto/messages.gen.ts";
import { due, minute, type Nanos, second } from "./clock.ts";
import type { EventOf } from "./events.ts";
import { ladder, rank } from "./long.ts";
import {
	candidates,
	dropTries,
	findTry,
	handleTransportDown,
	hasten,
	type Lane,
	newTry,
	pathName,
	type RungTry,
	renew,
	stagger,
	startDue,
	transportFor,
	what,
} from "./media.ts";
import { act, type Mind, note, progress } from "./mind.ts";
import { again, closeControl, through } from "./reach.ts";
import { type Phrase, say, words } from "./words.ts";

const poorLoss = 0.25; // of the packets, in the worse direction
const poorFor = 10 * second; // without a better second in between
const deadLoss = 0.75; // a path that carries next to nothing is left earlier
const deadFor = 4 * second;
const lossEvery = second; // how often a share of lost packets is told, and of how long it tells
const roomAfter = second; // when pictures have left a crowded path, sound finds room on it
const probeMin = minute; // between looks at better rungs; twice as long after each demotion
const probeMost = 10 * minute;
const probeSoon = 5 * second; // after asking for credentials to do that with
const lossApart = 300 * second; // a control channel that is lost again sooner says nothing of the network
const apartFor = 5 * second; // pictures on different rungs: a browser may be about to move the others too

/** The groups that move together; sound decides for itself. */
const pictures = [Group.Video, Group.Content] as const;

/**
 * When better rungs are looked at after the welcome that ends a change of network, or a loss that may have been one: when
 * what was tried at once has been given up, and once more. Chromium on Linux makes connections for the old network until
 * two seconds after the change, and later on a busy machine.
 */
const early = [6 * second, 15 * second] as const;

/** The groups that go where one of them goes. */
function alike(g: Group): readonly Group[] {
	return g === Group.Audio ? [g] : pictures;
}

/** What a lane knows of having gone down. */
export interface Descent {
	/** Rank of the best rung that media may use; better ones have failed it. */
	floor: number;
	/** Demotions, forgotten after probeMost on one rung. */
	fell: number;
	/** Since when too much is lost. */
	poorAt: Nanos | undefined;
	/** Since when nearly all is. */
	deadAt: Nanos | undefined;
	/** Better rungs are tried again then. */
	probeAt: Nanos | undefined;
}

export function newDescent(): Descent {
	return { floor: 0, fell: 0, poorAt: undefined, deadAt: undefined, probeAt: undefined };
}

/** Attempts of a group, with the credentials in use, on the rungs whose rank is in a range. */
function onRungs(m: Mind, now: Nanos, g: Group, from: number, before: number): RungTry[] {
	return ladder(m, g)
		.filter(r => rank(m, g, r) >= from && rank(m, g, r) < before)
		.map(r => newTry(m, r, now))
		.filter(t => m.cfg.rungs.includes(t.rung) && candidates(m, t.rung, t.via).length > 0);
}

export function handlePathSilent(m: Mind, now: Nanos, e: EventOf<"path_silent">): void {
	const found = findTry(m, e.attempt);
	if (found === undefined) {
		return;
	}
	const [g, t] = found;
	const l = m.lanes[g];
	if (l.inUse !== t || l.floor > rank(m, g, t.rung)) {
		return;
	}
	// What is left over from before a change says nothing of its rung after it, and its successor is on its way.
	const { upAt = now } = t;
	const left = t.set !== m.media.set && (m.media.shaken || upAt < (m.media.backAt ?? upAt));
	if (left || !demote(m, now, rank(m, g, t.rung) + 1, say("nothing"), alike(g))) {
		act(m, { do: "close_transport", attempt: t.id, group: g, rung: t.rung });
		handleTransportDown(m, now, t.id);
	}
}

/** Takes a demotion back that has not come to anything yet, for none of those that move together. */
export function handlePathHeard(m: Mind, now: Nanos, e: EventOf<"path_heard">): void {
	const found = findTry(m, e.attempt);
	if (found === undefined) {
		return;
	}
	const [g, t] = found;
	const l = m.lanes[g];
	if (l.inUse !== t || l.floor <= rank(m, g, t.rung) || m.cfg.fresh_ways) {
		return;
	}
	const there = (o: Group): boolean => {
		const used = m.lanes[o].inUse;
		return used !== undefined && rank(m, o, used.rung) > rank(m, g, t.rung);
	};
	if (alike(g).some(there)) {
		return;
	}
	for (const o of alike(g)) {
		const used = m.lanes[o].inUse;
		if (used === undefined || m.lanes[o].floor <= rank(m, o, used.rung)) {
			continue;
		}
		m.lanes[o].floor = 0;
		dropTries(m, now, o, x => rank(m, o, x.rung) > rank(m, o, used.rung), say("works_again"));
		progress(m, now, "media", pathName(o, used.rung));
	}
}

/** Follows a browser that moved media by itself. */
export function handlePathMoved(m: Mind, now: Nanos, e: EventOf<"path_moved">): void {
	const found = findTry(m, e.attempt);
	if (found === undefined) {
		return;
	}
	const [g, t] = found;
	if (m.lanes[g].inUse !== t || rank(m, g, e.rung) === ladder(m, g).length) {
		return;
	}
	t.port = e.port ?? 0;
	if (e.rung === t.rung) {
		return;
	}
	note(m, now, "media", what(g, t), "lost", say("browser_moved", { rung: e.rung }));
	t.rung = e.rung;
	if (rank(m, g, t.rung) < m.lanes[g].floor) {
		m.lanes[g].floor = 0;
	}
	progress(m, now, "media", pathName(g, t.rung));
	dropTries(m, now, g, o => o !== t && rank(m, g, o.rung) >= rank(m, g, t.rung), say("better_path"));
}

/** Looks for paths that lose too much. Pictures move first: often that is all it takes. */
export function handlePathLoss(m: Mind, now: Nanos, e: EventOf<"path_loss">): void {
	const l = m.lanes[e.group];
	const inUse = l.inUse;
	// TCP repeats what is lost.
	if (inUse === undefined || inUse.rung !== Rung.UDP8801 || e.loss < poorLoss || l.floor > 0) {
		l.poorAt = undefined;
		l.deadAt = undefined;
		return;
	}
	l.poorAt ??= now - lossEvery;
	l.deadAt = e.loss < deadLoss ? undefined : (l.deadAt ?? now - lossEvery);
	const soon = now + lossEvery / 2; // it is told a little early or late
	if (soon - l.poorAt < poorFor && (l.deadAt === undefined || soon - l.deadAt < deadFor)) {
		return;
	}
	// There is no way down without fresh credentials.
	const below = rank(m, e.group, inUse.rung) + 1;
	const lower = onRungs(m, now, e.group, below, ladder(m, e.group).length);
	if (m.cfg.fresh_ways && m.media.spare.length === 0 && lower.length > 0) {
		askFresh(m, now);
		return;
	}
	const why = say("lossy", { loss: Math.floor(100 * e.loss + 0.5) });
	if (demote(m, now, rank(m, Group.Video, inUse.rung) + 1, why, pictures)) {
		makeRoom(m, now);
	} else if (e.group === Group.Audio) {
		demote(m, now, rank(m, e.group, inUse.rung) + 1, why, [e.group]);
	}
	for (const o of [m.lanes[Group.Audio], l]) {
		o.poorAt = undefined; // sound without pictures may be good enough
		o.deadAt = undefined;
	}
}

/** Lets sound have what pictures have left, which may have kept it out. */
function makeRoom(m: Mind, now: Nanos): void {
	const l = m.lanes[Group.Audio];
	if (l.inUse === undefined || l.floor > 0) {
		return;
	}
	for (const t of l.tries) {
		if (t.id !== 0 && t !== l.inUse && t.set === m.media.set) {
			t.deadline = now + through(t.via, transportFor);
		}
	}
	l.probeAt = now + roomAfter;
}

/**
 * Moves those of the lanes that use a rung better than the floor to the rungs from there on. False: none of them can, or
 * all are on their way.
 */
function demote(m: Mind, now: Nanos, floor: number, why: Phrase, among: readonly Group[]): boolean {
	if (m.cfg.fresh_ways && (m.state !== "in" || m.media.spare.length === 0)) {
		return false;
	}
	const leaving: Group[] = [];
	let fresh = m.cfg.fresh_ways;
	for (const g of among) {
		const l = m.lanes[g];
		const t = l.inUse;
		if (
			t === undefined ||
			Math.max(l.floor, rank(m, g, t.rung) + 1) > floor ||
			onRungs(m, now, g, floor, ladder(m, g).length).length === 0
		) {
			continue;
		}
		if (t.upAt !== undefined && now - t.upAt >= probeMost) {
			l.fell = 0;
		}
		l.fell++;
		l.probeAt = undefined;
		note(m, now, "media", what(g, t), "lost", why);
		progress(m, now, "media", `${groupName(g)} leaves ${t.rung}: ${words(why)}`);
		leaving.push(g);
		fresh = fresh || t.set !== m.media.set;
	}
	if (leaving.length === 0) {
		return false;
	}
	// One that is below already, or not there yet, does not go back up alone.
	for (const g of among) {
		const l = m.lanes[g];
		l.floor = Math.max(l.floor, floor);
		if (l.inUse !== undefined) {
			dropTries(m, now, g, o => o !== l.inUse && rank(m, g, o.rung) < floor, why);
		}
	}
	// With all lanes, so every floor has been set before.
	if (fresh) {
		if (m.media.spare.length > 0) {
			renew(m, now, m.media.spare, say("fresh_transports"));
			return true;
		}
		for (const g of leaving) {
			hasten(m, now, g); // it is on its way already
		}
		return true;
	}
	for (const g of leaving) {
		const l = m.lanes[g];
		dropTries(m, now, g, o => o !== l.inUse, why);
		tryRungs(m, now, g, floor);
	}
	return true;
}

/** Tries the rungs of a lane from a rank on, in turn. */
export function tryRungs(m: Mind, now: Nanos, g: Group, from: number): void {
	for (const [n, t] of onRungs(m, now, g, from, ladder(m, g).length).entries()) {
		t.startAt = now + n * stagger(m);
		m.lanes[g].tries.push(t);
	}
	startDue(m, now, g);
}

/** Brings pictures together again: a browser moves one medium at a time, and a rung may fail one alone. */
export function advanceApart(m: Mind, now: Nanos): void {
	const v = m.lanes[Group.Video].inUse;
	const c = m.lanes[Group.Content].inUse;
	const settled = pictures.every(g => m.lanes[g].tries.every(t => t.done || t === m.lanes[g].inUse));
	if (!v || !c || v.rung === c.rung || v.via !== "" || c.via !== "" || !settled) {
		m.media.apartAt = undefined;
	} else if (m.media.apartAt === undefined) {
		m.media.apartAt = now + apartFor;
	} else if (due(now, m.media.apartAt)) {
		m.media.apartAt = now + apartFor;
		const ranks = [rank(m, Group.Video, v.rung), rank(m, Group.Content, c.rung)] as const;
		const lower = m.lanes[ranks[1] > ranks[0] ? Group.Content : Group.Video];
		if (due(now + probeSoon, lower.probeAt)) {
			return; // it is about to look at better rungs
		}
		// A browser may have passed a rung over, and does not go back to it.
		const floor = m.cfg.fresh_ways ? Math.min(...ranks) + 1 : Math.max(...ranks);
		demote(m, now, floor, say("together"), pictures);
	}
}

/**
 * Has fresh credentials come with a welcome: going down may have used up those that were spare. It is seldom asked for,
 * whatever comes of it.
 */
function askFresh(m: Mind, now: Nanos): void {
	if (m.state === "in" && now >= m.media.askAt) {
		m.media.askAt = now + probeMin;
		progress(m, now, "resume", "fresh credentials are asked for");
		closeControl(m);
		again(m, now, "");
	}
}

/**
 * The next early look of a lane; undefined where there is none. What has failed media twice is not in a hurry, and a page
 * has to have credentials for it.
 */
function earlyAt(m: Mind, now: Nanos, l: Lane): Nanos | undefined {
	const { soonAt, spare } = m.media;
	if (soonAt === undefined || l.fell > 1 || (m.cfg.fresh_ways && spare.length === 0)) {
		return undefined;
	}
	return early.map(d => soonAt + d).find(at => now < at);
}

/** There is a welcome, and what was tried at once may have been tried too early. */
export function backIn(m: Mind, now: Nanos): void {
	if (!m.media.shaken) {
		return;
	}
	m.media.shaken = false;
	m.media.backAt = now;
	const at = m.media.soonAt;
	if (at !== undefined && now - at < lossApart) {
		return;
	}
	m.media.soonAt = now;
	for (const g of groups) {
		const l = m.lanes[g];
		const at = earlyAt(m, now, l);
		if (at !== undefined && l.probeAt !== undefined && at < l.probeAt) {
			l.probeAt = at;
		}
	}
}

/** Tries the better rungs again, in good time. */
export function advanceDescent(m: Mind, now: Nanos, g: Group): void {
	const l = m.lanes[g];
	if (l.inUse === undefined || l.inUse.set !== m.media.set || l.inUse.via !== "") {
		l.probeAt = undefined;
		return;
	}
	const best = rank(m, g, l.inUse.rung);
	const better = onRungs(m, now, g, 0, best);
	const soon = earlyAt(m, now, l);
	if (better.length === 0 || l.tries.some(t => !t.done && rank(m, g, t.rung) < best)) {
		l.probeAt = undefined;
	} else if (l.probeAt === undefined && soon !== undefined) {
		l.probeAt = soon;
	} else if (l.probeAt === undefined) {
		l.probeAt = now + Math.min(probeMin * 2 ** Math.min(Math.max(l.fell - 1, 0), 4), probeMost);
	} else if (due(now, l.probeAt)) {
		// What a browser has given up it does not try again with the same credentials.
		const fresh = m.cfg.fresh_ways;
		if (fresh && (m.state !== "in" || m.media.spare.length === 0)) {
			l.probeAt = now + probeSoon;
			askFresh(m, now);
			return;
		}
		l.probeAt = undefined;
		for (const o of groups) {
			// Those that move together look together; and what a page looks with serves all of it, and then is used up.
			const { probeAt } = m.lanes[o];
			const looks = alike(g).includes(o) || (fresh && due(now + probeSoon, probeAt));
			if (o !== g && probeAt !== undefined && looks) {
				m.lanes[o].probeAt = now;
			}
		}
		l.tries.push(...better.map(t => ({ ...t, set: fresh ? m.media.set + 1 : m.media.set })));
		startDue(m, now, g);
	}
}
