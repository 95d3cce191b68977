// The call screen in every situation (src/room/stories), in both languages, light and dark, phone and
// desktop: pictures to look at, and no violation that axe finds.
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { build } from "vite";
import { stories } from "../../src/room/stories/names.ts";
import { sideways, violations } from "./checks.ts";

const root = join(import.meta.dirname, "../..");
const built = join(root, "../tests/out/stories");
const out = join(root, "../tests/out/screens");
const origin = "https://stories.test";
const csp = "default-src 'self'; media-src 'self' blob: mediastream:; frame-ancestors 'none'";
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

test.beforeAll(async () => {
	test.setTimeout(120_000);
	const input = join(root, "src/room/stories/index.html");
	const options = { outDir: built, emptyOutDir: true, rollupOptions: { input } };
	await build({
		root,
		configFile: false,
		publicDir: false,
		logLevel: "error",
		plugins: [react(), tailwind()],
		build: options,
	});
});

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
const smallest = { width: 320, height: 568 };
const onItsSide = { width: 740, height: 360 };

/** What the page complains of goes into the list. */
async function open(page: Page, story: string, locale: string): Promise<string[]> {
	const faults: string[] = [];
	page.on("pageerror", e => faults.push(e.message));
	page.on("console", m => {
		if (m.type() === "error") faults.push(m.text());
	});
	await page.route(`${origin}/**`, async route => {
		const { pathname } = new URL(route.request().url());
		if (pathname === "/favicon.ico") return route.fulfill({ status: 204 });
		const headers = {
			"Content-Type": types[extname(pathname)] ?? "application/octet-stream",
			"Content-Security-Policy": csp,
		};
		await route.fulfill({ headers, body: await readFile(join(built, pathname)) });
	});
	await page.goto(`${origin}/src/room/stories/index.html?story=${story}&lang=${locale}`);
	await page.locator("h1").first().waitFor({ state: "attached" });
	return faults;
}

/** The buttons of tiles that something else lies over, or over a part of them. */
const covered = (page: Page) =>
	page.locator("li[data-participant] button").evaluateAll(buttons =>
		buttons
			.filter(b => {
				const { left, right, top, bottom, x, y, width, height } = b.getBoundingClientRect();
				const [cx, cy] = [x + width / 2, y + height / 2];
				const edges = [
					[left + 2, cy],
					[right - 2, cy],
					[cx, top + 2],
					[cx, bottom - 2],
				] as const;
				return edges.some(([x, y]) => !b.contains(document.elementFromPoint(x, y)));
			})
			.map(b => b.ariaLabel),
	);

for (const locale of ["en", "fr"]) {
	test.describe(locale, () => {
		test.use({ locale, viewport: sizes.desktop, contextOptions: { reducedMotion: "reduce" } });
		for (const story of stories) {
			test(`room ${story}`, async ({ page }) => {
				test.setTimeout(120_000);
				const faults = await open(page, story, locale);
				for (const [size, viewport] of Object.entries(sizes)) {
					await page.setViewportSize(viewport);
					for (const colorScheme of ["light", "dark"] as const) {
						await page.emulateMedia({ colorScheme });
						await page.waitForTimeout(200);
						await page.screenshot({ path: join(out, `room-${story}-${locale}-${colorScheme}-${size}.png`) });
						// In one language light on a desktop and dark on a phone, in the other the other way round.
						const checked = (size === "phone") === (colorScheme === "dark") ? "en" : "fr";
						if (locale === checked) expect(await violations(page)).toEqual([]);
					}
				}
				await page.setViewportSize(sizes.desktop);
				await page.waitForTimeout(200);
				// What comes and goes by itself takes no click that was meant for somebody's menu.
				if (story === "notices") expect(await covered(page)).toEqual([]);
				for (const viewport of [smallest, onItsSide]) {
					await page.setViewportSize(viewport);
					await page.waitForTimeout(100);
					expect(await sideways(page)).toBe(0);
				}
				expect(faults).toEqual([]);
			});
		}
	});
}
