import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Kind, type Slot } from "../proto/messages.gen.ts";
import type { Peer } from "./peer.ts";
import { Slots } from "./slots.ts";

const slot: Slot = { id: 2, mid: "v0", kind: Kind.Video, ssrc: 4000, rtx: 17, msid: "s0" };
const red = 73;
const blue = 81;

/** What the browser says of the pictures decoded last. */
let decoded: { source: number; rtpTimestamp: number; timestamp: number }[];
/** Whose picture may be seen. */
let live: number | undefined;
let slots: Slots;

/** Of a stream only that it holds tracks matters here. */
class Stream {
	private readonly tracks: unknown[] = [];
	getTracks = () => this.tracks;
	addTrack = (t: unknown) => this.tracks.push(t);
}

beforeEach(() => {
	vi.useFakeTimers();
	vi.stubGlobal("MediaStream", Stream);
	decoded = [];
	live = undefined;
	slots = new Slots({
		shown(source, _slot, _kind, _stream, isLive) {
			if (isLive) live = source;
			else if (live === source) live = undefined;
		},
		hidden(source) {
			if (live === source) live = undefined;
		},
	});
	slots.table([slot]);
	const receiver = { getContributingSources: () => decoded };
	slots.use(1, { track: () => ({}), receiver: () => receiver } as unknown as Peer);
});

afterEach(() => {
	slots.clear();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

/** A picture of somebody was decoded; two may be known, the older one too. */
function picture(source: number, rtpTimestamp: number): void {
	decoded = [...decoded.slice(-1), { source, rtpTimestamp, timestamp: performance.now() }];
}

const pass = (ms: number) => vi.advanceTimersByTime(ms);

test("a source is shown once a picture of its own was decoded, and is on the screen", () => {
	slots.map([{ slot: 2, source: red, time: 900 }]);
	pass(5000);
	expect(live).toBeUndefined();
	picture(red, 900);
	pass(45); // decoded is not yet drawn
	expect(live).toBeUndefined();
	pass(60);
	expect(live).toBe(red);
});

test("the picture of whoever was there before is never shown under the next one's name", () => {
	slots.map([{ slot: 2, source: red, time: 900 }]);
	picture(red, 900);
	pass(200);
	slots.map([{ slot: 2, source: blue, time: 5000 }]);
	expect(live).toBeUndefined();
	picture(red, 3900); // on the way since before the change
	pass(5000);
	expect(live).toBeUndefined();
	picture(blue, 5000);
	pass(200);
	expect(live).toBe(blue);
});

test("who was in the slot earlier is shown by pictures of now, not by those of then", () => {
	slots.map([{ slot: 2, source: red, time: 900 }]);
	picture(red, 900);
	pass(200);
	// Time stamps wrap.
	slots.map([{ slot: 2, source: 0 }]);
	slots.map([{ slot: 2, source: red, time: 2 ** 32 - 3000 }]);
	picture(red, 2 ** 32 - 3001);
	pass(5000);
	expect(live).toBeUndefined();
	picture(red, 10);
	pass(200);
	expect(live).toBe(red);
});

test("without a time stamp the name alone is believed, after a second", () => {
	slots.map([{ slot: 2, source: red }]);
	picture(blue, 100);
	pass(5000);
	expect(live).toBeUndefined();
	slots.map([
		{ slot: 2, source: 0 },
		{ slot: 2, source: red },
	]);
	picture(red, 900);
	pass(900);
	expect(live).toBeUndefined();
	pass(300);
	expect(live).toBe(red);
});
