// What the connection process calls transports, as a page has them: groups of a peer connection. A page
// cannot open one alone; all of one set of credentials become one connection, and a rung is an address that
// its group is given. The offer is made from the slot table that the router is expected to make.
//
// TLS 443 is a TURN server, and a peer connection gathers relays when it is made or never. One that was made
// without, and has had no answer at all by then, is made again with the same credentials: nothing is lost.

import { usualRank } from "../join/long.ts";
import { type Phrase, say, told } from "../join/words.ts";
import { type Candidate, type Credentials, Group, Rung, type Slot } from "../proto/messages.gen.ts";
import { candidateLines, iceServers, type Relay, relayServer } from "./addresses.ts";
import { Peer } from "./peer.ts";
import { sameTable } from "./table.ts";

export type StartTransport = {
	attempt: number;
	group: Group;
	rung: Rung;
	candidates: readonly Candidate[];
	credentials: Credentials;
	fingerprint: string;
	/** The way through a tunnel. */
	relay?: Relay | undefined;
};

export type LaneEvents = {
	/** Port is the router's, 0 where the browser does not say. */
	up(attempt: number, port: number): void;
	failed(attempt: number, why: Phrase): void;
	/** Checks on its rung have been answered for a while, and no keys come. */
	answers(attempt: number): void;
	lost(attempt: number, why: Phrase): void;
	/** What is in use carries nothing, or something again. */
	silent(attempt: number, silent: boolean): void;
	/** What is in use goes over another rung or port. */
	moved(attempt: number, rung: Rung, port: number): void;
	/** A group's media goes over this peer from now on, or over none. */
	use(group: Group, peer: Peer | undefined, rung: Rung | undefined): void;
	/** A new peer is open: the groups it gives transport-wide feedback for. */
	answered(twcc: Group[], peer: Peer): void;
};

/** How often, and every how many milliseconds, a browser is asked which way a transport goes. */
const askMost = 5;
const askAgain = 40;
/** Statistics are kept for 50 ms by a browser, and what moved then is not in them. */
const statsKept = 100;
/** A path that has answered is given this long, ms, to get its keys before a worse one is tried. */
const keysWithin = 600;

/**
 * A rung whose path answers and gives no keys is left out for this long, ms: some firewalls let checks through and nothing
 * else, and a browser prefers what answers.
 */
const keylessFor = 15_000;
/** Such a path has been answered for this long, ms: keys take two round trips, and more where a packet gets lost. */
const keylessAfter = 2000;

type Attempt = StartTransport & { peer?: Peer; isUp: boolean; waited?: boolean; port?: number };
type InUse = { attempt: number; peer: Peer; rung: Rung; port: number };

export class Lanes {
	private readonly certificate: RTCCertificate;
	private readonly oneGroup: boolean;
	private readonly on: LaneEvents;
	private slots: readonly Slot[];
	private barred = false;
	/** The router has let this person in: it sends on every transport. */
	private live = false;
	/** Something that answered, or was up, came to nothing: answers are not trusted any more. */
	private doubt = false;
	/** Until when a rung is left out, by performance.now(). */
	private readonly keyless = new Map<Rung, number>();
	private flushing = false;
	/** Credentials that came together, with the addresses of the router they are for; the newest last. */
	private sets: { groups: readonly Credentials[]; addresses: readonly Candidate[] }[] = [];
	private readonly attempts = new Map<number, Attempt>();
	private readonly peers = new Set<Peer>();
	private readonly inUse = new Map<Group, InUse>();
	/** Made ahead of any attempt. */
	private prepared: Peer | undefined;
	/** Feedback of the newest peer, once it is known. */
	twcc: Group[] | undefined;

	/** The table is what the router is expected to make. */
	constructor(certificate: RTCCertificate, oneGroup: boolean, table: readonly Slot[], on: LaneEvents) {
		this.certificate = certificate;
		this.oneGroup = oneGroup;
		this.slots = table;
		this.on = on;
	}

	/** Credentials that came together, from a grant or a welcome, and the router's addresses. */
	know(set: readonly Credentials[], addresses: readonly Candidate[]): void {
		if (set.length === 0) return;
		const same = this.sets.at(-1)?.addresses ?? [];
		this.sets = [...this.sets.slice(-7), { groups: set, addresses: addresses.length > 0 ? addresses : same }];
	}

	/** All addresses of the router that a set is for. */
	private addresses(groups: readonly Credentials[]): readonly Candidate[] {
		return this.sets.find(s => s.groups === groups)?.addresses ?? [];
	}

	/** Another control channel is opened. */
	hold(): void {
		this.barred = false;
		this.setLive(false);
	}

	private setLive(live: boolean): void {
		this.live = live;
		for (const p of this.peers) p.live = live;
	}

	/**
	 * The waiting room. What is up stays, for the moment the door opens. Attempts that merely aged meanwhile would
	 * give up just then, so they end at once, and the welcome starts fresh ones.
	 */
	bar(): void {
		this.barred = true;
		this.giveUp(
			[...this.attempts.values()].filter(a => !a.isUp),
			say("waiting"),
		);
	}

