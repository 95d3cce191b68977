// One peer connection: the transports that one set of credentials makes, all slots, and what is sent.

import { type Phrase, say } from "../join/words.ts";
import { type Group, Rung, type Slot } from "../proto/messages.gen.ts";
import { bitsFor, cameraLayers } from "./layers.ts";
import { acceptedTWCC, buildOffer, groupMids, type OfferTable } from "./sdp.ts";

export type OwnMid = "ua" | "uv" | "uc" | "uca";

export type PeerEvents = {
	/** A group's transport has its keys. */
	up(group: Group): void;
	/** A group's transport is gone, or could not be made. */
	down(group: Group, why: Phrase): void;
	/** A group's packets go another way now. */
	moved(group: Group): void;
	/** A group's transport carries nothing, though the router sends, or something again. */
	silent(group: Group, silent: boolean): void;
};

const contentBps = 3_000_000;

/**
 * A transport that receives nothing for this long carries nothing. The router reports every 500 ms: where no more than
 * that was coming, several reports may be lost. Where media was, a page is quicker than a native client, for a fresh
 * connection takes it longer.
 */
const silentFor = 3000;
const mediaSilentFor = 2000;
/** Bytes a second that are more than reports. */
const mediaRate = 1500;
/** How often a transport is looked at, and one that has received nothing since the last look. */
const lookEvery = 600;
const lookAgain = 150;

/** What was last received on a transport, and since when. */
/** A rung, and the router's port; 0 where the browser does not say. */
export type Way = { rung: Rung; port: number };

type Heard = { bytes: number; at: number; first: number; silent: boolean; media: boolean };

export class Peer {
	readonly table: OfferTable;
	/** It has TURN servers: rung TLS 443 is within reach. */
	readonly relays: boolean;
	/** Base URL of the tunnel that it goes through, and no other way. */
	readonly tunnel: string | undefined;
	/** The router sends on every transport that is up, not only on those it was heard on. */
	live = false;
	readonly pc: RTCPeerConnection;
	/** Groups whose keys stand. */
	readonly up = new Set<Group>();
	private readonly events: PeerEvents;
	private readonly transceivers = new Map<string, RTCRtpTransceiver>();
	private readonly watched = new Map<RTCDtlsTransport, Group[]>();
	private readonly heard = new Map<Group, Heard>();
	/** Since when each transport's checks are answered, by performance.now(). */
	private readonly answeredAt = new Map<RTCDtlsTransport, number>();
	private readonly waiting: { group: Group; line: string }[] = [];
	/** What was asked of each sender last: it takes a moment. */
	private readonly sending = new Map<OwnMid, MediaStreamTrack | null>();
	private readonly tuning = new Map<OwnMid, Promise<void>>();
	private answered = false;
	/** The browser says when a transport takes another way. */
	private tells = false;
	private closed = false;
	private timer: ReturnType<typeof setTimeout> | undefined;

	constructor(
		table: OfferTable,
		certificate: RTCCertificate,
		iceServers: RTCIceServer[],
		tunnel: string | undefined,
		events: PeerEvents,
	) {
		this.table = table;
		this.tunnel = tunnel;
		this.relays = iceServers.length > 0;
		this.events = events;
		// max-bundle would refuse an offer of several groups.
		this.pc = new RTCPeerConnection({
			bundlePolicy: "balanced",
			certificates: [certificate],
			iceServers,
			iceTransportPolicy: tunnel === undefined ? "all" : "relay",
		});
		this.pc.addEventListener("connectionstatechange", () => {
			if (this.pc.connectionState === "failed") this.look(true);
		});
	}

	/**
	 * Takes the router's offer in; answers with the groups that give transport-wide feedback. A browser is busy for a
	 * tenth of a second with all the slots, so the transports come first: their checks and handshakes run meanwhile.
	 */
	async open(): Promise<Group[]> {
		await this.take([]);
		this.answered = true;
		for (const w of this.waiting.splice(0)) this.add(w.group, w.line);
		const answer = await this.take(this.table.slots);
		this.watch();
		this.timer = setTimeout(() => void this.listen(), lookEvery);
		return acceptedTWCC(answer);
	}

	/** Takes the offer of these slots in, and answers it. */
	private async take(slots: readonly Slot[]): Promise<string> {
		await this.pc.setRemoteDescription({ type: "offer", sdp: buildOffer({ ...this.table, slots }) });
		for (const t of this.pc.getTransceivers()) if (t.mid) this.transceivers.set(t.mid, t);
		for (const mid of ["ua", "uv", "uc", "uca"] as const) {
			const t = this.transceivers.get(mid);
			if (t) t.direction = "sendonly";
		}
		const answer = await this.pc.createAnswer();
		await this.pc.setLocalDescription(answer);
		return answer.sdp ?? "";
	}

	/** Lets a group try addresses. */
	addCandidates(group: Group, lines: readonly string[]): void {
		for (const line of lines) {
			if (this.answered) this.add(group, line);
			else this.waiting.push({ group, line });
		}
	}

