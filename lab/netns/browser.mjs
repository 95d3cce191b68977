// A person in a browser, inside a network namespace: opens a meeting's link, joins, stays until told to go.
// One JSON object as argument: browser ("chromium", "firefox"), link, passcode (where the link has none), name, modules
// (node_modules), proxy, proxyUser, proxyPassword (Chromium), pac, home,
// lobby (how long she looks at herself, ms), hurry (no lobby at all), again (leaves, and it is the second time that counts). It writes events as `parley join --json` does, one a line. On standard input the line "share"
// shares her screen, "stuck" waits until the page says that there is no way, "back" goes to where one can join again, and
// "join" does; each is followed by an event "done" or "undone". Any other, or its end, ends it.
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const wish = JSON.parse(process.argv[2]);
const puppeteer = createRequire(join(wish.modules, "x.js"))("puppeteer-core");
// Written at once: what is still on its way when a process exits would be lost.
const say = e => writeSync(1, `${JSON.stringify({ ts: Date.now(), ...e })}\n`);

function launch() {
	if (wish.browser === "firefox") {
		const proxy = wish.proxy ? new URL(wish.proxy) : undefined;
		return puppeteer.launch({
			browser: "firefox",
			executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
			headless: true,
			acceptInsecureCerts: true,
			extraPrefsFirefox: {
				"intl.accept_languages": "en",
				"media.navigator.streams.fake": true,
				"media.navigator.permission.disabled": true,
				"media.autoplay.default": 0,
				"media.autoplay.blocking_policy": 0,
				"network.proxy.type": wish.pac ? 2 : proxy ? 1 : 0,
				...(wish.pac ? { "network.proxy.autoconfig_url": wish.pac } : {}),
				...(proxy ? { "network.proxy.ssl": proxy.hostname, "network.proxy.ssl_port": Number(proxy.port) } : {}),
			},
		});
	}
	return puppeteer.launch({
		browser: "chrome",
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		headless: true,
		acceptInsecureCerts: true,
		userDataDir: join(wish.home, "chromium"), // what one remembers the next one knows
		args: [
			"--no-sandbox",
			"--lang=en",
			"--ignore-certificate-errors",
			"--use-fake-device-for-media-stream=fps=5",
			"--use-fake-ui-for-media-stream",
			"--auto-select-desktop-capture-source=Entire screen",
			...(wish.proxy ? [`--proxy-server=${wish.proxy}`] : []),
			...(wish.pac ? [`--proxy-pac-url=${wish.pac}`] : []),
		],
	});
}

/** Waits until the page has what `find` finds, by the clock and not by pictures: nobody looks at it. */
const there = (page, find, timeout) => page.waitForFunction(find, { polling: 20, timeout });

const browser = await launch();
let page;
let ended = false;

/** The outgoing bitrate the browser believes in, the most of its peer connections. */
const estimate = () =>
	page.evaluate(async () => {
		let most = 0;
		for (const pc of window.connections.filter(pc => pc.connectionState !== "closed")) {
			for (const s of (await pc.getStats()).values()) most = Math.max(most, s.availableOutgoingBitrate ?? 0);
		}
		return most;
	});

/** Sounds played since it was last asked: when, less when by the sender's clock, whose start nobody knows. */
const played = () => page.evaluate(() => window.played.splice(0));

async function end(code) {
	if (ended) return;
	ended = true;
	try {
		if (code === 0) {
			await page.keyboard.press("i");
			// Where the meeting is over there is no panel, and the page itself says why.
			await there(page, () => document.querySelector("[role=dialog], h1"), 6000);
			// The router hears a page before the page is sure of its path.
			const sure = () => !document.querySelector("[role=dialog]") || ["Sound", "The picture"].every(m => document.body.innerText.includes(`${m} runs over`));
			await page.waitForFunction(sure, { polling: 50, timeout: 5000 }).catch(() => {});
			await page.evaluate(() => { for (const d of document.querySelectorAll("details")) d.open = true; });
			const text = await page.evaluate(() => (document.querySelector("[role=dialog]") ?? document.body).innerText);
			say({ event: "explain", summary: text.split("\n").filter(Boolean) });
		} else {
			const text = await page.evaluate(() => document.body.innerText);
			say({ event: "explain", summary: text.split("\n").filter(Boolean) });
		}
	} catch (err) {
		say({ event: "trouble", text: String(err) });
	}
	await browser.close();
	process.exit(code);
}