	private giveUp(all: readonly Attempt[], why: Phrase): void {
		for (const a of all) {
			this.attempts.delete(a.attempt);
			this.drop(a);
			if (a.isUp) this.on.lost(a.attempt, why);
			else this.on.failed(a.attempt, why);
		}
		this.sweep();
	}

	/** The slot table of a welcome. What was made for another one is made anew. */
	welcome(slots: readonly Slot[]): void {
		this.barred = false;
		const same = sameTable(slots, this.slots);
		this.setLive(true);
		if (same) return;
		this.slots = slots;
		this.prepared = undefined;
		// When what follows from the welcome has been told, there are fresh credentials.
		const made = [...this.attempts.values()].filter(a => a.peer);
		queueMicrotask(() =>
			this.giveUp(
				made.filter(a => this.attempts.has(a.attempt)),
				say("other_table"),
			),
		);
	}

	/** Tries UDP with the first set of credentials that may be wanted: a peer connection for each would cost too much. */
	prepare(set: readonly Credentials[], fingerprint: string): void {
		if (this.peers.size > 0) return;
		const peer = this.open(set, fingerprint);
		this.prepared = peer;
		const udp = this.addresses(set).filter(c => c.rung === Rung.UDP8801 && !this.leftOut(c.rung));
		for (const group of [Group.Audio, Group.Video]) peer.addCandidates(group, candidateLines(udp, []));
	}

	/** What was prepared is nobody's any more, but for those who start just now. */
	unprepare(): void {
		this.prepared = undefined;
		queueMicrotask(() => this.sweep());
	}

	start(a: StartTransport): void {
		this.attempts.set(a.attempt, { ...a, isUp: false });
		// All that start together are looked at together.
		if (this.flushing) return;
		this.flushing = true;
		queueMicrotask(() => {
			this.flushing = false;
			for (const a of [...this.attempts.values()]) {
				if (a.peer || a.waited || !this.attempts.has(a.attempt)) continue;
				if (this.barred) this.giveUp([a], say("waiting"));
				else this.place(a);
			}
		});
	}

	private place(a: Attempt): void {
		const { ufrag } = a.credentials;
		const fits = (set: readonly Credentials[]) => set.some(c => c.ufrag === ufrag && c.group === a.group);
		const set = this.sets.findLast(s => fits(s.groups))?.groups ?? [a.credentials];
		const near = [...this.peers].filter(p => p.table.slots === this.slots && fits(p.table.groups));
		// A tunnel is another way for the same keys: whatever is not up by then gives way to it, and does not come back.
		let peer = near.find(p => p.tunnel === a.relay?.tunnel) ?? near[0];
		// What has answered needs but its keys; where those do not come, answers mean nothing.
		const soon = peer && !this.doubt && this.betterThan(a.rung, peer);
		const again =
			a.rung === Rung.TLS443 && peer !== undefined && (a.relay ? peer.tunnel !== a.relay.tunnel : !peer.relays);
		if (soon && (again || !a.waited)) {
			a.waited = true;
			setTimeout(() => {
				if (peer) this.tellKeyless(peer);
				if (this.attempts.get(a.attempt) === a && !a.peer && !this.barred) this.place(a);
			}, keysWithin);
			return;
		}
		if (again && peer?.up.size !== 0) {
			if (a.relay) peer = undefined; // beside what is up, for the groups that are not
		} else if (again && peer) {
			const old = peer;
			peer = this.open(set, a.fingerprint, a.relay);
			for (const x of this.attempts.values()) if (x.peer === old) this.join(x, peer);
			this.peers.delete(old);
			old.close();
		}
		this.join(a, peer ?? this.open(set, a.fingerprint, a.relay));
	}

	/** Tells of the attempts whose checks are answered, and for which no keys come. */
	private tellKeyless(peer: Peer): void {
		for (const a of [...this.attempts.values()])
			if (a.peer === peer && !a.isUp && peer.keyless(a.group, 0) === a.rung) this.on.answers(a.attempt);
	}

	/** Whether something better than a rung has answered a peer. */
	private betterThan(rung: Rung, peer: Peer): boolean {
		const used = [...this.inUse.values()].filter(u => u.peer === peer);
		return used.length > 0
			? used.some(u => usualRank(u.rung) < usualRank(rung))
			: rung !== Rung.UDP8801 && peer.answers;
	}

	private join(a: Attempt, peer: Peer): void {
		a.peer = peer;
		if (a.relay) peer.addCandidates(a.group, candidateLines([{ rung: Rung.UDP8801, addr: a.relay.peer }], []));
		else if (peer.tunnel === undefined && !this.leftOut(a.rung))
			peer.addCandidates(a.group, candidateLines(a.candidates, this.addresses(peer.table.groups)));
		if (peer.up.has(a.group)) void this.settle(peer, a.group); // it may be there already
	}

