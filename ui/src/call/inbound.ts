// What the router's messages make of the state.
import { type Chat, Kind, type Message, Role, type Roster, type Welcome } from "../proto/messages.gen.ts";
import type { Effect, Outbound } from "./event.ts";
import { announcement, arrival, layout, mute, note, type Step, send, want, withMine } from "./mine.ts";
import { mapPeople, withRoster } from "./roster.ts";
import type { CallState, NoticeKind } from "./state.ts";

const reactionFor = 5000;
const maxChat = 2000;

export function onMessage(s: CallState, m: Message, now: number): Step {
	switch (m.t) {
		case "welcome":
			return onWelcome(s, m, now);
		case "waiting":
			return [{ ...s, stage: "waiting", topic: m.topic, announced: [] }, []];
		case "roster":
			if (m.version !== s.rosterVersion + 1) return [s, m.version > s.rosterVersion ? [{ do: "resync" }] : []];
			return onRoster(s, m, now);
		case "state": {
			const next = { ...s, switches: withoutType(m) };
			if (!!m.locked === !!s.switches.locked) return [next, []];
			return note(next, m.locked ? "locked" : "unlocked", {}, now);
		}
		case "slots":
			return [s, [{ do: "map", changes: [...m.changes] }]];
		case "speakers": {
			const loud = new Set(m.loudest);
			const people = mapPeople(s.people, p => (p.speaking === loud.has(p.id) ? p : { ...p, speaking: loud.has(p.id) }));
			return [{ ...s, people, speakers: { loudest: [...m.loudest], ...(m.active ? { active: m.active } : {}) } }, []];
		}
		case "wanted":
			return [s, [{ do: "layers", kind: m.kind, rids: [...m.rids] }]];
		case "chat":
			return onChat(s, m, now);
		case "react": {
			const id = s.nextID;
			const reactions = [...s.reactions.slice(-29), { id, from: m.from ?? 0, emoji: m.emoji, at: now }];
			return [{ ...s, nextID: id + 1, reactions }, [{ do: "expire", what: "reaction", id, after: reactionFor }]];
		}
		case "ask_unmute": {
			if (s.asks.some(a => a.kind === m.kind)) return [s, []];
			return [{ ...s, asks: [...s.asks, { kind: m.kind, by: m.by }] }, []];
		}
		case "error":
			return onRefusal(s, m, now);
		default:
			return [s, []]; // bye, ping and pong are the control channel's own; the rest only clients send
	}
}

function withoutType<M extends { t: string }>(m: M): Omit<M, "t"> {
	const { t: _, ...rest } = m;
	return rest;
}

function onWelcome(s: CallState, w: { t: "welcome" } & Welcome, now: number): Step {
	const was = s.stage;
	let next: CallState = {
		...s,
		stage: "in",
		meeting: w.meeting,
		self: w.participant,
		role: w.role,
		people: new Map(),
		order: was === "reconnecting" || was === "in" ? s.order : [],
		switches: w.state,
		cameras: w.slots.filter(x => x.kind === Kind.Video).length,
		waiting: [],
		chat: { ...s.chat, lines: w.chat ? [...w.chat] : [] },
		asks: [],
		rosterVersion: w.roster.version,
	};
	if (was === "reconnecting") next.chat.unread += unreadSince(s, next);
	next = withRoster(next, w.roster);
	// What a host did to the seat meanwhile holds before anything is announced.
	let effects: Effect[];
	[next, effects] = obey({ ...s, people: new Map() }, [next, []], now);
	next.hand = s.hand;
	// What was said right behind the hello holds, unless it has changed: a host may have muted it by now.
	for (const m of [...arrival(next), ...closedMeanwhile(s, next)])
		if (!s.announced.includes(JSON.stringify(m))) effects.push(send(m));
	next.announced = [];
	if (next.mine.content.on) effects.push({ do: "need_content" });
	if (next.tiles) {
		next.layoutVersion++;
		effects.push(...layout(next));
	}
	if (s.hand) effects.push(send({ t: "hand", up: true }));
	return [next, effects];
}

/** What the router still counts as sent, and was closed while it could not be told. */
function closedMeanwhile(before: CallState, s: CallState): Outbound[] {
	const me = s.self === undefined ? undefined : s.people.get(s.self);
	return (["video", "content"] as const)
		.filter(k => me?.[k] && !before.mine[k].on && !before.mine[k].wanted)
		.flatMap(k => announcement(s, k));
}

