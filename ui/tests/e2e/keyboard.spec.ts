// A whole meeting without a pointing device: join, mute, write, leave.
import { expect, type Locator, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";

own();

/** Presses Tab until something has the focus, and shows that it has. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
	for (let i = 0; i < 60; i++) {
		if (await wanted.evaluate(e => e === document.activeElement)) {
			expect(await wanted.evaluate(e => e.matches(":focus-visible"))).toBe(true);
			return;
		}
		await page.keyboard.press("Tab");
	}
	throw new Error(`the focus never reaches ${wanted}`);
}

test("joining, muting, writing and leaving with the keyboard alone", async () => {
	const m = server.meeting("--topic", "Tea");
	const page = await (await browser.newContext({ locale: "en", permissions: ["camera", "microphone"] })).newPage();
	await page.goto(m.link);
	await expect(page.getByRole("heading", { name: "Ready to join?" })).toBeVisible();
	await tabTo(page, page.getByLabel("Your name"));
	await page.keyboard.type("Kay");
	await tabTo(page, page.getByRole("button", { name: "Join now" }));
	await page.keyboard.press("Enter");

	const mute = page.getByRole("button", { name: "Mute microphone", exact: true });
	await expect(mute).toBeVisible();
	await page.keyboard.press("m");
	const unmute = page.getByRole("button", { name: "Unmute microphone", exact: true });
	await tabTo(page, unmute);
	await page.keyboard.press("Enter");
	await expect(mute).toBeVisible();

	await page.keyboard.press("c");
	await expect(page.getByRole("textbox", { name: "Write a message" })).toBeFocused();
	await page.keyboard.type("mcp are letters here");
	await page.keyboard.press("Enter");
	await expect(page.getByRole("log")).toContainText("mcp are letters here");
	await page.keyboard.press("Escape");
	await expect(page.getByRole("log")).toBeHidden();

	await page.keyboard.press("?");
	await expect(page.getByRole("dialog")).toBeVisible();
	await page.keyboard.press("Escape");
	await expect(page.getByRole("dialog")).toBeHidden();

	await tabTo(page, page.getByRole("button", { name: "Leave", exact: true }));
	await page.keyboard.press("Enter");
	await expect(page.getByRole("heading", { level: 1 })).toBeFocused();
	await expect(page.getByRole("button", { name: "Join again" })).toBeVisible();
});
