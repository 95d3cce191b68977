import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { words } from "../join/words.ts";
import { type Credentials, Group, Rung } from "../proto/messages.gen.ts";
import { Lanes } from "./lanes.ts";
import { slotTable } from "./table.ts";

const own = ["ua", "uv", "uc"];

/** Of a peer connection only what is offered to it, whether it is open, and that its transports come up. */
class Connection extends EventTarget {
	static made: Connection[] = [];
	/** The m-lines whose checks are answered, and nothing else. */
	static keyless: readonly string[] = [];
	/** What statistics say of the way. */
	static protocol = "udp";
	readonly candidates: string[] = [];
	offer = "";
	/** How many slots the offer had that was answered when each candidate came. */
	readonly slotsAt: number[] = [];
	open = true;
	connectionState = "new";
	readonly transports = own.map(mid =>
		Object.assign(
			new EventTarget(),
			Connection.keyless.includes(mid)
				? {
						state: "connecting",
						iceTransport: Object.assign(new EventTarget(), {
							state: "connected",
							getSelectedCandidatePair: () => ({ local: { type: "host" }, remote: { protocol: "udp" } }),
						}),
					}
				: {
						state: "connected",
						iceTransport: Object.assign(new EventTarget(), { onselectedcandidatepairchange: null }),
					},
		),
	);
	constructor() {
		super();
		Connection.made.push(this);
	}
	async setRemoteDescription(d: RTCSessionDescriptionInit): Promise<void> {
		this.offer = d.sdp ?? "";
	}
	getTransceivers(): unknown[] {
		const report = () =>
			new Map([
				["t", { type: "transport", selectedCandidatePairId: "p", bytesReceived: 1 }],
				["p", { type: "candidate-pair", remoteCandidateId: "r" }],
				["r", { type: "remote-candidate", protocol: Connection.protocol, port: 8801 }],
			]);
		const sender = {
			getStats: async () => report(),
			getParameters: () => ({ encodings: [] }),
			setParameters: async () => {},
		};
		return own.map((mid, i) => ({ mid, sender: { ...sender, transport: this.transports[i] }, receiver: {} }));
	}
	createAnswer = async () => ({ type: "answer", sdp: "" });
	setLocalDescription = async () => {};
	addIceCandidate = async (c: RTCIceCandidateInit) => {
		this.candidates.push(c.candidate ?? "");
		this.slotsAt.push(lines(this.offer).length);
	};
	close(): void {
		this.open = false;
	}
}

const expected = slotTable(7, 2);
const other = slotTable(8, 2);
const lines = (offer: string) => [...offer.matchAll(/a=ssrc:(\d+) cname/g)].map(m => Number(m[1]));

let told: string[];
let lanes: Lanes;

beforeEach(() => {
	vi.useFakeTimers();
	vi.stubGlobal("RTCPeerConnection", Connection);
	Connection.made = [];
	Connection.keyless = [];
	Connection.protocol = "udp";
	told = [];
	lanes = new Lanes({} as RTCCertificate, false, expected, {
		up: attempt => told.push(`up ${attempt}`),
		failed: (attempt, why) => told.push(`failed ${attempt}: ${words(why)}`),
		answers: attempt => told.push(`answers ${attempt}`),
		lost: (attempt, why) => told.push(`lost ${attempt}: ${words(why)}`),
		silent: () => {},
		moved: (attempt, rung) => told.push(`moved ${attempt}: ${rung}`),
		use: () => {},
		answered: () => {},
	});
});

