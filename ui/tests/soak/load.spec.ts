// Chromium and Firefox see each other for ten minutes while the router forwards to two hundred others, of
// their own meeting and of another: no picture stands still.
import { type ChildProcess, spawn } from "node:child_process";
import type { Browser as Chromium } from "@playwright/test";
import { expect, test } from "@playwright/test";
import type { Browser as Firefox } from "puppeteer-core";
import { launchFirefox } from "../e2e/firefox.ts";
import { camera, type Driven, enter, launchChromium, person, sees, tile } from "../e2e/people.ts";
import { binary, Server } from "../e2e/server.ts";

/** How long, in seconds: SOAK is 90s, 10m or 1h. */
const length = (() => {
	const [, n, unit] = /^(\d+)([smh])$/.exec(process.env["SOAK"] ?? "10m") ?? [];
	if (!n) throw new Error("SOAK is a number with s, m or h");
	return Number(n) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
})();

/** A picture that is looked at for so long between two looks. */
const every = 5000;
/** What may go by between two pictures, in ms, beyond what the machine itself made both pages wait. */
const still = 1000;

let server: Server;
let chromium: Chromium;
let firefox: Firefox;
const loads: ChildProcess[] = [];

test.beforeAll(async () => {
	server = await Server.start();
	[chromium, firefox] = await Promise.all([launchChromium(), launchFirefox()]);
});

test.afterAll(async () => {
	await Promise.all(
		loads.map(async load => {
			if (load.exitCode !== null || load.signalCode !== null) return;
			const ended = new Promise(done => load.once("exit", done));
			load.kill("SIGTERM");
			const hard = setTimeout(() => load.kill("SIGKILL"), 10_000);
			await ended;
			clearTimeout(hard);
		}),
	);
	await chromium?.close();
	await firefox?.close();
	await server?.stop();
});

type Loaded = { packets: number; seconds: number; lost: number; failures: number };

/** Starts a generator of people, and gives what it found once it ends. */
function load(...args: string[]): Promise<Loaded> {
	const { http, token } = server.ready;
	const child = spawn(binary, ["load", "--json", "--site", http, "--token", token, ...args], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	loads.push(child);
	let text = "";
	child.stdout.on("data", (chunk: Buffer) => {
		text += chunk.toString();
	});
	return new Promise((done, fail) => {
		child.on("error", fail);
		child.on("exit", code =>
			code === 0 ? done(JSON.parse(text) as Loaded) : fail(new Error(`load ended with ${code}`)),
		);
	});
}

/** How long the machine itself keeps a page waiting, from now on; asked again, since it was asked last. */
const watch = (page: Driven) =>
	page.evaluate(() => {
		const w = window as unknown as { waited?: number };
		const before = w.waited;
		w.waited = 0;
		if (before === undefined) {
			let last = performance.now();
			setInterval(() => {
				const now = performance.now();
				w.waited = Math.max(w.waited ?? 0, now - last);
				last = now;
			}, 20);
		}
		return before ?? 0;
	});

/** The longest a source's picture stood still since this was asked last. */
const look = (page: Driven, source: number) =>
	page.evaluate(s => {
		const t = window.tiles()[s];
		const gap = t?.gap ?? Number.POSITIVE_INFINITY;
		if (t) t.gap = 0;
		return gap;
	}, source);

/** What has come of pictures so far, and what became of it. */
const received = (page: Driven) =>
	page.evaluate(async () => {
		const rows: string[] = [];
		for (const peer of window.call.session()?.plane?.peers() ?? []) {
			for (const s of (await peer.pc.getStats()).values()) {
				if (s.type === "inbound-rtp" && s.kind === "video" && s.packetsReceived > 0)
					rows.push(
						`${s.packetsReceived} packets, ${s.packetsLost} lost, ${s.nackCount} asked for again, ${s.pliCount} key frames asked for; ` +
							`${s.framesReceived ?? "?"} frames came, ${s.framesDecoded} decoded, ${s.framesDropped ?? "?"} dropped, ${s.freezeCount ?? "?"} freezes`,
					);
				if (s.type === "outbound-rtp" && s.kind === "video" && s.active !== false && s.packetsSent > 0)
					rows.push(
						`sent ${s.rid ?? ""}: ${s.framesEncoded} frames, ${s.keyFramesEncoded} key frames, ${s.pliCount} asked for, ${s.nackCount} packets asked for again`,
					);
			}
		}
		return rows;
	});

test("Chromium and Firefox decode under load without a freeze", async () => {
	test.setTimeout((length + 240) * 1000);
	const m = server.meeting();
	const ada = await person(chromium, server, m, "Ada", { color: "red" });
	const tab = await firefox.newPage();
	await tab.goto(await server.page("&color=blue"));
	const bo = tab as unknown as Driven;
	await enter(bo, m, "Bo");
	const seen = [
		{ name: "Chromium", page: ada as Driven, source: await camera(bo) },
		{ name: "Firefox", page: bo, source: await camera(ada) },
	];
	for (const v of seen) {
		await v.page.evaluate(
			source => window.call.actions(window.call.store.get()).setLayout?.([{ source, height: 360 }]),
			v.source,
		);
		await expect.poll(async () => (await tile(v.page, v.source)).height).toBe(360);
	}

	const time = `${length + 30}s`;
	const others = Promise.all([
		load("--for", time, "--publishers", "1", "--viewers", "150"),
		load("--for", time, "--publishers", "0", "--viewers", "50", m.link),
	]);
	others.catch(() => undefined); // is awaited below
	const in200 = () => ada.evaluate(() => window.call.store.get().people.size);
	await expect.poll(in200, { message: "the load is in", timeout: 60_000 }).toBe(52);
	for (const v of seen) {
		await sees(v.page, v.source);
		await watch(v.page);
		await look(v.page, v.source);
	}

	let longest = 0;
	for (const end = Date.now() + length * 1000; Date.now() < end; ) {
		await new Promise(done => setTimeout(done, every));
		const waits = await Promise.all(seen.map(v => watch(v.page)));
		for (const v of seen) {
			const gap = await look(v.page, v.source);
			longest = Math.max(longest, gap);
			const allowed = waits.reduce((sum, w) => sum + w, still);
			if (gap >= allowed) for (const w of seen) console.log(w.name, await received(w.page));
			expect(
				gap,
				`${v.name}: a picture stood still (the machine's own waits: ${waits.map(Math.round).join(", ")} ms)`,
			).toBeLessThan(allowed);
		}
	}
	const found = await others;
	for (const f of found) {
		expect(f.failures, "people of the load that could not join or stay").toBe(0);
		expect(f.packets / f.seconds, "packets a second to the load").toBeGreaterThan(1000);
	}
	console.log(
		`longest gap ${Math.round(longest)} ms in ${length} s; load got ${found.map(f => Math.round(f.packets / f.seconds)).join(" and ")} packets/s`,
	);
});
