// The tab a meeting is in, and others of the same browser: the screen stays awake, a shared screen does not go by
// mistake, and nobody is in a meeting twice, or with an open microphone, without wanting it.
import { expect, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";

own();

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

test("the screen stays awake during a meeting, and a page that shares one asks before it goes", async () => {
	const m = server.meeting();
	const permissions = ["camera", "microphone", "screen-wake-lock"];
	const context = await browser.newContext({ locale: "en", permissions });
	const page = await context.newPage();
	await page.addInitScript(() => {
		let held = 0;
		const request = navigator.wakeLock.request.bind(navigator.wakeLock);
		navigator.wakeLock.request = async type => {
			const lock = await request(type);
			held++;
			lock.addEventListener("release", () => held--);
			return lock;
		};
		Object.assign(window, { locksHeld: () => held });
	});
	const held = () => page.evaluate(() => (window as unknown as { locksHeld(): number }).locksHeld());
	const asked: string[] = [];
	page.on("dialog", async d => {
		asked.push(d.type());
		await d.dismiss();
	});
	const reload = () => page.evaluate(() => location.reload());

	await page.goto(m.link);
	expect(await held()).toBe(0);
	await join(page, "Ada");
	await expect.poll(held).toBe(1);
	await page.getByRole("button", { name: "Share your screen" }).click();
	await expect(page.getByText("Everyone sees your screen.")).toBeVisible();
	await reload();
	await expect.poll(() => asked).toEqual(["beforeunload"]);
	await expect(page.getByText("Everyone sees your screen.")).toBeVisible();

	await page.getByRole("button", { name: "Stop sharing" }).first().click();
	await expect(page.getByText("Everyone sees your screen.")).toBeHidden();
	await Promise.all([page.waitForEvent("load"), reload()]);
	await inCall(page);
	expect(asked).toEqual(["beforeunload"]);
	await page.getByRole("button", { name: "Leave", exact: true }).click();
	await expect(page.getByRole("button", { name: "Join again" })).toBeVisible();
	await expect.poll(held).toBe(0);
	await context.close();
});
