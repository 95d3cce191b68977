// What an event makes of the state, and what has to be done about it. Pure: the time comes in.
import { Kind } from "../proto/messages.gen.ts";
import type { CallEvent, Effect, UserEvent } from "./event.ts";
import { chooseDevice, onCaptureEnded, onDevices, takeFound } from "./gear.ts";
import { onMessage } from "./inbound.ts";
import {
	closed,
	fromIdle,
	gone,
	layout,
	mute,
	note,
	open,
	publish,
	releaseAll,
	type Step,
	sameTiles,
	send,
	toggle,
	unmute,
	want,
	withMine,
} from "./mine.ts";
import { onProcess, over } from "./process.ts";
import { type CallState, initialState, type SourceMine } from "./state.ts";

/** Characters of one message; the router refuses more. */
const maxChatRunes = 4000;

export function reduce(s: CallState, e: CallEvent, now: number): Step {
	switch (e.is) {
		case "message":
			return onMessage(s, e.message, now);
		case "progress":
		case "found":
		case "process_waiting":
		case "process_joined":
		case "process_failed":
		case "control_lost":
		case "report":
		case "greeted":
		case "lobby_failed":
			return onProcess(s, e, now);
		case "captured": {
			const mine: SourceMine = {
				...s.mine[e.kind],
				on: true,
				stream: e.stream,
				...(e.width ? { width: e.width } : {}),
				...(e.height ? { height: e.height } : {}),
			};
			delete mine.problem;
			delete mine.lost;
			// It was not wanted any more when it came.
			if (!mine.wanted) return [s, [{ do: "release", kind: e.kind }]];
			const next = withMine(s, e.kind, mine);
			const effects = [...publish(next, e.kind), ...(e.kind === "audio" ? [mute(next)] : [])];
			if (!s.mine[e.kind].lost) return [next, effects];
			const label = e.stream.getAudioTracks()[0]?.label || "none";
			return note(next, "device_switched", { label }, now, effects);
		}
		case "capture_failed": {
			const mine = { ...gone(s.mine[e.kind]), wanted: false, problem: e.problem };
			const [next, effects] = closed(withMine(s, e.kind, mine), e.kind);
			if (mine.lost) return note(next, "device_lost", { kind: e.kind }, now, effects);
			// Where another device was to take over, the one before goes too: what is said to be off is off.
			return [next, s.mine[e.kind].on ? [...effects, { do: "release", kind: e.kind }] : effects];
		}
		case "capture_ended":
			return onCaptureEnded(s, e.kind, now);
		case "level":
			if (Math.abs((s.mine.audio.level ?? 0) - e.level) < 0.02) return [s, []];
			return [withMine(s, "audio", { ...s.mine.audio, level: e.level }), []];
		case "talking_muted":
			return note(s, "talking_muted", {}, now);
		case "devices":
			return onDevices(s, e, now);
		case "slot":
			return [{ ...s, slots: new Map(s.slots).set(e.source, e.view) }, []];
		case "unslot": {
			const slots = new Map(s.slots);
			slots.delete(e.source);
			return [{ ...s, slots }, []];
		}
		case "path": {
			const path = { ...s.connection.path };
			if (e.rung) path[e.group] = e.rung;
			else delete path[e.group];
			const tunnelled = { ...s.connection.tunnelled, [e.group]: e.tunnelled === true };
			return [{ ...s, connection: { ...s.connection, path, tunnelled } }, []];
		}
		case "stats":
			return [
				{
					...s,
					connection: { ...s.connection, media: e.media, rates: e.rates, ...(e.rtt ? { rtt: e.rtt } : {}) },
				},
				[],
			];
		case "remembered":
			return [{ ...s, name: s.name || e.name, devices: { ...s.devices, chosen: { ...e.chosen } } }, []];
		case "expired":
			return [
				e.what === "notice"
					? { ...s, notices: s.notices.filter(n => n.id !== e.id) }
					: { ...s, reactions: s.reactions.filter(r => r.id !== e.id) },
				[],
			];
		default:
			return onUser(s, e, now);
	}
}

// What the person does.

