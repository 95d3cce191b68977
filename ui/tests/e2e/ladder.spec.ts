// The rungs below UDP in real browsers: what is blocked is climbed around, what dies is left.
import { expect, test } from "@playwright/test";
import type { Browser as Firefox } from "puppeteer-core";
import { launchFirefox } from "./firefox.ts";
import { browser, own, server } from "./own.ts";
import { camera, type Driven, enter, person, sees } from "./people.ts";
import { Relay } from "./relay.ts";

own(undefined, 1, ["--ignore-certificate-errors"]);

let firefox: Firefox;
/** Before the media port: UDP that is dropped in silence, until it is let through. */
let wall: Relay;
/** A port nobody listens on. */
let closed: string;

test.beforeAll(async () => {
	firefox = await launchFirefox();
	wall = await Relay.start(Number(server.ready.media.split(":").pop()));
	const nobody = await Relay.start(1);
	closed = String(nobody.port);
	nobody.stop();
});

test.beforeEach(() => {
	wall.shut = true;
});

test.afterEach(async () => {
	for (const p of await firefox.pages()) await p.goto("about:blank");
});

test.afterAll(async () => {
	wall?.stop();
	await firefox?.close();
});

const paths = (page: Driven) => page.evaluate(() => window.call.store.get().connection.path);
const summary = (page: Driven) => page.evaluate(() => window.call.store.get().connection.summary.map(l => l.key));
/** How often the transports were set up. */
const sets = (page: Driven) =>
	page.evaluate(
		() =>
			window.call.store
				.get()
				.connection.attempts.filter(a => a.what.values["group"] === "audio" && a.what.values["rung"] === "udp-8801")
				.length,
	);
const all = (rung: string) => ({ audio: rung, video: rung, content: rung });

for (const [rung, blocked] of [
	["tcp-8801", () => ({ udp: String(wall.port) })],
	["tls-443", () => ({ udp: String(wall.port), tcp: closed })],
] as const) {
	test(`Chromium without what is better goes over ${rung}`, async () => {
		const m = server.meeting();
		const ada = await person(browser, server, m, "Ada", { color: "red", ...blocked() });
		const bo = await person(browser, server, m, "Bo", { color: "blue" });
		await sees(bo, await camera(ada));
		await sees(ada, await camera(bo));
		await expect.poll(() => paths(ada)).toEqual(all(rung));
		await expect.poll(() => summary(ada)).toContain("udp_blocked");
		expect(await sets(ada)).toBe(1);
	});

	test(`Firefox without what is better goes over ${rung}`, async () => {
		const m = server.meeting();
		const bo = await person(browser, server, m, "Bo", { color: "blue" });
		const page = await firefox.newPage();
		const more = Object.entries({ color: "red", ...blocked() }).map(([k, v]) => `&${k}=${v}`);
		await page.goto(await server.page(more.join("")));
		const ada = page as unknown as Driven;
		await enter(ada, m, "Ada");
		await sees(bo, await camera(ada));
		await sees(ada, await camera(bo));
		await expect.poll(() => paths(ada)).toEqual(all(rung));
		expect(await sets(ada)).toBe(1);
	});
}

test("UDP that dies in the meeting is left", async () => {
	wall.shut = false;
	const m = server.meeting();
	const ada = await person(browser, server, m, "Ada", { color: "red", udp: String(wall.port) });
	const bo = await person(browser, server, m, "Bo", { color: "blue" });
	const red = await camera(ada);
	await sees(bo, red);
	await expect.poll(() => paths(ada)).toEqual(all("udp-8801"));
	wall.shut = true;
	const died = Date.now();
	await expect.poll(() => paths(ada)).toEqual(all("tcp-8801"));
	console.log(`left after ${Date.now() - died} ms`);
	expect(Date.now() - died).toBeLessThan(8000);
	await sees(bo, red);
});
