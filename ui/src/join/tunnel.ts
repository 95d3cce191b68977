// A measurement in which no controller has answered yet (S14, S15). Well before the bound of 5.5 s a grant of
// the lookup answer is taken unmeasured, and the tunnels race.
import { due, millisecond, type Nanos, second } from "./clock.ts";
import { grantFor, unprepare } from "./decide.ts";
import type { EventOf } from "./events.ts";
import { good } from "./lookup.ts";
import { closeLanes, tunnelLanes } from "./media.ts";
import { act, begin, end, type Mind, note, progress } from "./mind.ts";
import { again, closeControl, fail, newReach, openControl, startRouting, steadyAfter, takeGrant } from "./reach.ts";
import { type Phrase, say, told } from "./words.ts";
import { allFailed, measure, stopMeasuring } from "./zones.ts";

const blindFor = 1500 * millisecond; // or five round trips of the lookup: for a router entered blind
const tunnelStagger = 100 * millisecond;
const maxTunnels = 3; // dialled at once
const directEvery = 15 * second; // in a meeting through a tunnel, the way without one is looked for
const directSeldom = 600 * second; // the same where controllers are reached without one, and routers were not

export function advanceSilence(m: Mind, now: Nanos): void {
	const z = m.zones;
	const nobody = z.list.every(allFailed);
	if (!z.tunnelsTried && (due(now, z.desAt) || nobody)) {
		z.tunnelsTried = true;
		z.desAt = undefined;
		enterBlind(m, now);
		if (z.tunnels.length > 0 && z.via === "" && !m.control.up) {
			z.tunnelNextAt = now;
			z.tunnelsOut = new Map();
		}
	}
	if (due(now, z.blindAt) && z.via === "") {
		enterBlind(m, now); // the next
	}
	if (due(now, z.tunnelNextAt) && mayDial(m)) {
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
	if (m.control.everIn) {
		// What has been reached may be again.
		if (m.state === "measuring") startRouting(m, now, "");
		return;
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
	z.tunnelsOut?.set(url, begin(m, now, "tunnel", say("said", { text: url })));
	act(m, { do: "dial_tunnel", url });
}

/**
 * Tries the best router the site offered though no controller answers, and the next one when that stays silent too:
 * controllers may be out of reach where routers are not.
 */
export function enterBlind(m: Mind, now: Nanos): void {
	const z = m.zones;
	z.blindAt = undefined;
	if (z.background && !z.blind) {
		return;
	}
	for (const zone of z.list.slice(z.nBlind)) {
		const g = grantFor(m, now, zone);
		z.nBlind++;
		if (g !== undefined) {
			note(m, now, "route", say("said", { text: g.router }), "won", say("offered_server"));
			z.background = true;
			z.blind = true;
			z.blindAt = now + Math.max(blindFor, 5 * m.lookup.rtt);
			takeGrant(m, now, g);
			return;
		}
	}
}

/** Takes back that a router was entered blind: the choice is made as if it had not been. */
export function leaveBlind(m: Mind, now: Nanos, why: Phrase): void {
	end(m, m.control.try, now, "lost", why);
	end(m, m.reach.try, now, "lost", why);
	closeControl(m);
	closeLanes(m, now, say("other_server"));
	m.grant = undefined;
	m.reach = newReach();
	m.zones.background = false;
	m.zones.blind = false;
	m.zones.blindAt = undefined;
	m.state = "measuring";
}

/** Ends what a choice made blind left open: its router answers, or a controller is asked for one. */
export function settle(m: Mind): void {
	m.zones.blind = false;
	m.zones.blindAt = undefined;
	unprepare(m);
}

/** Takes the first tunnel that answers and measures all controllers anew through it. */
export function handleTunnelUp(m: Mind, now: Nanos, e: EventOf<"tunnel_up">): void {
	const z = m.zones;
	const attempt = z.tunnelsOut?.get(e.url);
	if (!z.open || z.via !== "" || attempt === undefined) {
		return;
	}
	if (m.control.up) {
		stopTunnels(m, now, ""); // the router answered meanwhile, and that is all one needs
		return;
	}
	end(m, attempt, now, "won", say("first_tunnel"));
	stopTunnels(m, now, e.url);
	progress(m, now, "tunnel", e.url);
	for (const c of z.list.flatMap(x => x.ctrls)) {
		end(m, c.try, now, "lost", say("needs_tunnel"));
	}
	z.via = e.url;
	z.directAt = now + directEvery;
	z.startAt = now;
	z.limit = now + m.cfg.answer_for;
	measure(m, now);
	if (z.background) {
		takeTunnel(m, now);
	}
}

export function handleTunnelFailed(m: Mind, now: Nanos, e: EventOf<"tunnel_failed">): void {
	end(m, m.zones.tunnelsOut?.get(e.url), now, "lost", told(e.text, say("no_answer")));
	m.zones.tunnelsOut?.delete(e.url);
}

/** Drops all tunnel attempts but the winner's. */
export function stopTunnels(m: Mind, now: Nanos, winner: string): void {
	act(m, { do: "cancel", what: "tunnels" });
	for (const [url, attempt] of m.zones.tunnelsOut ?? []) {
		if (url !== winner) {
			end(m, attempt, now, "lost", say("faster"));
		}
	}
	m.zones.tunnelsOut = undefined;
	m.zones.tunnels = [];
	m.zones.tunnelNextAt = undefined;
}

/** Whether another tunnel may be dialled beside those that have not answered yet. */
export function mayDial(m: Mind): boolean {
	return (m.zones.tunnelsOut?.size ?? 0) < maxTunnels;
}

/**
 * Takes over what is being tried without the tunnel: the router offered by the site has had as long as the
 * controllers, and a grant needs no controller.
 */
export function takeTunnel(m: Mind, now: Nanos): void {
	const { control, grant, zones } = m;
	const opening = m.state === "connecting" && !control.up && control.via === "";
	if (zones.via === "") {
		return;
	}
	if (control.up && control.via === "") {
		zones.via = ""; // the router was only slow
		zones.directAt = undefined;
	} else if (opening && grant !== undefined && good(m, now, grant)) {
		end(m, control.try, now, "lost", say("needs_tunnel"));
		openControl(m, now);
		tunnelLanes(m, now);
	} else if (opening || m.state === "routing") {
		closeControl(m);
		startRouting(m, now, m.reach.lost);
	}
}

/** Looks for the way without a tunnel: tunnels are for those who have no other. */
export function advanceDirect(m: Mind, now: Nanos): void {
	if (!due(now, m.zones.directAt)) {
		return;
	}
	m.zones.directAt = now + directEvery;
	for (const { offer } of m.zones.list) {
		for (const controller of offer.controllers) {
			act(m, { do: "ping", zone: offer.id, controller, seq: 0 });
		}
	}
}

/**
 * A controller answers without the tunnel that is in use. The control channel moves there, and media with fresh
 * transports, each old one kept until its successor is up.
 */
export function handleDirect(m: Mind, now: Nanos, e: EventOf<"ping_done">): void {
	const { welcomedAt } = m.control;
	if (e.via || m.state !== "in" || welcomedAt === undefined || now - welcomedAt < steadyAfter) {
		return;
	}
	note(m, now, "tunnel", say("said", { text: m.zones.via }), "lost", say("without_tunnel"));
	progress(m, now, "resume", "the direct way works");
	act(m, { do: "cancel", what: "measure" });
	m.zones.via = "";
	m.zones.directAt = undefined;
	m.zones.leave = true;
	m.reach.round = 0;
	closeControl(m);
	again(m, now, "");
}

/**
 * No controller answered this round. The next round goes another way, where the site has told of one: directly,
 * then through each tunnel. Who never needed a tunnel gives the direct way three rounds.
 */
export function nextWay(m: Mind, now: Nanos): void {
	const tunnels = m.lookup.answer?.tunnels ?? [];
	const z = m.zones;
	if (tunnels.length === 0 || z.open || (z.via === "" && !z.leave && m.reach.round < 3)) {
		return;
	}
	turn(m, now);
}

/** Goes another way. */
function turn(m: Mind, now: Nanos): void {
	const z = m.zones;
	const ways = ["", ...(m.lookup.answer?.tunnels ?? [])];
	z.via = ways[(ways.indexOf(z.via) + 1) % ways.length] ?? "";
	const every = z.list.some(x => x.shut) ? directSeldom : directEvery;
	z.directAt = z.via === "" ? undefined : now + every;
}

/**
 * A controller has named a router that nothing from here gets to, which is at addresses of its own (S22). Other zones
 * are asked first from now on. Where none is left, or the meeting has its home there, a tunnel may lead to it; that
 * controllers answer without one is then no reason to leave it soon.
 */
export function unreached(m: Mind, now: Nanos): void {
	for (const z of m.zones.list) {
		if (z.offer.id === m.grant?.zone) z.shut = true;
	}
	const left = m.grant?.home ? undefined : m.zones.list.find(z => !z.shut);
	if (left === undefined && (m.lookup.answer?.tunnels ?? []).length > 0 && !m.zones.open) {
		turn(m, now);
	}
}

/** In another network routers may be within reach that were not, without the tunnel too. */
export function forgetShut(m: Mind, now: Nanos): void {
	for (const z of m.zones.list) {
		z.shut = false;
	}
	if (m.zones.via !== "") {
		m.zones.directAt = now + directEvery;
	}
}
