// What the connection process asks of the network by HTTP: the site's lookup, the controllers' pings and routes.
// The answers are events for the machine. No request needs a preflight: bodies are text/plain.
import { decodeBase64url } from "../proto/base64url.ts";
import type {
	Grant,
	LookupRequest,
	RouteRequest,
	SignedGrant,
	Structs,
	TunnelRelay,
	TunnelRequest,
} from "../proto/messages.gen.ts";
import { Code, Version } from "../proto/messages.gen.ts";
import { BadShape, readStruct } from "../proto/shape.ts";
import type { ActionOf } from "./actions.ts";
import { type EventOf, type JoinEvent, notHere } from "./events.ts";
import { type Phrase, say, type Told } from "./words.ts";

/** What a page says of itself and of the meeting it wants; the rest of a lookup comes from the machine. */
export type Who = Omit<LookupRequest, "v" | "network" | "client">;

export interface HandsConfig {
	/** Base URL of the site: relative addresses are relative to it. */
	site: string;
	who: Who;
	fetch?: typeof fetch;
}

type HandsAction = ActionOf<"lookup" | "ping" | "probe" | "dial_tunnel" | "route" | "cancel">;

/** How long a tunnel may take to answer for a relay, ms. */
const relayWithin = 5000;

/** Does the requests of one join and tells the machine how they ended. */
export class Hands {
	readonly #cfg: HandsConfig;
	readonly #tell: (e: JoinEvent) => void;
	readonly #fetch: typeof fetch;
	readonly #running = new Map<string, AbortController>();
	#token = "";
	#tunnelToken = "";
	/** Servers by what the machine calls them, controllers by URL and routers by id, as a tunnel knows them. */
	readonly #servers = new Map<string, { zone: string; server: string }>();

	constructor(cfg: HandsConfig, tell: (e: JoinEvent) => void) {
		this.#cfg = cfg;
		this.#tell = tell;
		this.#fetch = cfg.fetch ?? globalThis.fetch.bind(globalThis);
	}

	/** The meeting token; "" before the lookup answer. */
	get token(): string {
		return this.#token;
	}

	/** Does one action; whatever comes of it is told later, never at once. */
	act(a: HandsAction): void {
		switch (a.do) {
			case "lookup":
				this.#run("lookup", signal => this.#lookup(a, signal));
				break;
			case "ping":
				this.#run("measure", signal => this.#ping(a, signal));
				break;
			case "route":
				this.#run("route", signal => this.#route(a, signal));
				break;
			case "probe":
				this.#run("measure", async () => ({ is: "probe_failed", addr: a.addr, text: notHere }));
				break;
			case "dial_tunnel":
				this.#run("tunnels", signal => this.#dial(a, signal));
				break;
			case "cancel":
				this.#cancel(a.what);
				break;
			default:
				a satisfies never;
		}
	}

	/** Ends everything; nothing is told any more. */
	close(): void {
		for (const what of [...this.#running.keys()]) {
			this.#cancel(what);
		}
	}

	#cancel(what: string): void {
		this.#running.get(what)?.abort();
		this.#running.delete(what);
	}

