// The connection process (S7–S15) as one machine: lookup, zone selection, router selection, media, and the way
// back after something breaks. It is a mind: it does nothing itself. Events say what happened, next hands out
// what to do, wake says when time alone will matter. The twin of core/join: the same traces
// (wire/proto/testdata/join) run through both. What a page can't do is an action that its hands answer with
// "not here".
//
//	         start                lookup_done          decided, no grant
//	idle ───────────▶ looking-up ────────────▶ measuring ───────────────▶ routing ◀───────────┐
//	                     │  ▲                     │ decided, grant at hand   │ route_done        │
//	         final       │  │ token expired       │ (or home's grant at once)▼                   │ control_lost,
//	         refusal     │  └─────────────────────┼──────────────────── connecting ─────────────┤ refused: shutdown,
//	                     ▼                        │ nobody answers      ▲  │ waiting_room│        │ router_full, …
//	                   over ◀─────────────────────┘                     │  ▼             │        │
//	                     ▲                                        moved │ lobby          │welcomed│
//	                     │ leave, final refusal, 30 s without a router  │  │ welcomed    ▼        │
//	                     └──────────────────────────────────────────────┴──┴──────────▶ in ───────┘
//
// Measuring also runs in the background while a grant is already being used, that of the home or of the zone that
// UDP has chosen: it then decides nothing, but says where to route when the router is lost, and that tunnels are
// needed. Media transports run beside the control channel from the moment there is a grant; see media.ts. What they
// need is opened ahead for every grant among which the choice is still to be made.
//
// Connecting may also be entered blind, with a grant of the site's though nothing has answered yet. That is no choice:
// the first zone that answers makes it, and measuring goes on where the router refuses (tunnel.ts).
import { type Grant, Rung } from "../proto/messages.gen.ts";
import type { JoinAction } from "./actions.ts";
import { millisecond, type Nanos, second } from "./clock.ts";
import * as demote from "./demote.ts";
import type { JoinEvent } from "./events.ts";
import { type Fact, facts, type Report, report } from "./explain.ts";
import * as long from "./long.ts";
import {
	advanceLookup,
	handleAsked,
	handleAsking,
	handleLookupDone,
	handleLookupFailed,
	handleStart,
	newLookup,
	serverTime,
} from "./lookup.ts";
import * as media from "./media.ts";
import {
	type Attempt,
	type Config,
	type FullConfig,
	type Mind,
	type Reason,
	type State,
	seeking,
	stateOf,
} from "./mind.ts";
import * as reach from "./reach.ts";
import { advanceDirect, handleTunnelFailed, handleTunnelUp } from "./tunnel.ts";
import { Waker } from "./waker.ts";
import * as zones from "./zones.ts";

export type { ActionOf, JoinAction, Phase } from "./actions.ts";
export { type EventOf, type JoinEvent, notHere } from "./events.ts";
export type { Fact, Report, Step } from "./explain.ts";
export type { Attempt, Config, Outcome, Reason, State } from "./mind.ts";

/**
 * One client's way into one meeting. Times are milliseconds of a clock that only goes forward, such as
 * performance.now().
 */
export class Join {
	readonly #m: Mind;
	/** The caller's time of the first event. */
	#origin: number | undefined;

