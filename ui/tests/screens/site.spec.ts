// Every screen of the site and the lobby, in both languages, light and dark, phone and desktop: pictures to
// look at, and no violation that axe finds.
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { sideways, violations } from "./checks.ts";
import { nothingPlanned, now, offline, signedIn, withLive, wrongPasscode, wrongPassword } from "./data.ts";
import { type API, origin, serve } from "./stub.ts";

type Screen = {
	name: string;
	path: string;
	api?: API;
	/** No camera and microphone for this page. */
	devices?: "denied" | "none";
	/** Brings the page into the state to show. */
	act?: (page: Page) => Promise<void>;
};

const press = (selector: string) => (page: Page) => page.locator(selector).first().click();
const submit = press("button[type=submit]");
const item = (n: number) => (page: Page) => page.locator("[role=menuitem]").nth(n).click();

const screens: Screen[] = [
	{ name: "home", path: "/" },
	{ name: "join", path: "/join" },
	{ name: "join-fault", path: "/join", act: submit },
	{ name: "sign-in", path: "/signin" },
	{
		name: "sign-in-wrong",
		path: "/signin",
		api: wrongPassword,
		act: async page => {
			await page.locator("input[type=email]").fill("mia@example.org");
			await page.locator("input[type=password]").fill("wrong");
			await submit(page);
			await page.getByRole("alert").first().waitFor();
		},
	},
	{ name: "preferences", path: "/signin", act: press("header button") },
	{ name: "meetings", path: "/meetings", api: withLive },
	{ name: "meetings-none", path: "/meetings", api: nothingPlanned },
	{ name: "meetings-past", path: "/meetings", api: signedIn, act: press("[aria-pressed=false]") },
	{ name: "meetings-offline", path: "/meetings", api: offline, act: page => page.getByRole("alert").waitFor() },
	{ name: "account", path: "/meetings", api: signedIn, act: press("header button") },
	{
		name: "meeting-menu",
		path: "/meetings",
		api: signedIn,
		act: page => page.locator("li").nth(1).getByRole("button").last().click(),
	},
	{
		name: "invitation",
		path: "/meetings",
		api: signedIn,
		act: async page => {
			await page.locator("li").nth(1).getByRole("button").nth(1).click();
			await page.locator("textarea").waitFor();
		},
	},
	{
		name: "delete",
		path: "/meetings",
		api: signedIn,
		act: async page => {
			await page.locator("li").nth(1).getByRole("button").last().click();
			await item(2)(page);
			await page.getByRole("alertdialog").waitFor();
		},
	},
	{
		name: "deleted",
		path: "/meetings",
		api: signedIn,
		act: async page => {
			await page.locator("li").nth(1).getByRole("button").last().click();
			await item(2)(page);
			await page.getByRole("alertdialog").getByRole("button").last().click();
			await page.getByRole("alertdialog").waitFor({ state: "hidden" });
		},
	},
	{ name: "schedule", path: "/meetings/new", api: signedIn },
	{
		name: "schedule-fault",
		path: "/meetings/new",
		api: signedIn,
		act: async page => {
			await page.locator("input[name=passcode]").fill("with space");
			await page.locator("input[name=date]").fill("");
			await submit(page);
		},
	},
	{ name: "edit", path: "/meetings/71920458832", api: signedIn },
	{ name: "not-found", path: "/nowhere" },
	{ name: "lobby", path: "/j/71920458832?pwd=abc", act: page => page.locator("video").waitFor() },
	{ name: "lobby-passcode", path: "/j/71920458832", act: submit },
	{ name: "lobby-denied", path: "/j/71920458832?pwd=abc", devices: "denied" },
	{ name: "lobby-missing", path: "/j/71920458832?pwd=abc", devices: "none" },
	{
		name: "wrong-passcode",
		path: "/j/71920458832?pwd=abc",
		api: wrongPasscode,
		act: async page => {
			await page.locator("input[autocomplete=name]").fill("Ada");
			await submit(page);
			await page.getByRole("alert").first().waitFor();
		},
	},
];

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };
const themes = ["light", "dark"] as const;
const out = join(import.meta.dirname, "../../../tests/out/screens");

for (const locale of ["en", "fr"]) {
	test.describe(locale, () => {
		test.use({
			locale,
			viewport: sizes.desktop,
			timezoneId: "Europe/Paris",
			contextOptions: { reducedMotion: "reduce" },
			permissions: ["camera", "microphone"],
		});
		for (const s of screens) {
			test(s.name, async ({ page }) => {
				const faults = await serve(page, s.api ?? {});
				if (s.devices) await page.addInitScript(refuse, s.devices);
				if (!s.path.startsWith("/j/")) await page.clock.setFixedTime(now);
				await page.goto(origin + s.path);
				await page.locator("h1").first().waitFor({ state: "attached" });
				await s.act?.(page);
				expect(page.url()).not.toContain("pwd=");
				for (const [size, viewport] of Object.entries(sizes)) {
					await page.setViewportSize(viewport);
					for (const colorScheme of themes) {
						await page.emulateMedia({ colorScheme });
						await page.waitForTimeout(300);
						await page.screenshot({ path: join(out, `${s.name}-${locale}-${colorScheme}-${size}.png`) });
					}
					expect(await sideways(page)).toBe(0);
					// Dark on both sizes by now; light once, for its contrasts.
					expect(await violations(page)).toEqual([]);
				}
				await page.setViewportSize({ width: 320, height: 640 });
				// An open menu stays where it was put; nobody shrinks the window under one.
				if ((await page.locator("[role=menu]").count()) === 0) expect(await sideways(page)).toBe(0);
				await page.emulateMedia({ colorScheme: "light" });
				await page.waitForTimeout(300);
				expect(await violations(page)).toEqual([]);
				expect(faults).toEqual([]);
			});
		}
	});
}

/** Runs in the page: a browser that does not give its devices. */
function refuse(how: string): void {
	const name = how === "denied" ? "NotAllowedError" : "NotFoundError";
	navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", name));
	navigator.mediaDevices.enumerateDevices = () => Promise.resolve([]);
}
