// Chromium and Firefox see each other for ten minutes while the router forwards to two hundred others, of
// their own meeting and of another: no picture stands still.
import { type ChildProcess, spawn } from "node:child_process";
import type { Browser as Chromium } from "@playwright/test";
import { expect, test } from "@playwright/test";
import type { Browser as Firefox } from "puppeteer-core";
import { launchFirefox } from "../e2e/firefox.ts";
import { camera, type Driven, enter, launchChromium, person, sees, tile } from "../e2e/people.ts";
import { binary, Server } from "../e2e/server.ts";
import { covered, type Span, Waits, within } from "./waits.ts";

/** How long, in seconds: SOAK is 90s, 10m or 1h. */
const length = (() => {
	const [, n, unit] = /^(\d+)([smh])$/.exec(process.env["SOAK"] ?? "10m") ?? [];
	if (!n) throw new Error("SOAK is a number with s, m or h");
	return Number(n) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
})();

/** Two looks are so far apart, in ms. */
const every = 5000;
/** How long a picture may stand still, beyond what the machine held the pages and the router up for. */
const allowed = 1000;
/** What was held up where a picture comes from is seen once it has waited at the receiver: for sound, which may be late. */
const later = 3000;

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
	const child = spawn(binary, ["load", "--gentle", "--json", "--site", http, "--token", token, ...args], {
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

/** When a page's control stood still, by when that began. */
type Control = Map<number, Span>;

/** The longest of spans, if there is any. */
const longestOf = (spans: Span[]) => spans.sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, 1);

const round = (spans: Span[]) => Math.round(covered(spans));

type Viewer = { name: string; page: Driven; source: number; control: Control; pictures: number };

/** What has come of pictures so far, and what became of it. */
const received = (page: Driven) =>
	page.evaluate(async () => {
		const rows: string[] = [];
		for (const peer of window.call.session()?.plane?.peers() ?? []) {
			for (const s of (await peer.pc.getStats()).values()) {
				if (s.type === "inbound-rtp" && s.kind === "video" && s.packetsReceived > 0)
					rows.push(
						`${s.packetsReceived} packets, ${s.packetsLost} lost, ${s.nackCount} asked for again, ${s.pliCount} key frames asked for; ` +
							`${s.framesReceived ?? "?"} frames came, ${s.framesDecoded} decoded, ${s.framesDropped ?? "?"} dropped, ${s.freezeCount ?? "?"} freezes; ` +
							`held for ${Math.round((1000 * s.jitterBufferDelay) / s.jitterBufferEmittedCount)} ms on average`,
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
	const seen: Viewer[] = [
		{ name: "Chromium", page: ada, source: await camera(bo), control: new Map(), pictures: 0 },
		{ name: "Firefox", page: bo, source: await camera(ada), control: new Map(), pictures: 0 },
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
		await v.page.evaluate(async source => {
			const url = "/tests/soak/watch.ts";
			const { watch }: typeof import("./watch.ts") = await import(url);
			await watch(source);
		}, v.source);
	}

	const router = new Waits(server.pid);
	let longest = 0;
	const excused = new Set<number>();
	for (const end = Date.now() + length * 1000; Date.now() < end; ) {
		await new Promise(done => setTimeout(done, every));
		const looks = await Promise.all(seen.map(v => v.page.evaluate(() => window.watched?.())));
		for (const [i, v] of seen.entries()) {
			for (const s of looks[i]?.controlStill ?? []) v.control.set(s.from, s);
			v.pictures += looks[i]?.pictures ?? 0;
		}
		for (const [i, v] of seen.entries()) {
			for (const { from, to } of looks[i]?.still ?? []) {
				const here = within(v.control.values(), from, to);
				const sender = longestOf(within(seen[1 - i]?.control.values() ?? [], from - later, to));
				const there = router.between(from - allowed, to);
				const waited = {
					here: round(here),
					sender: round(sender),
					router: round(there),
					once: round([...here, ...sender, ...there]),
				};
				const still = Math.round(to - from);
				const machine = waited.once; // what held up several at a time did so once
				if (still < allowed) {
					longest = Math.max(longest, still);
					continue;
				}
				if (still >= allowed + machine) for (const w of seen) console.log(w.name, await received(w.page));
				const what = `${v.name}: a picture stood still for ${still} ms; of these the machine held up, in ms, ${JSON.stringify(waited)}`;
				expect(still, what).toBeLessThan(allowed + machine);
				console.log(what);
				excused.add(from);
			}
		}
	}
	router.stop();
	expect(excused.size, "times the machine itself stood still: too many to tell anything").toBeLessThan(1 + length / 60);
	for (const v of seen) expect(v.pictures / length, `pictures a second in ${v.name}`).toBeGreaterThan(5);
	const found = await others;
	for (const f of found) {
		expect(f.failures, "people of the load that could not join or stay").toBe(0);
		expect(f.packets / f.seconds, "packets a second to the load").toBeGreaterThan(1000);
	}
	console.log(
		`longest still ${longest} ms in ${length} s, but for ${excused.size} that were the machine's; ` +
			`${seen.map(v => `${v.name} ${Math.round(v.pictures / length)}`).join(", ")} pictures/s; load got ${found.map(f => Math.round(f.packets / f.seconds)).join(" and ")} packets/s`,
	);
});
