// The connection process at work: the machine of src/join with a clock, and the requests of its first three
// phases. What it wants beyond those goes to the session.
import { Hands, readGrant } from "../join/hands.ts";
import { Join, type JoinAction, type JoinEvent, type State } from "../join/join.ts";
import { groupName, groups } from "../proto/ids.ts";
import { type Credentials, type Grant, Group, type LookupAnswer, Rung } from "../proto/messages.gen.ts";
import type { AttemptView, SummaryLine, Target } from "./state.ts";

export type { JoinAction, JoinEvent };

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
};

export type JoiningEvents = {
	/** The site knows the meeting. */
	found(answer: LookupAnswer): void;
	/** What the session has to do. */
	act(a: JoinAction): void;
	/** Credentials that came together with a grant. */
	credentials(set: readonly Credentials[]): void;
	/** The record of the process, some time after it changed. */
	report(r: { attempts: AttemptView[]; summary: SummaryLine[] }): void;
};

/** The record is for reading: it is told at most this often. */
const reportEvery = 250;
/** Every timer of a browser may be early by less than a millisecond. */
const margin = 1;

export class Joining {
	private readonly on: JoiningEvents;
	private readonly mind: Join;
	private readonly hands: Hands;
	private readonly site: string;
	private readonly oneGroup: boolean;
	private readonly queue: JoinEvent[] = [];
	private readonly paths = new Map<Group, Rung>();
	private zone: { name: string; ms: number } | undefined;
	/** Names of the zones offered, by id. */
	private zones = new Map<string, string>();
	private wake: ReturnType<typeof setTimeout> | undefined;
	private reporting: ReturnType<typeof setTimeout> | undefined;
	private busy = false;
	private done = false;

	constructor(cfg: JoiningConfig, on: JoiningEvents) {
		this.on = on;
		this.mind = new Join({
			rungs: [Rung.UDP8801, Rung.TCP8801],
			no_probes: true,
			one_group: cfg.oneGroup,
			last_zone: cfg.lastZone,
		});
		this.site = cfg.site;
		this.oneGroup = cfg.oneGroup;
		const { build, name, key, fingerprint, target } = cfg;
		const secret = target.passcode ? { passcode: target.passcode } : { pwd: target.pwd };
		const who = { build, number: target.number, ...secret, name, key, fingerprint };
		this.hands = new Hands({ site: cfg.site, who }, e => {
			this.note(e);
			this.tell(e);
		});
	}

	/** The meeting token, "" before the lookup. */
	get token(): string {
		return this.hands.token;
	}

	/** Credentials are known as a set before the machine hands them out one by one. */
	private note(e: JoinEvent): void {
		if (e.is === "lookup_done") {
			this.zones = new Map(e.answer.zones.map(z => [z.id, z.name || z.id]));
			for (const g of e.grants ?? []) this.on.credentials(g.groups);
			this.on.found(e.answer);
		}
		if ((e.is === "route_done" || e.is === "route_failed") && e.grant) this.on.credentials(e.grant.groups);
	}

	/** Milliseconds of the server's clock. */
	serverTime(): number {
		return this.mind.serverTime(performance.now());
	}

	/** Reads a grant that came otherwise. */
	read(signed: string | undefined): Grant | undefined {
		const grant = signed ? readGrant(signed, this.site) : undefined;
		if (grant) this.on.credentials(grant.groups);
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
				this.watch(a);
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
			case "cancel":
				this.hands.act(a);
				return;
			default:
				this.on.act(a);
		}
	}

	/** Notes what the sentences of the report need. */
	private watch(a: JoinAction): void {
		switch (a.do) {
			case "progress":
				if (a.phase === "zone" && a.detail) {
					const [, name = a.detail, ms = ""] = /^(.*), (\d+) ms$/.exec(a.detail) ?? [];
					this.zone = { name, ms: Number(ms) };
				}
				return;
			case "use_transport":
				this.paths.set(a.group, a.rung);
				return;
			case "failed":
				this.report(); // the last word is not held back
				return;
			case "close_transport":
				if (this.paths.get(a.group) === a.rung) this.paths.delete(a.group);
				return;
			default:
				return;
		}
	}

	private report(): void {
		clearTimeout(this.reporting);
		this.reporting = undefined;
		if (this.done) return;
		const { attempts, state } = this.mind.explain();
		this.on.report({ attempts, summary: this.summary(attempts, state) });
	}

	/** The sentences of the report, to be worded in the person's language. */
	private summary(attempts: readonly AttemptView[], state: State): SummaryLine[] {
		const out: SummaryLine[] = [];
		const asked = attempts.filter(x => x.phase === "zone");
		if (this.zone) out.push({ key: "best_zone", values: { zone: this.zone.name, ms: this.zone.ms } });
		else if (asked.length > 0 && asked.every(x => x.outcome === "lost")) out.push({ key: "no_controller", values: {} });
		const home = this.mind.grant && (this.zones.get(this.mind.grant.zone) ?? this.mind.grant.zone);
		if (this.zone && home && home !== this.zone.name) out.push({ key: "home_zone", values: { zone: home } });
		const udp = attempts.filter(x => x.phase === "media" && x.what.endsWith(Rung.UDP8801));
		if (state !== "lobby" && udp.some(x => x.outcome === "lost") && !udp.some(x => x.outcome === "won")) {
			out.push({ key: "udp_blocked", values: {} });
		}
		for (const g of this.oneGroup ? ([Group.Audio] as const) : groups) {
			const rung = this.paths.get(g);
			const group = groupName(g);
			if (rung) out.push({ key: "path", values: { group, rung } });
			else if (g !== Group.Content && state === "in") out.push({ key: "no_path", values: { group } });
		}
		return out;
	}

	end(): void {
		if (this.done) return;
		this.done = true;
		clearTimeout(this.wake);
		clearTimeout(this.reporting);
		this.hands.close();
	}
}
