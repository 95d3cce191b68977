// The media of a meeting in real browsers: they see and hear each other, it is the right person in each
// tile, and what breaks is repaired.
import { expect, test } from "@playwright/test";
import { clip, Native } from "./native.ts";
import { browser, own, server } from "./own.ts";
import { camera, idOf, microphone, person, screen, sees, stage, tile, touch } from "./people.ts";

own();

// The other tests have three transports, one for each medium.
test("two see and hear each other over one transport", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { one: "1", color: "red" });
	const bo = await person(browser, server, m, "Bo", { one: "1", color: "blue" });
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

test("one slot shows one after the other, and never one under the other's name", { tag: "@long" }, async () => {
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

test("pages of people: whatever a slot is given next, no picture is under another's name", async () => {
	const m = server.meeting();
	const colors = ["red", "lime", "blue", "yellow"];
	const natives = colors.map(c => new Native(m, c, "--publish", clip(c), "--loop"));
	try {
		const zoe = await person(browser, server, m, "Zoe", { slots: "2" }, { audio: false, video: false });
		for (const n of natives) await expect.poll(() => n.id).toBeGreaterThan(0);
		const people = natives.map((n, i) => ({ source: n.id * 8 + 1, color: colors[i] === "lime" ? "green" : colors[i] }));
		// Each picture on the screen is looked at, from the moment on when it may be seen.
		const seen: Record<string, Set<string>> = {};
		const page = async (...shown: number[]) => {
			const wanted = shown.map(i => people[i]).filter(p => p !== undefined);
			await zoe.evaluate(
				tiles => window.call.actions(window.call.store.get()).setLayout?.(tiles),
				wanted.map(({ source }) => ({ source, height: 180 })),
			);
			await Promise.all(wanted.map(({ source }) => sees(zoe, source)));
			for (const { source, color } of wanted) {
				seen[`${color}`] ??= new Set();
				for (const c of Object.keys((await tile(zoe, source)).seen)) seen[`${color}`]?.add(c);
			}
		};
		for (const shown of ["01", "23", "03", "12", "30", "21"]) await page(...[...shown].map(Number));
		for (const { color } of people) {
			// An element that was just given a stream may be black for one picture.
			expect([...(seen[`${color}`] ?? [])].filter(c => c !== "black")).toEqual([color]);
		}
	} finally {
		for (const n of natives) await n.end();
	}
});

test("a shared screen arrives with its sound, in one sharp encoding, and goes", async () => {
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red" });
	const bo = await person(browser, server, m, "Bo", { color: "blue" });
	for (const page of [ada, bo]) await touch(page);
	// Her microphone beeps too: what is heard of the screen is not to come from there.
	await ada.evaluate(() => window.call.actions(window.call.store.get()).setMuted?.(true));
	await ada.evaluate(() => window.call.actions(window.call.store.get()).share?.());
	const source = await screen(ada);
	await sees(bo, source);
	expect(await bo.evaluate(() => window.call.store.get().share?.by)).toBe(await idOf(ada));

	const mine = await ada.evaluate(() =>
		window.call.store
			.get()
			.mine.content.stream?.getTracks()
			.map(t => [t.kind, t.contentHint, t.getSettings().width, t.getSettings().height]),
	);
	const [width, height] = mine?.find(t => t[0] === "video")?.slice(2) ?? [];
	expect(mine).toContainEqual(["video", "detail", width, height]);
	expect(mine).toContainEqual(expect.arrayContaining(["audio", "music"]));
	const encodings = await ada.evaluate(() => window.layers("uc"));
	expect(Object.keys(encodings)).toEqual([""]); // one, and no name for it
	// As many pixels leave and arrive as the screen has.
	expect(encodings[""]).toMatchObject({ active: true, width, height });
	expect(await tile(bo, source)).toMatchObject({ width, height });

	const level = async () => (await bo.evaluate(s => window.listen(s, 1500), source + 1)).level;
	await expect.poll(level, { message: "the screen is heard" }).toBeGreaterThan(0.02);
	const kinds = await bo.evaluate(s => {
		const { slots } = window.call.store.get();
		return [slots.get(s)?.kind, slots.get(s + 1)?.kind];
	}, source);
	expect(kinds).toEqual([2, 3]);

	await ada.evaluate(() => window.call.actions(window.call.store.get()).stopShare?.());
	await expect.poll(() => bo.evaluate(() => window.call.store.get().share)).toBeUndefined();
	for (const s of [source, source + 1]) {
		await expect.poll(() => bo.evaluate(s => window.call.store.get().slots.has(s), s)).toBe(false);
	}
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
