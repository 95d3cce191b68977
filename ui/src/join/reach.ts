// Phase three (S10) and the way back after a loss: rounds over the controllers until one names a router whose
// control channel then stands.
import { Code, type Grant } from "../proto/messages.gen.ts";
import { some } from "./actions.ts";
import { due, millis, millisecond, type Nanos, second } from "./clock.ts";
import { unprepare } from "./decide.ts";
import { backIn } from "./demote.ts";
import type { EventOf } from "./events.ts";
import { tried } from "./explain.ts";
import { forgetLong } from "./long.ts";
import { isFinal, sendLookup, startLookup } from "./lookup.ts";
import { closeLanes, startLanes, welcomeLanes } from "./media.ts";
import {
	type Attempt,
	act,
	begin,
	end,
	type Mind,
	nextID,
	note,
	progress,
	routerOf,
	seeking,
	sinceStart,
	step,
} from "./mind.ts";
import { enterBlind, forgetShut, leaveBlind, nextWay, settle, unreached } from "./tunnel.ts";
import type { Waker } from "./waker.ts";
import { type Phrase, say, textOf, told, words } from "./words.ts";
import { openZones, order, stopMeasuring } from "./zones.ts";

const controlTimeout = 5 * second; // TCP, TLS, upgrade; and again for the answer to hello
const sitePause = 5 * second; // between lookups beside the rounds over the controllers
/** In the meeting this long: the next loss starts a new count. */
export const steadyAfter = 5 * second;
const maxMoves = 3; // routers followed in a row
const maxRouterFull = 3; // routes asked again in a row after router_full
const minRouteTimeout = 600 * millisecond; // the controller may ping a suspect for 300 ms first
const maxRouteTimeout = 2 * second;

export interface Reach {
	/** Looking for a router since; undefined while there is one. */
	since: Nanos | undefined;
	/** Sets the pause before the next round. */
	round: number;
	/** Next round. */
	retryAt: Nanos | undefined;
	/** Controllers of this round still to ask. */
	queue: readonly Target[];
	/** Being asked. */
	asked: Target | undefined;
	timeoutAt: Nanos | undefined;
	try: Attempt | undefined;
	/** Router to report as lost. */
	lost: string;
	/** This round has tried the last router itself too. */
	direct: boolean;
	/** Moved answers followed in a row. */
	moves: number;
	/** router_full in a row. */
	fulls: number;
	lastCode: Code | undefined;
	lastText: string;
	/** There was a router once: what the site said before may not hold any more. */
	stale: boolean;
	/** The site is being asked again, beside the rounds. */
	asking: boolean;
}

export interface Target {
	zone: string;
	controller: string;
	rtt: number;
}

/** The control channel: one at a time. */
export interface Control {
	/** Attempt; 0: none. */
	id: number;
	up: boolean;
	/** Tunnel. */
	via: string;
	/** For the next step of its opening. */
	deadline: Nanos | undefined;
	/** Of this channel, or when it came to the waiting room. */
	welcomedAt: Nanos | undefined;
	try: Attempt | undefined;
	/** Some channel was welcomed. */
	everIn: boolean;
}

export function newReach(): Reach {
	return {
		since: undefined,
		round: 0,
		retryAt: undefined,
		queue: [],
		asked: undefined,
		timeoutAt: undefined,
		try: undefined,
		lost: "",
		direct: false,
		moves: 0,
		fulls: 0,
		lastCode: undefined,
		lastText: "",
		stale: false,
		asking: false,
	};
}

export function newControl(): Control {
	return { id: 0, up: false, via: "", deadline: undefined, welcomedAt: undefined, try: undefined, everIn: false };
}

/** The pause before round n of trying: 0, 300 ms, 1.2 s, 2.7 s, 4.8 s, then 7 s. */
export function backoff(n: number): Nanos {
	return Math.min(n * n * 300 * millisecond, 7 * second);
}

/** Begins a round over all controllers. */
export function startRouting(m: Mind, now: Nanos, lost: string): void {
	settle(m);
	m.state = "routing";
	m.reach.since ??= now;
	m.reach.queue = order(m, now);
	m.reach.lost = lost;
	m.reach.retryAt = undefined;
	m.reach.direct = false;
	askNext(m, now);
}

