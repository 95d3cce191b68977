// What a person may do now. An action that is not allowed is absent, and that is what disables its
// button: there is no second flag. The functions never change; only which of them are there does.
import type { Action, Kind, ParticipantID, SourceID } from "../proto/messages.gen.ts";
import type { UserEvent } from "./event.ts";
import type { CallState, DeviceKind, Panel, Target, View } from "./state.ts";

type Maybe<F> = F | undefined;

export type Actions = {
	/** Shows the lobby for a meeting, with a preview of what is wanted. */
	openLobby: (target: Target, wishes?: { audio?: boolean; video?: boolean; muted?: boolean }) => void;
	join: Maybe<(name: string, passcode?: string) => void>;
	leave: Maybe<() => void>;
	/** From "over" or anywhere else back to nothing. */
	reset: () => void;
	/** Mutes and unmutes; in the lobby too. Opens the microphone if there is none yet. */
	toggleAudio: Maybe<() => void>;
	toggleVideo: Maybe<() => void>;
	/** For push to talk. */
	setMuted: Maybe<(muted: boolean) => void>;
	/** Does without a microphone, or asks for one. */
	wantAudio: Maybe<(wanted: boolean) => void>;
	share: Maybe<() => void>;
	stopShare: Maybe<() => void>;
	say: Maybe<(text: string, to?: ParticipantID) => void>;
	hand: Maybe<(up: boolean) => void>;
	react: Maybe<(emoji: string) => void>;
	setView: (mode: View["mode"]) => void;
	pin: (source: SourceID | undefined) => void;
	page: (page: number) => void;
	openPanel: (panel: Panel) => void;
	chooseDevice: (kind: DeviceKind, id: string) => void;
	refreshDevices: () => void;
	/** Uses the devices a notice offers. */
	takeFound: (notice: number) => void;
	setLayout: Maybe<(tiles: { source: SourceID; height: number }[]) => void>;
	answerAsk: Maybe<(ask: { kind: Kind; by: ParticipantID }, yes: boolean) => void>;
	dismiss: (notice: number) => void;
	setName: (name: string) => void;
	act: {
		mute: Maybe<(target: ParticipantID, kind: Kind) => void>;
		muteAll: Maybe<() => void>;
		askUnmute: Maybe<(target: ParticipantID, kind: Kind) => void>;
		cohost: Maybe<(target: ParticipantID, on: boolean) => void>;
		admit: Maybe<(target: ParticipantID) => void>;
		admitAll: Maybe<() => void>;
		eject: Maybe<(target: ParticipantID) => void>;
		lowerHand: Maybe<(target: ParticipantID) => void>;
		lock: Maybe<(on: boolean) => void>;
		waitingRoom: Maybe<(on: boolean) => void>;
		muteOnEntry: Maybe<(on: boolean) => void>;
		end: Maybe<() => void>;
	};
};

