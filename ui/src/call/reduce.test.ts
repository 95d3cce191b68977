import { describe, expect, test } from "vitest";
import { Kind, type Message, type Person, Role } from "../proto/messages.gen.ts";
import { actionsFor } from "./actions.ts";
import type { CallEvent, Effect } from "./event.ts";
import { reduce } from "./reduce.ts";
import { type CallState, initialState } from "./state.ts";

/** Runs a script of events; time is a second per event. */
function play(
	events: CallEvent[],
	from: CallState = initialState(),
): { s: CallState; effects: Effect[]; last: Effect[] } {
	let s = from;
	let last: Effect[] = [];
	const effects: Effect[] = [];
	events.forEach((e, i) => {
		[s, last] = reduce(s, e, 1000 * (i + 1));
		effects.push(...last);
	});
	return { s, effects, last };
}

const stream = (video = true, sound = false) =>
	({ getAudioTracks: () => (sound ? [{}] : []), getVideoTracks: () => (video ? [{}] : []) }) as unknown as MediaStream;
const msg = (message: Message): CallEvent => ({ is: "message", message });
const person = (id: number, name: string, more: Partial<Person> = {}): Person => ({
	id,
	name,
	role: Role.Participant,
	...more,
});
const sent = (effects: Effect[]) => effects.filter(e => e.do === "send").map(e => e.message);

const me = person(7, "Ada", { role: Role.Host });
const welcome = (put: Person[] = [me], role: Role = Role.Host): CallEvent =>
	msg({
		t: "welcome",
		v: 1,
		build: "",
		router: "r1",
		zone: "main",
		participant: 7,
		role,
		meeting: { id: "m", number: "123456789", topic: "Weekly", hosting: "cloud" },
		groups: [],
		candidates: [],
		fingerprint: "",
		slots: [],
		roster: { version: 1, put },
		state: { started_at: 5 },
		chat: [{ seq: 1, from: 9, name: "Bo", text: "hi", at: 1 }],
	});
const roster = (version: number, put: Person[], goneIDs: number[] = []): CallEvent =>
	msg({ t: "roster", version, put, gone: goneIDs });

const lobby: CallEvent[] = [
	{ is: "open_lobby", target: { number: "123456789", pwd: "x" }, wishes: {} },
	{ is: "captured", kind: "audio", stream: stream(false, true) },
	{ is: "captured", kind: "video", stream: stream(), width: 1280, height: 720 },
];
const joined: CallEvent[] = [...lobby, { is: "join", name: " Ada " }, welcome()];
const inside = play(joined).s;

describe("lobby", () => {
	test("asks for both devices, and nothing is said to anyone", () => {
		const { s, effects } = play(lobby);
		expect(s.stage).toBe("lobby");
		expect(effects.filter(e => e.do === "capture").map(e => e.kind)).toEqual(["audio", "video"]);
		expect(sent(effects)).toEqual([]);
		expect(s.mine.video).toMatchObject({ on: true, width: 1280, height: 720 });
	});

	test("a denied camera is a problem, and joining goes on without it", () => {
		const { s, effects } = play([
			...lobby.slice(0, 2),
			{ is: "capture_failed", kind: "video", problem: "denied" },
			{ is: "join", name: "Ada" },
			welcome(),
		]);
		expect(s.mine.video).toMatchObject({ wanted: false, on: false, problem: "denied" });
		expect(
			sent(effects)
				.filter(m => m.t === "publish")
				.map(m => m.kind),
		).toEqual([Kind.Audio]);
	});

	test("a camera that comes after it was switched off is closed again", () => {
		const { s, last } = play([
			{ is: "open_lobby", target: { number: "1" }, wishes: {} },
			{ is: "toggle", kind: "video" },
			{ is: "captured", kind: "video", stream: stream() },
		]);
		expect(s.mine.video.on).toBe(false);
		expect(last).toEqual([{ do: "release", kind: "video" }]);
	});
});

