// What the router puts into which slot, and when it may be shown. A slot's stream goes on through a
// change of source; a source is live once a picture of its own has been decoded: its CSRC is in the
// slot and the time stamp is not before the one the router announced.
import { groupOf, isAudio } from "../proto/ids.ts";
import type { Kind, Mapping, Slot, SourceID } from "../proto/messages.gen.ts";
import type { Peer } from "./peer.ts";

export type SlotEvents = {
	shown(source: SourceID, slot: number, kind: Kind, stream: MediaStream, live: boolean): void;
	hidden(source: SourceID): void;
};

type Seat = {
	slot: Slot;
	stream: MediaStream;
	source: SourceID; // 0: nothing
	time: number | undefined;
	live: boolean;
	since: number; // of the mapping, performance.now()
	stale: boolean; // not confirmed since the control channel was opened anew
	audio: HTMLAudioElement | undefined;
};

/** How often pending slots are looked at. */
const pollEvery = 30;
/** A decoded picture reaches the screen within this. */
const settle = 50;
/** Without the announced time stamp, the CSRC alone is believed after this. */
const trustAfter = 1000;
/** After a resume, slots that are not confirmed within this are empty. */
const confirmWithin = 1500;

export class Slots {
	private readonly events: SlotEvents;
	private seats = new Map<number, Seat>();
	private peers: (Peer | undefined)[] = [undefined, undefined, undefined];
	private sink = "";
	private timer: ReturnType<typeof setInterval> | undefined;
	private readonly ready = new Map<Seat, number>();
	private muffled = new Set<HTMLAudioElement>();

	constructor(events: SlotEvents) {
		this.events = events;
	}

	/** Takes the table of a welcome. The same table keeps what the slots show. */
	table(slots: readonly Slot[]): void {
		const same =
			slots.length === this.seats.size &&
			slots.every(s => {
				const old = this.seats.get(s.id)?.slot;
				return old?.ssrc === s.ssrc && old.mid === s.mid && old.kind === s.kind;
			});
		if (same) {
			for (const s of this.seats.values()) s.stale = true;
			setTimeout(() => this.dropStale(), confirmWithin);
			return;
		}
		this.clear();
		for (const slot of slots) {
			this.seats.set(slot.id, {
				slot,
				stream: new MediaStream(),
				source: 0,
				time: undefined,
				live: false,
				since: 0,
				stale: false,
				audio: undefined,
			});
		}
		this.attachAll();
	}

	private dropStale(): void {
		for (const seat of this.seats.values()) {
			if (seat.stale && seat.source !== 0) this.empty(seat);
			seat.stale = false;
		}
	}

	/** A group's media comes through this peer from now on. */
	use(group: number, peer: Peer | undefined): void {
		if (this.peers[group] === peer) return;
		this.peers[group] = peer;
		this.attachAll();
	}

	private attachAll(): void {
		for (const seat of this.seats.values()) {
			const track = this.peers[groupOf(seat.slot.kind)]?.track(seat.slot);
			const old = seat.stream.getTracks()[0];
			if (!track || old === track) continue;
			// A stream that changes its track keeps elements playing; a new stream would make them blink.
			if (old) seat.stream.removeTrack(old);
			seat.stream.addTrack(track);
			if (seat.source !== 0) this.pending(seat);
		}
	}

	/** What the router announced. */
	map(changes: readonly Mapping[]): void {
		for (const c of changes) {
			const seat = this.seats.get(c.slot);
			if (!seat) continue;
			seat.stale = false;
			if (c.source === seat.source) {
				if (c.source !== 0 && c.time !== undefined) seat.time = c.time;
				continue;
			}
			if (seat.source !== 0) this.empty(seat);
			if (c.source === 0) continue;
			seat.source = c.source;
			seat.time = c.time;
			seat.since = performance.now();
			if (isAudio(seat.slot.kind)) this.play(seat);
			this.tell(seat, isAudio(seat.slot.kind));
			if (!isAudio(seat.slot.kind)) this.pending(seat);
		}
	}

