// What goes wrong on the way, and does not disturb a meeting, or not for long.
import { expect, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";
import { camera, idOf, person, sees, stage, tile } from "./people.ts";
import { Relay } from "./relay.ts";

own();

/** Forgets the longest gap between two pictures. */
const forgetGaps = (page: Page) =>
	page.evaluate(() => {
		for (const t of Object.values(window.tiles())) t.gap = 0;
	});

test("a UDP path that comes from other ports goes on, without a new connection", async () => {
	const relay = await Relay.start(Number(server.ready.media.split(":").pop()));
	try {
		const m = server.meeting();
		const ada = await person(browser, server, m, "Ada", { color: "red", via: String(relay.port) });
		const bo = await person(browser, server, m, "Bo", { color: "blue" });
		const [red, blue] = [await camera(ada), await camera(bo)];
		await sees(ada, blue);
		await sees(bo, red);
		const attempts = () => ada.evaluate(() => window.call.store.get().connection.attempts.length);
		const before = await attempts();
		await forgetGaps(ada);
		await forgetGaps(bo);
		expect(relay.rebind()).toBeGreaterThan(0);
		await sees(bo, red);
		await sees(ada, blue);
		const gaps = [Math.round((await tile(bo, red)).gap), Math.round((await tile(ada, blue)).gap)];
		console.log(`pictures stood still for ${gaps[0]} ms on the way up, ${gaps[1]} ms on the way down`);
		// The router knows the browser's media wherever on its host it comes from; it does not wait for a check.
		for (const gap of gaps) expect(gap).toBeLessThan(1000);
		expect(await stage(ada)).toBe("in");
		expect(await attempts()).toBe(before);
	} finally {
		relay.stop();
	}
});

test("a control channel that is cut stands again within three seconds, and pictures never stop", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo", { color: "blue" });
	const red = await camera(ada);
	const id = await idOf(bo);
	await sees(bo, red);
	await forgetGaps(bo);
	const took = await bo.evaluate(
		() =>
			new Promise<number>(done => {
				const { store } = window.call;
				const began = performance.now();
				let cut = false;
				const stop = store.subscribe(() => {
					const { stage } = store.get();
					if (stage !== "in") cut = true;
					if (!cut || stage !== "in") return;
					stop();
					done(performance.now() - began);
				});
				window.call.session()?.reopen("cut by the test");
			}),
	);
	console.log(`control again after ${Math.round(took)} ms`);
	expect(took).toBeLessThan(3000);
	expect(await idOf(bo)).toBe(id);
	await sees(bo, red);
	await ada.evaluate(() => window.call.actions(window.call.store.get()).say?.("still there?"));
	await expect.poll(() => bo.evaluate(() => window.call.store.get().chat.lines.at(-1)?.text)).toBe("still there?");
});
