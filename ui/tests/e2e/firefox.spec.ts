// Firefox in each role: with Chromium, with another Firefox, and after its network changed.
import { expect, test } from "@playwright/test";
import type { Browser as Firefox } from "puppeteer-core";
import { launchFirefox } from "./firefox.ts";
import { clip, Native } from "./native.ts";
import { browser, own, server } from "./own.ts";
import {
	camera,
	type Driven,
	enter,
	hearsTone,
	idOf,
	microphone,
	person,
	screen,
	screenSound,
	sees,
	stage,
	tile,
	touch,
} from "./people.ts";
import type { Meeting } from "./server.ts";

own();

let firefox: Firefox;
// Of two tabs of one window Firefox shows one: the second person has a window of their own.
let second: Firefox;

test.beforeAll(async () => {
	[firefox, second] = await Promise.all([launchFirefox(), launchFirefox()]);
});

test.afterEach(async () => {
	for (const b of [firefox, second]) for (const p of await b.pages()) await p.goto("about:blank");
});

test.afterAll(async () => {
	await firefox?.close();
	await second?.close();
});

type Reloads = { reload(): Promise<unknown> };

async function fox(m: Meeting, name: string, query: Record<string, string>, browser = firefox): Promise<Driven> {
	const page = await browser.newPage();
	page.on("pageerror", (err: unknown) => console.log(`${name}: ${err instanceof Error ? err.message : String(err)}`));
	const more = Object.entries(query).map(([k, v]) => `&${k}=${encodeURIComponent(v)}`);
	await page.goto(await server.page(more.join("")));
	const driven = page as unknown as Driven;
	await enter(driven, m, name);
	return driven;
}

const says = (page: Driven, text: string) =>
	page.evaluate(t => window.call.actions(window.call.store.get()).say?.(t), text);
const lines = (page: Driven) => page.evaluate(() => window.call.store.get().chat.lines.map(l => l.text));
const share = (page: Driven) => page.evaluate(() => window.call.actions(window.call.store.get()).share?.());
const stopShare = (page: Driven) => page.evaluate(() => window.call.actions(window.call.store.get()).stopShare?.());

async function shows(page: Driven, source: number, color: string): Promise<void> {
	await sees(page, source);
	expect((await tile(page, source)).color).toBe(color);
}

test("Firefox comes late, sees and hears all, shares, is shown a screen, and leaves", async () => {
	test.setTimeout(150_000);
	const m = server.meeting();
	const native = new Native(m, "Nat", "--publish", clip("lime"), "--loop");
	try {
		const ada = await person(browser, server, m, "Ada", { color: "red", voice: "300", screen: "blue,1200" });
		await touch(ada);
		await expect.poll(() => native.id).toBeGreaterThan(0);
		const green = native.id * 8 + 1;
		await sees(ada, green);
		await says(ada, "before anybody came");

		const bo = await fox(m, "Bo", { color: "blue", screen: "lime" });
		await shows(bo, await camera(ada), "red");
		await shows(bo, green, "green");
		await shows(ada, await camera(bo), "blue");
		expect(await lines(bo)).toEqual(["before anybody came"]);
		await ada.evaluate(() => window.speak(0.5));
		await hearsTone(bo, await microphone(ada), 300);
		await hearsTone(ada, await microphone(bo), 1000); // Firefox's own
		await hearsTone(bo, native.id * 8, 440);

		// A Firefox without a display has no screen to give, and none ever gives the screen's sound.
		await share(bo);
		await shows(ada, await screen(bo), "green");
		const encodings = await bo.evaluate(() => window.layers("uc"));
		expect(Object.values(encodings)).toMatchObject([{ width: 1280, height: 720 }]);
		await stopShare(bo);
		await expect.poll(() => ada.evaluate(() => window.call.store.get().share)).toBeUndefined();
		await share(ada);
		await shows(bo, await screen(ada), "blue");
		await hearsTone(bo, await screenSound(ada), 1200);
		expect((await tile(bo, await screen(ada))).width).toBe(1280);

		const gone = await camera(bo);
		const ids = { ada: await idOf(ada), bo: await idOf(bo) };
		await bo.evaluate(() => window.call.actions(window.call.store.get()).leave?.());
		await expect.poll(() => ada.evaluate(() => window.call.store.get().people.size)).toBe(2);
		await expect.poll(() => ada.evaluate(s => window.call.store.get().slots.has(s), gone)).toBe(false);
		await native.leave();
		expect(native.colors()).toEqual({
			[ids.ada]: "red",
			[`${ids.ada} screen`]: "blue",
			[ids.bo]: "blue",
			[`${ids.bo} screen`]: "green",
		});
	} finally {
		await native.end();
	}
});