	private add(group: Group, candidate: string): void {
		if (this.closed) return;
		const sdpMid = groupMids[this.table.oneGroup ? 0 : group];
		this.pc.addIceCandidate({ candidate, sdpMid }).catch(() => {
			// An address family this machine does not have: the others go on.
		});
	}

	/** Follows the states of the DTLS transports, one per group. */
	private watch(): void {
		const groups: Group[] = this.table.oneGroup ? [0] : [0, 1, 2];
		for (const group of groups) {
			const t = this.transceivers.get(groupMids[group]);
			const transport = t?.sender.transport ?? t?.receiver.transport;
			if (!transport) continue;
			const sharing = this.watched.get(transport);
			if (sharing) {
				sharing.push(group);
				continue;
			}
			this.watched.set(transport, [group]);
			transport.addEventListener("statechange", () => this.look(false));
			transport.iceTransport?.addEventListener?.("statechange", () => this.look(false));
			this.tells = "onselectedcandidatepairchange" in (transport.iceTransport ?? {});
			transport.iceTransport?.addEventListener?.("selectedcandidatepairchange", () => {
				for (const g of this.watched.get(transport) ?? []) if (this.up.has(g)) this.events.moved(g);
			});
		}
		this.look(false);
	}

	private look(failed: boolean): void {
		if (this.closed) return;
		for (const [transport, groups] of this.watched) {
			if (!checked(transport)) this.answeredAt.delete(transport);
			else if (!this.answeredAt.has(transport)) this.answeredAt.set(transport, performance.now());
			const gone = transport.state === "failed" || transport.state === "closed";
			const cut = gone || transport.iceTransport?.state === "failed";
			for (const group of groups) {
				if (transport.state === "connected" && !cut && !this.up.has(group)) {
					this.up.add(group);
					this.heard.set(group, { bytes: -1, at: performance.now(), first: -1, silent: false, media: false });
					this.events.up(group);
				} else if (cut && (this.up.delete(group) || failed)) {
					this.events.down(group, say(gone ? "ended" : "server_silent"));
				}
			}
		}
	}

	/** Counts what arrives on each transport that is up; silence is a loss long before the browser says so. */
	private async listen(): Promise<void> {
		let quiet = false;
		for (const group of [...this.up]) {
			const report = await this.transceivers.get(groupMids[group])?.sender.getStats();
			if (this.closed) return;
			if (!report || !this.up.has(group)) continue;
			let bytes = -1;
			let ago = lookEvery;
			for (const s of report.values()) {
				if (s.type === "transport") bytes = Math.max(bytes, s.bytesReceived ?? -1);
				if (s.type !== "candidate-pair" || s.selected === false) continue;
				if (s.selected) bytes = Math.max(bytes, s.bytesReceived ?? -1);
				if (s.lastPacketReceivedTimestamp > 0) ago = Math.min(ago, s.timestamp - s.lastPacketReceivedTimestamp);
			}
			if (bytes < 0) continue; // this browser does not say
			quiet = !this.note(group, bytes, ago < lookEvery ? Math.max(0, ago) : 0) || quiet;
			if (!this.tells) this.events.moved(group);
		}
		this.timer = setTimeout(() => void this.listen(), quiet ? lookAgain : lookEvery);
	}

	/** Notes what has been received by now, the last of it so long ago. False: nothing since the last look. */
	private note(group: Group, bytes: number, ago: number): boolean {
		const h = this.heard.get(group);
		if (!h) return true;
		const now = performance.now();
		if (bytes !== h.bytes) {
			if (h.first < 0) h.first = bytes;
			else h.media = ((bytes - h.bytes) * 1000) / (now - h.at + lookAgain) > mediaRate;
			h.bytes = bytes;
			h.at = now - ago;
			if (h.silent) this.events.silent(group, false);
			h.silent = false;
			return true;
		}
		if (!this.live && h.bytes === h.first) {
			h.at = now; // before the router has let this person in it sends nothing
			return true;
		}
		if (!h.silent && now - h.at > (h.media ? mediaSilentFor : silentFor)) {
			h.silent = true;
			this.events.silent(group, true);
		}
		return h.silent;
	}

	/** Whether anything at all has been answered, on any group's transport. */
	get answers(): boolean {
		return [...this.watched.keys()].some(t => t.state === "connected" || checked(t));
	}

	/**
	 * The rung whose checks have been answered for so long, ms, though the group gets no keys; undefined where the browser
	 * does not say.
	 */
	keyless(group: Group, since: number): Rung | undefined {
		for (const [transport, groups] of this.watched) {
			if (!groups.includes(group) || transport.state === "connected" || !checked(transport)) continue;
			const at = this.answeredAt.get(transport);
			if (at === undefined || performance.now() - at < since) continue;
			const pair = transport.iceTransport.getSelectedCandidatePair?.();
			if (!pair) continue;
			if (pair.local?.type === "relay") return Rung.TLS443;
			return pair.remote?.protocol === "tcp" ? Rung.TCP8801 : Rung.UDP8801;
		}
		return undefined;
	}

	/** When something last arrived on any transport, by performance.now(); 0 where nothing is up. */
	get heardAt(): number {
		return Math.max(0, ...[...this.up].map(g => this.heard.get(g)?.at ?? 0));
	}

