// Phase one (S7, S8): the site names the meeting, and the zones that may host it.
import { Code, type Grant } from "../proto/messages.gen.ts";
import { some } from "./actions.ts";
import { due, millis, millisecond, type Nanos, second, wholeMillis } from "./clock.ts";
import { grantFor, prepare, takeSites } from "./decide.ts";
import type { EventOf } from "./events.ts";
import { act, amend, begin, end, type LookupState, type Mind, note, progress, step } from "./mind.ts";
import { fail, forget, handleSiteFailed, stopAsking, takeGrant } from "./reach.ts";
import { say, textOf, told } from "./words.ts";
import { openZones } from "./zones.ts";

/** A grant about to lapse is not used. */
const grantMarginMs = 1000;
const askFor = 300 * second; // a person's time to type a password

export function newLookup(): LookupState {
	return {
		try: 0,
		at: 0,
		answeredAt: undefined,
		rtt: 0,
		againAt: undefined,
		limit: undefined,
		attempt: undefined,
		tokenRefreshed: false,
		answer: undefined,
		grants: [],
		proxy: "",
		inspected: "",
		unused: "",
		classical: false,
	};
}

export function handleStart(m: Mind, now: Nanos): void {
	if (m.state !== "idle") {
		return;
	}
	m.startAt = now;
	startLookup(m, now);
}

/** Begins phase one, first or again after the token ran out. */
export function startLookup(m: Mind, now: Nanos): void {
	m.state = "looking-up";
	m.lookup.try = 0;
	m.lookup.limit = now + lookupFor(m);
	sendLookup(m, now);
}

/**
 * How long the site may take: who has been in the meeting goes back there, and waits for the site as long as for a
 * router.
 */
function lookupFor(m: Mind): Nanos {
	return m.control.everIn ? Math.max(m.cfg.lookup_for, m.cfg.reach_for) : m.cfg.lookup_for;
}

export function sendLookup(m: Mind, now: Nanos): void {
	const l = m.lookup;
	l.at = now;
	l.againAt = undefined;
	l.attempt = begin(m, now, "lookup", say("site"));
	act(m, { do: "lookup", try: l.try, last_zone: some(m.cfg.last_zone), last_rung: m.cfg.last_rung });
	l.try++;
}

export function handleLookupDone(m: Mind, now: Nanos, e: EventOf<"lookup_done">): void {
	const { asking, since } = m.reach;
	if (asking && since === undefined) {
		stopAsking(m, now); // a router stands
		return;
	}
	if (asking) {
		m.reach.asking = false;
		forget(m, now);
		m.reach.since = since; // the time for trying is what it was
	} else if (m.state !== "looking-up") {
		return;
	}
	const l = m.lookup;
	end(m, l.attempt, now, "won");
	l.answer = e.answer;
	l.grants = e.grants ?? [];
	l.answeredAt = now;
	l.proxy = e.proxy ?? "";
	l.inspected = e.inspected ?? "";
	l.unused = e.unused ?? "";
	l.classical = e.classical ?? false;
	if (e.via) {
		amend(l.attempt, say("through_tunnel", { url: e.via }));
	} else if (e.proxy) {
		amend(l.attempt, say("through_proxy", { proxy: e.proxy }));
	}
	const rtt = e.rtt_ms ?? 0;
	// A cold request is TCP, TLS, HTTP.
	l.rtt = rtt > 0 ? millis(rtt) : Math.trunc((now - l.at) / 3);
	if (e.answer.web_url !== "") {
		m.cfg.web_url = e.answer.web_url;
	}
	step(m, now, "lookup", m.startAt, rtt);
	const n = e.answer.zones.length;
	progress(m, now, "lookup", `${e.answer.meeting.topic}, ${n} ${n === 1 ? "zone" : "zones"}`);
	openZones(m, now);
	if (e.via) {
		// Where the site is out of reach zones are likely to be: the tunnels race beside the direct way.
		m.zones.tunnels = [e.via, ...m.zones.tunnels.filter(u => u !== e.via)];
		m.zones.desAt = now;
	}
	// Everybody goes to the home, whichever zone is nearest: people who chose different zones must meet
	// (design §6). Measuring goes on beside it.
	const home = l.grants.find(g => g.home && good(m, now, g));
	if (home !== undefined) {
		note(m, now, "route", say("said", { text: home.router }), "won", say("runs_there"));
		m.zones.background = true;
		takeGrant(m, now, home);
		return;
	}
	m.state = "measuring";
	const [only, ...others] = m.zones.list;
	if (only === undefined) {
		m.zones.open = false;
		fail(m, now, Code.NoRouter, "The site knows no meeting zone that could host this meeting.", true);
	} else if (others.length > 0) {
		prepare(m, now);
	} else {
		const g = grantFor(m, now, only);
		if (g !== undefined) {
			m.zones.background = true; // nothing to choose
			takeSites(m, now, g);
		}
	}
}

