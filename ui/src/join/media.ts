// Phase four (S11, S12): one lane per media group, each climbing the ladder by itself.
//
//	         grant                 transport_up                   transport_lost
//	closed ────────▶ racing ────────────────────────▶ up ─────────────────────────▶ racing
//	                  │  ▲                             │ a better rung comes up: it takes over,
//	     all rungs    ▼  │ backoff                     ▼ the worse one is closed
//	     failed     pausing                            up
//
// Rungs start staggered by H, so that TCP does not win where UDP works but is a little slower; the first that is
// up is used at once. The rung that worked last time from this network starts at once beside the first.
//
// The credentials of one grant or welcome are one set: transports that come with one set are one peer connection
// to the router, which numbers their packets together. A router keys a transport once, so a lane that was up
// needs credentials of a fresh set, and then all lanes move to it, each keeping its old transport until the new
// one is up. A welcome brings a spare set, so the first repair costs no request.
import { groupName, groups } from "../proto/ids.ts";
import { type Candidate, type Credentials, Group, Rung } from "../proto/messages.gen.ts";
import { some } from "./actions.ts";
import { due, millisecond, type Nanos, second } from "./clock.ts";
import { advanceApart, advanceDescent, type Descent, newDescent, tryRungs } from "./demote.ts";
import type { EventOf } from "./events.ts";
import { isNarrow, ladder, rank } from "./long.ts";
import { type Attempt, act, begin, end, type Mind, nextID, note, progress, routerOf, stateOf, step } from "./mind.ts";
import { again, backoff, closeControl, fail, steadyAfter, through } from "./reach.ts";
import type { Waker } from "./waker.ts";
import { type Phrase, say, type Told, told } from "./words.ts";
import { assumedRTT } from "./zones.ts";

export const transportFor = 5 * second; // one attempt on one rung
const minH = 250 * millisecond;
const maxH = second;

/** One media group. */
export interface Lane extends Descent {
	wanted: boolean;
	tries: RungTry[];
	inUse: RungTry | undefined;
	round: number;
	retryAt: Nanos | undefined;
	/** Control attempt it was (re)started beside. */
	channel: number;
	/** Was up with the set in use: that set's credentials will not do again. */
	spent: boolean;
}

/** One attempt of one lane on one rung. */
export interface RungTry {
	/** 0: not started yet. */
	id: number;
	rung: Rung;
	/** When it may start. */
	startAt: Nanos;
	upAt: Nanos | undefined;
	deadline: Nanos | undefined;
	/** Failed or closed. */
	done: boolean;
	/** Checks over it are answered, and no keys come. */
	checks: boolean;
	/** The router's that media goes to; 0: not known. */
	port: number;
	/** Tunnel. */
	via: string;
	/** The set of credentials it belongs to. */
	set: number;
	try: Attempt | undefined;
}

/** What all lanes share. */
export interface MediaClock {
	/** Content starts then. */
	contentAt: Nanos | undefined;
	/** Joined, and no media path at all until then. */
	limit: Nanos | undefined;
	/** Some lane was up on this router. */
	everUp: boolean;
	/** Counts the sets of credentials used. */
	set: number;
	spare: readonly Credentials[];
	/** Video and content use different rungs: one follows the other then. */
	apartAt: Nanos | undefined;
	/** The network is another since the last welcome, or may be. */
	shaken: boolean;
	/** The welcome after that. */
	backAt: Nanos | undefined;
	/** The same, where early looks count from it. */
	soonAt: Nanos | undefined;
	/** Fresh credentials may be asked for from then on. */
	askAt: Nanos;
}

export function newLane(): Lane {
	return {
		wanted: false,
		tries: [],
		inUse: undefined,
		round: 0,
		retryAt: undefined,
		channel: 0,
		spent: false,
		...newDescent(),
	};
}

export function newMediaClock(): MediaClock {
	return {
		contentAt: undefined,
		limit: undefined,
		everUp: false,
		set: 0,
		spare: [],
		apartAt: undefined,
		shaken: false,
		backAt: undefined,
		soonAt: undefined,
		askAt: 0,
	};
}

