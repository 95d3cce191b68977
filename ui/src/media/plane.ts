// The media plane of one call: what is sent over which transport, and what arrives in which slot.

import type { Phrase } from "../join/words.ts";
import { groupName } from "../proto/ids.ts";
import {
	type Candidate,
	type Credentials,
	Group,
	Kind,
	type Mapping,
	RIDs,
	type Rung,
	type Slot,
} from "../proto/messages.gen.ts";
import { Lanes, type StartTransport } from "./lanes.ts";
import type { OwnMid, Peer } from "./peer.ts";
import { type SlotEvents, Slots } from "./slots.ts";
import { Measure, type Measured } from "./stats.ts";

export type PlaneEvents = SlotEvents & {
	up(attempt: number, port: number): void;
	failed(attempt: number, why: Phrase): void;
	answers(attempt: number): void;
	lost(attempt: number, why: Phrase): void;
	silent(attempt: number, silent: boolean): void;
	moved(attempt: number, rung: Rung, port: number): void;
	path(group: "audio" | "video" | "content", rung: Rung | undefined, tunnelled: boolean): void;
	answered(twcc: Group[]): void;
};

const midsOf: Record<Group, readonly OwnMid[]> = { 0: ["ua"], 1: ["uv"], 2: ["uc", "uca"] };

export class Plane {
	private readonly on: PlaneEvents;
	private readonly oneGroup: boolean;
	private readonly lanes: Lanes;
	private readonly slots: Slots;
	private readonly measure = new Measure();
	private readonly tracks = new Map<OwnMid, MediaStreamTrack>();
	private readonly inUse = new Map<Group, Peer>();
	private readonly rungs = new Map<Group, Rung>();
	/** Nothing carries sound yet, and this peer will send it as soon as it can. */
	private ahead: Peer | undefined;
	private layers: readonly string[] = RIDs;
	private contentWanted = true;
	private muzzled: boolean;

	/** The table is what the router is expected to make. Muzzled, nothing is sent until speak(). */
	constructor(
		certificate: RTCCertificate,
		oneGroup: boolean,
		table: readonly Slot[],
		muzzled: boolean,
		on: PlaneEvents,
	) {
		this.on = on;
		this.oneGroup = oneGroup;
		this.muzzled = muzzled;
		this.slots = new Slots(on);
		this.lanes = new Lanes(certificate, oneGroup, table, {
			up: (a, port) => on.up(a, port),
			failed: (a, why) => on.failed(a, why),
			answers: a => on.answers(a),
			lost: (a, why) => on.lost(a, why),
			silent: (a, silent) => on.silent(a, silent),
			moved: (a, rung, port) => on.moved(a, rung, port),
			answered: (twcc, peer) => {
				this.lead(peer);
				on.answered(twcc);
			},
			use: (group, peer, rung) => this.use(group, peer, rung),
		});
	}

	know(set: readonly Credentials[], addresses: readonly Candidate[]): void {
		this.lanes.know(set, addresses);
	}

	/** The groups the newest peer connection gives feedback for, once that is known. */
	get twcc(): Group[] | undefined {
		return this.lanes.twcc;
	}

	/** The person has decided to join. */
	speak(): void {
		this.muzzled = false;
		for (const mid of ["ua", "uv", "uc", "uca"] as const) void this.put(mid);
	}

	hold(): void {
		this.lanes.hold();
	}

	/** The waiting room: nothing is sent. */
	bar(): void {
		this.muzzled = true;
		for (const [group, peer] of this.inUse) for (const mid of midsOf[group]) void peer.send(mid, null);
		this.lead(undefined);
		this.lanes.bar();
	}

	welcome(slots: readonly Slot[]): void {
		this.slots.table(slots);
		this.lanes.welcome(slots);
		this.speak();
	}

	/** Sets transports up ahead that may be wanted soon. */
	prepare(set: readonly Credentials[], fingerprint: string): void {
		this.lanes.prepare(set, fingerprint);
	}

	/** What was prepared and is not wanted goes. */
	unprepare(): void {
		this.lanes.unprepare();
	}

	start(a: StartTransport & { candidates: readonly Candidate[] }): void {
		this.lanes.start(a);
	}

