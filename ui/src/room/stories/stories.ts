// Every situation the call screen can be in, by name.
import { type CallState, initialState, type Notice, type NoticeKind, type OverCode } from "../../call/state.ts";
import { source } from "../../proto/ids.ts";
import { type Chat, Kind } from "../../proto/messages.gen.ts";
import { connection, phases } from "./connection.ts";
import { sentences } from "./every.ts";
import type { StoryName } from "./names.ts";
import { meeting, nameOf, person } from "./people.ts";
import { screen } from "./pictures.ts";

const at = Date.UTC(2026, 10, 20, 10, 30);

function chat(): Chat[] {
	const said: [number, string, number?][] = [
		[2, "Good morning! The agenda is at https://example.org/agenda?week=47 (second page)."],
		[2, "We start in a minute."],
		[1, "Thanks, reading."],
		[10, "שלום לכולם, אני שומעת אתכם היטב. הקישור: https://example.org/"],
		[3, "Only for you: can you admit Kofi?", 1],
		[1, "Done", 3],
		[6, `A long word: ${"Donaudampfschifffahrtselektrizitätenhauptbetriebswerk".repeat(3)}`],
		[5, "这张幻灯片很清楚。\n第二行。"],
	];
	return said.map(([from, text, to], i) => ({
		seq: i + 1,
		from,
		name: nameOf(from),
		text,
		at: at + i * 50_000,
		...(to ? { to } : {}),
	}));
}

const view = (change: Partial<CallState["view"]>): CallState["view"] => ({ ...initialState().view, ...change });

function shared(n: number, change: Partial<CallState> = {}): CallState {
	const s = meeting(n, change);
	const id = source(2, Kind.Content);
	const slots = new Map(s.slots).set(id, { slot: 50, kind: Kind.Content, stream: screen(), live: true });
	return { ...s, slots, share: { by: 2, source: id, mine: false } };
}

function notices(...kinds: [NoticeKind, Notice["values"]][]): Notice[] {
	return kinds.map(([kind, values], i) => ({ id: i + 1, kind, values, at }));
}

function waiting(n: number, change: Partial<CallState> = {}): CallState {
	return meeting(5, {
		waiting: Array.from({ length: n }, (_, i) => person(20 + i, { waiting: true })),
		...change,
	});
}

const over =
	(code: OverCode, tried: string[] = []) =>
	(): CallState => ({
		...initialState(),
		stage: "over",
		target: { number: "83012345678" },
		over: { code, text: "", tried },
		connection: { ...initialState().connection, attempts: tried.length > 0 ? connection.attempts : [] },
	});

const hands = (): CallState => {
	const s = meeting(9);
	const people = new Map(s.people);
	for (const [i, id] of [5, 3, 2].entries()) people.set(id, person(id, { hand: at + i }));
	people.set(7, person(7, { away: true }));
	return { ...s, people };
};

const reactions = ["👍", "👏", "❤️", "😂", "😮", "🎉"].map((emoji, i) => ({ id: i + 1, from: i + 1, emoji, at }));

const guest = (change: Partial<CallState>): CallState => ({ ...meeting(3, change), role: "participant" });

export const stories: Record<StoryName, () => CallState> = {
	one: () => meeting(1),
	two: () => meeting(2),
	three: () => meeting(3),
	five: () => meeting(5),
	nine: () => meeting(9),
	twelve: () => meeting(12),
	"twenty-five": () => meeting(25),
	forty: () => meeting(40, { view: view({ page: 1 }) }),
	speaker: () => meeting(9, { view: view({ mode: "speaker" }) }),
	share: () => shared(5),
	"share-coming": () => ({ ...shared(3), slots: new Map() }),
	"share-mine": () => {
		const s = meeting(3);
		const mine = { ...s.mine, content: { wanted: true, on: true, muted: false, byHost: false } };
		return { ...s, mine, share: { by: 1, source: source(1, Kind.Content), mine: true } };
	},
	chat: () => meeting(12, { view: view({ panel: "chat" }), chat: { lines: chat(), unread: 0, open: true } }),
	"chat-empty": () => meeting(2, { view: view({ panel: "chat" }) }),
	"chat-unread": () => meeting(3, { chat: { lines: chat(), unread: 3, open: false } }),
	people: () => ({ ...hands(), view: view({ panel: "people" }) }),
	"people-guest": () => guest({ view: view({ panel: "people" }) }),
	"people-many": () => meeting(30, { view: view({ panel: "people" }) }),
	"waiting-one": () => waiting(1),
	"waiting-list": () => waiting(3, { view: view({ panel: "people" }) }),
	hands: hands,
	reactions: () => meeting(5, { reactions }),
	notices: () =>
		meeting(5, {
			notices: notices(
				["joined", { name: nameOf(4) }],
				[
					"chat",
					{ name: nameOf(3), text: "Could you share the numbers of last week again, please? I missed half of it." },
				],
				["device_lost", { kind: "audio" }],
			),
		}),
	muted: () => {
		const s = meeting(3, { notices: notices(["talking_muted", {}]), hand: at });
		return {
			...s,
			mine: {
				...s.mine,
				audio: { ...s.mine.audio, muted: true },
				video: { wanted: false, on: false, muted: false, byHost: false, problem: "denied" },
			},
		};
	},
	ask: () => guest({ asks: [{ kind: Kind.Audio, by: 3 }] }),
	devices: () => meeting(3, { view: view({ panel: "devices" }) }),
	connection: () => meeting(3, { view: view({ panel: "connection" }), phases, connection }),
	"connection-words": () =>
		meeting(3, { view: view({ panel: "connection" }), phases, connection: { ...connection, summary: sentences } }),
	shortcuts: () => meeting(3, { view: view({ panel: "shortcuts" }) }),
	reconnecting: () => ({ ...meeting(3), stage: "reconnecting" }),
	joining: () => ({
		...initialState(),
		stage: "joining",
		phases: phases.map((p, i) => (i < 2 ? p : { phase: p.phase, state: i === 2 ? "running" : "todo" })),
	}),
	"waiting-room": () => ({ ...initialState(), stage: "waiting", topic: "Weekly design review" }),
	"over-left": over("left"),
	"over-wrong": over("no_such_meeting"),
	"over-ejected": over("ejected"),
	"over-unreachable": over("no_path", [
		"zone: ping https://eu.example.org: no answer",
		"media: udp-8801: timeout",
		"media: tls-443: refused",
	]),
};