describe("joining", () => {
	test("the router says how many cameras it sends at once", () => {
		const slot = (id: number, kind: Kind) => ({ id, mid: `s${id}`, kind, ssrc: id + 1, rtx: 0, msid: "s" });
		const w = welcome() as Extract<CallEvent, { is: "message" }>;
		if (w.message.t !== "welcome") throw new Error("no welcome");
		const slots = [slot(0, Kind.Audio), slot(1, Kind.Video), slot(2, Kind.Video), slot(3, Kind.Content)];
		expect(play([...lobby, { is: "join", name: "Ada" }, msg({ ...w.message, slots })]).s.cameras).toBe(2);
	});

	test("phases follow one another", () => {
		const { s } = play([
			...lobby,
			{ is: "join", name: "Ada" },
			{ is: "progress", phase: "lookup", ms: 40, detail: "Weekly" },
			{ is: "progress", phase: "zone", ms: 60, detail: "main" },
		]);
		expect(s.phases.map(p => p.state)).toEqual(["done", "done", "running", "todo", "todo"]);
		expect(s.phases[0]).toMatchObject({ ms: 40, detail: "Weekly" });
	});

	test("what is open is announced on arrival, camera with its layers", () => {
		const { s, last } = play(joined);
		expect(s.stage).toBe("in");
		expect(s.name).toBe("Ada");
		expect(sent(last)).toEqual([
			{ t: "publish", kind: Kind.Audio, active: true },
			{
				t: "publish",
				kind: Kind.Video,
				active: true,
				codec: "VP8",
				layers: [
					{ rid: "q", width: 320, height: 180 },
					{ rid: "h", width: 640, height: 360 },
					{ rid: "f", width: 1280, height: 720 },
				],
			},
		]);
		expect(s.chat.lines.map(l => l.text)).toEqual(["hi"]);
	});

	test("who enters to listen says so, and is not muted when they open their microphone", () => {
		const listening: CallEvent = { is: "open_lobby", target: { number: "1" }, wishes: { audio: false, video: false } };
		const { last } = play([listening, { is: "join", name: "Ada" }, welcome()]);
		expect(sent(last)).toEqual([{ t: "publish", kind: Kind.Audio, active: false }]);
	});

	test("a refusal ends it with its code and closes the devices", () => {
		const { s, last } = play([
			...lobby,
			{ is: "join", name: "Ada" },
			{ is: "process_failed", code: "meeting_full", text: "Full.", tried: [] },
		]);
		expect(s.stage).toBe("over");
		expect(s.over).toEqual({ code: "meeting_full", text: "Full.", tried: [] });
		expect(last).toEqual([{ do: "over" }, { do: "release", kind: "audio" }, { do: "release", kind: "video" }]);
	});
});

