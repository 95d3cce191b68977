// Two people in two Chromium pages: they see and hear each other, and it is the right person in each tile.
import { type Browser, chromium, expect, type Page, test } from "@playwright/test";
import { type Meeting, Server } from "./server.ts";

let server: Server;
let browser: Browser;

test.beforeAll(async () => {
	server = await Server.start();
	browser = await chromium.launch({
		executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
		args: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox"],
	});
});

test.afterAll(async () => {
	await browser?.close();
	await server?.stop();
});

async function join(m: Meeting, name: string, query = ""): Promise<Page> {
	const page = await (await browser.newContext()).newPage();
	page.on("console", msg => console.log(`${name}: ${msg.text()}`));
	page.on("pageerror", err => console.log(`${name}: ${err.message}`));
	await page.goto(await server.page(query));
	await page.evaluate(
		({ m, name }) => {
			const { store, actions } = window.call;
			actions(store.get()).openLobby({ number: m.number, pwd: m.pwd });
			actions(store.get()).join?.(name);
		},
		{ m, name },
	);
	await expect.poll(() => page.evaluate(() => window.call.store.get().stage)).toBe("in");
	return page;
}

const self = (page: Page) => page.evaluate(() => window.call.store.get().self ?? 0);
const frames = (page: Page, source: number) => page.evaluate(s => window.decoded()[s] ?? 0, source);

for (const query of ["", "&one=1"]) {
	test(`two see each other ${query}`, async () => {
		const m = server.meeting();
		const a = await join(m, "Ada", query);
		const b = await join(m, "Bo", query);
		for (const [from, to] of [
			[a, b],
			[b, a],
		] as const) {
			const source = (await self(from)) * 8 + 1;
			await expect.poll(() => frames(to, source), { timeout: 15_000 }).toBeGreaterThan(5);
			const before = await frames(to, source);
			await expect.poll(() => frames(to, source)).toBeGreaterThan(before + 10);
			expect(await to.evaluate(s => window.call.store.get().slots.get(s)?.live, source)).toBe(true);
		}
	});
}