function unreadSince(before: CallState, after: CallState): number {
	if (after.chat.open) return 0;
	const last = before.chat.lines.at(-1)?.seq ?? 0;
	return after.chat.lines.filter(l => l.seq > last && l.from !== after.self).length;
}

function onRoster(s: CallState, r: Roster, now: number): Step {
	const next = withRoster(s, r);
	let step: Step = [next, []];
	const tell = (kind: NoticeKind, values: Record<string, string | number> = {}) => {
		step = note(step[0], kind, values, now, step[1]);
	};
	for (const p of r.put ?? []) {
		const before = s.people.get(p.id);
		if (p.waiting) {
			if (!s.waiting.some(w => w.id === p.id)) tell("waiting", { name: p.name });
			continue;
		}
		if (p.id === s.self) {
			if (before && before.role !== p.role) tell(p.role === Role.Participant ? "made_participant" : "made_cohost");
			continue;
		}
		if (!before) tell("joined", { name: p.name });
		else if (!before.hand && p.hand) tell("hand_raised", { name: p.name });
	}
	for (const id of r.gone ?? []) {
		const p = s.people.get(id);
		if (p && !p.isSelf) tell("left", { name: p.name });
	}
	if (next.share && !next.share.mine && next.share.by !== s.share?.by) {
		tell("share_started", { name: next.people.get(next.share.by)?.name ?? "" });
	} else if (s.share && !s.share.mine && !next.share) {
		tell("share_stopped", { name: s.people.get(s.share.by)?.name ?? "" });
	}
	return obey(s, step, now);
}

/** Does what hosts did to oneself: mute, lower the hand, stop the share or the camera. */
function obey(before: CallState, [s, effects]: Step, now: number): Step {
	const me = s.self === undefined ? undefined : s.people.get(s.self);
	if (!me) return [s, effects];
	let next: CallState = { ...s, role: me.role, hand: me.hand };
	let out = effects;
	if (me.audio?.muted && me.audio.byHost && !s.mine.audio.muted) {
		next = withMine(next, "audio", { ...next.mine.audio, muted: true, byHost: true });
		out = [...out, mute(next)];
		[next, out] = note(next, "muted_by_host", { kind: "audio" }, now, out);
	}
	for (const kind of ["video", "content"] as const) {
		const seen = kind === "video" ? me.video : me.content;
		const had = before.self === undefined ? undefined : before.people.get(before.self)?.[kind];
		if (seen?.muted && seen.byHost && !had?.byHost && next.mine[kind].wanted) {
			const [stopped, more] = want(next, kind, false);
			next = withMine(stopped, kind, { ...stopped.mine[kind], byHost: true });
			[next, out] = note(next, "muted_by_host", { kind }, now, [...out, ...more]);
		}
	}
	return [next, out];
}

function onChat(s: CallState, line: Chat, now: number): Step {
	if (s.chat.lines.some(l => l.seq === line.seq)) return [s, []];
	const mine = line.from === s.self;
	const chat = {
		...s.chat,
		lines: [...s.chat.lines.slice(1 - maxChat), line],
		unread: s.chat.open || mine ? s.chat.unread : s.chat.unread + 1,
	};
	const next = { ...s, chat };
	return s.chat.open || mine ? [next, []] : note(next, "chat", { name: line.name, text: line.text.slice(0, 120) }, now);
}

/** A refused wish: what was begun on its promise is undone. */
function onRefusal(s: CallState, m: { code: string; text: string; re?: string | undefined }, now: number): Step {
	if (s.stage !== "in" && (m.re === "publish" || m.re === "answer")) return [s, []]; // said too early for this router
	const [next, effects] = note(s, "refused", { code: m.code, text: m.text, re: m.re ?? "" }, now);
	if (m.re === "publish" && m.code === "forbidden" && next.mine.content.on && !sharing(next)) {
		const [stopped, more] = want(next, "content", false);
		return [stopped, [...effects, ...more]];
	}
	return [next, effects];
}

function sharing(s: CallState): boolean {
	return s.self !== undefined && s.people.get(s.self)?.content !== undefined;
}