describe("in the meeting", () => {
	test("where the meeting was reached and media finds no way, that is what is told", () => {
		const failed: CallEvent = { is: "process_failed", code: "", text: "", tried: [] };
		expect(play([failed], inside).s.over?.code).toBe("no_media");
		expect(play([{ is: "control_lost" }, failed], inside).s.over?.code).toBe("no_path");
		expect(play([...lobby, { is: "join", name: "Ada" }, failed]).s.over?.code).toBe("no_path");
	});

	test("muting keeps the device open and tells the others", () => {
		const { s, last } = play([{ is: "toggle", kind: "audio" }], inside);
		expect(s.mine.audio).toMatchObject({ on: true, muted: true });
		expect(last[0]).toEqual({ do: "mute", muted: true });
		expect(sent(last)).toEqual([{ t: "publish", kind: Kind.Audio, active: true, muted: true }]);
	});

	test("switching the camera off closes it", () => {
		const { s, last } = play([{ is: "toggle", kind: "video" }], inside);
		expect(s.mine.video).toEqual({ wanted: false, on: false, muted: false, byHost: false });
		expect(last).toContainEqual({ do: "release", kind: "video" });
		expect(sent(last)).toEqual([{ t: "publish", kind: Kind.Video, active: false }]);
	});

	test("where another camera does not open, the one before is closed too", () => {
		const { s, last } = play(
			[
				{ is: "choose_device", kind: "videoIn", id: "other" },
				{ is: "capture_failed", kind: "video", problem: "busy" },
			],
			inside,
		);
		expect(s.mine.video).toMatchObject({ wanted: false, on: false, problem: "busy" });
		expect(last).toContainEqual({ do: "release", kind: "video" });
		expect(sent(last)).toEqual([{ t: "publish", kind: Kind.Video, active: false }]);
	});

	test("choosing a view lets go of a pin, turning pages does not", () => {
		const pinned = play([{ is: "pin", source: 73 }], inside).s;
		expect(play([{ is: "view", change: { page: 1 } }], pinned).s.view.pinned).toBe(73);
		const chosen = play([{ is: "view", change: { mode: "speaker", page: 0 } }], pinned).s.view;
		expect(chosen).toEqual({ mode: "speaker", page: 0, panel: "none" });
	});

	test("a message goes to everyone, or to one", () => {
		const { effects } = play(
			[
				{ is: "say", text: " hi " },
				{ is: "say", text: "psst", to: 9 },
			],
			inside,
		);
		expect(sent(effects)).toEqual([
			{ t: "say", text: "hi" },
			{ t: "say", text: "psst", to: 9 },
		]);
	});

	test("a long message is cut between characters", () => {
		const { last } = play([{ is: "say", text: "🎉".repeat(4001) }], inside);
		expect(sent(last)).toEqual([{ t: "say", text: "🎉".repeat(4000) }]);
	});

	test("people come, are heard of, and go", () => {
		const { s, effects } = play(
			[
				roster(2, [person(9, "Bo", { sources: [{ kind: Kind.Audio, muted: true }] })]),
				msg({ t: "speakers", active: 9, loudest: [9] }),
				roster(3, [], [9]),
			],
			inside,
		);
		expect(s.order).toEqual([7]);
		expect(s.notices.map(n => n.kind)).toEqual(["joined", "left"]);
		expect(effects.filter(e => e.do === "expire")).toHaveLength(2);
	});

	test("a gap in the roster opens the channel anew", () => {
		expect(play([roster(5, [])], inside).last).toEqual([{ do: "resync" }]);
		expect(play([roster(1, [])], inside).last).toEqual([]);
	});

	test("muted by a host is obeyed once, and opened again only by the person", () => {
		const byHost = roster(2, [{ ...me, sources: [{ kind: Kind.Audio, muted: true, by_host: true }] }]);
		const { s, effects } = play([byHost], inside);
		expect(s.mine.audio).toMatchObject({ muted: true, byHost: true });
		expect(effects).toContainEqual({ do: "mute", muted: true });
		expect(s.notices.map(n => n.kind)).toEqual(["muted_by_host"]);
		const again = play([{ is: "toggle", kind: "audio" }], s);
		expect(again.s.mine.audio).toMatchObject({ muted: false, byHost: false });
	});

	test("a share is shown large, one's own only while nobody else shares", () => {
		const sharing = { sources: [{ kind: Kind.Content }] };
		const mine = play([roster(2, [{ ...me, ...sharing }])], inside).s;
		expect(mine.share).toMatchObject({ by: 7, mine: true });
		const both = play([roster(3, [person(9, "Bo", sharing)])], mine).s;
		expect(both.share).toMatchObject({ by: 9, mine: false });
	});

	test("the screen is announced with its sound, and the transport is asked for", () => {
		const { effects } = play(
			[
				{ is: "want", kind: "content", wanted: true },
				{ is: "captured", kind: "content", stream: stream(true, true), width: 1920, height: 1080 },
			],
			inside,
		);
		expect(effects).toContainEqual({ do: "need_content" });
		expect(sent(effects)).toEqual([
			{ t: "publish", kind: Kind.Content, active: true, codec: "VP8" },
			{ t: "publish", kind: Kind.ContentAudio, active: true },
		]);
	});

	test("chat counts what was not seen, and each line once", () => {
		const line = msg({ t: "chat", seq: 2, from: 9, name: "Bo", text: "there?", at: 2 });
		const { s } = play([line, line], inside);
		expect(s.chat.lines).toHaveLength(2);
		expect(s.chat.unread).toBe(1);
		expect(play([{ is: "view", change: { panel: "chat" } }], s).s.chat).toMatchObject({ unread: 0, open: true });
	});

	test("the same layout is not sent twice", () => {
		const tiles = [{ source: 73, height: 360 }];
		const first = play([{ is: "layout", tiles }], inside);
		expect(sent(first.last)).toEqual([{ t: "layout", version: 1, tiles }]);
		expect(play([{ is: "layout", tiles: [{ source: 73, height: 360 }] }], first.s).last).toEqual([]);
	});
});

