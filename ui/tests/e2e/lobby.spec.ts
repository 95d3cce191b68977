// What is made ready while a person is in the lobby: nobody sees them, a click costs a hello, and it is given back.
import { expect, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";
import { microphone, person, stage } from "./people.ts";
import type { Meeting } from "./server.ts";

own();

/** Somebody in the lobby, with media up. */
async function waits(m: Meeting): Promise<Page> {
	const page = await (await browser.newContext()).newPage();
	await page.goto(await server.page());
	await page.evaluate(m => {
		const { store, actions } = window.call;
		actions(store.get()).openLobby({ number: m.number, pwd: m.pwd }, { video: false });
	}, m);
	await expect.poll(() => page.evaluate(() => window.call.session()?.plane?.peers()[0]?.up.size ?? 0)).toBe(2);
	await expect.poll(() => page.evaluate(() => window.call.store.get().mine.audio.on)).toBe(true);
	return page;
}

const sent = (page: Page) =>
	page.evaluate(async () => {
		let n = 0;
		for (const p of window.call.session()?.plane?.peers() ?? [])
			for (const s of (await p.pc.getStats()).values()) if (s.type === "outbound-rtp") n += s.packetsSent;
		return n;
	});

test("who is in the lobby is ready, unseen and unheard, and in with a click", async () => {
	const m = server.meeting();
	const bo = await person(browser, server, m, "Bo");
	const ada = await waits(m);
	expect(await ada.evaluate(() => window.call.store.get().meeting?.topic)).toBe(
		await bo.evaluate(() => window.call.store.get().meeting?.topic),
	);
	await ada.waitForTimeout(4000); // longer than any silence in a meeting is taken for
	expect(await sent(ada)).toBe(0);
	expect(await bo.evaluate(() => window.call.store.get().people.size)).toBe(1);

	const took = await ada.evaluate(
		() =>
			new Promise<number>(done => {
				const { store, actions } = window.call;
				const peer = window.call.session()?.plane?.peers()[0];
				const began = performance.now();
				store.subscribe(() => {
					if (store.get().stage !== "in") return;
					if (window.call.session()?.plane?.peers()[0] !== peer) done(Number.POSITIVE_INFINITY);
					done(performance.now() - began);
				});
				actions(store.get()).join?.("Ada");
			}),
	);
	console.log(`in after ${Math.round(took)} ms`);
	expect(took, "the transports of the lobby go on").toBeLessThan(1000);
	await expect
		.poll(() => bo.evaluate(() => [...window.call.store.get().people.values()].map(p => p.name).sort()))
		.toEqual(["Ada", "Bo"]);
	const sound = await microphone(ada);
	await expect.poll(() => bo.evaluate(s => window.call.store.get().slots.has(s), sound)).toBe(true);
	expect(await ada.evaluate(() => window.call.session()?.plane?.peers().length)).toBe(1);
	expect(await ada.evaluate(() => window.call.store.get().notices.filter(n => n.kind === "refused").length)).toBe(0);
});

test("a host's waiting room begins with the click", async () => {
	const m = server.meeting("--waiting-room");
	const ada = await waits(m);
	await ada.evaluate(() => window.call.actions(window.call.store.get()).join?.("Ada"));
	await expect.poll(() => stage(ada)).toBe("waiting");
	await ada.waitForTimeout(500);
	const before = await sent(ada);
	await ada.waitForTimeout(500);
	expect(await sent(ada), "nothing is sent from the waiting room").toBe(before);
});

test("a wrong link is told in the lobby", async () => {
	const m = server.meeting();
	const page = await (await browser.newContext({ locale: "en" })).newPage();
	await page.goto(m.link.replace(/pwd=.*/, "pwd=wrong"));
	await expect(page.getByRole("alert")).toContainText("meeting");
	await expect(page.getByRole("button", { name: "Join now" })).toBeVisible();
});
