// The waiting room: the guest gets media as soon as the host opens the door, however long it took.
import { expect, test } from "@playwright/test";
import { browser, own, server } from "./own.ts";

own();

test("a guest who waited has pictures soon after being let in", async () => {
	const m = server.meeting("--waiting-room", "--topic", "Tea");
	const host = await (await browser.newContext({ locale: "en", permissions: ["camera", "microphone"] })).newPage();
	await host.goto(server.ready.http);
	await host.evaluate(
		body =>
			fetch("/api/v1/session", {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body: JSON.stringify(body),
			}).then(r => r.status),
		{ email: server.ready.admin.email, password: server.ready.admin.password },
	);
	await host.goto(`${server.ready.http}/j/${m.number}?pwd=${m.pwd}`);
	await host.getByLabel(/name/i).first().fill("Ada");
	await host.getByRole("button", { name: /join/i }).first().click();
	await host
		.getByRole("button", { name: /people/i })
		.first()
		.click();

	const guest = await (await browser.newContext()).newPage();
	await guest.goto(await server.page());
	await guest.evaluate(m => {
		const { store, actions } = window.call;
		actions(store.get()).openLobby({ number: m.number, pwd: m.pwd });
		actions(store.get()).join?.("Bo");
	}, m);
	await expect.poll(() => guest.evaluate(() => window.call.store.get().topic)).toBe("Tea");
	expect(await guest.evaluate(() => window.call.store.get().people.size)).toBe(0);
	await guest.waitForTimeout(6000); // longer than a transport is tried for
	await host.getByRole("button", { name: /admit/i }).first().click();
	await expect
		.poll(() => guest.evaluate(() => Object.values(window.tiles()).some(t => t.live && t.frames > 5)))
		.toBe(true);
});