	private empty(seat: Seat): void {
		const old = seat.source;
		seat.source = 0;
		seat.time = undefined;
		seat.live = false;
		this.ready.delete(seat);
		// The same source may be in another slot by now: it is hidden only where nobody else has it.
		for (const other of this.seats.values()) if (other.source === old) return;
		this.events.hidden(old);
	}

	private tell(seat: Seat, live: boolean): void {
		seat.live = live;
		this.events.shown(seat.source, seat.slot.id, seat.slot.kind, seat.stream, live);
	}

	private pending(seat: Seat): void {
		if (isAudio(seat.slot.kind)) return;
		this.ready.set(seat, 0);
		this.timer ??= setInterval(() => this.poll(), pollEvery);
	}

	/** Looks whether the pictures of the new sources have come. */
	private poll(): void {
		const now = performance.now();
		for (const [seat, since] of this.ready) {
			if (since > 0) {
				if (now - since < settle) continue;
				this.ready.delete(seat);
				if (!seat.live) this.tell(seat, true);
			} else if (this.arrived(seat, now)) {
				this.ready.set(seat, now);
			}
		}
		if (this.ready.size === 0) {
			clearInterval(this.timer);
			this.timer = undefined;
		}
	}

	private arrived(seat: Seat, now: number): boolean {
		const receiver = this.peers[groupOf(seat.slot.kind)]?.receiver(seat.slot);
		const sources = receiver?.getContributingSources?.() ?? [];
		let newest: RTCRtpContributingSource | undefined;
		for (const s of sources) if (!newest || s.timestamp >= newest.timestamp) newest = s;
		if (newest?.source !== seat.source) return false;
		if (seat.time === undefined) return now - seat.since > trustAfter;
		return ((newest.rtpTimestamp - seat.time) | 0) >= 0;
	}

	/** Sound is played here, so that it survives whatever the screen does. */
	private play(seat: Seat): void {
		if (!seat.audio) {
			const audio = new Audio();
			audio.autoplay = true;
			audio.srcObject = seat.stream;
			seat.audio = audio;
			if (this.sink) void setSink(audio, this.sink);
		}
		const audio = seat.audio;
		audio.play().catch(() => this.muffle(audio));
	}

	/** The browser wants a gesture of the person first. */
	private muffle(audio: HTMLAudioElement): void {
		if (this.muffled.size === 0) {
			const retry = () => {
				removeEventListener("pointerdown", retry, true);
				removeEventListener("keydown", retry, true);
				const all = [...this.muffled];
				this.muffled.clear();
				for (const a of all) a.play().catch(() => this.muffle(a));
			};
			addEventListener("pointerdown", retry, true);
			addEventListener("keydown", retry, true);
		}
		this.muffled.add(audio);
	}

	/** Where sound is played. */
	output(device: string): void {
		this.sink = device;
		for (const seat of this.seats.values()) if (seat.audio) void setSink(seat.audio, device);
	}

	/** Slots in use with their receivers, for measurements. */
	*inUse(): Iterable<{ slot: Slot; source: SourceID; receiver: RTCRtpReceiver | undefined }> {
		for (const seat of this.seats.values()) {
			if (seat.source === 0) continue;
			const receiver = this.peers[groupOf(seat.slot.kind)]?.receiver(seat.slot);
			yield { slot: seat.slot, source: seat.source, receiver };
		}
	}

	/** The slot of an SSRC. */
	bySSRC(ssrc: number): { slot: Slot; source: SourceID } | undefined {
		for (const seat of this.seats.values()) if (seat.slot.ssrc === ssrc) return seat;
		return undefined;
	}

	clear(): void {
		for (const seat of this.seats.values()) {
			if (seat.source !== 0) this.empty(seat);
			if (seat.audio) {
				seat.audio.pause();
				seat.audio.srcObject = null;
				this.muffled.delete(seat.audio);
			}
		}
		this.seats.clear();
		this.ready.clear();
		clearInterval(this.timer);
		this.timer = undefined;
	}
}

async function setSink(audio: HTMLAudioElement, device: string): Promise<void> {
	if (!("setSinkId" in audio)) return;
	try {
		await audio.setSinkId(device);
	} catch {
		// The device is gone: sound stays where it was.
	}
}