	#run(what: string, work: (signal: AbortSignal) => Promise<JoinEvent>): void {
		let running = this.#running.get(what);
		if (running === undefined) {
			running = new AbortController();
			this.#running.set(what, running);
		}
		const { signal } = running;
		void work(signal).then(e => {
			if (!signal.aborted) {
				this.#tell(e);
			}
		});
	}

	async #lookup(a: ActionOf<"lookup">, signal: AbortSignal): Promise<EventOf<"lookup_done" | "lookup_failed">> {
		const network = { last_zone: a.last_zone, last_rung: a.last_rung };
		const body: LookupRequest = { v: Version, client: "web", ...this.#cfg.who, network };
		// The cookie says who is signed in, and so who is host.
		const r = await this.#ask("LookupAnswer", `${absolute("", this.#cfg.site)}/lookup`, signal, body, "same-origin");
		if (!r.ok) {
			return { is: "lookup_failed", code: r.code, text: r.text, retry_after: r.retry_after };
		}
		const { token, tunnel_token = "", tunnels = [], zones } = r.answer;
		this.#token = token;
		this.#tunnelToken = tunnel_token;
		for (const { id: zone, controllers, controller_ids = [] } of zones) {
			for (const [i, server] of controller_ids.entries()) this.#servers.set(controllers[i] ?? "", { zone, server });
		}
		const grants = (r.answer.grants ?? []).flatMap(g => this.read(g) ?? []);
		const ways = tunnel_token === "" ? [] : tunnels.map(url => absolute(url, this.#cfg.site));
		return { is: "lookup_done", answer: { ...r.answer, tunnels: ways }, grants, rtt_ms: r.rtt };
	}

	async #dial({ url }: ActionOf<"dial_tunnel">, signal: AbortSignal): Promise<EventOf<"tunnel_up" | "tunnel_failed">> {
		const r = await this.#ask("TunnelPong", `${url}/ping`, signal, undefined, "omit");
		return r.ok && r.answer.id !== ""
			? { is: "tunnel_up", url }
			: { is: "tunnel_failed", url, text: r.ok ? say("bad_answer") : r.text };
	}

	/** Where a tunnel takes requests for a server; undefined where the site has not named it. */
	throughTunnel(via: string, server: string): string | undefined {
		const s = this.#servers.get(server);
		return s && `${via}/server/${encodeURIComponent(s.zone)}/${encodeURIComponent(s.server)}`;
	}

	/** What a tunnel is shown with each request. */
	tunnelRequest(route?: RouteRequest): TunnelRequest {
		return { v: Version, token: this.#tunnelToken, ...(route && { route }) };
	}

	/** What it takes to send media to a router through a tunnel; undefined where it can't be had. */
	async relay(via: string, router: string): Promise<TunnelRelay | undefined> {
		const at = this.throughTunnel(via, router);
		if (at === undefined) return undefined;
		const signal = AbortSignal.timeout(relayWithin);
		const ask = () => this.#ask("TunnelRelay", `${at}/relay`, signal, this.tunnelRequest(), "omit");
		let r = await ask();
		if (!r.ok && r.code === Code.TokenExpired && (await this.#renewTunnelToken(signal))) r = await ask();
		return r.ok ? r.answer : undefined;
	}

	/** Asks the site for another token for tunnels: it knows this page's seat by its key. */
	async #renewTunnelToken(signal: AbortSignal): Promise<boolean> {
		const body: LookupRequest = { v: Version, client: "web", ...this.#cfg.who, network: {} };
		const r = await this.#ask("LookupAnswer", `${absolute("", this.#cfg.site)}/lookup`, signal, body, "same-origin");
		if (!r.ok || !r.answer.tunnel_token) return false;
		this.#tunnelToken = r.answer.tunnel_token;
		return true;
	}

	async #ping(a: ActionOf<"ping">, signal: AbortSignal): Promise<EventOf<"ping_done" | "ping_failed">> {
		const { controller, seq, via } = a;
		const at = via === undefined ? absolute(controller, this.#cfg.site) : this.throughTunnel(via, controller);
		if (at === undefined) {
			return { is: "ping_failed", controller, seq, text: notHere, via };
		}
		const body = via === undefined ? undefined : this.tunnelRequest();
		const r = await this.#ask("PingAnswer", `${at}/ping`, signal, body, "omit");
		if (!r.ok) {
			return { is: "ping_failed", controller, seq, text: r.text, via };
		}
		// Where the browser keeps the timing to itself, the first ping's handshakes count: the next ones correct it.
		const rtt_ms = r.rtt ?? r.took;
		return { is: "ping_done", controller, seq, rtt_ms, load: r.answer.load, via };
	}

	async #route(a: ActionOf<"route">, signal: AbortSignal): Promise<EventOf<"route_done" | "route_failed">> {
		const { controller, via } = a;
		const at = via === undefined ? absolute(controller, this.#cfg.site) : this.throughTunnel(via, controller);
		if (at === undefined) {
			return { is: "route_failed", controller, text: notHere };
		}
		const route: RouteRequest = { v: Version, token: this.#token, lost: a.lost };
		const body = via === undefined ? route : this.tunnelRequest(route);
		const r = await this.#ask("RouteAnswer", `${at}/route`, signal, body, "omit");
		if (!r.ok) {
			const { code, text } = r;
			return { is: "route_failed", controller, code, text, grant: this.read(r.grant) };
		}
		const grant = this.read(r.answer.grant);
		return grant === undefined
			? { is: "route_failed", controller, text: say("bad_grant") }
			: { is: "route_done", controller, grant };
	}

	/** Reads a grant, and knows its router from then on. */
	read(signed: SignedGrant | undefined): Grant | undefined {
		const grant = signed ? readGrant(signed, this.#cfg.site) : undefined;
		if (grant) this.#servers.set(grant.router, { zone: grant.zone, server: grant.router });
		return grant;
	}

	async #ask<N extends keyof Structs>(
		shape: N,
		url: string,
		signal: AbortSignal,
		body: LookupRequest | RouteRequest | TunnelRequest | undefined,
		credentials: RequestCredentials,
	): Promise<Answered<Structs[N]>> {
		const sentAt = performance.now();
		try {
			const response = await this.#fetch(url, {
				signal,
				credentials,
				cache: "no-store",
				redirect: "error",
				referrerPolicy: "no-referrer",
				...(body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "text/plain" } }),
			});
			const json: unknown = await response.json();
			const took = performance.now() - sentAt;
			if (!response.ok) {
				const e = readStruct("ErrorBody", json);
				// An answer that is not ours has no code: something in between speaks, and may be gone in a moment.
				return {
					ok: false,
					code: e.code || undefined,
					text: e.text || say("status", { status: response.status }),
					retry_after: e.retry_after,
					grant: e.grant,
				};
			}
			return { ok: true, answer: readStruct(shape, json), took, rtt: timing(url, sentAt) };
		} catch (e) {
			return { ok: false, text: whyFailed(e) };
		}
	}
}