/** H of the design. */
export function stagger(m: Mind): Nanos {
	return Math.min(Math.max(2 * assumedRTT(m) + 50 * millisecond, minH), maxH);
}

/**
 * Starts audio and video beside the control channel, and whatever else was wanted, with the credentials of a
 * fresh grant. Where all lanes are up already they stay, and the credentials are spare: the router is the same.
 */
export function startLanes(m: Mind, now: Nanos, fresh: readonly Credentials[]): void {
	m.lanes[Group.Audio].wanted = true;
	if (!m.cfg.one_group) {
		m.lanes[Group.Video].wanted = true;
	}
	if (m.lanes.some(l => l.wanted && l.inUse === undefined)) {
		renew(m, now, fresh, say("fresh_grant"));
		return;
	}
	if (m.zones.leave) {
		m.zones.leave = false;
		renew(m, now, fresh, say("leaves_tunnel"));
		return;
	}
	m.media.spare = fresh;
}

/** Moves all lanes to another set of credentials. What is in use stays until its successor is up. */
export function renew(m: Mind, now: Nanos, fresh: readonly Credentials[], why: Phrase): void {
	if (m.grant !== undefined) {
		m.grant = { ...m.grant, groups: fresh };
	}
	m.media.spare = [];
	m.media.set++;
	for (const g of groups) {
		const l = m.lanes[g];
		l.spent = false;
		l.round = 0;
		if (l.wanted) {
			dropTries(m, now, g, t => t !== l.inUse, why);
			climb(m, now, g);
		}
	}
}

/** Sets up the attempts of one lane over all rungs there are candidates for. */
function climb(m: Mind, now: Nanos, g: Group): void {
	const l = m.lanes[g];
	l.tries = l.inUse === undefined ? [] : [l.inUse];
	l.retryAt = undefined;
	l.channel = m.control.id;
	const h = stagger(m);
	const from = headStart(m, now);
	const rungs = ladder(m, g).filter(
		r => m.cfg.rungs.includes(r) && rank(m, g, r) >= l.floor && candidates(m, r, viaOf(m, r)).length > 0,
	);
	for (const [n, rung] of rungs.entries()) {
		const via = viaOf(m, rung);
		const inTurn = from + n * h;
		if (via === "" && holdsBack(m, g, rung)) {
			l.tries.push(newTry(m, rung, inTurn + transportFor));
		} else {
			l.tries.push(newTry(m, rung, atOnce(m, g, rung, via) ? now : inTurn));
		}
	}
	startDue(m, now, g);
}

/**
 * Whether a lane has no reason yet to try a rung: what it uses is better, and works. It only follows the others to
 * fresh credentials, and has time to come up there on the rung it has.
 */
function holdsBack(m: Mind, g: Group, rung: Rung): boolean {
	const { inUse, floor } = m.lanes[g];
	return inUse !== undefined && rank(m, g, inUse.rung) >= floor && rank(m, g, rung) > rank(m, g, inUse.rung);
}

/** Starts what a lane has held back: the first at once, the others in turn. */
export function hasten(m: Mind, now: Nanos, g: Group): void {
	const waiting = m.lanes[g].tries.filter(t => t.id === 0 && !t.done);
	for (const [n, t] of waiting.entries()) {
		t.startAt = Math.min(t.startAt, now + n * stagger(m));
	}
	startDue(m, now, g);
}

/** When UDP's head start began: with the probes, where none of them has been answered. */
function headStart(m: Mind, now: Nanos): Nanos {
	const probes = m.zones.list.flatMap(z => z.probes);
	// Where there is a tunnel, nothing but it is likely to pass.
	return m.zones.via !== "" || probes.length === 0 || probes.some(p => p.rtt >= 0) ? now : m.zones.startAt;
}

/**
 * Whether a rung starts beside the first. Behind a proxy, or a tunnel, little else than TLS is likely to pass (S13);
 * UDP still has its start.
 */
