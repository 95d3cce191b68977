import { describe, expect, it, vi } from "vitest";
import { encodeBase64url } from "../proto/base64url.ts";
import type { Grant, LookupAnswer } from "../proto/messages.gen.ts";
import { Hands, readGrant } from "./hands.ts";
import type { JoinEvent } from "./join.ts";
import { say } from "./words.ts";

const site = "https://site.example";

const grant: Grant = {
	router: "mmr-1",
	zone: "eu",
	meeting: "m",
	participant: 7,
	url: "/router/mmr-1/",
	candidates: [{ rung: "udp-8801", addr: "192.0.2.1:8801" }],
	fingerprint: "sha-256 AB",
	groups: [{ group: 0, ufrag: "u", pwd: "p" }],
	expires: 1_010_000,
	home: false,
	epoch: 0,
};

function signed(payload: unknown): string {
	return `e30.${encodeBase64url(new TextEncoder().encode(JSON.stringify(payload)))}.sig`;
}

const lookupAnswer: LookupAnswer = {
	v: 1,
	build: "b",
	meeting: { id: "m", number: "1", topic: "Réunion", hosting: "cloud" },
	token: "tok",
	participant: 7,
	role: "host",
	server_time: 1_000_000,
	zones: [],
	your_addr: "",
	grants: [signed(grant), "nonsense"],
	keys: [],
	web_url: "",
};

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

/** Hands before a network that answers with what the test says, and what they told. */
function setup(answer: (url: string, init: RequestInit) => Response | Promise<Response>) {
	const told: JoinEvent[] = [];
	const asked: { url: string; init: RequestInit }[] = [];
	const who = { build: "b", number: "1", name: "Ada", key: "p256:x", fingerprint: "sha-256 CD", pwd: "x" };
	const network: typeof fetch = async (url, init = {}) => {
		asked.push({ url: String(url), init });
		return answer(String(url), init);
	};
	const hands = new Hands({ site, who, fetch: network }, e => told.push(e));
	const first = () => vi.waitFor(() => told[0] ?? Promise.reject(new Error("nothing told")));
	return { hands, told, asked, first };
}

describe("lookup", () => {
	it("asks without a preflight, and reads the grants", async () => {
		const { hands, asked, first } = setup(() => json(lookupAnswer));
		hands.act({ do: "lookup", try: 0, last_zone: "eu" });
		expect(await first()).toMatchObject({
			is: "lookup_done",
			answer: { token: "tok" },
			grants: [{ ...grant, url: `${site}/router/mmr-1` }],
		});
		expect(hands.token).toBe("tok");
		expect(asked[0]).toMatchObject({
			url: `${site}/lookup`,
			init: { method: "POST", headers: { "Content-Type": "text/plain" }, credentials: "same-origin" },
		});
		expect(JSON.parse(String(asked[0]?.init.body))).toEqual({
			v: 1,
			client: "web",
			build: "b",
			number: "1",
			name: "Ada",
			key: "p256:x",
			fingerprint: "sha-256 CD",
			pwd: "x",
			network: { last_zone: "eu" },
		});
	});

	it.each<[string, () => Response | Promise<Response>, JoinEvent]>([
		[
			"a refusal",
			() => json({ code: "no_such_meeting", text: "Check both." }, 404),
			{ is: "lookup_failed", code: "no_such_meeting", text: "Check both." },
		],
		[
			"how long to wait",
			() => json({ code: "slow_down", text: "Too many.", retry_after: 8 }, 429),
			{ is: "lookup_failed", code: "slow_down", text: "Too many.", retry_after: 8 },
		],
		["no network", () => Promise.reject(new TypeError("x")), { is: "lookup_failed", text: say("no_connection") }],
		["a portal's page", () => new Response("<html>"), { is: "lookup_failed", text: say("bad_answer") }],
		["another shape", () => json({ ...lookupAnswer, zones: 3 }), { is: "lookup_failed", text: say("bad_answer") }],
		["a proxy's error", () => json({}, 502), { is: "lookup_failed", text: say("status", { status: 502 }) }],
	])("tells of %s", async (_, answer, want) => {
		const { hands, first } = setup(answer);
		hands.act({ do: "lookup", try: 0 });
		expect(await first()).toEqual(want);
	});

	it("is silent once cancelled, and can be asked again", async () => {
		const { hands, told, asked } = setup(() => json(lookupAnswer));
		hands.act({ do: "lookup", try: 0 });
		hands.act({ do: "cancel", what: "lookup" });
		hands.act({ do: "lookup", try: 1 });
		await vi.waitFor(() => expect(told).toHaveLength(1));
		expect(asked[0]?.init.signal?.aborted).toBe(true);
	});
});