/** Makes the function that says what is allowed in a state; the same answer is the same object. */
export function actionsFor(dispatch: (e: UserEvent) => void): (s: CallState) => Actions {
	const act = (action: Action, rest: { target?: ParticipantID; kind?: Kind; on?: boolean } = {}) =>
		dispatch({ is: "act", act: { do: action, ...rest } });
	const all = {
		openLobby: (target: Target, wishes: { audio?: boolean; video?: boolean; muted?: boolean } = {}) =>
			dispatch({ is: "open_lobby", target, wishes }),
		join: (name: string, passcode?: string) =>
			dispatch({ is: "join", name, ...(passcode === undefined ? {} : { passcode }) }),
		leave: () => dispatch({ is: "leave" }),
		reset: () => dispatch({ is: "reset" }),
		toggleAudio: () => dispatch({ is: "toggle", kind: "audio" }),
		toggleVideo: () => dispatch({ is: "toggle", kind: "video" }),
		setMuted: (muted: boolean) => dispatch({ is: "set_muted", muted }),
		wantAudio: (wanted: boolean) => dispatch({ is: "want", kind: "audio", wanted }),
		share: () => dispatch({ is: "want", kind: "content", wanted: true }),
		stopShare: () => dispatch({ is: "want", kind: "content", wanted: false }),
		say: (text: string, to?: ParticipantID) => dispatch({ is: "say", text, ...(to === undefined ? {} : { to }) }),
		hand: (up: boolean) => dispatch({ is: "hand", up }),
		react: (emoji: string) => dispatch({ is: "react", emoji }),
		setView: (mode: View["mode"]) => dispatch({ is: "view", change: { mode, page: 0 } }),
		pin: (source: SourceID | undefined) => dispatch({ is: "pin", ...(source === undefined ? {} : { source }) }),
		page: (page: number) => dispatch({ is: "view", change: { page } }),
		openPanel: (panel: Panel) => dispatch({ is: "view", change: { panel } }),
		chooseDevice: (kind: DeviceKind, id: string) => dispatch({ is: "choose_device", kind, id }),
		refreshDevices: () => dispatch({ is: "refresh_devices" }),
		takeFound: (notice: number) => dispatch({ is: "use_found", notice }),
		setLayout: (tiles: { source: SourceID; height: number }[]) => dispatch({ is: "layout", tiles }),
		answerAsk: (ask: { kind: Kind; by: ParticipantID }, yes: boolean) => dispatch({ is: "answer_ask", ask, yes }),
		dismiss: (notice: number) => dispatch({ is: "dismiss", notice }),
		setName: (name: string) => dispatch({ is: "set_name", name }),
	};
	const acts = {
		mute: (target: ParticipantID, kind: Kind) => act("mute", { target, kind }),
		muteAll: () => act("mute_all"),
		askUnmute: (target: ParticipantID, kind: Kind) => act("ask_unmute", { target, kind }),
		cohost: (target: ParticipantID, on: boolean) => act("cohost", { target, on }),
		admit: (target: ParticipantID) => act("admit", { target }),
		admitAll: () => act("admit"),
		eject: (target: ParticipantID) => act("eject", { target }),
		lowerHand: (target: ParticipantID) => act("lower_hand", { target }),
		lock: (on: boolean) => act("lock", { on }),
		waitingRoom: (on: boolean) => act("waiting_room", { on }),
		muteOnEntry: (on: boolean) => act("mute_on_entry", { on }),
		end: () => act("end"),
	};

	let key = "";
	let last: Actions | undefined;
	return s => {
		const here = s.stage === "in";
		const around = s.stage !== "idle" && s.stage !== "over" && s.stage !== "waiting";
		const host = here && s.role === "host";
		const manages = host || (here && s.role === "cohost");
		const others = [...s.people.values()].filter(p => !p.isSelf);
		const can = {
			lobby: s.stage === "lobby",
			here,
			around,
			host,
			manages,
			leave: s.stage !== "idle" && s.stage !== "over",
			mic: around && s.mine.audio.on,
			share: here && !s.mine.content.wanted && !s.share && canShare(),
			stopShare: s.mine.content.wanted,
			waiting: manages && s.waiting.length > 0,
			others: manages && others.length > 0,
		};
		const now = Object.values(can).join();
		if (last && now === key) return last;
		const when = <F>(ok: boolean, f: F): Maybe<F> => (ok ? f : undefined);
		key = now;
		last = {
			openLobby: all.openLobby,
			join: when(can.lobby, all.join),
			leave: when(can.leave, all.leave),
			reset: all.reset,
			toggleAudio: when(around, all.toggleAudio),
			toggleVideo: when(around, all.toggleVideo),
			setMuted: when(can.mic, all.setMuted),
			wantAudio: when(around, all.wantAudio),
			share: when(can.share, all.share),
			stopShare: when(can.stopShare, all.stopShare),
			say: when(here, all.say),
			hand: when(here, all.hand),
			react: when(here, all.react),
			setView: all.setView,
			pin: all.pin,
			page: all.page,
			openPanel: all.openPanel,
			chooseDevice: all.chooseDevice,
			refreshDevices: all.refreshDevices,
			takeFound: all.takeFound,
			setLayout: when(here, all.setLayout),
			answerAsk: when(around, all.answerAsk), // nobody is held in front of a question that cannot be answered
			dismiss: all.dismiss,
			setName: all.setName,
			act: {
				mute: when(manages, acts.mute),
				muteAll: when(can.others, acts.muteAll),
				askUnmute: when(manages, acts.askUnmute),
				cohost: when(host, acts.cohost),
				admit: when(can.waiting, acts.admit),
				admitAll: when(can.waiting, acts.admitAll),
				eject: when(manages, acts.eject),
				lowerHand: when(manages, acts.lowerHand),
				lock: when(manages, acts.lock),
				waitingRoom: when(manages, acts.waitingRoom),
				muteOnEntry: when(manages, acts.muteOnEntry),
				end: when(host, acts.end),
			},
		};
		return last;
	};
}

function canShare(): boolean {
	return typeof navigator !== "undefined" && typeof navigator.mediaDevices?.getDisplayMedia === "function";
}