function askNext(m: Mind, now: Nanos): void {
	const r = m.reach;
	const [t, ...rest] = r.queue;
	r.asked = t;
	r.timeoutAt = undefined;
	r.queue = rest;
	if (t === undefined) {
		roundOver(m, now);
		return;
	}
	let wait = minRouteTimeout;
	if (t.rtt >= 0) {
		// Four round trips, since the connection may have gone, and the controller's ping of a suspect.
		wait = Math.min(Math.max(minRouteTimeout, 4 * millis(t.rtt) + 400 * millisecond), maxRouteTimeout);
	}
	r.timeoutAt = now + wait;
	r.try = begin(m, now, "route", say("zone", { zone: t.zone, url: t.controller }));
	act(m, { do: "route", zone: t.zone, controller: t.controller, lost: some(r.lost), via: some(m.zones.via) });
}

/** No controller named a router. The router of the last grant may be alive all the same. */
function roundOver(m: Mind, now: Nanos): void {
	const r = m.reach;
	if (r.lost !== "" && routerOf(m) === r.lost && !r.direct) {
		r.direct = true;
		note(m, now, "route", say("said", { text: routerOf(m) }), "won", say("last_server"));
		openControl(m, now);
		return;
	}
	nextWay(m, now);
	again(m, now, r.lost);
}

/** Waits for the next round, longer each time; the first one starts at once. */
export function again(m: Mind, now: Nanos, lost: string): void {
	const r = m.reach;
	m.state = "routing";
	r.asked = undefined;
	r.timeoutAt = undefined;
	r.lost = lost;
	r.since ??= now;
	const pause = backoff(r.round);
	r.round++;
	if (pause === 0) {
		startRouting(m, now, lost);
		return;
	}
	r.retryAt = now + pause;
}

export function handleRouteDone(m: Mind, now: Nanos, e: EventOf<"route_done">): void {
	if (m.state !== "routing" || e.grant.router === "") {
		return;
	}
	const r = m.reach;
	if (e.controller === (r.asked?.controller ?? "")) {
		end(m, r.try, now, "won", say("server", { server: e.grant.router }));
	}
	end(m, r.try, now, "lost", say("other_controller"));
	r.asked = undefined;
	r.timeoutAt = undefined;
	r.retryAt = undefined;
	step(m, now, "route", r.since ?? now, 0);
	progress(m, now, "route", `server ${e.grant.router} in zone ${e.grant.zone}`);
	takeGrant(m, now, e.grant);
}

export function handleRouteFailed(m: Mind, now: Nanos, e: EventOf<"route_failed">): void {
	const { code, grant } = e;
	const text = textOf(e.text);
	if (m.state !== "routing" || e.controller !== m.reach.asked?.controller || e.controller === "") {
		return;
	}
	end(m, m.reach.try, now, "lost", told(e.text, say("no_answer")));
	if (code !== undefined) {
		m.reach.lastCode = code;
		m.reach.lastText = text;
	}
	if (code === Code.Moved && grant !== undefined) {
		follow(m, now, grant);
	} else if (code === Code.TokenExpired) {
		refreshToken(m, now, text);
	} else if (code === Code.RouterFull && otherZone(m)) {
		askNext(m, now);
	} else if (code === Code.RouterFull) {
		full(m, now, text);
	} else if (isFinal(code)) {
		fail(m, now, code, text, true);
	} else {
		askNext(m, now);
	}
}

/**
 * Goes where a moved answer points, a few times: two servers that point at each other must not keep a client
 * running in circles.
 */
function follow(m: Mind, now: Nanos, g: Grant): void {
	m.zones.blind = false; // that was an answer
	if (m.reach.moves >= maxMoves || g.router === "") {
		again(m, now, "");
		return;
	}
	m.reach.moves++;
	note(m, now, "route", say("said", { text: g.router }), "won", say("lives_here"));
	takeGrant(m, now, g);
}

/**
 * Passes over what is left of the zone just asked, whose controllers all know it is full, and reports whether
 * another zone is left in this round.
 */
function otherZone(m: Mind): boolean {
	const r = m.reach;
	r.queue = r.queue.filter(t => t.zone !== r.asked?.zone);
	return r.queue.length > 0;
}

/**
 * Asks for a route again: the next answer knows more. The home's limit is a limit in every zone, so a few times
 * are enough.
 */
function full(m: Mind, now: Nanos, text: string): void {
	m.reach.fulls++;
	if (m.reach.fulls >= maxRouterFull) {
		fail(m, now, Code.RouterFull, text || "The servers are full at the moment.", true);
		return;
	}
	m.reach.round = Math.max(1, m.reach.round);
	again(m, now, "");
}