function atOnce(m: Mind, g: Group, rung: Rung, via: string): boolean {
	const last = rung === m.cfg.last_rung && !(rung === Rung.UDP8801 && isNarrow(m, g));
	return last || via !== "" || (rung === Rung.TLS443 && m.lookup.proxy !== "");
}

/** The tunnel a rung goes through. */
function viaOf(m: Mind, rung: Rung): string {
	return rung === Rung.TLS443 ? m.zones.via : "";
}

export function newTry(m: Mind, rung: Rung, startAt: Nanos): RungTry {
	return {
		id: 0,
		rung,
		startAt,
		upAt: undefined,
		deadline: undefined,
		done: false,
		checks: false,
		port: 0,
		via: viaOf(m, rung),
		set: m.media.set,
		try: undefined,
	};
}

/** Adds the way through the tunnel to the lanes that have no path yet. */
export function tunnelLanes(m: Mind, now: Nanos): void {
	for (const g of groups) {
		const l = m.lanes[g];
		const t = newTry(m, Rung.TLS443, now);
		if (!l.wanted || l.inUse !== undefined) {
			continue;
		}
		if (!m.cfg.rungs.includes(t.rung) || candidates(m, t.rung, t.via).length === 0) {
			continue;
		}
		dropTries(m, now, g, o => o.rung === t.rung, say("needs_tunnel"));
		l.tries.push(t);
		startDue(m, now, g);
	}
}

/** The addresses for an attempt. A tunnel sends UDP to the router, whatever reaches the tunnel. */
export function candidates(m: Mind, rung: Rung, via: string): Candidate[] {
	const of = via === "" ? rung : Rung.UDP8801;
	return (m.grant?.candidates ?? []).filter(c => c.rung === of);
}

/** Those of an attempt's set: a probe may try the spare one. */
function credentials(m: Mind, t: RungTry, group: Group): Credentials {
	const set = t.set > m.media.set ? m.media.spare : m.grant?.groups;
	return set?.find(c => c.group === group) ?? { group, ufrag: "", pwd: "" };
}

export function startDue(m: Mind, now: Nanos, g: Group): void {
	for (const t of m.lanes[g].tries) {
		if (t.id !== 0 || t.done || now < t.startAt) {
			continue;
		}
		t.id = nextID(m);
		t.deadline = now + through(t.via, transportFor);
		t.try = begin(m, now, "media", what(g, t));
		act(m, {
			do: "start_transport",
			attempt: t.id,
			group: g,
			rung: t.rung,
			router: routerOf(m),
			candidates: candidates(m, t.rung, t.via),
			credentials: credentials(m, t, g),
			fingerprint: m.grant?.fingerprint ?? "",
			via: some(t.via),
		});
	}
}

export function pathName(g: Group, rung: Rung): string {
	return `${groupName(g)} over ${rung}`;
}

/** Names an attempt in the record. */
export function what(g: Group, { rung, via }: RungTry): Phrase {
	const group = groupName(g);
	return via === "" ? say("media", { group, rung }) : say("media_tunnel", { group, rung, url: via });
}

export function findTry(m: Mind, id: number): [Group, RungTry] | undefined {
	for (const g of groups) {
		const t = m.lanes[g].tries.find(x => id !== 0 && x.id === id && !x.done);
		if (t !== undefined) {
			return [g, t];
		}
	}
	return undefined;
}

