// The numbers of a connection: what the panel says is what the browser measured, what the router knows, and
// what the native client says of the same way.
import { expect, type Page, test } from "@playwright/test";
import type { Report } from "../../src/join/join.ts";
import { words } from "../../src/join/words.ts";
import { clip, Native } from "./native.ts";
import { browser, own, server } from "./own.ts";
import { idOf, person, sees, visitor } from "./people.ts";
import { Server } from "./server.ts";

own(() => Server.start("--admin", "127.0.0.1:0"));

const natives: Native[] = [];

test.afterAll(async () => {
	for (const n of natives) await n.end();
});

type Medium = { kind: number; up: boolean; path?: string; packets: number; bytes: number; lost: number };
type Seat = { router: string; zone: string; participant: number; rungs: string[]; stats?: Medium[] };

/** What the router has written down of everybody. */
async function seats(): Promise<Seat[]> {
	const answer = await fetch(`${server.ready.debug}/debug/seats`);
	return (await answer.json()) as Seat[];
}

const connection = (page: Page) => page.evaluate(() => window.call.store.get().connection);

/** The packets of each kind and direction, as the browser has counted them. */
const counted = (page: Page) =>
	page.evaluate(async () => {
		const out: Record<string, number> = {};
		const own: Record<string, number> = { ua: 0, uv: 1, uc: 2, uca: 3 };
		for (const peer of window.call.session()?.plane?.peers() ?? []) {
			for (const s of (await peer.pc.getStats()).values()) {
				const up = s.type === "outbound-rtp";
				if (!up && s.type !== "inbound-rtp") continue;
				const kind = up ? own[s.mid ?? ""] : peer.table.slots.find(x => x.ssrc === s.ssrc)?.kind;
				const key = `${kind} ${up ? "up" : "down"}`;
				const n: number = (up ? s.packetsSent : s.packetsReceived) ?? 0;
				if (n > 0) out[key] = (out[key] ?? 0) + n;
			}
		}
		return out;
	});

