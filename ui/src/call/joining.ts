// The connection process at work: the machine of src/join with a clock, and the requests of its first three
// phases. What it wants beyond those goes to the session.
import { Hands, type Who } from "../join/hands.ts";
import { type ActionOf, Join, type JoinAction, type JoinEvent } from "../join/join.ts";
import type { Relay } from "../media/addresses.ts";
import { type Credentials, type Grant, type LookupAnswer, Rung, type TunnelRequest } from "../proto/messages.gen.ts";
import { lastRung, networkOf, rememberRung } from "./networks.ts";
import type { AttemptView, Connection, SummaryLine, Target } from "./state.ts";

export type { ActionOf, JoinAction, JoinEvent };

export type JoiningConfig = {
	site: string;
	target: Target;
	name: string;
	build: string;
	/** The public key and the media certificate's fingerprint, as text. */
	key: string;
	fingerprint: string;
	oneGroup: boolean;
	lastZone?: string;
	/** The person is in the lobby and has not decided yet. */
	lobby: boolean;
};

export type JoiningEvents = {
	/** The site knows the meeting. */
	found(answer: LookupAnswer): void;
	/** What the session has to do. */
	act(a: JoinAction): void;
	/** Credentials that came together with a grant. */
	credentials(set: readonly Credentials[], of: Grant): void;
	/** The record of the process, some time after it changed. */
	report(r: { attempts: AttemptView[]; summary: SummaryLine[]; trips: Connection["trips"] }): void;
};

/** The record is for reading: it is told at most this often. */
const reportEvery = 250;
/** A relay's credentials are good for 15 minutes. */
const relayFor = 8 * 60_000;
/** Every timer of a browser may be early by less than a millisecond. */
const margin = 1;

export class Joining {
	private readonly on: JoiningEvents;
	private readonly mind: Join;
	private readonly hands: Hands;
	private readonly who: Who;
	private net = "";
	private readonly queue: JoinEvent[] = [];
	private wake: ReturnType<typeof setTimeout> | undefined;
	private reporting: ReturnType<typeof setTimeout> | undefined;
	private readonly relays = new Map<string, { at: number; relay: Promise<Relay | undefined> }>();
	private busy = false;
	private done = false;

	constructor(cfg: JoiningConfig, on: JoiningEvents) {
		this.on = on;
		this.mind = new Join({
			rungs: [Rung.UDP8801, Rung.TCP8801, Rung.TLS443],
			no_probes: true,
			fresh_ways: true,
			one_group: cfg.oneGroup,
			last_zone: cfg.lastZone,
		});
		const { build, name, key, fingerprint, target, lobby } = cfg;
		const secret = target.passcode ? { passcode: target.passcode } : { pwd: target.pwd };
		this.who = { build, number: target.number, ...secret, name, key, fingerprint, ...(lobby ? { lobby } : {}) };
		this.hands = new Hands({ site: cfg.site, who: this.who }, e => {
			this.note(e);
			this.tell(e);
		});
	}

	/** The meeting token, "" before the lookup. */
	get token(): string {
		return this.hands.token;
	}

	/** The person has decided: from now on it is said who joins. */
	decided(name: string): void {
		this.who.name = name;
		delete this.who.lobby;
	}

	/** Credentials are known as a set before the machine hands them out one by one. */
	private note(e: JoinEvent): void {
		if (e.is === "lookup_done") {
			this.net = networkOf(e.answer.your_addr);
			this.mind.lastRung = lastRung(this.net, Date.now());
			for (const g of e.grants ?? []) this.on.credentials(g.groups, g);
			this.on.found(e.answer);
		}
		if ((e.is === "route_done" || e.is === "route_failed") && e.grant) this.on.credentials(e.grant.groups, e.grant);
	}

	/** Sound goes over this rung here. */
	works(rung: Rung): void {
		rememberRung(this.net, rung, Date.now());
	}

	/** Where and how a router's control channel is reached through a tunnel; undefined where it can't be. */
	tunnelled(via: string, router: string): { url: string; first: TunnelRequest } | undefined {
		const url = this.hands.throughTunnel(via, router);
		return url === undefined ? undefined : { url, first: this.hands.tunnelRequest() };
	}

	/** TURN at a tunnel, towards a router. Asked for once in a while: it makes transports for minutes. */
	relay(via: string, router: string): Promise<Relay | undefined> {
		const key = `${via} ${router}`;
		const known = this.relays.get(key);
		if (known && performance.now() - known.at < relayFor) return known.relay;
		const relay = this.hands.relay(via, router).then(r => {
			if (r === undefined) this.relays.delete(key);
			return r && { tunnel: via, peer: r.peer, username: r.username, credential: r.credential };
		});
		this.relays.set(key, { at: performance.now(), relay });
		return relay;
	}

	/** Milliseconds of the server's clock. */
	serverTime(): number {
		return this.mind.serverTime(performance.now());
	}

	/** Reads a grant that came otherwise. */
	read(signed: string | undefined): Grant | undefined {
		const grant = this.hands.read(signed);
		if (grant) this.on.credentials(grant.groups, grant);
		return grant;
	}

	/** Takes one event in and does what follows; an event that comes of that waits for its turn. */
	tell(e: JoinEvent): void {
		if (this.done) return;
		this.queue.push(e);
		if (this.busy) return;
		this.busy = true;
		for (let next = this.queue.shift(); next; next = this.queue.shift()) {
			this.mind.handle(performance.now(), next);
			for (let a = this.mind.next(); a; a = this.mind.next()) {
				if (a.do === "failed") this.report(); // the last word is not held back
				this.act(a);
			}
		}
		this.busy = false;
		if (this.done) return;
		clearTimeout(this.wake);
		const at = this.mind.wake()?.at;
		if (at !== undefined) {
			this.wake = setTimeout(() => this.tell({ is: "tick" }), Math.max(0, at - performance.now()) + margin);
		}
		this.reporting ??= setTimeout(() => this.report(), reportEvery);
	}

	private act(a: JoinAction): void {
		switch (a.do) {
			case "lookup":
			case "ping":
			case "route":
			case "probe":
			case "dial_tunnel":
				this.hands.act(a);
				return;
			case "cancel":
				if (a.what === "prepare") this.on.act(a);
				else this.hands.act(a);
				return;
			default:
				this.on.act(a);
		}
	}

	private report(): void {
		clearTimeout(this.reporting);
		this.reporting = undefined;
		if (this.done) return;
		const { steps } = this.mind.explain();
		const trips = Object.fromEntries(steps.map(s => [s.phase, s.trips ?? 0]));
		this.on.report({ attempts: this.mind.attempts(), summary: this.mind.facts(), trips });
	}

	end(): void {
		if (this.done) return;
		this.done = true;
		clearTimeout(this.wake);
		clearTimeout(this.reporting);
		this.hands.close();
	}
}