/** Whether a grant of the lookup answer can still be used. */
export function good(m: Mind, now: Nanos, g: Grant): boolean {
	return g.router !== "" && g.expires - serverTime(m, now) > grantMarginMs;
}

/** The server's time in milliseconds; 0 before the lookup answer. */
export function serverTime(m: Mind, now: Nanos): number {
	const { answer, answeredAt } = m.lookup;
	return answer === undefined || answeredAt === undefined ? 0 : answer.server_time + wholeMillis(now - answeredAt);
}

export function handleLookupFailed(m: Mind, now: Nanos, e: EventOf<"lookup_failed">): void {
	const l = m.lookup;
	if (m.reach.asking) {
		handleSiteFailed(m, now, e);
		return;
	}
	if (m.state !== "looking-up" || l.againAt !== undefined) {
		return;
	}
	const { code } = e;
	const text = textOf(e.text);
	end(m, l.attempt, now, "lost", told(e.text, say("no_answer")));
	m.failure = { do: "failed", code, text };
	if (code === Code.SlowDown) {
		// Whoever guesses at the meeting makes others wait, who are let in then.
		l.againAt = now + Math.max(1, e.retry_after ?? 0) * second;
		if (l.limit !== undefined && l.againAt >= l.limit) {
			fail(m, now, code, text, true);
		}
		return;
	}
	if (isFinal(code)) {
		fail(m, now, code, text, true);
		return;
	}
	if (e.final) {
		fail(m, now, code, text, false);
		return;
	}
	const at = now + 500 * millisecond * 2 ** Math.min(l.try - 1, 2);
	if ((l.try > 3 && !m.control.everIn) || (l.limit !== undefined && at > l.limit)) {
		fail(m, now, code, `The site does not answer: ${text || "no connection"}`, false);
		return;
	}
	l.againAt = at;
}

/** Gives a person time; the network's own begins anew with their answer. */
export function handleAsking(m: Mind, now: Nanos, e: EventOf<"asking">): void {
	if (m.state === "looking-up") {
		m.lookup.limit = now + askFor;
		progress(m, now, "lookup", `waiting for ${e.for}`);
	}
}

export function handleAsked(m: Mind, now: Nanos): void {
	if (m.state === "looking-up") {
		m.lookup.limit = now + lookupFor(m);
	}
}

export function advanceLookup(m: Mind, now: Nanos): void {
	if (due(now, m.lookup.limit)) {
		end(m, m.lookup.attempt, now, "lost", say("late"));
		act(m, { do: "cancel", what: "lookup" });
		fail(m, now, undefined, "The site does not answer.", false);
	} else if (due(now, m.lookup.againAt)) {
		sendLookup(m, now);
	}
}

const finalCodes: readonly Code[] = [
	Code.BadRequest,
	Code.Unsupported,
	Code.NoSuchMeeting,
	Code.Full,
	Code.Locked,
	Code.Ended,
	Code.NotStarted,
	Code.Ejected,
	Code.Replaced,
	Code.TokenInvalid,
	Code.Forbidden,
	Code.TooOld,
	Code.Left,
];

/** Whether a code will be the same however often one asks. */
export function isFinal(code: Code | undefined): boolean {
	return code !== undefined && finalCodes.includes(code);
}
