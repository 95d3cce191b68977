// What nearly every file here needs: a server of its own and a Chromium, and no page left behind by a test.
import { type Browser, test } from "@playwright/test";
import { launchChromium } from "./people.ts";
import { Server } from "./server.ts";

/** Those of the file that runs: files run one after the other, and each begins with own(). */
export let server: Server;
export let browser: Browser;

/** Starts a file's server and browser before its first test, and ends them after its last. */
export function own(
	start: () => Promise<Server> = () => Server.start(),
	...chromium: Parameters<typeof launchChromium>
): void {
	test.beforeAll(async () => {
		server = await start();
		browser = await launchChromium(...chromium);
	});
	test.afterEach(async () => {
		for (const c of browser.contexts()) await c.close();
	});
	test.afterAll(async () => {
		await browser?.close();
		await server?.stop();
	});
}