/** Looks at herself, gives her name and clicks. Resolves to when that was. */
async function look() {
	await there(page, () => [...document.querySelectorAll("button")].some(b => b.innerText.trim() === "Join now"), 10000);
	await there(page, () => [...document.querySelectorAll("input")].some(i => i.labels?.[0]?.innerText.startsWith("Your name")), 5000);
	await page.evaluate(() => [...document.querySelectorAll("input")].find(i => i.labels?.[0]?.innerText.startsWith("Your name")).focus());
	await page.keyboard.type(wish.name);
	// A link without a passcode asks for it.
	const asked = await page.evaluate(() => {
		const field = [...document.querySelectorAll("input")].find(i => i.labels?.[0]?.innerText.startsWith("Passcode"));
		field?.focus();
		return Boolean(field);
	});
	if (asked) await page.keyboard.type(wish.passcode);
	// A person looks at the picture first; what the page can do meanwhile, it does.
	await new Promise(done => setTimeout(done, wish.lobby));
	await there(page, () => [...document.querySelectorAll("button")].some(b => b.innerText.trim() === "Join now" && !b.disabled), 5000);
	return page.evaluate(() => {
		const b = [...document.querySelectorAll("button")].find(b => b.innerText.trim() === "Join now");
		b.click();
		return Date.now();
	});
}

/** Resolves to when somebody in a hurry has clicked so often. */
async function hurry(n) {
	await page.waitForFunction(n => window.clicks.length >= n, { polling: 20, timeout: 20000 }, n);
	return page.evaluate(n => window.clicks[n - 1], n);
}

const inside = () => there(page, () => [...document.querySelectorAll("button")].some(b => b.ariaLabel === "Leave" || b.innerText.trim() === "Leave"), wish.patience ?? 25000);

const press = words =>
	page.waitForFunction(words => {
		const b = [...document.querySelectorAll("button")].findLast(b => words.includes(b.innerText.trim()) || words.includes(b.ariaLabel));
		b?.click();
		return Boolean(b);
	}, { polling: 20, timeout: 5000 }, words);

/** Leaves, and asks to be let in again. */
async function leave() {
	await press(["Leave"]);
	await press(["Join again"]);
}

process.on("SIGINT", () => {}); // the namespace's end is told on standard input
// What somebody may do in the meeting, or after it.
const deeds = {
	share: () => press(["Share your screen"]),
	stuck: () => there(page, () => [...document.querySelectorAll("button")].some(b => b.innerText.trim() === "Try again"), 60000),
	back: () => press(["Try again"]).then(() => there(page, () => [...document.querySelectorAll("button")].some(b => b.innerText.trim() === "Join now" && !b.disabled), 20000)),
	join: () => press(["Join now"]).then(inside),
};
createInterface({ input: process.stdin })
	.on("line", line => {
		if (!deeds[line]) return end(0);
		deeds[line]().then(() => say({ event: "done", text: line })).catch(err => say({ event: "undone", text: `${line}: ${err}` }));
	})
	.on("close", () => end(0));

try {
	page = await browser.newPage();
	// What the browser itself thinks of its connections is asked at the end.
	await page.evaluateOnNewDocument(listen => {
		const Real = RTCPeerConnection;
		window.connections = [];
		window.RTCPeerConnection = class extends Real {
			constructor(...args) {
				super(...args);
				window.connections.push(this);
			}
		};
		if (!listen) return;
		window.played = [];
		const last = new Map();
		setInterval(() => {
			for (const pc of window.connections.filter(pc => pc.connectionState === "connected")) {
				for (const r of pc.getReceivers().filter(r => r.track.kind === "audio")) {
					const [s] = r.getSynchronizationSources();
					if (!s || last.get(r) === s.rtpTimestamp) continue;
					last.set(r, s.rtpTimestamp);
					window.played.push(s.timestamp - s.rtpTimestamp / 48);
				}
			}
		}, 10);
	}, wish.listen);
	// Somebody in a hurry, whose name the browser knows: she clicks the moment there is something to click.
	if (wish.hurry) {
		await page.evaluateOnNewDocument(name => {
			localStorage.setItem("parley.preferences", JSON.stringify({ name }));
			window.clicks = [];
			let shown;
			const look = () => {
				const b = [...document.querySelectorAll("button")].find(b => b.innerText.trim() === "Join now" && !b.disabled);
				if (b === shown) return;
				shown = b;
				if (!b) return;
				window.clicks.push(Date.now());
				b.click();
			};
			new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
		}, wish.name);
	}
	page.on("pageerror", err => say({ event: "trouble", text: `page: ${err.message}` }));
	if (wish.proxyUser) await page.authenticate({ username: wish.proxyUser, password: wish.proxyPassword });
	const open = () => page.goto(wish.link, { waitUntil: "load", timeout: 20000 });
	// An address of this machine may have come up amid that, at which the browser drops what it loads.
	await open().catch(err => String(err).includes("ERR_NETWORK_CHANGED") ? open() : Promise.reject(err));
	let clicked = wish.hurry ? await hurry(1) : await look();
	if (wish.again) {
		await inside();
		await new Promise(done => setTimeout(done, 1500));
		await leave();
		clicked = await hurry(2);
	}
	say({ event: "phase", phase: "click", ts: clicked, ms: 0 });
	await inside();
	say({ event: "joined", ms: Date.now() - clicked });
	setInterval(() => estimate().then(bits => say({ event: "estimate", bits: Math.round(bits) })).catch(() => {}), 1000);
	if (wish.listen) setInterval(() => played().then(played => say({ event: "played", played })).catch(() => {}), 1000);
} catch (err) {
	say({ event: "trouble", text: String(err) });
	await end(4);
}