	/** A group's media moves to this attempt. */
	take(attempt: number): void {
		this.lanes.use(attempt);
	}

	close(attempt: number): void {
		this.lanes.close(attempt);
	}

	/**
	 * The first sound need not wait until a page has been told that the transport is up, and over which rung. One peer
	 * alone: a router that heard the same source from two would not know which to believe.
	 */
	private lead(peer: Peer | undefined): void {
		if (this.inUse.has(Group.Audio) || this.ahead === peer) return;
		void this.ahead?.send("ua", null);
		this.ahead = this.muzzled ? undefined : peer;
		void this.ahead?.send("ua", this.tracks.get("ua") ?? null);
	}

	private use(group: Group, peer: Peer | undefined, rung: Rung | undefined): void {
		if (group === Group.Audio && peer) {
			if (this.ahead !== peer) this.lead(undefined);
			this.ahead = undefined;
		}
		const moved: Group[] = this.oneGroup ? [Group.Audio, Group.Video, Group.Content] : [group];
		for (const g of moved) {
			const old = this.inUse.get(g);
			if (peer) this.inUse.set(g, peer);
			else this.inUse.delete(g);
			if (rung) this.rungs.set(g, rung);
			else this.rungs.delete(g);
			this.slots.use(g, peer);
			for (const mid of midsOf[g]) {
				if (old && old !== peer) void old.send(mid, null);
				void this.put(mid);
			}
			this.on.path(groupName(g), rung, peer?.tunnel !== undefined);
		}
	}

	/** Puts what is to be sent onto its m-line. */
	private async put(mid: OwnMid): Promise<void> {
		const group = mid === "ua" ? Group.Audio : mid === "uv" ? Group.Video : Group.Content;
		const peer = this.inUse.get(group);
		if (!peer || this.muzzled) return;
		const track = this.tracks.get(mid) ?? null;
		if (track && mid === "uv") await peer.setLayers(this.layers, track.getSettings().height ?? 0);
		await peer.send(mid, track);
	}

	/** Sends the tracks of a stream as a kind, or stops sending it. */
	publish(kind: "audio" | "video" | "content", stream: MediaStream | undefined): void {
		const set = (mid: OwnMid, track: MediaStreamTrack | undefined) => {
			if (track) this.tracks.set(mid, track);
			else this.tracks.delete(mid);
			if (mid === "ua") void this.ahead?.send(mid, track ?? null);
			void this.put(mid);
		};
		switch (kind) {
			case "audio":
				set("ua", stream?.getAudioTracks()[0]);
				return;
			case "video":
				// All that is announced, until the router says what is watched; another camera goes on like the first.
				if (!this.tracks.has("uv")) this.layers = RIDs;
				set("uv", stream?.getVideoTracks()[0]);
				return;
			case "content":
				if (!this.tracks.has("uc") && !this.contentWanted) this.want(Kind.Content, [""]);
				set("uc", stream?.getVideoTracks()[0]);
				set("uca", stream?.getAudioTracks()[0]);
				return;
		}
	}

	/** Which layers of a source anybody watches. */
	want(kind: Kind, rids: readonly string[]): void {
		if (kind === Kind.Video) {
			this.layers = rids;
			void this.put("uv");
		} else if (kind === Kind.Content && this.contentWanted !== rids.length > 0) {
			this.contentWanted = rids.length > 0;
			void this.inUse.get(Group.Content)?.setActive("uc", this.contentWanted);
		}
	}

	map(changes: readonly Mapping[]): void {
		this.slots.map(changes);
	}

	output(device: string): void {
		this.slots.output(device);
	}

	get silence(): number {
		return this.lanes.silence;
	}

	stats(): Promise<Measured> {
		return this.measure.take(this.lanes.active(), kind =>
			this.rungs.get(kind === Kind.Audio ? Group.Audio : kind === Kind.Video ? Group.Video : Group.Content),
		);
	}

	/** The connections in use, for tests and the console. */
	peers(): Peer[] {
		return this.lanes.active();
	}

	end(): void {
		this.lanes.end();
		this.slots.clear();
		this.tracks.clear();
	}
}
