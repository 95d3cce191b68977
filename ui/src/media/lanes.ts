// What the connection process calls transports, as a page has them: groups of a peer connection. A page
// cannot open one alone; all of one set of credentials become one connection, and a rung is a candidate
// that its group is given. Attempts wait until the slot table is known.
import type { Candidate, Credentials, Group, Rung, Slot } from "../proto/messages.gen.ts";
import { Peer } from "./peer.ts";

export type StartTransport = {
	attempt: number;
	group: Group;
	rung: Rung;
	candidates: readonly Candidate[];
	credentials: Credentials;
	fingerprint: string;
};

export type LaneEvents = {
	up(attempt: number): void;
	failed(attempt: number, text: string): void;
	lost(attempt: number, text: string): void;
	/** A group's media goes over this peer from now on, or over none. */
	use(group: Group, peer: Peer | undefined, rung: Rung | undefined): void;
	/** The groups a new peer gives transport-wide feedback for. */
	answered(twcc: Group[]): void;
};

type Attempt = StartTransport & { peer?: Peer; isUp: boolean };

export class Lanes {
	private readonly certificate: RTCCertificate;
	private readonly oneGroup: boolean;
	private readonly on: LaneEvents;
	private slots: readonly Slot[] | undefined;
	private barred = false;
	private sets: (readonly Credentials[])[] = [];
	private readonly attempts = new Map<number, Attempt>();
	private readonly peers = new Set<Peer>();
	private readonly inUse = new Map<Group, Peer>();

	constructor(certificate: RTCCertificate, oneGroup: boolean, on: LaneEvents) {
		this.certificate = certificate;
		this.oneGroup = oneGroup;
		this.on = on;
	}

	/** Credentials that came together, from a grant or a welcome. */
	know(set: readonly Credentials[]): void {
		if (set.length > 0) this.sets = [...this.sets.slice(-7), set];
	}

	/** Another control channel is opened: attempts wait for its table. */
	hold(): void {
		this.slots = undefined;
		this.barred = false;
	}

	/**
	 * The waiting room: there is no table until a host opens the door. Attempts that merely aged meanwhile would
	 * give up just when it does, so they fail at once, and the welcome starts fresh ones.
	 */
	bar(): void {
		this.barred = true;
		for (const a of [...this.attempts.values()]) if (!a.peer) this.refuse(a.attempt);
	}

	private refuse(attempt: number): void {
		this.attempts.delete(attempt);
		this.on.failed(attempt, "waiting for a host");
	}

	/** The slot table of a welcome. */
	welcome(slots: readonly Slot[]): void {
		this.slots = slots;
		this.barred = false;
		for (const a of this.attempts.values()) if (!a.peer) this.place(a);
	}

	start(a: StartTransport): void {
		const attempt = { ...a, isUp: false };
		this.attempts.set(a.attempt, attempt);
		if (this.slots) this.place(attempt);
		else if (this.barred) this.refuse(a.attempt);
	}

	private place(a: Attempt): void {
		const { ufrag } = a.credentials;
		const fits = (set: readonly Credentials[]) => set.some(c => c.ufrag === ufrag && c.group === a.group);
		let peer = [...this.peers].find(p => fits(p.table.groups));
		if (!peer) {
			const set = this.sets.findLast(fits) ?? [a.credentials];
			peer = this.open(set, a.fingerprint);
		}
		a.peer = peer;
		peer.addCandidates(a.group, a.candidates);
	}

	private open(groups: readonly Credentials[], fingerprint: string): Peer {
		const table = { slots: this.slots ?? [], groups, fingerprint, oneGroup: this.oneGroup };
		const peer: Peer = new Peer(table, this.certificate, {
			up: group => void this.peerUp(peer, group),
			down: (group, text) => this.peerDown(peer, group, text),
		});
		this.peers.add(peer);
		peer.open().then(
			async twcc => {
				this.on.answered(twcc);
				await peer.setDefaults();
			},
			(err: unknown) => {
				const text = err instanceof Error ? err.message : "the browser refused the connection";
				for (const a of [...this.attempts.values()]) {
					if (a.peer !== peer) continue;
					this.attempts.delete(a.attempt);
					this.on.failed(a.attempt, text);
				}
				this.sweep();
			},
		);
		return peer;
	}

	private async peerUp(peer: Peer, group: Group): Promise<void> {
		const rung = await peer.rung(group);
		const here = [...this.attempts.values()].filter(a => a.peer === peer && a.group === group && !a.isUp);
		const a = here.find(x => x.rung === rung) ?? here[0];
		if (!a) return;
		a.isUp = true;
		this.on.up(a.attempt);
	}

	private peerDown(peer: Peer, group: Group, text: string): void {
		for (const a of [...this.attempts.values()]) {
			if (a.peer !== peer || a.group !== group) continue;
			this.attempts.delete(a.attempt);
			this.drop(a);
			if (a.isUp) this.on.lost(a.attempt, text);
			else this.on.failed(a.attempt, text);
		}
		this.sweep();
	}

	/** A group's media moves to an attempt that is up. */
	use(attempt: number): void {
		const a = this.attempts.get(attempt);
		if (!a?.peer) return;
		this.inUse.set(a.group, a.peer);
		this.on.use(a.group, a.peer, a.rung);
	}

	close(attempt: number): void {
		const a = this.attempts.get(attempt);
		if (!a) return;
		this.attempts.delete(attempt);
		this.drop(a);
		this.sweep();
	}

	/** Nothing carries the group any more, if this attempt did. */
	private drop(a: Attempt): void {
		if (!a.isUp || this.inUse.get(a.group) !== a.peer) return;
		this.inUse.delete(a.group);
		this.on.use(a.group, undefined, undefined);
	}

	/** Closes peers that no attempt needs. */
	private sweep(): void {
		for (const peer of [...this.peers]) {
			if ([...this.attempts.values()].some(a => a.peer === peer)) continue;
			this.peers.delete(peer);
			peer.close();
		}
	}

	/** The peers that carry something, each once. */
	active(): Peer[] {
		return [...new Set(this.inUse.values())];
	}

	/** How long nothing has arrived on any transport, ms; 0 where none is up. */
	get silence(): number {
		const at = Math.max(0, ...this.active().map(p => p.heardAt));
		return at === 0 ? 0 : performance.now() - at;
	}

	end(): void {
		this.attempts.clear();
		this.inUse.clear();
		this.sweep();
		this.slots = undefined;
	}
}
