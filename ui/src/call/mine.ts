// What this person sends: opening, muting and announcing it.
import { layersOf } from "../media/layers.ts";
import { Kind, type Publish } from "../proto/messages.gen.ts";
import type { Effect, Outbound } from "./event.ts";
import { type CallState, initialState, type MineKind, type NoticeKind, type SourceMine } from "./state.ts";

export type Step = [CallState, Effect[]];

const noticeFor = 6000;
/** What can be answered stays longer. */
const offerFor = 20_000;

/** The state before a call, with what is known of the person and the devices. */
export function fromIdle(s: CallState): CallState {
	return { ...initialState(), name: s.name, devices: s.devices, nextID: s.nextID };
}

export function toggle(s: CallState, kind: "audio" | "video"): Step {
	if (kind === "video") return want(s, "video", !s.mine.video.wanted);
	if (!s.mine.audio.on || s.mine.audio.muted) return unmute(s);
	const next = withMine(s, "audio", { ...s.mine.audio, muted: true });
	return [next, [mute(next), ...publish(next, "audio")]];
}

export function unmute(s: CallState): Step {
	const { lost: _, ...mine } = s.mine.audio;
	const next = withMine(s, "audio", { ...mine, wanted: true, muted: false, byHost: false });
	if (!s.mine.audio.on) return [next, [open(s, "audio")]];
	return [next, [mute(next), ...publish(next, "audio")]];
}

export function want(s: CallState, kind: MineKind, wanted: boolean): Step {
	const mine = s.mine[kind];
	if (wanted) {
		if (mine.wanted && mine.on) return [s, []];
		const { problem: _p, lost: _l, ...rest } = mine;
		return [withMine(s, kind, { ...rest, wanted: true, byHost: false }), [open(s, kind)]];
	}
	const [next, effects] = closed(withMine(s, kind, { ...gone(mine), wanted: false }), kind);
	return [next, [...effects, { do: "release", kind }]];
}

export function open(s: CallState, kind: MineKind): Effect {
	const device = kind === "audio" ? s.devices.chosen.audioIn : kind === "video" ? s.devices.chosen.videoIn : undefined;
	return device ? { do: "capture", kind, device } : { do: "capture", kind };
}

export function mute(s: CallState): Effect {
	return { do: "mute", muted: s.mine.audio.muted };
}

export function releaseAll(s: CallState): Effect[] {
	return (["audio", "video", "content"] as const)
		.filter(k => s.mine[k].on || s.mine[k].wanted)
		.map(kind => ({ do: "release", kind }));
}

/** A source without its device. */
export function gone(m: SourceMine): SourceMine {
	const { stream: _s, level: _l, width: _w, height: _h, ...rest } = m;
	return { ...rest, on: false };
}

export function closed(s: CallState, kind: MineKind): Step {
	return [s, publish(s, kind)];
}

export function withMine(s: CallState, kind: MineKind, mine: SourceMine): CallState {
	return { ...s, mine: { ...s.mine, [kind]: mine } };
}

const kinds: Record<MineKind, Kind> = { audio: Kind.Audio, video: Kind.Video, content: Kind.Content };

/** Says what is sent now; nothing outside the meeting. */
export function publish(s: CallState, kind: MineKind): Effect[] {
	if (s.stage !== "in") return [];
	const effects: Effect[] = announcement(s, kind).map(send);
	if (kind === "content" && s.mine.content.on) effects.push({ do: "need_content" });
	return effects;
}

/** What is to be said of a source. */
export function announcement(s: CallState, kind: MineKind): Outbound[] {
	const m = s.mine[kind];
	const p: { t: "publish" } & Publish = { t: "publish", kind: kinds[kind], active: m.on };
	if (m.on && m.muted) p.muted = true;
	if (m.on && kind !== "audio") p.codec = "VP8";
	if (m.on && kind === "video" && m.width && m.height) p.layers = layersOf(m.width, m.height);
	if (kind !== "content") return [p];
	// The sound of the screen comes and goes with it.
	const sound = m.on && (m.stream?.getAudioTracks().length ?? 0) > 0;
	return [p, { t: "publish", kind: Kind.ContentAudio, active: sound }];
}

/** All that is said on arrival: what is sent, and that one enters only to listen, who is not muted later then. */
export function arrival(s: CallState): Outbound[] {
	const kinds = (["audio", "video", "content"] as const).filter(
		k => s.mine[k].on || (k === "audio" && !s.mine.audio.wanted),
	);
	return kinds.flatMap(k => announcement(s, k));
}

export function send(message: Outbound): Effect {
	return { do: "send", message };
}

export function layout(s: CallState): Effect[] {
	if (!s.tiles || s.stage !== "in") return [];
	return [send({ t: "layout", version: s.layoutVersion, tiles: s.tiles })];
}

export function sameTiles(a: CallState["tiles"], b: CallState["tiles"]): boolean {
	return a?.length === b?.length && !!a?.every((t, i) => t.source === b?.[i]?.source && t.height === b?.[i]?.height);
}

export function note(
	s: CallState,
	kind: NoticeKind,
	values: Record<string, string | number>,
	now: number,
	effects: Effect[] = [],
): Step {
	const id = s.nextID;
	return [
		{ ...s, nextID: id + 1, notices: [...s.notices.slice(-9), { id, kind, values, at: now }] },
		[...effects, { do: "expire", what: "notice", id, after: kind === "device_found" ? offerFor : noticeFor }],
	];
}
