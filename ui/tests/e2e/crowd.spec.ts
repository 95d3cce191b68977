// Twenty-five native people and one browser, with the real screens.
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { clip } from "./native.ts";
import { browser, own, server } from "./own.ts";

own();

const program = resolve(import.meta.dirname, "../../../bin/crowd");
let crowd: ChildProcess | undefined;

test.afterAll(async () => {
	if (crowd && crowd.exitCode === null) {
		const ended = new Promise(done => crowd?.once("exit", done));
		crowd.kill("SIGTERM");
		const hard = setTimeout(() => crowd?.kill("SIGKILL"), 10_000);
		await ended;
		clearTimeout(hard);
	}
});

/** Pictures each tile on the screen has shown, by source. */
const shown = (page: Page) =>
	page.evaluate(() => {
		const out: Record<string, number> = {};
		for (const tile of document.querySelectorAll<HTMLElement>("li[data-live]")) {
			const video = tile.querySelector("video");
			out[tile.dataset["source"] ?? ""] = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
		}
		return out;
	});

/** Waits until so many tiles are live, and each goes on. */
async function alive(page: Page, tiles: number): Promise<void> {
	await expect.poll(async () => Object.keys(await shown(page)).length, { timeout: 90_000 }).toBe(tiles);
	const before = await shown(page);
	const stuck = async () => {
		const now = await shown(page);
		return Object.keys(before).filter(s => (now[s] ?? 0) < (before[s] ?? 0) + 5);
	};
	await expect.poll(stuck, { timeout: 60_000 }).toEqual([]);
}

test("twenty-five cameras in one browser, pages of them, and one large", { tag: "@long" }, async () => {
	test.setTimeout(300_000);
	const m = server.meeting();
	const files = ["red", "lime", "blue"].map(c => clip(c, "320x180", 10));
	crowd = spawn(program, ["-link", m.link, "-count", "25", ...files], { stdio: ["ignore", "ignore", "inherit"] });
	const page = await (
		await browser.newContext({ locale: "en", permissions: ["camera"], viewport: { width: 1600, height: 900 } })
	).newPage();
	await page.goto(m.link);
	await page.getByLabel("Your name").fill("Zoe");
	await page.getByRole("button", { name: "Join now" }).click();
	await expect(page.getByRole("button", { name: "People: 26" })).toBeVisible({ timeout: 60_000 });
	// All of the others at once, and oneself in the corner.
	await alive(page, 26);
	await expect(page.getByText(/^\d+ of \d+$/)).toHaveCount(0);

	// Where there is less room, they are on two pages, everyone on one of them.
	await page.setViewportSize({ width: 700, height: 480 });
	const seen = new Set<string>();
	for (const at of ["1 of 2", "2 of 2"]) {
		await expect(page.getByText(at)).toBeAttached();
		await alive(page, await page.locator("li[data-source]").count());
		for (const source of Object.keys(await shown(page))) seen.add(source);
		await page.keyboard.press("ArrowRight");
	}
	expect(seen.size).toBe(26);
	await page.setViewportSize({ width: 1600, height: 900 });
	await alive(page, 26);

	await page.keyboard.press("g");
	const widest = () =>
		page.evaluate(() =>
			Math.max(0, ...[...document.querySelectorAll("li[data-live]")].map(t => t.getBoundingClientRect().width)),
		);
	await expect.poll(widest).toBeGreaterThan(900);
	await expect.poll(async () => Object.values(await shown(page)).filter(n => n > 10).length).toBeGreaterThan(3);
});
