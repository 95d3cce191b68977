// Who is heard: levels follow the voices, on the wire and on the screen.
import { expect, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";
import { hearsTone, idOf, microphone, person, touch, visitor } from "./people.ts";

own();

const speak = (page: Page, loudness: number) => page.evaluate(x => window.speak(x), loudness);
const loudest = (page: Page) => page.evaluate(() => window.call.store.get().speakers.loudest);
const setMuted = (page: Page, muted: boolean) =>
	page.evaluate(x => window.call.actions(window.call.store.get()).setMuted?.(x), muted);

/** Whose tiles have the frame of somebody who speaks, as the screen shows it. */
const framed = (page: Page) =>
	page.evaluate(() =>
		[...document.querySelectorAll<HTMLElement>("li[data-participant]:has([data-speaking])")].map(t =>
			Number(t.dataset["participant"]),
		),
	);

/** Who has the large tile. */
const large = (page: Page) =>
	page.evaluate(() => {
		const tiles = [...document.querySelectorAll<HTMLElement>("li[data-participant]")];
		tiles.sort((a, b) => b.getBoundingClientRect().width - a.getBoundingClientRect().width);
		return Number(tiles[0]?.dataset["participant"]);
	});

test("who speaks is framed, large and first, and silence or a mute ends it", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { voice: "300", color: "red" });
	const bo = await person(browser, server, m, "Bo", { voice: "500", color: "blue" });
	const zoe = await visitor(browser, m, "Zoe");
	await zoe.keyboard.press("m"); // her browser's microphone beeps by itself
	await zoe.keyboard.press("g");
	for (const page of [ada, bo]) await touch(page);
	const [a, b] = [await idOf(ada), await idOf(bo)];

	await speak(ada, 0.5);
	await hearsTone(bo, await microphone(ada), 300);
	await expect.poll(() => framed(zoe)).toEqual([a]);
	await expect.poll(() => large(zoe)).toBe(a);
	await speak(ada, 0);
	await speak(bo, 0.5);
	await hearsTone(ada, await microphone(bo), 500);
	await expect.poll(() => framed(zoe)).toEqual([b]);
	await expect.poll(() => large(zoe)).toBe(b);
	await speak(bo, 0);
	await expect.poll(() => framed(zoe)).toEqual([]);

	// Of two, the louder is first.
	await speak(ada, 0.6);
	await speak(bo, 0.06);
	await expect.poll(() => loudest(ada)).toEqual([a, b]);
	await speak(bo, 0.6);
	await speak(ada, 0.06);
	await expect.poll(() => loudest(ada)).toEqual([b, a]);

	// Who is muted says nothing, however loud it is at the microphone.
	await speak(ada, 0.6);
	await setMuted(ada, true);
	await expect.poll(() => loudest(bo)).toEqual([b]);
	const named = await bo.evaluate(
		id =>
			new Promise<boolean>(done => {
				let named = false;
				const stop = window.call.store.subscribe(() => {
					named ||= window.call.store.get().speakers.loudest.includes(id);
				});
				setTimeout(() => {
					stop();
					done(named);
				}, 2500);
			}),
		a,
	);
	expect(named).toBe(false);
	expect(await framed(zoe)).toEqual([b]);
	const heard = await bo.evaluate(s => window.listen(s, 500), await microphone(ada));
	expect(heard.level).toBeLessThan(0.001);

	await setMuted(ada, false);
	await expect.poll(() => loudest(bo)).toContain(a);
});