	private leftOut(rung: Rung): boolean {
		return (this.keyless.get(rung) ?? 0) > performance.now();
	}

	private open(groups: readonly Credentials[], fingerprint: string, relay?: Relay): Peer {
		const table = { slots: this.slots, groups, fingerprint, oneGroup: this.oneGroup };
		const fresh = [...this.attempts.values()].filter(a => !a.peer);
		const now = fresh.some(a => a.rung === Rung.TLS443);
		const worse = (a: Attempt) => usualRank(a.rung) >= usualRank(this.inUse.get(a.group)?.rung ?? Rung.UDP8801);
		if (this.inUse.size > 0 && fresh.some(worse)) this.doubt = true; // it is made because what is in use fails
		const direct = now || this.doubt ? iceServers(this.addresses(groups), groups) : [];
		const peer: Peer = new Peer(table, this.certificate, relay ? [relayServer(relay)] : direct, relay?.tunnel, {
			up: group => void this.settle(peer, group),
			down: (group, why) => this.peerDown(peer, group, why),
			moved: group => {
				void this.settle(peer, group);
				setTimeout(() => void this.settle(peer, group), statsKept);
			},
			silent: (group, silent) => {
				const used = this.inUse.get(group);
				if (used?.peer === peer) this.on.silent(used.attempt, silent);
			},
		});
		peer.live = this.live;
		this.peers.add(peer);
		peer.open().then(
			async twcc => {
				if (!this.peers.has(peer)) return;
				this.twcc = twcc;
				this.on.answered(twcc, peer);
				await peer.setDefaults();
			},
			(err: unknown) => {
				const why = told(err instanceof Error ? err.message : "", say("refused"));
				this.giveUp(
					[...this.attempts.values()].filter(a => a.peer === peer),
					why,
				);
			},
		);
		return peer;
	}

	/** Looks over which rung a transport that is up goes: the attempt on that rung is up, or media has moved. */
	private async settle(peer: Peer, group: Group, asked = 0): Promise<void> {
		const known = await peer.way(group);
		if (!peer.up.has(group)) return;
		if (!known && asked < askMost) {
			setTimeout(() => void this.settle(peer, group, asked + 1), askAgain); // statistics are a little behind
			return;
		}
		const here = [...this.attempts.values()].filter(a => a.peer === peer && a.group === group);
		const rung = known?.rung ?? here[0]?.rung;
		const port = known?.port ?? 0;
		const used = this.inUse.get(group);
		if (!rung || (used?.peer === peer && used.rung === rung && (port === 0 || used.port === port))) return;
		const fresh = here.find(a => a.rung === rung && !a.isUp);
		if (fresh) {
			fresh.isUp = true;
			fresh.port = port;
			this.on.up(fresh.attempt, port);
		} else if (used?.peer === peer) {
			used.rung = rung;
			used.port = port;
			this.on.use(group, peer, rung);
			this.on.moved(used.attempt, rung, port);
		}
	}

	private peerDown(peer: Peer, group: Group, why: Phrase): void {
		const gone = [...this.attempts.values()].filter(a => a.peer === peer && a.group === group);
		if (gone.some(a => a.isUp)) this.doubt = true;
		this.giveUp(gone, why);
	}

	/** A group's media moves to an attempt that is up. */
	use(attempt: number): void {
		const a = this.attempts.get(attempt);
		if (!a?.peer) return;
		this.inUse.set(a.group, { attempt, peer: a.peer, rung: a.rung, port: a.port ?? 0 });
		this.on.use(a.group, a.peer, a.rung);
	}

	close(attempt: number): void {
		const a = this.attempts.get(attempt);
		if (!a) return;
		this.attempts.delete(attempt);
		if (!a.isUp && !this.inUse.has(a.group) && a.peer?.answers) this.doubt = true;
		const mute = a.isUp ? undefined : a.peer?.keyless(a.group, keylessAfter);
		// Where others have their keys it is crowded, and no more than that.
		const crowded = [...this.inUse.values()].some(u => u.rung === mute);
		if (mute && !crowded) this.keyless.set(mute, performance.now() + keylessFor);
		this.drop(a);
		this.sweep();
	}

	/** Nothing carries the group any more, if this attempt did. */
	private drop(a: Attempt): void {
		if (this.inUse.get(a.group)?.attempt !== a.attempt) return;
		this.inUse.delete(a.group);
		this.on.use(a.group, undefined, undefined);
	}

	/** Closes peers that no attempt needs. */
	private sweep(): void {
		for (const peer of [...this.peers]) {
			if (peer === this.prepared || [...this.attempts.values()].some(a => a.peer === peer)) continue;
			this.peers.delete(peer);
			peer.close();
		}
	}

	/** The peers that carry something, each once. */
	active(): Peer[] {
		return [...new Set([...this.inUse.values()].map(u => u.peer))];
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
	}
}
