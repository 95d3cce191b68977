// A measurement in which no controller has answered yet (S14, S15). Well before the bound of 5.5 s a grant of
// the lookup answer is taken unmeasured, and the tunnels race.
import { due, millisecond, type Nanos } from "./clock.ts";
import type { EventOf } from "./events.ts";
import { good } from "./lookup.ts";
import { act, begin, end, type Mind, note, progress } from "./mind.ts";
import { fail, takeGrant } from "./reach.ts";
import { allFailed, measure, stopMeasuring } from "./zones.ts";

const tunnelStagger = 100 * millisecond;

export function advanceSilence(m: Mind, now: Nanos): void {
	const z = m.zones;
	const nobody = z.list.every(allFailed);
	if (!z.tunnelsTried && (due(now, z.desAt) || nobody)) {
		z.tunnelsTried = true;
		z.desAt = undefined;
		takeGrantUnmeasured(m, now);
		if (z.tunnels.length > 0 && z.via === "") {
			z.tunnelNextAt = now;
			z.tunnelsOut = new Map();
		}
	}
	if (due(now, z.tunnelNextAt)) {
		dialNext(m, now);
	}
	const waiting = (z.tunnelsOut?.size ?? 0) > 0 || z.tunnelNextAt !== undefined;
	const hopeless = nobody && z.tunnelsTried && !waiting;
	if (!due(now, z.limit) && (!hopeless || z.background)) {
		return;
	}
	stopMeasuring(m, now, undefined);
	if (z.background && (m.control.up || m.reach.since === undefined)) {
		return; // a router answered all the same
	}
	const text = `None of the ${z.list.length} meeting zones can be reached from this network.`;
	fail(m, now, undefined, text, false);
}

function dialNext(m: Mind, now: Nanos): void {
	const z = m.zones;
	const [url, ...rest] = z.tunnels;
	if (url === undefined) {
		return;
	}
	z.tunnels = rest;
	z.tunnelNextAt = rest.length > 0 ? now + tunnelStagger : undefined;
	z.tunnelsOut?.set(url, begin(m, now, "tunnel", url));
	act(m, { do: "dial_tunnel", url });
}

/**
 * Tries the best router the site offered though no controller answers: controllers may be out of reach where
 * routers are not.
 */
function takeGrantUnmeasured(m: Mind, now: Nanos): void {
	if (m.zones.background) {
		return;
	}
	const best = m.zones.list.flatMap(z => m.lookup.grants.filter(g => g.zone === z.offer.id && good(m, now, g)))[0];
	if (best === undefined) {
		return;
	}
	note(m, now, "route", best.router, "won", "no controller answers yet; trying the server the site offered");
	m.zones.background = true;
	takeGrant(m, now, best);
}

/** Takes the first tunnel that answers and measures all controllers anew through it. */
export function handleTunnelUp(m: Mind, now: Nanos, e: EventOf<"tunnel_up">): void {
	const z = m.zones;
	const attempt = z.tunnelsOut?.get(e.url);
	if (!z.open || z.via !== "" || attempt === undefined) {
		return;
	}
	end(m, attempt, now, "won", "first tunnel to answer");
	stopTunnels(m, now, e.url);
	progress(m, now, "tunnel", e.url);
	for (const c of z.list.flatMap(x => x.ctrls)) {
		end(m, c.try, now, "lost", "no answer without a tunnel");
	}
	z.via = e.url;
	z.startAt = now;
	z.limit = now + m.cfg.answer_for;
	measure(m, now);
}

export function handleTunnelFailed(m: Mind, now: Nanos, e: EventOf<"tunnel_failed">): void {
	end(m, m.zones.tunnelsOut?.get(e.url), now, "lost", e.text || "no answer");
	m.zones.tunnelsOut?.delete(e.url);
}

/** Drops all tunnel attempts but the winner's. */
export function stopTunnels(m: Mind, now: Nanos, winner: string): void {
	act(m, { do: "cancel", what: "tunnels" });
	for (const [url, attempt] of m.zones.tunnelsOut ?? []) {
		if (url !== winner) {
			end(m, attempt, now, "lost", "another path was faster");
		}
	}
	m.zones.tunnelsOut = undefined;
	m.zones.tunnels = [];
	m.zones.tunnelNextAt = undefined;
}