type Answered<T> =
	| { ok: true; answer: T; took: number; rtt: number | undefined }
	| {
			ok: false;
			text: Told;
			code?: Code | undefined;
			retry_after?: number | undefined;
			grant?: SignedGrant | undefined;
	  };

/** The base URL without a slash at its end. */
function absolute(base: string, site: string): string {
	return new URL(base, `${site.replace(/\/+$/, "")}/`).href.replace(/\/+$/, "");
}

/** The round trip of the last request to url that began after sentAt, without its handshakes. */
function timing(url: string, sentAt: number): number | undefined {
	const entry = performance
		.getEntriesByName(url, "resource")
		.filter((e): e is PerformanceResourceTiming => e.startTime >= sentAt - 1 && "requestStart" in e)
		.at(-1);
	// Without Timing-Allow-Origin the parts are zero.
	return entry !== undefined && entry.requestStart > 0 ? entry.responseStart - entry.requestStart : undefined;
}

function whyFailed(e: unknown): Phrase {
	if (e instanceof BadShape || e instanceof SyntaxError) {
		return say("bad_answer");
	}
	// A page is not told more: refused, unreachable and a certificate that is not trusted look the same.
	return say("no_connection");
}

/**
 * Reads a grant without verifying it: it came over TLS from whom the page came from, or from whom that named. Its
 * URL is made absolute. Undefined where it can't be read.
 */
export function readGrant(signed: SignedGrant, site: string): Grant | undefined {
	try {
		const payload: unknown = JSON.parse(new TextDecoder().decode(decodeBase64url(signed.split(".")[1] ?? "")));
		const grant = readStruct("Grant", payload);
		return grant.router === "" ? undefined : { ...grant, url: absolute(grant.url, site) };
	} catch {
		return undefined;
	}
}