	/** Sends a track, or nothing, on one of the own m-lines. */
	async send(mid: OwnMid, track: MediaStreamTrack | null): Promise<void> {
		const sender = this.transceivers.get(mid)?.sender;
		if (!sender || this.closed || (this.sending.get(mid) ?? null) === track) return;
		this.sending.set(mid, track);
		try {
			await sender.replaceTrack(track);
		} catch {
			return; // the track ended meanwhile, or the connection did
		}
	}

	/** Says which layers of the camera are wanted, and what each may use. */
	async setLayers(wanted: readonly string[], height: number): Promise<void> {
		await this.tune("uv", (e, i, all) => {
			const layer = cameraLayers.find(l => l.rid === e.rid) ?? cameraLayers[all.length === 1 ? 2 : i];
			if (!layer) return;
			// A small camera needs no third copy of 80 pixels.
			e.active = all.length === 1 ? wanted.length > 0 : wanted.includes(layer.rid);
			e.maxBitrate = Math.min(layer.bps, bitsFor(height / layer.scale));
			e.scaleResolutionDownBy = all.length === 1 ? 1 : layer.scale;
		});
	}

	/**
	 * Tunes what does not change: room for the shared screen, and marks. A page may choose among those of RFC 8837: sound
	 * gets 46, pictures 34, and the screen 36, which is nearest to 26.
	 */
	async setDefaults(): Promise<void> {
		await this.tune("ua", e => {
			e.networkPriority = "high";
			e.priority = "high";
		});
		// One mark for the whole sender: Chromium takes it from the first encoding and refuses it on others.
		await this.tune("uv", (e, i) => {
			if (i === 0) e.networkPriority = "high";
		});
		await this.tune("uc", e => {
			e.maxBitrate = contentBps;
			e.networkPriority = "medium";
		});
		await this.tune("uca", e => {
			e.networkPriority = "medium";
		});
	}

	/** Stops and starts an m-line of one encoding without negotiation. */
	async setActive(mid: OwnMid, active: boolean): Promise<void> {
		await this.tune(mid, e => {
			e.active = active;
		});
	}

	/** Changes the parameters of a sender, one change after the other. */
	private tune(
		mid: OwnMid,
		change: (e: RTCRtpEncodingParameters, i: number, all: RTCRtpEncodingParameters[]) => void,
	): Promise<void> {
		const next = (this.tuning.get(mid) ?? Promise.resolve()).then(async () => {
			const sender = this.transceivers.get(mid)?.sender;
			if (!sender || this.closed) return;
			const p = sender.getParameters();
			p.encodings.forEach(change);
			if (mid === "uc") p.degradationPreference = "maintain-resolution";
			try {
				await sender.setParameters(p);
			} catch {
				// A browser that knows fewer parameters sends with its own.
			}
		});
		this.tuning.set(mid, next);
		return next;
	}

	/** The track that a slot's m-line receives. */
	track(slot: Slot): MediaStreamTrack | undefined {
		return this.transceivers.get(slot.mid)?.receiver.track;
	}

	receiver(slot: Slot): RTCRtpReceiver | undefined {
		return this.transceivers.get(slot.mid)?.receiver;
	}

	sender(mid: OwnMid): RTCRtpSender | undefined {
		return this.transceivers.get(mid)?.sender;
	}

	/** What a group's transport runs over now; undefined where the browser does not say. */
	async way(group: Group): Promise<Way | undefined> {
		if (this.tunnel !== undefined) return { rung: Rung.TLS443, port: 0 };
		const t = this.transceivers.get(groupMids[this.table.oneGroup ? 0 : group]);
		const report = await t?.sender.getStats().catch(() => undefined);
		if (!report) return undefined;
		let pair: { remoteCandidateId?: string; localCandidateId?: string } | undefined;
		for (const s of report.values()) {
			if (s.type === "transport" && s.selectedCandidatePairId) pair = report.get(s.selectedCandidatePairId) ?? pair;
			else if (s.type === "candidate-pair" && s.selected === true) pair ??= s;
		}
		const local = pair?.localCandidateId ? report.get(pair.localCandidateId) : undefined;
		// The router sees another address than the relayed one: the browser then calls its end reflexive.
		if (local?.candidateType === "relay" || local?.relayProtocol) return { rung: Rung.TLS443, port: 0 };
		const remote = pair?.remoteCandidateId ? report.get(pair.remoteCandidateId) : undefined;
		if (!remote) return undefined;
		const port: unknown = remote.port;
		const rung = remote.protocol === "tcp" ? Rung.TCP8801 : Rung.UDP8801;
		return { rung, port: typeof port === "number" ? port : 0 };
	}

	close(): void {
		if (this.closed) return;
		this.closed = true;
		clearTimeout(this.timer);
		this.up.clear();
		this.pc.close();
	}
}

/** Whether a transport's checks are answered. */
function checked(t: RTCDtlsTransport): boolean {
	return t.iceTransport?.state === "connected" || t.iceTransport?.state === "completed";
}