export function handleTransportUp(m: Mind, now: Nanos, e: EventOf<"transport_up">): void {
	const found = findTry(m, e.attempt);
	if (found === undefined || found[1].upAt !== undefined) {
		return;
	}
	const [g, t] = found;
	const l = m.lanes[g];
	if (t.set > m.media.set) {
		adopt(m, now, t.set);
	}
	t.upAt = now;
	t.deadline = undefined;
	t.port = e.port ?? 0;
	m.media.everUp = true;
	m.media.limit = undefined;
	if (g === Group.Audio) {
		step(m, now, "media", m.grantAt, 0);
	}
	end(m, t.try, now, "won");
	l.inUse = t;
	l.spent = true;
	if (rank(m, g, t.rung) < l.floor) {
		l.floor = 0; // what was left is good again
	}
	l.poorAt = undefined;
	l.deadAt = undefined;
	act(m, { do: "use_transport", attempt: t.id, group: g, rung: t.rung });
	progress(m, now, "media", pathName(g, t.rung));
	// What is worse than this one has lost; what is better may still come and take over.
	dropTries(m, now, g, o => o.set !== t.set || rank(m, g, o.rung) > rank(m, g, t.rung), say("better_path"));
	dropTries(m, now, g, o => rank(m, g, o.rung) < l.floor, say("left"));
}

export function handlePathAnswers(m: Mind, e: EventOf<"path_answers">): void {
	const found = findTry(m, e.attempt);
	if (found !== undefined) {
		found[1].checks = true;
	}
}

/** The spare credentials, with which a probe has come up, are those in use from now on: all lanes move to them. */
function adopt(m: Mind, now: Nanos, set: number): void {
	if (m.grant !== undefined) {
		m.grant = { ...m.grant, groups: m.media.spare };
	}
	m.media.spare = [];
	m.media.set = set;
	for (const g of groups) {
		const l = m.lanes[g];
		l.spent = false;
		if (l.wanted && !l.tries.some(t => !t.done && t.set === set)) {
			dropTries(m, now, g, t => t !== l.inUse, say("fresh_transports"));
			climb(m, now, g);
		}
	}
}

/** Closes the attempts of a lane that match. */
export function dropTries(m: Mind, now: Nanos, g: Group, match: (t: RungTry) => boolean, why: Phrase): void {
	const l = m.lanes[g];
	l.tries = l.tries.filter(t => {
		if (t.done || !match(t)) {
			return !t.done;
		}
		t.done = true;
		if (t.id !== 0) {
			end(m, t.try, now, "lost", why);
			act(m, { do: "close_transport", attempt: t.id, group: g, rung: t.rung });
		}
		if (l.inUse === t) {
			l.inUse = undefined;
		}
		return false;
	});
}

export function handleTransportDown(m: Mind, now: Nanos, id: number, text?: Told): void {
	const found = findTry(m, id);
	if (found === undefined) {
		return;
	}
	const [g, t] = found;
	const l = m.lanes[g];
	t.done = true;
	if (t.upAt === undefined) {
		end(m, t.try, now, "lost", told(text, say("no_answer")));
	} else {
		note(m, now, "media", what(g, t), "lost", told(text, say("nothing")));
		if (now - t.upAt >= steadyAfter) {
			l.round = 0;
		}
	}
	if (l.inUse === t) {
		l.inUse = undefined;
		hasten(m, now, g);
		progress(m, now, "media", `${pathName(g, t.rung)} is lost`);
		if (m.lanes.every(o => o.inUse === undefined)) {
			m.media.everUp = false;
			// Elsewhere the welcome sets it.
			m.media.limit = m.state === "in" ? now + m.cfg.reach_for : undefined;
		}
	}
	if (l.inUse !== undefined) {
		// A better rung did not come up; the one in use goes on, until there is one on the credentials of the others.
		if (t.set === m.media.set && l.inUse.set !== t.set && !l.tries.some(o => !o.done && o.set === t.set)) {
			tryRungs(m, now, g, rank(m, g, t.rung) + 1);
		}
		return;
	}
	const other = l.tries.find(o => !o.done);
	if (other !== undefined) {
		if (other.id === 0) {
			other.startAt = now; // nothing runs beside it: no reason to hold it back
		}
		startDue(m, now, g);
		return;
	}
	l.floor = 0; // nothing below is better
	// While the control channel is away the credentials may have lapsed; a fresh grant starts the lane.
	if (m.control.id !== 0) {
		l.retryAt = now + backoff(l.round);
		l.round++;
	}
}

/**
 * The router keeps this participant now, and has sent fresh credentials. anew: it did not know us from before,
 * so what stood with it is gone.
 */
