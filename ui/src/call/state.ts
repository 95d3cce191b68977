// The whole state of a call as plain values: what the screens are drawn from. Nothing here acts;
// reduce.ts makes the next state, runner.ts does what has to be done.
import type { Fact } from "../join/explain.ts";
import type { Attempt } from "../join/mind.ts";
import type {
	Chat,
	Code,
	Kind,
	MediaStats,
	MeetingInfo,
	ParticipantID,
	Role,
	Rung,
	SourceID,
	State,
} from "../proto/messages.gen.ts";

/** Where the person stands on the way into the meeting and through it. */
export type Stage = "idle" | "lobby" | "joining" | "waiting" | "in" | "reconnecting" | "over";

/** Why it is over: the server's code, or one of ours. The words for each are in the message catalogue. */
export type OverCode = Code | "no_path" | "no_media" | "unsupported";

export type Over = {
	code: OverCode;
	/** The server's own words, for codes the catalogue does not know. */
	text: string;
	/** What was tried, one line each, where nothing could be reached. */
	tried: string[];
};

export type PhaseName = "lookup" | "zone" | "route" | "control" | "media";
export type PhaseState = "todo" | "running" | "done" | "failed";

/** One phase of the connection process; ms since the start. */
export type PhaseView = { phase: PhaseName; state: PhaseState; ms?: number; detail?: string };

/** A source of somebody, as the roster has it. */
export type SourceView = { source: SourceID; muted: boolean; byHost: boolean };

export type PersonView = {
	id: ParticipantID;
	name: string;
	role: Role;
	client: string;
	/** When the hand was raised, server ms; 0: it is down. */
	hand: number;
	waiting: boolean;
	away: boolean;
	isSelf: boolean;
	speaking: boolean;
	audio?: SourceView;
	video?: SourceView;
	content?: SourceView;
	contentAudio?: SourceView;
};

/** A source that arrives: shown in a <video> once it is live. */
export type SlotView = {
	slot: number;
	kind: Kind;
	stream: MediaStream;
	/** The first picture of this source has been decoded: what is in the stream is this source's. */
	live: boolean;
};

/** Why a device does not work. */
export type Problem = "denied" | "missing" | "busy" | "insecure" | "unsupported" | "cancelled" | "failed";

/** One thing this person sends. */
export type SourceMine = {
	/** The person wants it sent (a camera that is on, a microphone that is there at all). */
	wanted: boolean;
	/** The device is open. */
	on: boolean;
	/** Open, but silent on purpose. A camera is never muted, it is off. */
	muted: boolean;
	/** A host muted it; only the person may open it again. */
	byHost: boolean;
	problem?: Problem;
	/** The device went away by itself; another may be opening in its place. */
	lost?: boolean;
	/** Loudness from 0 to 1, of a microphone that is open. */
	level?: number;
	/** For the self view. */
	stream?: MediaStream;
	/** In pixels, of a camera or screen. */
	width?: number;
	height?: number;
};

export type MineKind = "audio" | "video" | "content";

export type Device = { id: string; label: string };
export type DeviceKind = "audioIn" | "audioOut" | "videoIn";

export type Devices = {
	audioIn: Device[];
	audioOut: Device[];
	videoIn: Device[];
	chosen: { audioIn?: string; audioOut?: string; videoIn?: string };
	/** The browser can be told where to play sound. */
	canChooseOutput: boolean;
};

export type Panel = "none" | "chat" | "people" | "connection" | "devices" | "shortcuts";

export type View = { mode: "gallery" | "speaker"; page: number; pinned?: SourceID; panel: Panel };

export type Ask = { kind: Kind; by: ParticipantID };

/** What passes by, and is read out: see NoticeKind for the values of each. */
export type Notice = { id: number; kind: NoticeKind; values: Record<string, string | number>; at: number };

export type NoticeKind =
	| "joined" // name
	| "left" // name
	| "hand_raised" // name
	| "chat" // name, text
	| "share_started" // name
	| "share_stopped" // name
	| "muted_by_host" // kind
	| "unmuted" // nothing
	| "made_cohost"
	| "made_participant"
	| "waiting" // name
	| "locked"
	| "unlocked"
	| "device_lost" // kind; nothing takes its place
	| "device_switched" // label, "none" where it has none
	| "device_found" // label, and ids by kind of device
	| "refused" // code, text
	| "talking_muted"
	| "back"; // after a reconnection

