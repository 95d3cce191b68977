// Who may do what while the host is away: a co-host goes on.
import { expect, type Page, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";
import { camera, idOf, person, sees, stage } from "./people.ts";
import type { Meeting } from "./server.ts";

own();

/** The person whose meeting it is: as the site knows by its own token. */
async function host(m: Meeting, name: string): Promise<Page> {
	const context = await browser.newContext();
	await context.route(/\/lookup$/, route =>
		route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${server.ready.token}` } }),
	);
	return person(context, server, m, name, { color: "red" });
}

const role = (page: Page) => page.evaluate(() => window.call.store.get().role);
const names = (page: Page) => page.evaluate(() => [...window.call.store.get().people.values()].map(p => p.name).sort());

test("a co-host mutes, locks and ejects while the host reconnects", async () => {
	const m = server.meeting();
	const ada = await host(m, "Ada");
	const bo = await person(browser, server, m, "Bo", {}, { video: false });
	const cy = await person(browser, server, m, "Cy", {}, { video: false });
	const di = await person(browser, server, m, "Di", {}, { video: false });
	const ids = { ada: await idOf(ada), bo: await idOf(bo), cy: await idOf(cy), di: await idOf(di) };
	await sees(bo, await camera(ada));
	expect(await role(ada)).toBe("host");
	await ada.evaluate(id => window.call.actions(window.call.store.get()).act.cohost?.(id, true), ids.bo);
	await expect.poll(() => role(bo)).toBe("cohost");

	// The host's control channel is cut, and nothing answers where it tries again.
	await ada.evaluate(() => {
		const real = window.WebSocket;
		Object.assign(window, { realWebSocket: real });
		window.WebSocket = class extends real {
			constructor() {
				super("ws://127.0.0.1:9/");
			}
		};
		window.call.session()?.reopen("cut by the test");
	});
	await expect.poll(() => stage(ada)).toBe("reconnecting");

	await bo.evaluate(ids => {
		const { act } = window.call.actions(window.call.store.get());
		act.mute?.(ids.cy, 0);
		act.lock?.(true);
		act.eject?.(ids.di);
	}, ids);
	await expect.poll(() => cy.evaluate(() => window.call.store.get().mine.audio.byHost)).toBe(true);
	await expect.poll(() => stage(di)).toBe("over");
	expect(await di.evaluate(() => window.call.store.get().over?.code)).toBe("ejected");
	expect(await stage(ada)).toBe("reconnecting");

	await ada.evaluate(() => {
		window.WebSocket = (window as unknown as { realWebSocket: typeof WebSocket }).realWebSocket;
	});
	await expect.poll(() => stage(ada)).toBe("in");
	expect(await idOf(ada)).toBe(ids.ada);
	expect(await role(ada)).toBe("host");
	await expect.poll(() => names(ada)).toEqual(["Ada", "Bo", "Cy"]);
	await expect.poll(() => ada.evaluate(() => window.call.store.get().switches.locked)).toBe(true);
	await sees(bo, await camera(ada));
});