function onUser(s: CallState, e: UserEvent, now: number): Step {
	switch (e.is) {
		case "open_lobby": {
			// The page of a call under way is its lobby's too: a reload comes back through it.
			if (s.stage !== "idle" && s.stage !== "over" && s.stage !== "lobby") return [s, []];
			const fresh = fromIdle(s);
			const audio: SourceMine = { ...s.mine.audio, wanted: e.wishes.audio ?? true, muted: e.wishes.muted ?? false };
			const video: SourceMine = { ...s.mine.video, wanted: e.wishes.video ?? true };
			const effects: Effect[] = [{ do: "list_devices" }];
			if (audio.wanted && !audio.on) effects.push(open(s, "audio"));
			if (video.wanted && !video.on) effects.push(open(s, "video"));
			if (e.target.pwd || e.target.passcode) effects.push({ do: "prepare", target: e.target, name: s.name });
			return [
				{ ...fresh, stage: "lobby", target: e.target, mine: { audio, video, content: fresh.mine.content } },
				effects,
			];
		}
		case "join": {
			if (!s.target) return [s, []];
			const target = e.passcode === undefined ? s.target : { ...s.target, passcode: e.passcode };
			const name = e.name.trim();
			return [
				{ ...s, stage: "joining", target, name, phases: initialState().phases },
				[
					{ do: "remember", name },
					{ do: "start", target, name },
				],
			];
		}
		case "leave":
			return over(s, "left", "", [], [{ do: "leave" }]);
		case "reset":
			return [{ ...fromIdle(s), mine: initialState().mine }, [{ do: "leave" }, ...releaseAll(s)]];
		case "toggle":
			return toggle(s, e.kind);
		case "set_muted": {
			const audio = { ...s.mine.audio, muted: e.muted, byHost: s.mine.audio.byHost && e.muted };
			if (audio.muted === s.mine.audio.muted) return [s, []];
			const next = withMine(s, "audio", audio);
			return [next, [mute(next), ...publish(next, "audio")]];
		}
		case "want":
			return want(s, e.kind, e.wanted);
		case "say": {
			const text = [...e.text.trim()].slice(0, maxChatRunes).join("");
			if (!text) return [s, []];
			return [s, [send({ t: "say", text, ...(e.to ? { to: e.to } : {}) })]];
		}
		case "hand":
			return [{ ...s, hand: e.up ? now : 0 }, [send({ t: "hand", up: e.up })]];
		case "react":
			return [s, [send({ t: "react", emoji: e.emoji })]];
		case "view": {
			const view = { ...s.view, ...e.change };
			if (e.change.mode) delete view.pinned; // who chooses a view wants to see it
			const isOpen = view.panel === "chat";
			const chat = { ...s.chat, open: isOpen, unread: isOpen ? 0 : s.chat.unread };
			return [{ ...s, view, chat }, []];
		}
		case "pin": {
			const { pinned: _, ...view } = s.view;
			if (e.source === undefined) return [{ ...s, view }, []];
			return [{ ...s, view: { ...view, pinned: e.source, mode: "speaker" } }, []];
		}
		case "choose_device":
			return chooseDevice(s, e.kind, e.id);
		case "use_found":
			return takeFound(s, e.notice);
		case "refresh_devices":
			return [s, [{ do: "list_devices" }]];
		case "layout": {
			if (sameTiles(s.tiles, e.tiles)) return [s, []];
			const next = { ...s, tiles: e.tiles, layoutVersion: s.layoutVersion + 1 };
			return [next, layout(next)];
		}
		case "answer_ask": {
			const asks = s.asks.filter(a => a.kind !== e.ask.kind);
			const next = { ...s, asks };
			if (!e.yes) return [next, []];
			const kind = e.ask.kind === Kind.Video ? "video" : "audio";
			if (kind === "video") return want(next, "video", true);
			return next.mine.audio.on && !next.mine.audio.muted ? [next, []] : unmute(next);
		}
		case "dismiss":
			return [{ ...s, notices: s.notices.filter(n => n.id !== e.notice) }, []];
		case "set_name":
			return [{ ...s, name: e.name }, [{ do: "remember", name: e.name }]];
		case "act":
			return [s, [send({ t: "act", ...e.act })]];
		default: {
			const never: never = e;
			return never;
		}
	}
}