	constructor(config: Config) {
		this.#m = {
			cfg: withDefaults(config),
			state: "idle",
			startAt: 0,
			seenAt: 0,
			actions: [],
			record: [],
			steps: [],
			nextID: 0,
			lookup: newLookup(),
			zones: zones.newZones(),
			reach: reach.newReach(),
			control: reach.newControl(),
			lanes: [media.newLane(), media.newLane(), media.newLane()],
			grant: undefined,
			grantAt: 0,
			media: media.newMediaClock(),
			short: config.short ?? false,
			moved: false,
			failure: undefined,
		};
	}

	/** Where the process stands. */
	get state(): State {
		return this.#m.state;
	}

	/** The grant in use. */
	get grant(): Grant | undefined {
		return this.#m.grant;
	}

	/** The time to sign a hello with: the lookup answer's plus what has passed since; 0 before the answer. */
	serverTime(now: number): number {
		return serverTime(this.#m, this.#nanos(now));
	}

	/** What worked from this network before, where that is known only once the site has answered. */
	set lastRung(rung: Rung | undefined) {
		this.#m.cfg.last_rung = rung;
	}

	/** Takes one event in. Events of attempts that are closed are ignored. */
	handle(now: number, e: JoinEvent): void {
		if (this.#m.state === "over") {
			return;
		}
		const at = this.#nanos(now);
		awake(this.#m, at);
		this.#m.seenAt = at;
		dispatch(this.#m, at, e);
		advance(this.#m, at);
	}

	/** Hands out what to do, one at a time, in order. */
	next(): JoinAction | undefined {
		return this.#m.actions.shift();
	}

	/** When to send a tick, and why; undefined where only events matter. */
	wake(): { at: number; why: Reason } | undefined {
		const first = earliest(this.#m);
		return first && { at: (this.#origin ?? 0) + first.at / millisecond, why: first.why };
	}

	/** The record so far. */
	explain(): Report {
		return report(this.#m);
	}

	/** The record so far, for a page that has words of its own for what it says. */
	attempts(): Attempt[] {
		return this.#m.record.map(a => ({ ...a }));
	}

	/** The summary of the record as facts, for a page that has words of its own for each. */
	facts(): Fact[] {
		return facts(this.#m);
	}

	#nanos(now: number): Nanos {
		this.#origin ??= now;
		return Math.round((now - this.#origin) * millisecond);
	}
}

function withDefaults(c: Config): FullConfig {
	return {
		rungs: c.rungs !== undefined && c.rungs.length > 0 ? c.rungs : [Rung.UDP8801],
		no_probes: c.no_probes ?? false,
		fresh_ways: c.fresh_ways ?? false,
		one_group: c.one_group ?? false,
		last_zone: c.last_zone ?? "",
		last_rung: c.last_rung,
		short: c.short ?? false,
		web_url: c.web_url ?? "",
		lookup_for: c.lookup_for || 15 * second,
		answer_for: c.answer_for || 5500 * millisecond,
		reach_for: c.reach_for || 30 * second,
		media_for: c.media_for || 15 * second,
		content_after: c.content_after || 2 * second,
	};
}

function dispatch(m: Mind, now: Nanos, e: JoinEvent): void {
	switch (e.is) {
		case "start":
			handleStart(m, now);
			break;
		case "lookup_done":
			handleLookupDone(m, now, e);
			break;
		case "lookup_failed":
			handleLookupFailed(m, now, e);
			break;
		case "asking":
			handleAsking(m, now, e);
			break;
		case "asked":
			handleAsked(m, now);
			break;
		case "ping_done":
			zones.handlePingDone(m, now, e);
			break;
		case "ping_failed":
			zones.handlePingFailed(m, now, e);
			break;
		case "probe_done":
			zones.handleProbeDone(m, now, e);
			break;
		case "probe_failed":
			zones.handleProbeFailed(m, now, e);
			break;
		case "tunnel_up":
			handleTunnelUp(m, now, e);
			break;
		case "tunnel_failed":
			handleTunnelFailed(m, now, e);
			break;
		case "route_done":
			reach.handleRouteDone(m, now, e);
			break;
		case "route_failed":
			reach.handleRouteFailed(m, now, e);
			break;
		case "control_stands":
			reach.handleControlStands(m, e);
			break;
		case "control_up":
			reach.handleControlUp(m, now, e);
			break;
		case "welcomed":
			reach.handleWelcomed(m, now, e);
			break;
		case "waiting_room":
			reach.handleWaitingRoom(m, now, e);
			break;
		case "refused":
			reach.handleRefused(m, now, e);
			break;
		case "control_lost":
			reach.handleControlLost(m, now, e);
			break;
		case "transport_up":
			media.handleTransportUp(m, now, e);
			break;
		case "transport_failed":
		case "transport_lost":
			media.handleTransportDown(m, now, e.attempt, e.text ?? "");
			break;
		case "path_answers":
			media.handlePathAnswers(m, e);
			break;
		case "path_silent":
			demote.handlePathSilent(m, now, e);
			break;
		case "path_heard":
			demote.handlePathHeard(m, now, e);
			break;
		case "path_moved":
			demote.handlePathMoved(m, now, e);
			break;
		case "path_loss":
			demote.handlePathLoss(m, now, e);
			break;
		case "need_content":
			media.handleNeedContent(m, now);
			break;
		case "network_changed":
			reach.handleNetworkChanged(m, now, e);
			break;
		case "leave":
			reach.handleLeave(m, now);
			break;
		case "tick":
			break;
		default:
			e satisfies never;
	}
}

/** How much too late a wake-up is that came after sleep. */
const asleepAfter = 5 * second;

/**
 * Gives back the time that a machine has slept, where its clock goes on meanwhile: nothing was tried in it, so nothing
 * is given up for it.
 */
function awake(m: Mind, now: Nanos): void {
	const at = earliest(m)?.at;
	if (at === undefined || now - at < asleepAfter) {
		return;
	}
	const slept = now - at;
	const later = (t: Nanos | undefined) => (t === undefined ? undefined : t + slept);
	m.lookup.limit = later(m.lookup.limit);
	m.reach.since = later(m.reach.since);
	m.media.limit = later(m.media.limit);
}

/** Does what time alone makes due. */
function advance(m: Mind, now: Nanos): void {
	if (stateOf(m) === "looking-up") {
		advanceLookup(m, now);
	}
	if (stateOf(m) !== "over" && m.zones.open) {
		zones.advanceZones(m, now);
	}
	if (seeking(m)) {
		reach.advanceReach(m, now);
	}
	if (seeking(m)) {
		long.advanceLong(m, now);
		media.advanceMedia(m, now);
	}
	if (stateOf(m) === "in") {
		advanceDirect(m, now);
	}
}

function earliest(m: Mind): Waker["earliest"] {
	const w = new Waker();
	if (m.state === "idle" || m.state === "over") {
		return undefined;
	}
	if (m.state === "looking-up") {
		w.add(m.lookup.againAt, "lookup");
		w.add(m.lookup.limit, "give-up");
	}
	if (m.zones.open) {
		zones.wakeZones(m, w);
	}
	if (seeking(m)) {
		reach.wakeReach(m, w);
		media.wakeMedia(m, w);
		long.wakeLong(m, w);
	}
	if (m.state === "in") {
		w.add(m.zones.directAt, "tunnel");
	}
	return w.earliest;
}