afterEach(() => {
	lanes.end();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

const credentials = (name: string): Credentials[] =>
	[Group.Audio, Group.Video, Group.Content].map(group => ({ group, ufrag: `${name}${group}`, pwd: name }));
const addresses = [
	{ rung: Rung.UDP8801, addr: "192.0.2.1:8801" },
	{ rung: Rung.TCP8801, addr: "192.0.2.1:8801" },
];

/** Tries a transport, the sound's by default, with a set of credentials. */
function start(attempt: number, set: Credentials[], rung: Rung = Rung.UDP8801, group: Group = Group.Audio): void {
	lanes.know(set, addresses);
	lanes.start({
		attempt,
		group,
		rung,
		candidates: addresses.filter(a => a.rung === rung),
		credentials: set[group] as Credentials,
		fingerprint: "",
	});
}

const soon = () => vi.advanceTimersByTimeAsync(0);

test("what was made for the table of the welcome stays", async () => {
	start(1, credentials("grant"));
	await soon();
	expect(told).toEqual(["up 1"]);
	lanes.welcome(slotTable(7, 2));
	await soon();
	expect(told).toEqual(["up 1"]);
	expect(Connection.made.map(c => c.open)).toEqual([true]);
});

test("a browser that moves is followed though its statistics are of a moment ago", async () => {
	start(1, credentials("grant"));
	await soon();
	lanes.use(1);
	Connection.made[0]?.transports[0]?.iceTransport.dispatchEvent(new Event("selectedcandidatepairchange"));
	await vi.advanceTimersByTimeAsync(50);
	Connection.protocol = "tcp";
	await vi.advanceTimersByTimeAsync(100);
	expect(told).toEqual(["up 1", "moved 1: tcp-8801"]);
});

test("checks do not wait for the slots to be taken in", async () => {
	start(1, credentials("grant"));
	await soon();
	expect(Connection.made[0]?.slotsAt).toEqual([0]);
	expect(lines(Connection.made[0]?.offer ?? "")).toContain(expected[0]?.ssrc);
});

test("what was made for another table is given up, and made anew with the welcome's", async () => {
	start(1, credentials("grant"));
	await soon();
	lanes.use(1);
	expect(lines(Connection.made[0]?.offer ?? "")).toEqual(expect.arrayContaining([expected[0]?.ssrc]));
	lanes.welcome(other);
	start(2, credentials("welcome")); // as the connection process does on a welcome, in the same turn
	await soon();
	expect(told).toEqual(["up 1", "lost 1: the server has another slot table", "up 2"]);
	const [old, fresh] = Connection.made;
	expect([old?.open, fresh?.open]).toEqual([false, true]);
	expect(lines(fresh?.offer ?? "")).toEqual(expect.arrayContaining([other[0]?.ssrc]));
	expect(lines(fresh?.offer ?? "")).not.toContain(expected[0]?.ssrc);
});

test("what was set up ahead for another table is not used", async () => {
	const grant = credentials("grant");
	lanes.know(grant, addresses);
	lanes.prepare(grant, "");
	await soon();
	lanes.welcome(other);
	start(1, grant);
	await soon();
	const used = Connection.made.filter(c => c.open && lines(c.offer).includes(other[0]?.ssrc ?? 0));
	expect(used.length).toBe(1);
	lanes.unprepare();
	await soon();
	expect(Connection.made.filter(c => c.open)).toEqual(used);
});

test("checks that are answered without keys are told of, while another rung waits for them", async () => {
	Connection.keyless = own;
	const set = credentials("grant");
	start(1, set);
	await soon();
	start(2, set, Rung.TCP8801);
	await vi.advanceTimersByTimeAsync(599);
	expect(told).toEqual([]);
	await vi.advanceTimersByTimeAsync(1);
	expect(told).toEqual(["answers 1"]);
});

test("a rung that answers and gives no keys is left out of fresh connections for a while", async () => {
	Connection.keyless = own;
	start(1, credentials("first"));
	await vi.advanceTimersByTimeAsync(2000);
	lanes.close(1);
	const fresh = credentials("second");
	start(2, fresh);
	start(3, fresh, Rung.TCP8801);
	await soon();
	await vi.advanceTimersByTimeAsync(600);
	const [first, second] = Connection.made;
	expect(first?.candidates.filter(c => / udp /i.test(c)).length).toBe(1);
	expect(second?.candidates.map(c => c.split(" ")[2]?.toLowerCase())).toEqual(["tcp"]);
	lanes.close(2);
	lanes.close(3);
	await vi.advanceTimersByTimeAsync(15_000);
	start(4, credentials("third"));
	await soon();
	expect(Connection.made.at(-1)?.candidates.length).toBe(1);
});

test("a rung whose checks have only just been answered is not left out: keys take a round trip or two", async () => {
	Connection.keyless = own;
	start(1, credentials("first"));
	await vi.advanceTimersByTimeAsync(1000);
	lanes.close(1); // for another reason: a fresh admission, say
	start(2, credentials("second"));
	await soon();
	expect(Connection.made[1]?.candidates.map(c => c.split(" ")[2]?.toLowerCase())).toEqual(["udp"]);
});

test("a rung that carries another group is not left out: it is crowded", async () => {
	Connection.keyless = ["uc"];
	const set = credentials("first");
	start(1, set);
	await soon();
	lanes.use(1);
	start(2, set, Rung.UDP8801, Group.Content);
	await vi.advanceTimersByTimeAsync(2000);
	lanes.close(2);
	start(3, credentials("second"));
	await soon();
	expect(Connection.made[1]?.candidates.map(c => c.split(" ")[2]?.toLowerCase())).toEqual(["udp"]);
});
