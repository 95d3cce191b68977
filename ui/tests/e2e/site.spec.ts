// The way a person goes: sign in, plan a meeting, start it; a guest follows the link.
import { expect, type Page, test } from "@playwright/test";
import { violations } from "../screens/checks.ts";
import { browser, own, server } from "./own.ts";

own();

const context = {
	locale: "en",
	timezoneId: "Europe/Paris",
	permissions: ["camera", "microphone", "clipboard-read", "clipboard-write"],
};

/** The screen holds still and axe finds nothing. */
async function clean(page: Page): Promise<void> {
	await page.evaluate(() => Promise.allSettled(document.getAnimations().map(a => a.finished)));
	expect(await violations(page)).toEqual([]);
}

test("from signing in to two people in a meeting", async () => {
	test.setTimeout(150_000);
	const { site, admin } = server.ready;
	const host = await (await browser.newContext({ ...context, ignoreHTTPSErrors: true })).newPage();
	await host.goto(`${site}/meetings`);
	await host.getByLabel("Email address").fill(admin.email);
	await clean(host);
	await host.getByLabel("Password", { exact: true }).fill("wrong, to begin with");
	await host.getByRole("button", { name: "Sign in" }).click();
	await expect(host.getByRole("alert").first()).toContainText("is wrong");
	await host.getByLabel("Password", { exact: true }).fill(admin.password ?? "");
	await host.getByRole("button", { name: "Sign in" }).click();
	await expect(host.getByRole("heading", { name: /^Hello/ })).toBeVisible();
	await expect(host.getByRole("heading", { name: "Nothing planned" })).toBeVisible();

	await clean(host);
	await host.getByRole("link", { name: "Schedule" }).first().click();
	await host.getByLabel("Topic").fill("Tea");
	await host.getByLabel("Passcode").fill("secret-7");
	await host.getByRole("button", { name: "Schedule" }).click();
	const dialog = host.getByRole("dialog", { name: "Invitation" });
	const text = await dialog.getByRole("textbox").inputValue();
	expect(text).toMatch(/Topic: Tea\n.*\(Europe\/Paris\)\n.*\/j\/\d{11}\?pwd=\S+\n.*Passcode: secret-7$/s);
	await dialog.getByRole("button", { name: "Copy link" }).click();
	const link = await host.evaluate(() => navigator.clipboard.readText());
	expect(text).toContain(link);

	await clean(host);
	await host.getByRole("button", { name: "Options for Tea" }).click();
	await host.getByRole("menuitem", { name: "Edit" }).click();
	await host.getByLabel("Topic").fill("Tea and biscuits");
	await host.getByRole("button", { name: "Save" }).click();
	await expect(host.getByRole("heading", { name: "Tea and biscuits" })).toBeVisible();

	await host.getByRole("button", { name: "Start" }).click();
	await host.waitForURL(/\/j\/\d{11}$/);
	await host.getByLabel("Your name").fill("Hanna");
	await host.getByRole("button", { name: "Join now" }).click();
	await expect(host.getByRole("button", { name: /Leave/ })).toBeVisible();

	const guest = await (await browser.newContext({ ...context, ignoreHTTPSErrors: true })).newPage();
	const asked: string[] = [];
	guest.on("request", r => asked.push(r.url(), r.headers()["referer"] ?? ""));
	await guest.goto(link);
	const pwd = new URL(link).searchParams.get("pwd") ?? "";
	await expect(guest.getByRole("heading", { name: "Ready to join?" })).toBeVisible();
	expect(guest.url()).not.toContain(pwd);
	await clean(guest);
	await guest.getByLabel("Your name").fill("Gaston");
	await guest.getByRole("button", { name: "Join now" }).click();
	await expect(guest.getByRole("button", { name: /Leave/ })).toBeVisible();
	await expect(guest.getByText("Hanna").first()).toBeVisible();
	await expect(host.getByText("Gaston").first()).toBeVisible();
	await guest.keyboard.press("c");
	await clean(guest);

	// What is meant for one person says so, to both.
	await host.keyboard.press("c");
	await host.getByRole("combobox", { name: "Send to" }).click();
	await host.getByRole("option", { name: "Gaston" }).click();
	await host.getByRole("textbox", { name: "Write a message" }).fill("Under the rose");
	await host.keyboard.press("Enter");
	for (const [page, mark] of [
		[host, "to Gaston only"],
		[guest, "to you only"],
	] as const) {
		await expect(page.getByRole("log")).toContainText("Under the rose");
		await expect(page.getByRole("log").getByText(mark, { exact: true })).toBeVisible();
	}
	await guest.keyboard.press("Escape");
	await guest.keyboard.press("p");
	await clean(guest);
	expect(asked.filter(a => a.includes(pwd))).toEqual([link]); // the first request, by nature, and none after

	// A reload is back in its seat, without a lobby.
	await guest.reload();
	await expect(guest.getByRole("button", { name: /Leave/ })).toBeVisible();
	await expect(host.getByText("Gaston").first()).toBeVisible();
});

test("a guest with a number: wrong passcode, then the right one", async () => {
	const m = server.meeting("--topic", "Door");
	const guest = await (await browser.newContext({ ...context, ignoreHTTPSErrors: true })).newPage();
	await guest.goto(`${server.ready.site}/`);
	await guest.getByLabel("Meeting number or link").fill(m.number.replace(/(\d{3})(\d{4})/, "$1 $2-"));
	await guest.getByLabel("Passcode").fill("wrong");
	await guest.getByRole("button", { name: "Continue" }).click();
	await guest.getByLabel("Your name").fill("Gaston");
	await guest.getByRole("button", { name: "Join now" }).click();
	await expect(guest.getByRole("alert").first()).toContainText("no meeting with this number and passcode");
	await guest.getByLabel("Passcode").fill(m.passcode);
	await guest.getByRole("button", { name: "Continue" }).click();
	await expect(guest.getByRole("button", { name: /Leave|Cancel/ }).first()).toBeVisible();
});