test("Firefox signs in, starts a meeting and is its host, with the real screens", async () => {
	const m = server.meeting("--topic", "Tea");
	const host = await second.newPage();
	await host.setViewport({ width: 1280, height: 800 });
	const press = (role: string, name: string) => host.locator(`::-p-aria([name="${name}"][role="${role}"])`).click();
	// In the list of people; the tile has the same.
	const more = (name: string) => host.locator(`aside button[aria-label="More about ${name}"]`).click();
	const { http, admin } = server.ready;
	await host.goto(`${http}/meetings`);
	await host.locator("input[type=email]").fill(admin.email);
	await host.locator("input[type=password]").fill(admin.password ?? "");
	await press("button", "Sign in");
	// The list has what the other tests left, too.
	await host.locator('::-p-xpath(//li[.//*[text()="Tea"]]//button[normalize-space()="Start"])').click();
	await host.locator("input[autocomplete=name]").wait();
	await press("button", "Join now");

	const native = new Native(m, "Nat", "--publish", clip("lime"), "--loop");
	try {
		const ada = await person(browser, server, m, "Ada", { color: "red" });
		// Where it is not so, the page's own words say why.
		const live = () =>
			host.evaluate(() => {
				const n = document.querySelectorAll("li[data-live] video").length;
				return n === 3 ? n : `${n}: ${document.body.textContent}`;
			});
		await expect.poll(live, { message: "the host sees both, and himself" }).toBe(3);
		const hostID = await ada.evaluate(() => {
			const all = [...window.call.store.get().people.values()];
			return all.find(p => p.role === "host")?.id ?? 0;
		});
		expect(hostID).toBeGreaterThan(0);
		await sees(ada, hostID * 8 + 1);

		await host.keyboard.press("p");
		await more("Ada");
		await press("menuitem", "Mute");
		await expect.poll(() => ada.evaluate(() => window.call.store.get().mine.audio.byHost)).toBe(true);
		await more("Ada");
		await press("menuitem", "Make co-host");
		await expect.poll(() => ada.evaluate(() => window.call.store.get().role)).toBe("cohost");
		await press("switch", "Lock the meeting");
		await expect.poll(() => ada.evaluate(() => window.call.store.get().switches.locked)).toBe(true);
		await more("Nat");
		await press("menuitem", "Remove");
		await press("button", "Remove");
		await expect.poll(() => ada.evaluate(() => window.call.store.get().people.size)).toBe(2);

		await press("button", "Leave");
		await press("menuitem", "End for everyone");
		await press("button", "End for everyone");
		await expect.poll(() => ada.evaluate(() => window.call.store.get().over?.code)).toBe("meeting_ended");
	} finally {
		await native.end();
	}
});

test("a large tile of Firefox's camera gets 720 lines", async () => {
	const m = server.meeting();
	const bo = await fox(m, "Bo", { color: "blue" });
	const ada = await person(browser, server, m, "Ada", {}, { video: false });
	const source = await camera(bo);
	await ada.evaluate(
		s => window.call.actions(window.call.store.get()).setLayout?.([{ source: s, height: 720 }]),
		source,
	);
	await expect.poll(async () => (await tile(ada, source)).height, { timeout: 20_000 }).toBe(720);
});

test("two Firefox see each other", { tag: "@long" }, async () => {
	const m = server.meeting();
	const ada = await fox(m, "Ada", { color: "red" });
	const bo = await fox(m, "Bo", { color: "blue" }, second);
	await sees(bo, await camera(ada));
	await sees(ada, await camera(bo));
});

test("Firefox gets fresh transports after its network changed", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await fox(m, "Bo", { color: "blue" });
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
		const bo = await fox(m, "Bo", { color: "blue" });
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
