// The state of the process, and what all its phases use. join.ts has the diagram and the way in.
import type { Grant, LookupAnswer, Rung } from "../proto/messages.gen.ts";
import { type ActionOf, type JoinAction, type Phase, some } from "./actions.ts";
import { type Nanos, wholeMillis } from "./clock.ts";
import type { Lane, MediaClock } from "./media.ts";
import type { Control, Reach } from "./reach.ts";
import type { Phrase } from "./words.ts";
import type { Zones } from "./zones.ts";

/** Settings of a machine; durations are nanoseconds, and 0 or absent takes the default written at them. */
export interface Config {
	/** Rungs the client can use, any order; absent: UDP 8801 only. The ladder's order is S11's. */
	rungs?: readonly Rung[] | undefined;
	/** The client can't send STUN probes of its own (a page). */
	no_probes?: boolean | undefined;
	/** Media can't be told to leave a path that still answers, but by fresh credentials (a page). */
	fresh_ways?: boolean | undefined;
	/** All media on the audio group's transport. */
	one_group?: boolean | undefined;
	/** What worked from this network before. */
	last_zone?: string | undefined;
	last_rung?: Rung | undefined;
	/** Long datagrams got lost in this network before: pictures start over connections. */
	short?: boolean | undefined;
	/** Where to send the user when even the lookup fails (S15); the lookup answer replaces it. */
	web_url?: string | undefined;
	/** All tries of the lookup: 15 s. */
	lookup_for?: Nanos | undefined;
	/** Until some controller answers: 5.5 s (S14). */
	answer_for?: Nanos | undefined;
	/** Without a router, before giving up: 30 s. */
	reach_for?: Nanos | undefined;
	/** Joined without any media path: 15 s. */
	media_for?: Nanos | undefined;
	/** Content transport after joining: 2 s. */
	content_after?: Nanos | undefined;
}

/** A Config with its defaults. */
export type FullConfig = { [K in Exclude<keyof Config, "last_rung">]-?: NonNullable<Config[K]> } & {
	last_rung: Rung | undefined;
};

export type State = "idle" | "looking-up" | "measuring" | "routing" | "connecting" | "lobby" | "in" | "over";

/** Why the machine wants to be woken. */
export type Reason =
	| "lookup"
	| "ping"
	| "probe"
	| "decide"
	| "tunnel"
	| "give-up"
	| "route"
	| "control"
	| "rung"
	| "media"
	| "content";

export type Outcome = "pending" | "won" | "lost";

/** One line of the record: what was tried, when, how long it took, how it ended and why. */
export interface Attempt {
	phase: "lookup" | "zone" | "probe" | "tunnel" | "route" | "control" | "media";
	what: Phrase;
	/** Since start. */
	start_ms: number;
	took_ms: number;
	outcome: Outcome;
	why?: Phrase;
}

export type StepName = "lookup" | "zone" | "route" | "control" | "media";

/** A part of the first join, when it is done; rtt is of its path in milliseconds, 0: that to the router. */
export interface StepDone {
	phase: StepName;
	end_ms: number;
	took_ms: number;
	rtt: number;
}

/** One client's way into one meeting. */
export interface Mind {
	cfg: FullConfig;
	state: State;
	startAt: Nanos;
	/** Of the last event. */
	seenAt: Nanos;
	actions: JoinAction[];
	record: Attempt[];
	steps: StepDone[];
	nextID: number;
	lookup: LookupState;
	zones: Zones;
	reach: Reach;
	control: Control;
	/** By group. */
	lanes: readonly [Lane, Lane, Lane];
	/** In use. */
	grant: Grant | undefined;
	/** Its router was chosen. */
	grantAt: Nanos;
	media: MediaClock;
	/** Long datagrams get lost: long.ts. */
	short: boolean;
	/** To another network, in the meeting. */
	moved: boolean;
	failure: ActionOf<"failed"> | undefined;
}

/** Phase one, and what it brought. */
export interface LookupState {
	try: number;
	/** Sent. */
	at: Nanos;
	answeredAt: Nanos | undefined;
	rtt: Nanos;
	againAt: Nanos | undefined;
	limit: Nanos | undefined;
	attempt: Attempt | undefined;
	tokenRefreshed: boolean;
	answer: LookupAnswer | undefined;
	grants: readonly Grant[];
	/** What the lookup told of the network, for the report: the proxy, and who opens TLS on the way. */
	proxy: string;
	inspected: string;
	/** Why a proxy that is configured is not used. */
	unused: string;
	/** Long TLS handshakes do not pass. */
	classical: boolean;
}

/** Whether the process is past measuring and not over. */
export function seeking(m: Mind): boolean {
	return m.state === "routing" || m.state === "connecting" || m.state === "lobby" || m.state === "in";
}

/** The state, read anew: what was called since the last look may have changed it. */
export function stateOf(m: Mind): State {
	return m.state;
}

export function act(m: Mind, a: JoinAction): void {
	m.actions.push(a);
}

export function nextID(m: Mind): number {
	m.nextID++;
	return m.nextID;
}

/** A time as shown to people: whole milliseconds since start. */
export function sinceStart(m: Mind, at: Nanos): number {
	return wholeMillis(at - m.startAt);
}

export function progress(m: Mind, now: Nanos, phase: Phase, detail: string): void {
	act(m, { do: "progress", phase, ms: sinceStart(m, now), detail: some(detail) });
}

/** The router in use; "" before there is one. */
export function routerOf(m: Mind): string {
	return m.grant?.router ?? "";
}

/** Notes that a part of the first join is done. */
export function step(m: Mind, now: Nanos, phase: StepName, since: Nanos, rtt: number): void {
	if (!m.control.everIn && !m.steps.some(s => s.phase === phase)) {
		const end_ms = sinceStart(m, now);
		m.steps.push({ phase, end_ms, took_ms: end_ms - sinceStart(m, since), rtt });
	}
}

// The record of a long meeting in a bad network is bounded; the oldest of what is over the bound goes,
// except the join's own beginning.
const maxRecord = 400;
const keepRecord = 100;

export function begin(m: Mind, now: Nanos, phase: Attempt["phase"], what: Phrase): Attempt {
	if (m.record.length >= maxRecord) {
		m.record.splice(keepRecord, maxRecord / 4);
	}
	const a: Attempt = { phase, what, start_ms: sinceStart(m, now), took_ms: 0, outcome: "pending" };
	m.record.push(a);
	return a;
}

/** Closes an attempt; the first end counts. */
export function end(m: Mind, a: Attempt | undefined, now: Nanos, outcome: Outcome, why?: Phrase): void {
	if (a?.outcome !== "pending") {
		return;
	}
	a.outcome = outcome;
	a.took_ms = sinceStart(m, now) - a.start_ms;
	if (why !== undefined) {
		amend(a, why);
	}
}

/** Says more about an attempt that has ended. */
export function amend(a: Attempt | undefined, why: Phrase): void {
	if (a !== undefined) {
		a.why = why;
	}
}

/** Records what took no time. */
export function note(m: Mind, now: Nanos, phase: Attempt["phase"], what: Phrase, outcome: Outcome, why: Phrase): void {
	end(m, begin(m, now, phase, what), now, outcome, why);
}
