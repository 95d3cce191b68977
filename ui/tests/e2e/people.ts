// People in pages without screens: opening one, joining, and what they see.
import { type Browser, type BrowserContext, chromium, expect, type Page } from "@playwright/test";
import type { Meeting, Server } from "./server.ts";

/** Chromium with cameras, microphones and loudspeakers that are not there, so many of each. */
export function launchChromium(devices = 1, more: readonly string[] = []): Promise<Browser> {
	return chromium.launch({
		executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
		args: [
			`--use-fake-device-for-media-stream=device-count=${devices}`,
			"--use-fake-ui-for-media-stream",
			"--auto-select-desktop-capture-source=Entire screen",
			"--no-sandbox",
			...more,
		],
	});
}

/** What both browsers' drivers can do. */
export type Driven = Pick<Page, "evaluate">;

export type Wishes = { audio?: boolean; video?: boolean; muted?: boolean };

export async function enter(page: Driven, m: Meeting, name: string, wishes: Wishes = {}): Promise<void> {
	await page.evaluate(
		({ m, name, wishes }) => {
			const { store, actions } = window.call;
			actions(store.get()).openLobby({ number: m.number, pwd: m.pwd }, wishes);
			actions(store.get()).join?.(name);
		},
		{ m, name, wishes },
	);
	await expect.poll(() => stage(page), { message: `${name} gets in` }).toBe("in");
}

/** A person in a Chromium, with a profile of their own. */
export async function person(
	browser: Browser | BrowserContext,
	server: Server,
	m: Meeting,
	name: string,
	query: Record<string, string> = {},
	wishes: Wishes = {},
): Promise<Page> {
	const page = await ("newContext" in browser ? await browser.newContext() : browser).newPage();
	page.on("pageerror", err => console.log(`${name}: ${err.message}`));
	const more = Object.entries(query).map(([k, v]) => `&${k}=${encodeURIComponent(v)}`);
	await page.goto(await server.page(more.join("")));
	await enter(page, m, name, wishes);
	return page;
}

export const stage = (page: Driven): Promise<string> => page.evaluate(() => window.call.store.get().stage);
export const idOf = (page: Driven): Promise<number> => page.evaluate(() => window.call.store.get().self ?? 0);
export const camera = async (page: Driven): Promise<number> => (await idOf(page)) * 8 + 1;
export const microphone = async (page: Driven): Promise<number> => (await idOf(page)) * 8;
export const screen = async (page: Driven): Promise<number> => (await idOf(page)) * 8 + 2;
export const screenSound = async (page: Driven): Promise<number> => (await idOf(page)) * 8 + 3;

/** A person with the real screens, by the link, without what makes a picture move by itself. */
export async function visitor(browser: Browser, m: Meeting, name: string): Promise<Page> {
	const context = await browser.newContext({ locale: "en", permissions: ["camera", "microphone"] });
	const page = await context.newPage();
	page.on("pageerror", err => console.log(`${name}: ${err.message}`));
	await page.goto(m.link);
	await page.getByLabel("Your name").fill(name);
	await page.getByRole("button", { name: "Join now" }).click();
	await expect(page.getByRole("button", { name: "Leave", exact: true })).toBeVisible();
	return page;
}

/** The first gesture: pages make no sound before it. */
export const touch = (page: Page): Promise<void> => page.mouse.click(5, 5);

/** Waits until a tone of this many hertz comes from a source, and is loud. */
export async function hearsTone(page: Driven, source: number, hertz: number): Promise<void> {
	const tone = async () => {
		const heard = await page.evaluate(s => window.listen(s, 300), source);
		return heard.level > 0.02 && Math.abs(heard.hertz - hertz) < 30 ? hertz : heard;
	};
	await expect.poll(tone, { message: "the tone is heard" }).toBe(hertz);
}

/** The tile of a source as this person sees it. */
export const tile = (page: Driven, source: number) =>
	page.evaluate(
		s => window.tiles()[s] ?? { frames: 0, live: false, color: "none", width: 0, height: 0, gap: 0, seen: {} },
		source,
	);

/** Waits until pictures of a source go on coming, and may be seen. */
export async function sees(page: Driven, source: number): Promise<void> {
	await expect.poll(async () => (await tile(page, source)).live, { message: "the source is live" }).toBe(true);
	const before = (await tile(page, source)).frames;
	await expect
		.poll(async () => (await tile(page, source)).frames, { message: "pictures go on coming" })
		.toBeGreaterThan(before + 10);
}
