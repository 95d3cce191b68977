// The media of a meeting in real browsers: they see and hear each other, it is the right person in each
// tile, and what breaks is repaired.
import { type Browser, expect, test } from "@playwright/test";
import { camera, idOf, launchChromium, microphone, person, screen, sees, stage, tile } from "./people.ts";
import { Server } from "./server.ts";

let server: Server;
let browser: Browser;

test.beforeAll(async () => {
	server = await Server.start();
	browser = await launchChromium();
});

test.afterEach(async () => {
	for (const c of browser.contexts()) await c.close();
});

test.afterAll(async () => {
	await browser?.close();
	await server?.stop();
});

for (const one of ["0", "1"]) {
	test(`two see and hear each other over ${one === "1" ? "one transport" : "three transports"}`, async () => {
		const m = server.meeting();
		const ada = await person(browser, server, m, "Ada", { one, color: "red" });
		const bo = await person(browser, server, m, "Bo", { one, color: "blue" });
		await sees(bo, await camera(ada));
		await sees(ada, await camera(bo));
		expect((await tile(bo, await camera(ada))).color).toBe("red");
		expect((await tile(ada, await camera(bo))).color).toBe("blue");
		const sound = await microphone(ada);
		await expect.poll(() => bo.evaluate(s => window.call.store.get().slots.has(s), sound)).toBe(true);
		await expect
			.poll(() =>
				bo.evaluate(() => window.call.store.get().connection.media.find(x => x.kind === 0 && !x.up)?.packets ?? 0),
			)
			.toBeGreaterThan(20);
		expect(await bo.evaluate(() => window.call.store.get().connection.path)).toEqual({
			audio: "udp-8801",
			video: "udp-8801",
			content: "udp-8801",
		});
	});
}

test("a large tile gets 720 lines, a small one the lowest layer, and nobody's layers are not encoded", async () => {
	test.setTimeout(150_000);
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	// One camera alone: two cores encode no more.
	const bo = await person(browser, server, m, "Bo", {}, { video: false });
	const source = await camera(ada);
	const wish = (height: number) =>
		bo.evaluate(
			({ source, height }) => window.call.actions(window.call.store.get()).setLayout?.([{ source, height }]),
			{ source, height },
		);
	await wish(720);
	// A busy machine's encoder does with less for a while, and says so.
	const large = async () => {
		const { height } = await tile(bo, source);
		if (height === 720) return "720";
		const limits = Object.values(await ada.evaluate(() => window.layers())).map(l => l.limit);
		return `${height}, limited by ${limits.join()}`;
	};
	await expect.poll(large, { timeout: 60_000 }).toBe("720");
	await wish(160);
	await expect.poll(async () => (await tile(bo, source)).height).toBe(180);
	await expect
		.poll(async () =>
			Object.entries(await ada.evaluate(() => window.layers()))
				.filter(([, l]) => l.active)
				.map(([r]) => r),
		)
		.toEqual(["q"]);
});

test("one slot shows one after the other, and never one under the other's name", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo", { color: "lime" });
	const cy = await person(browser, server, m, "Cy", { color: "blue", slots: "1" });
	const seen: Record<number, Record<string, number>> = {};
	const red = await camera(ada);
	const green = await camera(bo);
	for (let i = 0; i < 6; i++) {
		const source = i % 2 === 0 ? red : green;
		await cy.evaluate(
			s => window.call.actions(window.call.store.get()).setLayout?.([{ source: s, height: 180 }]),
			source,
		);
		await sees(cy, source);
		for (const [color, n] of Object.entries((await tile(cy, source)).seen)) {
			const colors = seen[source] ?? {};
			colors[color] = (colors[color] ?? 0) + n;
			seen[source] = colors;
		}
	}
	// An element that was just given a stream may be black for one picture.
	const colors = (source: number) => Object.keys(seen[source] ?? {}).filter(c => c !== "black");
	expect(colors(red)).toEqual(["red"]);
	expect(colors(green)).toEqual(["green"]);
});

test("a shared screen arrives and goes", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo");
	await ada.evaluate(() => window.call.actions(window.call.store.get()).share?.());
	await sees(bo, await screen(ada));
	expect(await bo.evaluate(() => window.call.store.get().share?.by)).toBe(await idOf(ada));
	await ada.evaluate(() => window.call.actions(window.call.store.get()).stopShare?.());
	await expect.poll(() => bo.evaluate(() => window.call.store.get().share)).toBeUndefined();
});

test("a reload comes back to the same seat", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo");
	await bo.evaluate(() => window.call.actions(window.call.store.get()).setMuted?.(true));
	const id = await idOf(bo);
	await bo.reload();
	const took = await bo.evaluate(
		() =>
			new Promise<number>(done => {
				const { store } = window.call;
				const began = performance.now();
				store.subscribe(() => {
					if (store.get().stage === "in") done(performance.now() - began);
				});
				void window.call.resume();
			}),
	);
	console.log(`back after ${Math.round(took)} ms`);
	expect(took).toBeLessThan(2000);
	expect(await idOf(bo)).toBe(id);
	await sees(bo, await camera(ada));
	expect(await bo.evaluate(() => window.call.store.get().mine.audio.muted)).toBe(true);
	expect(await ada.evaluate(() => window.call.store.get().people.size)).toBe(2);
});

test("a changed network makes fresh transports for the same seat", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo");
	const source = await camera(ada);
	await sees(bo, source);
	await bo.evaluate(() => {
		window.call
			.session()
			?.plane?.peers()[0]
			?.pc.addEventListener("connectionstatechange", () => {});
		window.call.session()?.tell({ is: "network_changed" });
	});
	const began = Date.now();
	await expect.poll(() => stage(bo)).toBe("in");
	await sees(bo, source);
	await sees(ada, await camera(bo));
	console.log(`repaired after ${Date.now() - began} ms`);
});

test("leaving is seen by the others", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada");
	const bo = await person(browser, server, m, "Bo");
	const source = await camera(bo);
	await sees(ada, source);
	await bo.evaluate(() => window.call.actions(window.call.store.get()).leave?.());
	await expect.poll(() => ada.evaluate(() => window.call.store.get().people.size)).toBe(1);
	expect(await ada.evaluate(s => window.call.store.get().slots.has(s), source)).toBe(false);
	expect(await stage(bo)).toBe("over");
});
