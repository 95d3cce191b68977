// Who is in the stories.
import { type CallState, initialState, type PersonView, type SlotView } from "../../call/state.ts";
import { source } from "../../proto/ids.ts";
import { Kind, Role } from "../../proto/messages.gen.ts";
import { face } from "./pictures.ts";

const names = [
	"Ada Lovelace",
	"Grace Hopper",
	"Mohammed al-Khwarizmi",
	"Marie Skłodowska-Curie",
	"王小明",
	"Jean-Baptiste Joseph Fourier de la Très Longue Dénomination",
	"Ольга Ладыженская",
	"Emmy Noether",
	"Srinivasa Ramanujan",
	"נעמי כהן",
	"Zoë Ångström",
	"Kofi",
];

export const nameOf = (id: number) => names[(id - 1) % names.length] ?? "";

/** A person of the roster. Some have cameras, some are muted: the same each time. */
export function person(id: number, change: Partial<PersonView> = {}): PersonView {
	const video = id % 4 === 0 ? {} : { video: { source: source(id, Kind.Video), muted: false, byHost: false } };
	return {
		id,
		name: id > names.length ? `${nameOf(id)} ${Math.ceil(id / names.length)}` : nameOf(id),
		role: id === 1 ? Role.Host : id === 3 ? Role.Cohost : Role.Participant,
		client: "web",
		hand: 0,
		waiting: false,
		away: false,
		isSelf: id === 1,
		speaking: id === 2,
		audio: { source: source(id, Kind.Audio), muted: id % 3 === 0, byHost: false },
		...video,
		...change,
	};
}

const slot = (id: number): SlotView => ({ slot: id, kind: Kind.Video, stream: face(id), live: true });

/** A meeting of n, oneself its host. */
export function meeting(n: number, change: Partial<CallState> = {}): CallState {
	const people = Array.from({ length: n }, (_, i) => person(i + 1));
	const withVideo = people.filter(p => p.video && !p.isSelf);
	const base = initialState();
	return {
		...base,
		stage: "in",
		target: { number: "83012345678", pwd: "x" },
		self: 1,
		role: Role.Host,
		meeting: { id: "m", number: "83012345678", topic: "Weekly design review", hosting: "cloud" },
		people: new Map(people.map(p => [p.id, p])),
		order: people.map(p => p.id),
		slots: new Map(withVideo.map(p => [source(p.id, Kind.Video), slot(p.id)])),
		speakers: n > 1 ? { active: 2, loudest: [2] } : { loudest: [] },
		mine: {
			...base.mine,
			audio: { wanted: true, on: true, muted: false, byHost: false, level: 0.4 },
			video: { wanted: true, on: true, muted: false, byHost: false, stream: face(1) },
		},
		devices: {
			audioIn: [
				{ id: "default", label: "Default – Built-in microphone" },
				{ id: "b", label: "USB headset" },
			],
			audioOut: [{ id: "default", label: "Default – Built-in speakers" }],
			videoIn: [
				{ id: "c", label: "Integrated camera" },
				{ id: "d", label: "" },
			],
			chosen: {},
			canChooseOutput: true,
		},
		connection: { ...base.connection, rtt: 24, zone: "Paris", router: "mmr-1" },
		...change,
	};
}