describe("coming back", () => {
	const away: CallEvent = { is: "progress", phase: "resume", ms: 9000, detail: "lost" };

	test("state, chat, layout and hand are the same as before", () => {
		const tiles = [{ source: 73, height: 360 }];
		const { s, last } = play(
			[{ is: "layout", tiles }, { is: "toggle", kind: "audio" }, { is: "hand", up: true }, away, welcome()],
			inside,
		);
		expect(s.stage).toBe("in");
		expect(sent(last).map(m => m.t)).toEqual(["publish", "publish", "layout", "hand"]);
		expect(sent(last)[0]).toMatchObject({ muted: true });
		expect(sent(last)[2]).toEqual({ t: "layout", version: 2, tiles });
	});

	test("what a host muted meanwhile stays muted, and the person is told", () => {
		const byHost = (kind: Kind) => ({ kind, muted: true, by_host: true });
		const back = welcome([{ ...me, sources: [byHost(Kind.Audio), byHost(Kind.Video)] }]);
		const { s, last } = play([away, back], inside);
		expect(s.mine.audio).toMatchObject({ on: true, muted: true, byHost: true });
		expect(s.mine.video).toMatchObject({ wanted: false, on: false, byHost: true });
		expect(s.notices.map(n => n.values)).toEqual([{ kind: "audio" }, { kind: "video" }]);
		expect(last).toContainEqual({ do: "mute", muted: true });
		expect(last).toContainEqual({ do: "release", kind: "video" });
		expect(sent(last)).toEqual([
			{ t: "publish", kind: Kind.Video, active: false },
			{ t: "publish", kind: Kind.Audio, active: true, muted: true },
		]);
	});

	test("what was closed meanwhile is closed for the others, too", () => {
		const sources = [{ kind: Kind.Audio }, { kind: Kind.Video }, { kind: Kind.Content }, { kind: Kind.ContentAudio }];
		const sharing = play([
			...joined,
			{ is: "want", kind: "content", wanted: true },
			{ is: "captured", kind: "content", stream: stream(true, true) },
		]).s;
		const { s, last } = play(
			[
				away,
				{ is: "want", kind: "content", wanted: false },
				{ is: "want", kind: "video", wanted: false },
				welcome([{ ...me, sources }]),
			],
			sharing,
		);
		expect(s.mine.content.on).toBe(false);
		expect(sent(last)).toEqual([
			{ t: "publish", kind: Kind.Audio, active: true },
			{ t: "publish", kind: Kind.Video, active: false },
			{ t: "publish", kind: Kind.Content, active: false },
			{ t: "publish", kind: Kind.ContentAudio, active: false },
		]);
	});

	test("after a reload a camera that is about to open is not closed first", () => {
		const { last } = play([
			{ is: "open_lobby", target: { number: "1" }, wishes: {} },
			{ is: "join", name: "Ada" },
			welcome([{ ...me, sources: [{ kind: Kind.Audio }, { kind: Kind.Video }] }]),
		]);
		expect(sent(last)).toEqual([]);
	});

	test("a host's mute holds after a reload, too, though the devices open later", () => {
		const seat = { ...me, sources: [{ kind: Kind.Audio, muted: true, by_host: true }] };
		const { s, last } = play([
			{ is: "open_lobby", target: { number: "1" }, wishes: { video: false } },
			{ is: "join", name: "Ada" },
			welcome([seat]),
			{ is: "captured", kind: "audio", stream: stream(false, true) },
		]);
		expect(s.mine.audio).toMatchObject({ on: true, muted: true, byHost: true });
		expect(last).toContainEqual({ do: "mute", muted: true });
		expect(sent(last)).toEqual([{ t: "publish", kind: Kind.Audio, active: true, muted: true }]);
	});

	test("nothing may be sent meanwhile, and the person may still leave", () => {
		const { s } = play([away], inside);
		expect(s.stage).toBe("reconnecting");
		const may = actionsFor(() => {})(s);
		expect(may.say).toBeUndefined();
		expect(may.leave).toBeDefined();
		expect(may.answerAsk).toBeDefined(); // a question must not stand in the way
		expect(play([{ is: "leave" }], s).s).toMatchObject({ stage: "over", over: { code: "left" } });
	});
});