export type ReactionView = { id: number; from: ParticipantID; emoji: string; at: number };

/** One line of the record of the connection process, as `parley join --explain` has it. */
export type AttemptView = Attempt;

/** A sentence about the connection, to be worded by the catalogue. */
export type SummaryLine = {
	key: Fact["key"];
	values: Record<string, string | number>;
};

export type Connection = {
	zone?: string;
	router?: string;
	path: { audio?: Rung; video?: Rung; content?: Rung };
	/** Which of them go through a tunnel. */
	tunnelled: { audio?: boolean; video?: boolean; content?: boolean };
	/** Of the control channel, ms. */
	rtt?: number;
	/** Since joining, as last measured; bitrates are in rates. */
	media: MediaStats[];
	/** Bits per second by kind and direction, as last measured. */
	rates: { kind: Kind; up: boolean; bps: number; loss: number }[];
	attempts: AttemptView[];
	summary: SummaryLine[];
	/** About how many round trips the parts of joining took, where that is known. */
	trips: { [phase: string]: number };
};

/** What to join: a number, and the passcode or what a link carries instead. */
export type Target = { number: string; pwd?: string; passcode?: string };

export type ChatView = { lines: Chat[]; unread: number; open: boolean };

export type CallState = {
	stage: Stage;
	over?: Over;
	target?: Target;
	/** The name the person goes by, remembered. */
	name: string;
	phases: PhaseView[];
	meeting?: MeetingInfo;
	self?: ParticipantID;
	role?: Role;
	people: ReadonlyMap<ParticipantID, PersonView>;
	/** Display order: stable, newcomers last, oneself first. */
	order: ParticipantID[];
	switches: State;
	/** In the waiting room; hosts see them. */
	waiting: PersonView[];
	/** Topic shown in the waiting room. */
	topic?: string;
	slots: ReadonlyMap<SourceID, SlotView>;
	/** How many cameras of others the router sends at once; 0 before it said so. */
	cameras: number;
	share?: { by: ParticipantID; source: SourceID; mine: boolean };
	speakers: { active?: ParticipantID; loudest: ParticipantID[] };
	chat: ChatView;
	reactions: ReactionView[];
	mine: Record<MineKind, SourceMine>;
	/** Own hand, server ms or 0. */
	hand: number;
	devices: Devices;
	view: View;
	asks: Ask[];
	notices: Notice[];
	connection: Connection;
	/** What was said right behind the hello, as it was said. */
	announced: readonly string[];
	/** What would keep this person out, as far as the lobby knows. */
	obstacle?: { code: OverCode; text: string };
	/** Version of the roster and of the layout last sent. */
	rosterVersion: number;
	layoutVersion: number;
	/** Tiles last wished for, and whether any were. */
	tiles?: { source: SourceID; height: number }[];
	/** The server's clock less this device's, ms. */
	clock: number;
	/** Numbers notices and reactions. */
	nextID: number;
};

const off: SourceMine = { wanted: false, on: false, muted: false, byHost: false };

export const phaseNames: readonly PhaseName[] = ["lookup", "zone", "route", "control", "media"];

export function initialState(): CallState {
	return {
		stage: "idle",
		name: "",
		phases: phaseNames.map(phase => ({ phase, state: "todo" })),
		people: new Map(),
		order: [],
		switches: { started_at: 0 },
		waiting: [],
		slots: new Map(),
		cameras: 0,
		speakers: { loudest: [] },
		chat: { lines: [], unread: 0, open: false },
		reactions: [],
		mine: { audio: off, video: off, content: off },
		hand: 0,
		devices: { audioIn: [], audioOut: [], videoIn: [], chosen: {}, canChooseOutput: false },
		view: { mode: "gallery", page: 0, panel: "none" },
		asks: [],
		notices: [],
		connection: { path: {}, tunnelled: {}, media: [], rates: [], attempts: [], summary: [], trips: {} },
		announced: [],
		rosterVersion: 0,
		layoutVersion: 0,
		clock: 0,
		nextID: 1,
	};
}