describe("ping", () => {
	const pong = { v: 1, zone: "eu", id: "c1", time: 1, load: 0.25 };

	it.each([
		["https://c1.example", "https://c1.example/ping"],
		["/zone/eu/c2/", `${site}/zone/eu/c2/ping`],
		["zone/eu", `${site}/zone/eu/ping`],
	])("goes to %s", async (controller, url) => {
		const { hands, asked, first } = setup(() => json(pong));
		hands.act({ do: "ping", zone: "eu", controller, seq: 1 });
		expect(await first()).toMatchObject({ is: "ping_done", controller, seq: 1, load: 0.25 });
		expect(asked[0]).toMatchObject({ url, init: { credentials: "omit" } });
	});

	it("measures the request, not its handshakes, where the browser tells", async () => {
		const { hands, first } = setup(() => json(pong));
		const entry = { startTime: Number.MAX_VALUE, requestStart: 100, responseStart: 120.5 };
		vi.spyOn(performance, "getEntriesByName").mockReturnValue([entry as PerformanceResourceTiming]);
		hands.act({ do: "ping", zone: "eu", controller: "https://c", seq: 0 });
		expect(await first()).toMatchObject({ rtt_ms: 20.5 });
	});

	it("tells of silence", async () => {
		const { hands, first } = setup(() => Promise.reject(new TypeError("x")));
		hands.act({ do: "ping", zone: "eu", controller: "https://c", seq: 0 });
		expect(await first()).toEqual({ is: "ping_failed", controller: "https://c", seq: 0, text: say("no_connection") });
	});
});

describe("route", () => {
	it("sends the token of the lookup and reads the grant", async () => {
		const { hands, told, asked } = setup(url =>
			json(url.endsWith("/lookup") ? lookupAnswer : { v: 1, grant: signed(grant) }),
		);
		hands.act({ do: "lookup", try: 0 });
		await vi.waitFor(() => expect(told).toHaveLength(1));
		hands.act({ do: "route", zone: "eu", controller: "https://c", lost: "mmr-0" });
		await vi.waitFor(() => expect(told).toHaveLength(2));
		expect(told[1]).toMatchObject({ is: "route_done", controller: "https://c", grant: { router: "mmr-1" } });
		expect(JSON.parse(String(asked[1]?.init.body))).toEqual({ v: 1, token: "tok", lost: "mmr-0" });
	});

	it("follows a moved meeting", async () => {
		const { hands, first } = setup(() => json({ code: "moved", text: "there", grant: signed(grant) }, 409));
		hands.act({ do: "route", zone: "eu", controller: "https://c" });
		expect(await first()).toMatchObject({ is: "route_failed", code: "moved", grant: { router: "mmr-1" } });
	});

	it("refuses a grant it can't read", async () => {
		const { hands, first } = setup(() => json({ v: 1, grant: "x.y.z" }));
		hands.act({ do: "route", zone: "eu", controller: "https://c" });
		expect(await first()).toMatchObject({ is: "route_failed", text: say("bad_grant") });
	});
});