describe("what is allowed", () => {
	const may = (s: CallState) => actionsFor(() => {})(s);

	test("hosts act, others do not", () => {
		expect(may(inside).act.lock).toBeDefined();
		const guest = play([roster(2, [{ ...me, role: Role.Participant }])], inside).s;
		expect(may(guest).act.lock).toBeUndefined();
		expect(may(guest).act.end).toBeUndefined();
	});

	test("the answer is the same object until something changes", () => {
		const of = actionsFor(() => {});
		const louder = play([{ is: "level", level: 0.8 }], inside).s;
		expect(of(louder)).toBe(of(inside));
	});
});

describe("what is said right behind the hello", () => {
	const lobby: CallEvent[] = [
		{ is: "open_lobby", target: { number: "1", pwd: "x" }, wishes: { video: false } },
		{ is: "captured", kind: "audio", stream: stream(false, true) },
		{ is: "join", name: "Ada" },
	];
	const published = (effects: Effect[]) => sent(effects).filter(m => m.t === "publish");

	test("is not said again at the welcome, which a host may have muted meanwhile", () => {
		const { last: first, s } = play([...lobby, { is: "greeted" }]);
		expect(published(first)).toEqual([{ t: "publish", kind: Kind.Audio, active: true }]);
		expect(published(play([welcome()], s).last)).toEqual([]);
	});

	test("is said again where it has changed", () => {
		const { last } = play([...lobby, { is: "greeted" }, { is: "set_muted", muted: true }, welcome()]);
		expect(published(last)).toEqual([{ t: "publish", kind: Kind.Audio, active: true, muted: true }]);
	});

	test("is said again after the waiting room", () => {
		const { last } = play([...lobby, { is: "greeted" }, { is: "process_waiting", topic: "" }, welcome()]);
		expect(published(last)).toHaveLength(1);
	});

	test("may be too early for an older router", () => {
		const { s } = play([
			...lobby,
			{ is: "greeted" },
			{ is: "process_waiting", topic: "" },
			msg({ t: "error", code: "forbidden", text: "no", re: "publish" }),
		]);
		expect(s.notices).toEqual([]);
	});
});

describe("the lobby", () => {
	const open = (target: { number: string; pwd?: string }): CallEvent => ({ is: "open_lobby", target, wishes: {} });
	const prepares = (effects: Effect[]) => effects.filter(e => e.do === "prepare").length;

	test("makes a meeting ready that it has the key of", () => {
		expect(prepares(play([open({ number: "1", pwd: "x" })]).effects)).toBe(1);
		expect(prepares(play([open({ number: "1" })]).effects)).toBe(0);
	});

	test("tells what a click would meet, and only that", () => {
		const failed = (code: string): CallEvent => ({ is: "lobby_failed", code, text: "no" });
		expect(play([open({ number: "1", pwd: "x" }), failed("no_such_meeting")]).s).toMatchObject({
			stage: "lobby",
			obstacle: { code: "no_such_meeting" },
		});
		for (const code of ["", "not_started", "no_router"]) {
			expect(play([open({ number: "1", pwd: "x" }), failed(code)]).s.obstacle).toBeUndefined();
		}
	});
});