export function welcomeLanes(m: Mind, now: Nanos, anew: boolean, spare: readonly Credentials[]): void {
	m.media.contentAt = now + m.cfg.content_after;
	if (!m.media.everUp && m.media.limit === undefined) {
		m.media.limit = now + m.cfg.media_for;
	}
	if (spare.length > 0) {
		m.media.spare = spare;
	}
	const wanted = m.lanes.filter(l => l.wanted);
	const stale = anew && wanted.some(l => l.channel !== m.control.id);
	const idle = wanted.some(l => l.tries.every(t => t.done));
	if (stale) {
		for (const g of groups) {
			dropTries(m, now, g, () => true, say("restarted"));
		}
	}
	if (stale || idle) {
		// What was refused before may be admitted now.
		renew(m, now, spare.length > 0 ? spare : (m.grant?.groups ?? []), say("restarted"));
	}
}

/** Sets a lane up again that has lost its transport or never got one. */
function repair(m: Mind, now: Nanos, g: Group): void {
	const l = m.lanes[g];
	l.retryAt = undefined;
	if (m.state === "in" && m.media.spare.length > 0) {
		const { round } = l;
		renew(m, now, m.media.spare, say("fresh_transports"));
		l.round = round;
	} else if (m.state === "in" && l.spent) {
		// A fresh grant and a new control channel bring two fresh sets (design §4: rejoining media).
		progress(m, now, "resume", "media is set up anew");
		closeControl(m);
		again(m, now, "");
	} else {
		climb(m, now, g);
	}
}

export function handleNeedContent(m: Mind, now: Nanos): void {
	if (m.state === "in" && m.media.contentAt !== undefined) {
		m.media.contentAt = now;
	}
}

export function advanceMedia(m: Mind, now: Nanos): void {
	if (m.state === "in" && due(now, m.media.contentAt)) {
		m.media.contentAt = undefined;
		const content = m.lanes[Group.Content];
		if (!m.cfg.one_group && !content.wanted) {
			content.wanted = true;
			climb(m, now, Group.Content);
		}
	}
	for (const g of groups) {
		const l = m.lanes[g];
		if (!l.wanted) {
			continue;
		}
		startDue(m, now, g);
		for (const t of [...l.tries]) {
			if (!t.done && due(now, t.deadline)) {
				act(m, { do: "close_transport", attempt: t.id, group: g, rung: t.rung });
				const silent = say("silent_seconds", { s: through(t.via, transportFor) / second });
				handleTransportDown(m, now, t.id, t.checks ? say("checks") : silent);
			}
		}
		if (due(now, l.retryAt)) {
			repair(m, now, g);
		}
		advanceDescent(m, now, g);
	}
	advanceApart(m, now);
	if (stateOf(m) === "in" && due(now, m.media.limit)) {
		const text = "The meeting was reached, but no path for sound and pictures was found.";
		fail(m, now, undefined, text, false);
	}
}

export function wakeMedia(m: Mind, w: Waker): void {
	if (m.state === "in") {
		w.add(m.media.contentAt, "content");
		w.add(m.media.limit, "media");
	}
	w.add(m.media.apartAt, "rung");
	for (const l of m.lanes) {
		if (!l.wanted) {
			continue;
		}
		w.add(l.retryAt, "rung");
		w.add(l.probeAt, "rung");
		for (const t of l.tries) {
			if (!t.done) {
				w.add(t.id === 0 ? t.startAt : t.deadline, "rung");
			}
		}
	}
}

/** Drops all media transports. What was wanted stays wanted. */
export function closeLanes(m: Mind, now: Nanos, why: Phrase): void {
	for (const g of groups) {
		dropTries(m, now, g, () => true, why);
		const l = m.lanes[g];
		l.retryAt = undefined;
		l.round = 0;
		l.spent = false;
		Object.assign(l, newDescent());
	}
	m.media.everUp = false;
	m.media.limit = undefined;
	m.media.contentAt = undefined;
	m.media.spare = [];
	m.media.apartAt = undefined;
}
