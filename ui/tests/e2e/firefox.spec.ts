// Firefox in each role: with Chromium, with another Firefox, and after its network changed.
import type { Browser as Chromium } from "@playwright/test";
import { expect, test } from "@playwright/test";
import type { Browser as Firefox } from "puppeteer-core";
import { launchFirefox } from "./firefox.ts";
import { clip, Native } from "./native.ts";
import { camera, type Driven, enter, idOf, launchChromium, microphone, person, sees, stage, tile } from "./people.ts";
import { type Meeting, Server } from "./server.ts";

let server: Server;
let chromium: Chromium;
let firefox: Firefox;
// Of two tabs of one window Firefox shows one: the second person has a window of their own.
let second: Firefox;

test.beforeAll(async () => {
	server = await Server.start();
	[chromium, firefox, second] = await Promise.all([launchChromium(), launchFirefox(), launchFirefox()]);
});

test.afterEach(async () => {
	for (const c of chromium.contexts()) await c.close();
	for (const b of [firefox, second]) for (const p of await b.pages()) await p.goto("about:blank");
});

test.afterAll(async () => {
	await chromium?.close();
	await firefox?.close();
	await second?.close();
	await server?.stop();
});

type Reloads = { reload(): Promise<unknown> };

async function fox(m: Meeting, name: string, color: string, browser = firefox): Promise<Driven> {
	const page = await browser.newPage();
	page.on("pageerror", (err: unknown) => console.log(`${name}: ${err instanceof Error ? err.message : String(err)}`));
	await page.goto(await server.page(`&color=${color}`));
	const driven = page as unknown as Driven;
	await enter(driven, m, name);
	return driven;
}

async function hears(page: Driven, source: number): Promise<void> {
	await expect.poll(() => page.evaluate(s => window.call.store.get().slots.has(s), source)).toBe(true);
	const packets = () =>
		page.evaluate(() => window.call.store.get().connection.media.find(x => x.kind === 0 && !x.up)?.packets ?? 0);
	await expect.poll(packets).toBeGreaterThan(20);
}

test("Firefox and Chromium see and hear each other", async () => {
	const m = server.meeting();
	const ada = await person(chromium, server, m, "Ada", { color: "red" });
	const bo = await fox(m, "Bo", "blue");
	await sees(bo, await camera(ada));
	await sees(ada, await camera(bo));
	expect((await tile(bo, await camera(ada))).color).toBe("red");
	expect((await tile(ada, await camera(bo))).color).toBe("blue");
	await hears(bo, await microphone(ada));
	await hears(ada, await microphone(bo));
});

test("a large tile of Firefox's camera gets 720 lines", async () => {
	const m = server.meeting();
	const bo = await fox(m, "Bo", "blue");
	const ada = await person(chromium, server, m, "Ada", {}, { video: false });
	const source = await camera(bo);
	await ada.evaluate(
		s => window.call.actions(window.call.store.get()).setLayout?.([{ source: s, height: 720 }]),
		source,
	);
	await expect.poll(async () => (await tile(ada, source)).height, { timeout: 20_000 }).toBe(720);
});

test("two Firefox see each other", async () => {
	const m = server.meeting();
	const ada = await fox(m, "Ada", "red");
	const bo = await fox(m, "Bo", "blue", second);
	await sees(bo, await camera(ada));
	await sees(ada, await camera(bo));
});

test("Firefox gets fresh transports after its network changed", async () => {
	const m = server.meeting();
	const ada = await person(chromium, server, m, "Ada", { color: "red" });
	const bo = await fox(m, "Bo", "blue");
	await sees(bo, await camera(ada));
	await bo.evaluate(() => window.call.session()?.tell({ is: "network_changed" }));
	await expect.poll(() => stage(bo)).toBe("in");
	await sees(bo, await camera(ada));
	await sees(ada, await camera(bo));
});

test("Firefox and a native client decode each other, and a reload of Firefox keeps the seat", async () => {
	const m = server.meeting();
	const native = new Native(m, "Nat", "--publish", clip("lime"), "--loop");
	try {
		const bo = await fox(m, "Bo", "blue");
		await expect.poll(() => native.id).toBeGreaterThan(0);
		const green = native.id * 8 + 1;
		await sees(bo, green);
		expect((await tile(bo, green)).color).toBe("green");
		await bo.evaluate(() => window.call.actions(window.call.store.get()).say?.("hello"));
		await expect.poll(() => native.events("chat").map(e => e["text"])).toEqual(["hello"]);

		const id = await idOf(bo);
		await (bo as unknown as Reloads).reload();
		expect(await bo.evaluate(() => window.call.resume())).toBe(true);
		await expect.poll(() => stage(bo)).toBe("in");
		expect(await idOf(bo)).toBe(id);
		await sees(bo, green);
		await native.leave();
		expect(native.colors()).toEqual({ [id]: "blue" });
	} finally {
		await native.end();
	}
});