test("the numbers of a connection agree everywhere, and reach the router every five seconds", async () => {
	const m = server.meeting();
	const native = new Native(m, "Nat", "--publish", clip("lime"), "--loop", "--explain");
	natives.push(native);
	const context = await browser.newContext();
	// When statistics went upstream, by the page's own clock: what a driver hears of it may come late.
	await context.addInitScript(() => {
		const said: number[] = [];
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (data) {
			if (String(data).startsWith('{"t":"stats"')) said.push(performance.now());
			send.call(this, data);
		};
		Object.assign(window, { statsSaid: () => said });
	});
	const ada = await person(context, server, m, "Ada", { color: "red" });
	const zoe = await visitor(browser, m, "Zoe");
	const id = await idOf(ada);
	await expect.poll(() => native.id).toBeGreaterThan(0);
	await sees(ada, native.id * 8 + 1);

	// The way: as the router and the native client have it.
	const own = async () => (await seats()).find(s => s.participant === id);
	await expect(async () => {
		const [{ path, router, zone, rtt }, seat] = [await connection(ada), await own()];
		expect([seat?.router, seat?.zone]).toEqual([router, zone]);
		expect(seat?.rungs).toEqual([path.audio, path.video, path.content ?? ""]);
		expect(path.audio).toBe("udp-8801");
		expect(rtt ?? Number.POSITIVE_INFINITY, "a round trip is known").toBeLessThan(500);
	}).toPass({ timeout: 30_000 });
	const { router, zone } = await connection(ada);

	// The panel of somebody with screens: every number is there, and possible.
	await zoe.keyboard.press("i");
	const panel = zoe.getByRole("dialog");
	await expect(panel.getByText(zone ?? "?", { exact: true }).first()).toBeVisible();
	await expect(panel.getByText(router ?? "?", { exact: true }).first()).toBeVisible();
	const row = async (name: RegExp) => {
		const cells = await panel.getByRole("row", { name }).getByRole("cell").allInnerTexts();
		const [rate, loss, jitter, trip] = cells.map(c => Number.parseFloat(c.replaceAll(",", "")));
		const [, width, height, fps] = /(\d+) × (\d+) · ([\d.]+)/.exec(cells[4] ?? "")?.map(Number) ?? [];
		return { rate, loss, jitter, trip, width, height, fps };
	};
	const possible = { loss: 0, jitter: expect.any(Number), trip: expect.any(Number) };
	await expect.poll(() => row(/sent: *camera/i)).toMatchObject({ ...possible, width: expect.any(Number) });
	const up = await row(/sent: *camera/i);
	expect(up.width).toBeGreaterThanOrEqual(160);
	await expect.poll(async () => (await row(/sent: *camera/i)).fps).toBeGreaterThan(5);
	await expect.poll(async () => (await row(/sent: *camera/i)).rate).toBeGreaterThan(30);
	await expect.poll(async () => (await row(/received: *camera/i)).fps).toBeGreaterThan(5);
	await expect.poll(async () => (await row(/received: *camera/i)).rate).toBeGreaterThan(30);
	for (const name of [/sent: *microphone/i, /received: *microphone/i]) {
		await expect.poll(async () => (await row(name)).rate).toBeGreaterThan(1);
		// A round trip is known with the first report of the other side.
		await expect.poll(async () => (await row(name)).trip).toBeLessThan(500);
		const { loss, jitter } = await row(name);
		expect(loss).toBe(0);
		expect(jitter).toBeLessThan(100);
	}

	// What is shown was measured between these two looks of our own.
	const before = await counted(ada);
	const then = (await connection(ada)).media;
	await expect.poll(async () => (await connection(ada)).media).not.toEqual(then);
	const { media, rates } = await connection(ada);
	const after = await counted(ada);
	for (const { kind, up, packets, width, height, fps } of media) {
		const key = `${kind} ${up ? "up" : "down"}`;
		expect(packets, key).toBeGreaterThanOrEqual(before[key] ?? 0);
		expect(packets, key).toBeLessThanOrEqual(after[key] ?? 0);
		if (kind === 1) expect([key, (width ?? 0) > 0, (height ?? 0) > 0, (fps ?? 0) > 0]).toEqual([key, true, true, true]);
	}
	// A busy machine loses a packet now and then on the way to itself. A browser tries its bandwidth with padding on
	// the stream of a screen that nobody shares, once in a while.
	expect(rates.filter(r => (r.bps <= 0 && r.kind < 2) || r.loss > 0.02)).toEqual([]);

	// Upstream: as often as it should be, and the router remembers what was said last.
	const said = () => ada.evaluate(() => (window as unknown as { statsSaid(): number[] }).statsSaid());
	await expect.poll(async () => (await said()).length, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
	const times = await said();
	const pauses = times.slice(1).map((at, i) => at - (times[i] ?? 0));
	for (const pause of pauses)
		expect(Math.abs(pause - 5000), `reports at ${times.map(Math.round)} ms`).toBeLessThan(1000);
	const known = (await own())?.stats ?? [];
	const now = (await connection(ada)).media;
	expect(known.map(k => [k.kind, k.up, k.path])).toEqual(now.map(k => [k.kind, k.up, k.path]));
	for (const [i, k] of known.entries()) {
		expect(k.packets).toBeGreaterThan(0);
		expect(k.packets).toBeLessThanOrEqual(now[i]?.packets ?? 0);
	}

	// The native client came by the same way, and says so in the same words.
	const { attempts } = await connection(ada);
	await native.leave();
	const theirs = native.events("explain")[0] as { attempts: Report["attempts"]; summary: string[] };
	const ours = attempts.map(({ why, ...a }) => ({ ...a, what: words(a.what), ...(why && { why: words(why) }) }));
	const way = (all: Report["attempts"]) =>
		all
			.filter(
				a => a.outcome === "won" && (a.phase === "control" || a.what.startsWith("audio") || a.what.startsWith("video")),
			)
			.map(a => `${a.phase}: ${a.what}`);
	// Where keys take long, the native client has a lower rung up for a moment before the best.
	expect(way(theirs.attempts)).toEqual(expect.arrayContaining(way(ours)));
	expect(way(ours)).toEqual([`control: server ${router}`, "media: audio over udp-8801", "media: video over udp-8801"]);
	expect(theirs.summary[0]).toContain(`The best meeting zone is ${zone},`);
});
