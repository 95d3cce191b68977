// What can happen to a call, and what may have to be done about it.
import type {
	Act,
	Hand,
	Kind,
	Layout,
	Mapping,
	MediaStats,
	MeetingInfo,
	Message,
	ParticipantID,
	Publish,
	React,
	Role,
	Rung,
	Said,
	SourceID,
} from "../proto/messages.gen.ts";
import type {
	Ask,
	AttemptView,
	Connection,
	Device,
	DeviceKind,
	MineKind,
	PhaseName,
	Problem,
	SlotView,
	SummaryLine,
	Target,
	View,
} from "./state.ts";

/** What the person does. */
export type UserEvent =
	| { is: "open_lobby"; target: Target; wishes: { audio?: boolean; video?: boolean; muted?: boolean } }
	| { is: "join"; name: string; passcode?: string }
	| { is: "leave" }
	| { is: "reset" }
	| { is: "toggle"; kind: "audio" | "video" }
	| { is: "set_muted"; muted: boolean }
	| { is: "want"; kind: MineKind; wanted: boolean }
	| { is: "say"; text: string; to?: ParticipantID }
	| { is: "hand"; up: boolean }
	| { is: "react"; emoji: string }
	| { is: "view"; change: Partial<Omit<View, "pinned">> }
	| { is: "pin"; source?: SourceID }
	| { is: "choose_device"; kind: DeviceKind; id: string }
	| { is: "refresh_devices" }
	| { is: "use_found"; notice: number }
	| { is: "layout"; tiles: { source: SourceID; height: number }[] }
	| { is: "answer_ask"; ask: Ask; yes: boolean }
	| { is: "dismiss"; notice: number }
	| { is: "set_name"; name: string }
	| { is: "act"; act: Act };

/** What the connection process tells. */
export type ProcessEvent =
	| { is: "progress"; phase: PhaseName | "resume" | "tunnel"; ms: number; detail: string }
	| { is: "found"; meeting: MeetingInfo; participant: ParticipantID; role: Role }
	| { is: "process_waiting"; topic: string }
	| { is: "process_joined"; router: string; zone: string; resumed: boolean; clock: number }
	| { is: "process_failed"; code: string; text: string; tried: string[] }
	| { is: "control_lost" }
	/** The hello is out: what is said now comes right behind it. */
	| { is: "greeted" }
	/** What was made ready in the lobby cannot be: joining would fail like this. */
	| { is: "lobby_failed"; code: string; text: string }
	| { is: "report"; attempts: AttemptView[]; summary: SummaryLine[]; trips: Connection["trips"] };

/** What media and devices tell. */
export type MediaEvent =
	| { is: "captured"; kind: MineKind; stream: MediaStream; width?: number; height?: number }
	| { is: "capture_failed"; kind: MineKind; problem: Problem }
	| { is: "capture_ended"; kind: MineKind }
	| { is: "level"; level: number }
	| { is: "talking_muted" }
	| { is: "devices"; audioIn: Device[]; audioOut: Device[]; videoIn: Device[]; canChooseOutput: boolean }
	| { is: "slot"; source: SourceID; view: SlotView }
	| { is: "unslot"; source: SourceID }
	| { is: "path"; group: "audio" | "video" | "content"; rung?: Rung; tunnelled?: boolean }
	| { is: "stats"; media: MediaStats[]; rates: Connection["rates"]; rtt?: number }
	| { is: "remembered"; name: string; chosen: { audioIn?: string; audioOut?: string; videoIn?: string } };

/** A message of the router, as it came; hello and welcome included. */
export type MessageEvent = { is: "message"; message: Message };

/** Time: notices and reactions pass. */
export type TimeEvent = { is: "expired"; what: "notice" | "reaction"; id: number };

export type CallEvent = UserEvent | ProcessEvent | MediaEvent | MessageEvent | TimeEvent;

/** What this client says in a meeting, with the type in front. */
export type Outbound =
	| ({ t: "publish" } & Publish)
	| ({ t: "layout" } & Layout)
	| ({ t: "say" } & Said)
	| ({ t: "hand" } & Hand)
	| ({ t: "react" } & React)
	| ({ t: "act" } & Act);

/** What has to be done; runner.ts does it. */
export type Effect =
	/** Makes everything ready while the person is in the lobby. */
	| { do: "prepare"; target: Target; name: string }
	| { do: "start"; target: Target; name: string }
	| { do: "leave" }
	| { do: "send"; message: Outbound }
	| { do: "capture"; kind: MineKind; device?: string }
	| { do: "release"; kind: MineKind }
	| { do: "mute"; muted: boolean }
	| { do: "map"; changes: Mapping[] }
	| { do: "layers"; kind: Kind; rids: string[] }
	| { do: "output"; device: string }
	| { do: "list_devices" }
	| { do: "need_content" }
	| { do: "remember"; name?: string; device?: { kind: DeviceKind; id: string } }
	| { do: "resync" }
	/** The meeting is over for this person: everything is closed. */
	| { do: "over" }
	| { do: "expire"; what: "notice" | "reaction"; id: number; after: number };
