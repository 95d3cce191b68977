// More than one tab of one browser: nobody is in a meeting twice, or with an open microphone, without wanting it.
import { type Browser, expect, type Page, test } from "@playwright/test";
import { launchChromium } from "./people.ts";
import { Server } from "./server.ts";

let server: Server;
let browser: Browser;

test.beforeAll(async () => {
	server = await Server.start();
	browser = await launchChromium();
});

test.afterAll(async () => {
	await browser?.close();
	await server?.stop();
});

const inCall = (page: Page) => expect(page.getByRole("button", { name: /Leave/ })).toBeVisible();

async function join(page: Page, name: string): Promise<void> {
	await page.getByLabel("Your name").fill(name);
	await page.getByRole("button", { name: "Join now" }).click();
	await inCall(page);
}

test("a duplicated tab lands in the lobby, muted, and leaves the first one alone", async () => {
	const m = server.meeting();
	const context = await browser.newContext({ locale: "en", permissions: ["camera", "microphone"] });
	const first = await context.newPage();
	await first.goto(m.link);
	await join(first, "Ada");

	// window.open copies sessionStorage as duplicating a tab does.
	const [second] = await Promise.all([context.waitForEvent("page"), first.evaluate(() => void open(location.href))]);
	await expect(second.getByRole("heading", { name: "Ready to join?" })).toBeVisible();
	await expect(second.getByText("This meeting is open in another tab")).toBeVisible();
	await expect(second.getByRole("button", { name: "Unmute" })).toBeVisible();
	await inCall(first);
	await expect(first.getByRole("button", { name: "People: 1", exact: true })).toBeVisible();

	// Both are people of their own, and each reload is the same one again.
	await join(second, "Ada too");
	await expect(first.getByRole("button", { name: "People: 2" })).toBeVisible();
	await second.reload();
	await inCall(second);
	await first.reload();
	await inCall(first);
	await expect(second.getByRole("button", { name: "People: 2" })).toBeVisible();
	await context.close();
});

test("the link in a second tab says where one is already, and no longer when one has left", async () => {
	const m = server.meeting();
	const context = await browser.newContext({ locale: "en", permissions: ["camera", "microphone"] });
	const first = await context.newPage();
	await first.goto(m.link);
	await join(first, "Ada");
	const second = await context.newPage();
	await second.goto(m.link);
	await expect(second.getByText("This meeting is open in another tab")).toBeVisible();
	await first.close();
	await second.reload();
	await expect(second.getByRole("heading", { name: "Ready to join?" })).toBeVisible();
	await expect(second.getByText("This meeting is open in another tab")).toBeHidden();
	await expect(second.getByRole("button", { name: "Mute", exact: true })).toBeVisible();
	await context.close();
});
