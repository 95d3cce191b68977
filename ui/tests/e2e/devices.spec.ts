// Other devices in mid-call: what is sent and where it is played changes, and nothing else.
import { expect, type Page, test } from "@playwright/test";
import type { DeviceKind } from "../../src/call/state.ts";
import { browser, own, server } from "./own.ts";
import { camera, microphone, person, sees, tile, touch } from "./people.ts";

own(undefined, 3);

/** Chooses the last device of a kind. */
const choose = (page: Page, kind: DeviceKind) =>
	page.evaluate(kind => {
		const { store, actions } = window.call;
		const last = store.get().devices[kind].at(-1)?.id ?? "";
		actions(store.get()).chooseDevice(kind, last);
		return last;
	}, kind);

/** The device a track comes from, and the track. */
const capture = (page: Page, kind: "audio" | "video") =>
	page.evaluate(kind => {
		const track = window.call.store.get().mine[kind].stream?.getTracks()[0];
		return { device: track?.getSettings().deviceId, track: track?.id };
	}, kind);

const sent = (page: Page, mid: string) =>
	page.evaluate(async mid => {
		const all = Object.values(await window.layers(mid));
		return [...new Set(all.filter(l => l.active).map(l => l.track))];
	}, mid);

test("another camera, microphone and loudspeaker in mid-call, without a negotiation", async () => {
	const m = server.meeting();
	const context = await browser.newContext({ permissions: ["camera", "microphone"] });
	// Sound is played by elements that are in no document: each is remembered as it is made.
	await context.addInitScript(() => {
		const elements: HTMLAudioElement[] = [];
		const Real = window.Audio;
		window.Audio = class extends Real {
			constructor() {
				super();
				elements.push(this);
			}
		};
		Object.assign(window, { sinks: () => elements.filter(e => !e.paused).map(e => e.sinkId) });
	});
	const ada = await person(context, server, m, "Ada");
	const bo = await person(browser, server, m, "Bo", {}, { video: false });
	for (const page of [ada, bo]) await touch(page);
	const [picture, sound] = [await camera(ada), await microphone(ada)];
	await sees(bo, picture);
	const before = { audio: await capture(ada, "audio"), video: await capture(ada, "video") };
	const connections = await ada.evaluateHandle(
		() =>
			window.call
				.session()
				?.plane?.peers()
				.map(({ pc }) => ({ pc, was: pc.localDescription?.sdp })) ?? [],
	);

	await expect.poll(() => ada.evaluate(() => window.call.store.get().devices.videoIn.length)).toBe(3);
	await bo.evaluate(s => {
		const t = window.tiles()[s];
		if (t) t.gap = 0;
	}, picture);
	for (const [kind, mine, mid] of [
		["videoIn", "video", "uv"],
		["audioIn", "audio", "ua"],
	] as const) {
		const device = await choose(ada, kind);
		await expect.poll(async () => (await capture(ada, mine)).device).toBe(device);
		const { track } = await capture(ada, mine);
		expect(track).not.toBe(before[mine].track);
		await expect.poll(() => sent(ada, mid), { message: "what is sent is the new device's" }).toEqual([track]);
	}
	await sees(bo, picture);
	const { gap } = await tile(bo, picture);
	console.log(`pictures stood still for ${Math.round(gap)} ms`);
	expect(gap).toBeLessThan(1500);
	// The new microphone beeps as the old one did.
	const level = async () => (await bo.evaluate(s => window.listen(s, 1500), sound)).level;
	await expect.poll(level).toBeGreaterThan(0.02);

	const out = await choose(ada, "audioOut");
	const sinks = () => ada.evaluate(() => (window as unknown as { sinks(): string[] }).sinks());
	await expect.poll(async () => [...new Set(await sinks())]).toEqual([out]);

	const same = await connections.evaluate(was => {
		const now = window.call.session()?.plane?.peers() ?? [];
		return (
			now.length === was.length && was.every((w, i) => now[i]?.pc === w.pc && w.pc.localDescription?.sdp === w.was)
		);
	});
	expect(same, "the connections are those of before").toBe(true);
});