/** Looks the meeting up again, once per stay in the meeting; text is what the server said. */
function refreshToken(m: Mind, now: Nanos, text: string): void {
	closeControl(m);
	if (m.lookup.tokenRefreshed) {
		fail(m, now, Code.TokenExpired, `The right to join is refused, and a new one too. ${text}`.trim(), true);
		return;
	}
	m.lookup.tokenRefreshed = true;
	stopAsking(m, now);
	forget(m, now);
	startLookup(m, now);
}

/** Drops all that the last lookup led to. */
export function forget(m: Mind, now: Nanos): void {
	closeControl(m);
	settle(m);
	if (m.zones.open) {
		stopMeasuring(m, now, undefined);
	}
	closeLanes(m, now, say("again"));
	end(m, m.reach.try, now, "lost", say("again"));
	m.grant = undefined;
	m.reach = newReach();
}

/**
 * When the site is asked again beside the rounds, for it may name others than the controllers that are silent: half way
 * through the time for trying. Undefined where it is not to be asked.
 */
function siteAt(m: Mind): Nanos | undefined {
	const { stale, asking, since } = m.reach;
	if (!stale || asking || since === undefined) {
		return undefined;
	}
	return Math.max(since + Math.trunc(m.cfg.reach_for / 2), m.lookup.againAt ?? 0);
}

/** Ends that the site is asked again: a router answers, or the network is another. */
export function stopAsking(m: Mind, now: Nanos): void {
	if (m.reach.asking) {
		m.reach.asking = false;
		end(m, m.lookup.attempt, now, "lost", say("faster"));
		act(m, { do: "cancel", what: "lookup" });
	}
}

/** The site could not be reached either, or it refuses, which is told when nothing else has helped. */
export function handleSiteFailed(m: Mind, now: Nanos, e: EventOf<"lookup_failed">): void {
	m.reach.asking = false;
	end(m, m.lookup.attempt, now, "lost", told(e.text, say("no_answer")));
	if (e.code !== undefined) {
		m.reach.lastCode = e.code;
		m.reach.lastText = textOf(e.text);
	}
	m.reach.stale = !isFinal(e.code) && e.final !== true;
	m.lookup.againAt = now + Math.max(sitePause, (e.retry_after ?? 0) * second);
}

/** Goes to a router: control channel and media at once. */
export function takeGrant(m: Mind, now: Nanos, g: Grant): void {
	const same = m.grant !== undefined && g.router === m.grant.router;
	if (!same) {
		m.grantAt = now;
		m.steps = m.steps.filter(s => s.phase !== "media");
		closeLanes(m, now, say("lives_elsewhere"));
	}
	// The credentials in use are those of the transports that stand.
	m.grant = same && m.grant !== undefined ? { ...g, groups: m.grant.groups } : g;
	openControl(m, now);
	startLanes(m, now, g.groups);
	if (!m.zones.blind) {
		unprepare(m);
	}
}

/** How long something may take that a tunnel's own connection comes before. */
export function through(via: string, d: Nanos): Nanos {
	return via !== "" ? 2 * d : d;
}

export function openControl(m: Mind, now: Nanos): void {
	closeControl(m);
	if (m.grant === undefined) {
		return;
	}
	m.reach.since ??= now;
	m.state = "connecting";
	m.control.id = nextID(m);
	m.control.up = false;
	m.control.via = m.zones.via;
	m.control.deadline = now + through(m.zones.via, controlTimeout);
	m.control.try = begin(m, now, "control", say("server", { server: m.grant.router }));
	act(m, { do: "open_control", attempt: m.control.id, grant: m.grant, via: some(m.zones.via) });
}

/** Drops the channel, if any. Who knows a better reason has written it down before. */
export function closeControl(m: Mind): void {
	const { welcomedAt } = m.control;
	if (welcomedAt !== undefined && m.seenAt - welcomedAt >= steadyAfter) {
		m.lookup.tokenRefreshed = false; // it was good
	}
	if (m.control.id !== 0) {
		end(m, m.control.try, m.seenAt, "lost", say("given_up"));
		act(m, { do: "close_control", attempt: m.control.id });
	}
	m.control.id = 0;
	m.control.up = false;
	m.control.deadline = undefined;
	m.control.welcomedAt = undefined;
}

export function handleControlStands(m: Mind, e: EventOf<"control_stands">): void {
	if (e.attempt === m.control.id && !m.control.up) {
		m.control.deadline = undefined;
		m.reach.since = undefined;
		settle(m);
	}
}

