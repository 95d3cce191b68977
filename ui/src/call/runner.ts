// Does what the reducer and the connection process want done, and tells them what came of it. The only
// place where the call touches the network, the devices and the clock.

import { say } from "../join/words.ts";
import { Capture } from "../media/capture.ts";
import { listDevices } from "../media/devices.ts";
import { Meter } from "../media/levels.ts";
import { actionsFor } from "./actions.ts";
import type { Effect } from "./event.ts";
import { ongoing, preferences, remember, setOngoing } from "./memory.ts";
import { type Place, Session, type SessionOptions } from "./session.ts";
import { createStore, type Store } from "./store.ts";
import { enterMeeting, thisTab } from "./tab.ts";
import type { Call } from "./useCall.ts";

export type RunningCall = Call & {
	store: Store;
	/** The session under way, for tests and the console. */
	session(): Session | undefined;
	/**
	 * Goes back into the call of this tab, after a reload; false where there was none for this number, or where
	 * the call is another tab's that this one was copied from.
	 */
	resume(number?: string): Promise<boolean>;
};

export type CallOptions = SessionOptions;

/** Loud enough to be speech, for the hint that one is muted. */
const speechLevel = 0.55;
const hintAfter = 8;
/** What is ready in the lobby is given back after this. */
const readyFor = 60_000;

export function createCall(options: CallOptions = {}): RunningCall {
	let session: Session | undefined;
	let last: Place | undefined;
	const meter = new Meter();
	let loud = 0;
	let left = () => {}; // tells the other tabs
	let release: ReturnType<typeof setTimeout> | undefined;

	const capture = new Capture({
		opened(kind, stream, size) {
			store.dispatch({ is: "captured", kind, stream, ...size });
			if (!store.get().mine[kind].on) return; // it was not wanted any more
			session?.plane?.publish(kind, stream);
			if (kind === "audio") meter.watch(stream, heard);
			run({ do: "list_devices" }); // with permission, devices have names
		},
		failed: (kind, problem) => store.dispatch({ is: "capture_failed", kind, problem }),
		ended: kind => store.dispatch({ is: "capture_ended", kind }),
	});

	function heard(level: number): void {
		const { audio } = store.get().mine;
		store.dispatch({ is: "level", level: audio.muted ? 0 : level });
		loud = audio.muted && level > speechLevel ? loud + 1 : 0;
		if (loud === hintAfter && store.get().stage === "in") store.dispatch({ is: "talking_muted" });
	}

	function endSession(leaving: boolean): void {
		if (!session) return;
		session.end(leaving);
		last = session.place ?? last;
		session = undefined;
		setOngoing(undefined);
		left();
	}

	function run(e: Effect): void {
		switch (e.do) {
			case "prepare":
				endSession(false);
				session = new Session(e.target, e.name, options, store, capture, true, last);
				clearTimeout(release);
				release = setTimeout(() => {
					if (store.get().stage === "lobby") endSession(false);
				}, readyFor);
				return;
			case "start":
				clearTimeout(release);
				if (session?.go(e.target, e.name)) {
					left = enterMeeting(e.target.number);
					return;
				}
				endSession(false);
				session = new Session(e.target, e.name, options, store, capture, false, last);
				left = enterMeeting(e.target.number);
				return;
			case "leave":
				endSession(true);
				return;
			case "send":
				session?.send(e.message);
				return;
			case "capture":
				void capture.open(e.kind, e.device);
				return;
			case "release":
				capture.release(e.kind);
				session?.plane?.publish(e.kind, undefined);
				if (e.kind === "audio") meter.stop();
				return;
			case "mute":
				capture.mute(e.muted);
				return;
			case "map":
				session?.plane?.map(e.changes);
				return;
			case "layers":
				session?.plane?.want(e.kind, e.rids);
				return;
			case "output":
				session?.plane?.output(e.device);
				return;
			case "list_devices":
				void listDevices().then(d => store.dispatch({ is: "devices", ...d }));
				return;
			case "need_content":
				session?.tell({ is: "need_content" });
				return;
			case "remember":
				remember({
					...(e.name === undefined ? {} : { name: e.name }),
					...(e.device ? { chosen: { [e.device.kind]: e.device.id } } : {}),
				});
				return;
			case "resync":
				session?.reopen(say("missed"));
				return;
			case "over":
				endSession(false);
				return;
			case "expire":
				setTimeout(() => store.dispatch({ is: "expired", what: e.what, id: e.id }), e.after);
				return;
			default:
				e satisfies never;
		}
	}

	const store = createStore(run);
	const actions = actionsFor(store.dispatch);
	const p = preferences();
	store.dispatch({ is: "remembered", name: p.name, chosen: p.chosen });
	if (typeof navigator !== "undefined") {
		navigator.mediaDevices?.addEventListener?.("devicechange", () => run({ do: "list_devices" }));
	}
	if (typeof window !== "undefined") {
		window.addEventListener("pagehide", keep);
		window.addEventListener("online", () => session?.tell({ is: "network_changed" }));
	}

	// What a reload needs to come back.
	function keep(): void {
		const { stage, target, name, mine } = store.get();
		if (!session || !target || (stage !== "in" && stage !== "reconnecting")) return;
		setOngoing({ target, name, audio: mine.audio.wanted, muted: mine.audio.muted, video: mine.video.wanted });
	}

	return {
		store,
		actions,
		session: () => session,
		async resume(number) {
			const c = (await thisTab()).copied ? undefined : ongoing();
			if (!c || (number !== undefined && c.target.number !== number)) {
				if (!session) setOngoing(undefined); // who went elsewhere has left it
				return false;
			}
			const wishes = { audio: c.audio, muted: c.muted, video: c.video };
			store.dispatch({ is: "open_lobby", target: c.target, wishes });
			store.dispatch({ is: "join", name: c.name });
			return true;
		},
	};
}
