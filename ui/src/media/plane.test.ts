import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Credentials, Group, Rung } from "../proto/messages.gen.ts";
import { Plane } from "./plane.ts";
import { slotTable } from "./table.ts";

/** Of a peer connection only what is sent on it; its transports come up when they are told to. */
class Connection extends EventTarget {
	static made: Connection[] = [];
	readonly transport = Object.assign(new EventTarget(), { state: "new" });
	readonly sent: (string | undefined)[] = [];
	constructor() {
		super();
		Connection.made.push(this);
	}
	readonly transceivers = ["ua", "uv", "uc"].map(mid => ({
		mid,
		receiver: {},
		sender: {
			transport: this.transport,
			getStats: async () =>
				new Map([
					["p", { type: "candidate-pair", selected: true, remoteCandidateId: "r" }],
					["r", { protocol: "udp", port: 8801 }],
				]),
			getParameters: () => ({ encodings: [] }),
			setParameters: async () => {},
			replaceTrack: async (track: MediaStreamTrack | null) => {
				if (mid === "ua") this.sent.push(track?.id);
			},
		},
	}));
	up(): void {
		this.transport.state = "connected";
		this.transport.dispatchEvent(new Event("statechange"));
	}
	setRemoteDescription = async () => {};
	getTransceivers = () => this.transceivers;
	createAnswer = async () => ({ type: "answer", sdp: "" });
	setLocalDescription = async () => {};
	addIceCandidate = async () => {};
	close(): void {}
}

const microphone = { getAudioTracks: () => [{ id: "voice" }] } as unknown as MediaStream;
const nothing = () => {};
let ups: number[];
let plane: Plane;

function make(muzzled: boolean): void {
	ups = [];
	plane = new Plane({} as RTCCertificate, false, slotTable(7, 2), muzzled, {
		up: attempt => ups.push(attempt),
		failed: nothing,
		answers: nothing,
		lost: nothing,
		silent: nothing,
		moved: nothing,
		path: nothing,
		answered: nothing,
		shown: nothing,
		hidden: nothing,
	});
	plane.publish("audio", microphone);
}

/** Tries the sound's transport with credentials of its own, so that it is a connection of its own. */
async function start(attempt: number): Promise<void> {
	const credentials: Credentials = { group: Group.Audio, ufrag: `u${attempt}`, pwd: "p" };
	plane.start({ attempt, group: Group.Audio, rung: Rung.UDP8801, candidates: [], credentials, fingerprint: "" });
	await soon();
}

const soon = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
	vi.useFakeTimers();
	vi.stubGlobal("RTCPeerConnection", Connection);
	Connection.made = [];
});

afterEach(() => {
	plane.end();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

test("sound is ready before its transport is up, on one connection alone", async () => {
	make(false);
	await start(1);
	expect(Connection.made.map(c => c.sent)).toEqual([["voice"]]);
	await start(2);
	expect(Connection.made.map(c => c.sent)).toEqual([["voice", undefined], ["voice"]]);
	Connection.made[0]?.up();
	await soon();
	expect(ups).toEqual([1]);
	plane.take(1);
	await soon();
	expect(Connection.made.map(c => c.sent.at(-1))).toEqual(["voice", undefined]);
	await start(3); // the way is found: nothing else is sent on
	expect(Connection.made[2]?.sent).toEqual([]);
});

test("who has not decided, or waits for a host, is not heard", async () => {
	make(true);
	await start(1);
	expect(Connection.made[0]?.sent).toEqual([]);
	plane.speak();
	await start(2);
	plane.bar();
	await soon();
	expect(Connection.made.map(c => c.sent)).toEqual([[], ["voice", undefined]]);
});