describe("through a tunnel", () => {
	const zones = [
		{ id: "eu", controllers: ["https://c", "/c2"], controller_ids: ["c1", "c2"], probes: [], bias: 0, name: "Europe" },
	];
	const found = { ...lookupAnswer, zones, tunnels: ["https://t.example/", "/tunnel"], tunnel_token: "tt" };

	/** Hands that have looked the meeting up. */
	async function lookedUp(answer: (url: string) => Response) {
		const s = setup(url => (url.endsWith("/lookup") ? json(found) : answer(url)));
		s.hands.act({ do: "lookup", try: 0 });
		expect(await s.first()).toMatchObject({ answer: { tunnels: ["https://t.example", `${site}/tunnel`] } });
		const next = async (): Promise<JoinEvent | undefined> => {
			await vi.waitFor(() => expect(s.told).toHaveLength(2));
			return s.told[1];
		};
		const body = (): unknown => JSON.parse(String(s.asked[1]?.init.body));
		return { ...s, next, body };
	}

	it.each([
		["an answer", json({ v: 1, id: "t1" }), { is: "tunnel_up", url: "https://t.example" }],
		["what is no tunnel", json({ v: 1 }), { is: "tunnel_failed", text: say("bad_answer") }],
	])("dials it: %s", async (_, answer, want) => {
		const { hands, next, asked } = await lookedUp(() => answer);
		hands.act({ do: "dial_tunnel", url: "https://t.example" });
		expect(await next()).toMatchObject(want);
		expect(asked[1]).toMatchObject({ url: "https://t.example/ping", init: { credentials: "omit" } });
	});

	it("pings a controller by its name, with the tunnel's token in the body", async () => {
		const { hands, next, asked, body } = await lookedUp(() => json({ v: 1, zone: "eu", id: "c1", time: 1, load: 0.5 }));
		hands.act({ do: "ping", zone: "eu", controller: "https://c", seq: 1, via: "https://t.example" });
		expect(await next()).toMatchObject({ is: "ping_done", controller: "https://c", seq: 1, via: "https://t.example" });
		expect(asked[1]).toMatchObject({
			url: "https://t.example/server/eu/c1/ping",
			init: { method: "POST", headers: { "Content-Type": "text/plain" } },
		});
		expect(body()).toEqual({ v: 1, token: "tt" });
	});

	it("asks for a route, and can reach the router it names", async () => {
		const { hands, next, asked, body } = await lookedUp(() =>
			json({ v: 1, grant: signed({ ...grant, router: "m/2" }) }),
		);
		hands.act({ do: "route", zone: "eu", controller: "/c2", lost: "mmr-1", via: "https://t.example" });
		expect(await next()).toMatchObject({ is: "route_done", grant: { router: "m/2" } });
		expect(asked[1]?.url).toBe("https://t.example/server/eu/c2/route");
		expect(body()).toEqual({ v: 1, token: "tt", route: { v: 1, token: "tok", lost: "mmr-1" } });
		expect(hands.throughTunnel("https://t.example", "m/2")).toBe("https://t.example/server/eu/m%2F2");
	});

	it("gets what opens a relay", async () => {
		const relay = { v: 1, username: "u", credential: "c", peer: "192.0.2.1:8801" };
		const { hands, asked, body } = await lookedUp(() => json(relay));
		expect(await hands.relay("https://t.example", "mmr-1")).toEqual(relay);
		expect(asked[1]?.url).toBe("https://t.example/server/eu/mmr-1/relay");
		expect(body()).toEqual({ v: 1, token: "tt" });
		expect(await hands.relay("https://t.example", "nobody")).toBeUndefined();
	});

	it("has another token from the site where a tunnel calls its own too old", async () => {
		const relay = { v: 1, username: "u", credential: "c", peer: "192.0.2.1:8801" };
		let lookups = 0;
		const { hands, asked, first } = setup((url, init) => {
			if (url.endsWith("/lookup")) return json({ ...found, tunnel_token: `tt${++lookups}` });
			const { token } = JSON.parse(String(init.body)) as { token: string };
			return token === "tt2" ? json(relay) : json({ code: "token_expired", text: "too old" }, 401);
		});
		hands.act({ do: "lookup", try: 0 });
		await first();
		expect(await hands.relay("https://t.example", "mmr-1")).toEqual(relay);
		expect(hands.tunnelRequest().token).toBe("tt2");
		expect(asked).toHaveLength(4);
	});

	it("knows no tunnels without a token for them", async () => {
		const { hands, first } = setup(() => json({ ...found, tunnel_token: undefined }));
		hands.act({ do: "lookup", try: 0 });
		expect(await first()).toMatchObject({ answer: { tunnels: [] } });
	});
});

describe("what a page can't do", () => {
	it.each<[Parameters<Hands["act"]>[0], JoinEvent]>([
		[
			{ do: "probe", zone: "eu", addr: "a:8801", seq: 0 },
			{ is: "probe_failed", addr: "a:8801", text: say("not_here") },
		],
		[
			{ do: "route", zone: "eu", controller: "c", via: "https://t" },
			{ is: "route_failed", controller: "c", text: say("not_here") },
		],
		[
			{ do: "ping", zone: "eu", controller: "c", seq: 0, via: "https://t" },
			{ is: "ping_failed", controller: "c", seq: 0, text: say("not_here"), via: "https://t" },
		],
	])("$0.do", async (action, want) => {
		const { hands, told, first } = setup(() => json({}));
		hands.act(action);
		expect(told).toEqual([]); // never at once: the machine is not asked from within
		expect(await first()).toEqual(want);
	});
});

it("close ends everything", async () => {
	const { hands, told, asked } = setup(() => json(lookupAnswer));
	hands.act({ do: "lookup", try: 0 });
	hands.close();
	await Promise.resolve();
	expect(asked[0]?.init.signal?.aborted).toBe(true);
	expect(told).toEqual([]);
});

it.each([
	"",
	"a",
	"a.b",
	signed({}),
	signed([]),
	signed({ ...grant, groups: "x" }),
	signed({ ...grant, url: "http://[" }),
])("an unreadable grant is none: %s", text => {
	expect(readGrant(text, site)).toBeUndefined();
});