export function handleControlUp(m: Mind, now: Nanos, e: EventOf<"control_up">): void {
	if (e.attempt !== m.control.id || m.control.up) {
		return;
	}
	m.control.up = true;
	settle(m);
	m.control.deadline = now + controlTimeout;
	progress(m, now, "control", `server ${routerOf(m)}`);
}

export function handleWaitingRoom(m: Mind, now: Nanos, e: EventOf<"waiting_room">): void {
	if (e.attempt !== m.control.id || e.attempt === 0) {
		return;
	}
	m.state = "lobby";
	arrived(m, now);
	end(m, m.control.try, now, "won", say("in_waiting_room"));
	act(m, { do: "waiting", topic: some(e.topic ?? "") });
}

export function handleWelcomed(m: Mind, now: Nanos, e: EventOf<"welcomed">): void {
	if (e.attempt !== m.control.id || e.attempt === 0) {
		return;
	}
	m.state = "in";
	arrived(m, now);
	end(m, m.control.try, now, "won", say("joined"));
	step(m, now, "control", m.grantAt, 0);
	const resumed = m.control.everIn;
	act(m, {
		do: "joined",
		router: routerOf(m),
		zone: m.grant?.zone ?? "",
		resumed: some(resumed),
		ms: sinceStart(m, now),
	});
	welcomeLanes(m, now, resumed && e.resumed !== true, e.groups ?? []);
	backIn(m, now);
	m.control.everIn = true;
}

/** There is a router. The pauses are reset only after some time with it, see controlLost. */
function arrived(m: Mind, now: Nanos): void {
	settle(m);
	stopAsking(m, now);
	m.reach.stale = true;
	m.lookup.againAt = undefined;
	if (m.control.via === "") {
		for (const z of m.zones.list) {
			if (z.offer.id === m.grant?.zone) z.shut = false;
		}
	}
	m.control.deadline = undefined;
	m.control.welcomedAt = now;
	m.reach.since = undefined;
	m.reach.moves = 0;
	m.reach.fulls = 0;
	m.reach.lost = "";
	m.reach.direct = false;
}

export function handleControlLost(m: Mind, now: Nanos, e: EventOf<"control_lost">): void {
	if (e.attempt === m.control.id && e.attempt !== 0) {
		controlLost(m, now, told(e.text, say("broke")));
	}
}

function controlLost(m: Mind, now: Nanos, why: Phrase): void {
	if (m.zones.blind) {
		leaveBlind(m, now, why);
		enterBlind(m, now); // the next
		return;
	}
	const { welcomedAt } = m.control;
	m.reach.lastText = words(why);
	if (welcomedAt === undefined) {
		end(m, m.control.try, now, "lost", why);
		if (!m.reach.direct && (due(now, m.control.deadline) || (!m.control.up && m.reach.round >= 3))) {
			unreached(m, now);
		}
	} else {
		m.media.shaken = true;
		note(m, now, "control", say("server", { server: routerOf(m) }), "lost", why);
		progress(m, now, "resume", `the connection to the server is lost: ${words(why)}`);
		if (now - welcomedAt >= steadyAfter) {
			m.reach.round = 0;
		}
	}
	if (m.reach.direct) {
		nextWay(m, now); // neither a controller nor the last server itself
	}
	closeControl(m);
	again(m, now, routerOf(m));
}

export function handleRefused(m: Mind, now: Nanos, e: EventOf<"refused">): void {
	if (e.attempt !== m.control.id || e.attempt === 0) {
		return;
	}
	const why = told(e.text, e.code === Code.TokenExpired ? say("expired") : say("said", { text: e.code }));
	m.reach.lastCode = e.code;
	m.reach.lastText = e.text ?? "";
	if (e.code === Code.Moved && e.grant !== undefined) {
		end(m, m.control.try, now, "lost", say("lives_on", { server: e.grant.router }));
		follow(m, now, e.grant);
	} else if (e.code === Code.TokenExpired) {
		end(m, m.control.try, now, "lost", why);
		refreshToken(m, now, e.text ?? "");
	} else if (e.code === Code.RouterFull && !m.zones.blind) {
		end(m, m.control.try, now, "lost", why);
		closeControl(m);
		closeLanes(m, now, say("full"));
		m.grant = undefined;
		full(m, now, e.text ?? "");
	} else if (isFinal(e.code)) {
		end(m, m.control.try, now, "lost", why);
		fail(m, now, e.code, e.text ?? "", true);
	} else {
		controlLost(m, now, why); // shutdown, lost, internal, replayed …: another try may succeed
	}
}

export function handleNetworkChanged(m: Mind, now: Nanos, e: EventOf<"network_changed">): void {
	m.moved ||= m.state === "in";
	forgetShut(m, now);
	if (m.zones.blind && !e.kept) {
		leaveBlind(m, now, say("network"));
	}
	if (e.kept) {
		m.media.soonAt = undefined;
		forgetLong(m);
		if (m.reach.since !== undefined) {
			m.reach.since = now; // the control channel had been lost before
			m.reach.round = 0;
		}
		if (m.reach.retryAt !== undefined) {
			m.reach.retryAt = now;
		}
	} else if (m.state === "looking-up") {
		end(m, m.lookup.attempt, now, "lost", say("network"));
		act(m, { do: "cancel", what: "lookup" });
		sendLookup(m, now);
	} else if (m.state === "measuring") {
		stopMeasuring(m, now, undefined);
		if (m.zones.opened) {
			m.lookup.grants = []; // a router keys a transport once, and may have done so over the old path
		}
		openZones(m, now);
	} else if (seeking(m)) {
		m.media.shaken = true;
		m.media.soonAt = undefined;
		end(m, m.reach.try, now, "lost", say("network"));
		stopAsking(m, now);
		m.lookup.againAt = undefined;
		// Old paths may look alive for seconds. A new control channel and fresh transports take four round trips
		// (design §4).
		note(m, now, "control", say("server", { server: routerOf(m) }), "lost", say("network"));
		progress(m, now, "resume", "the network changed");
		closeControl(m);
		closeLanes(m, now, say("network"));
		forgetLong(m);
		m.reach.round = 0;
		m.reach.since = undefined; // here nothing has been tried yet
		again(m, now, "");
	}
}

export function handleLeave(m: Mind, now: Nanos): void {
	drop(m, now);
	m.state = "over";
	act(m, { do: "left" });
}

export function advanceReach(m: Mind, now: Nanos): void {
	const r = m.reach;
	if (due(now, r.timeoutAt)) {
		end(m, r.try, now, "lost", say("late"));
		askNext(m, now);
	}
	if (due(now, m.control.deadline)) {
		controlLost(m, now, say("server_silent"));
	}
	if (r.since !== undefined && due(now, r.since + m.cfg.reach_for)) {
		const text = m.control.everIn ? "The connection was lost and could not be restored." : "No server can be reached.";
		fail(m, now, r.lastCode, r.lastText === "" ? text : `${text} Last: ${r.lastText}`, false);
		return;
	}
	if (due(now, siteAt(m))) {
		r.asking = true; // the rounds go on beside it: what was out of reach may come back
		sendLookup(m, now);
	}
	if (m.state === "routing" && due(now, r.retryAt)) {
		startRouting(m, now, r.lost);
	}
}

export function wakeReach(m: Mind, w: Waker): void {
	if (m.state === "routing") {
		w.add(m.reach.timeoutAt, "route");
		w.add(m.reach.retryAt, "route");
	}
	w.add(m.control.deadline, "control");
	if (m.reach.since !== undefined) {
		w.add(m.reach.since + m.cfg.reach_for, "give-up");
	}
	w.add(siteAt(m), "lookup");
}

/** Ends the process with everything the user can act on. */
export function fail(m: Mind, now: Nanos, code: Code | undefined, text: string, refused: boolean): void {
	drop(m, now);
	m.state = "over";
	const lines = refused ? [] : tried(m);
	m.failure = {
		do: "failed",
		code: code || undefined,
		text: text || `Refused: ${code ?? ""}.`,
		refused: some(refused),
		tried: lines.length > 0 ? lines : undefined,
		web_url: some(m.cfg.web_url),
	};
	act(m, m.failure);
}

/** Closes all that is open. */
function drop(m: Mind, now: Nanos): void {
	if (m.zones.open) {
		stopMeasuring(m, now, undefined);
	}
	unprepare(m);
	closeControl(m);
	closeLanes(m, now, say("over"));
	end(m, m.lookup.attempt, now, "lost", say("over"));
	end(m, m.reach.try, now, "lost", say("over"));
	m.reach.since = undefined;
	m.reach.timeoutAt = undefined;
	m.reach.retryAt = undefined;
}
