// The slot table a router will make for a seed (PROTOCOL.md §4.5), so that the offer need not wait for its
// welcome.
import { Kind, type Slot } from "../proto/messages.gen.ts";

/** Floating audio and content slots of a router's defaults. */
const floating = 3;
const shares = 2;

/** The table for a seed, twin of core/meeting's SlotTable. */
export function slotTable(seed: number, video: number, float = floating, content = shares): Slot[] {
	const table: Slot[] = [];
	let s = seed;
	const ssrc = (): number => {
		for (;;) {
			s = (s + 0x9e3779b9) >>> 0;
			let z = s;
			z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
			z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
			z = (z ^ (z >>> 16)) >>> 0;
			if (z !== 0) return z;
		}
	};
	const add = (count: number, mid: string, kind: Kind, msid: string) => {
		for (let i = 0; i < count; i++) {
			const slot: Slot = { id: table.length, mid: `${mid}${i}`, kind, ssrc: ssrc(), msid: `${msid}${i}` };
			if (kind === Kind.Video || kind === Kind.Content) slot.rtx = ssrc();
			table.push(slot);
		}
	};
	add(video, "a", Kind.Audio, "s");
	add(float, "f", Kind.Audio, "f");
	add(video, "v", Kind.Video, "s");
	add(content, "c", Kind.Content, "c");
	add(Math.min(content, 1), "ca", Kind.ContentAudio, "c");
	return table;
}

/** Whether two tables make the same offer. */
export function sameTable(a: readonly Slot[], b: readonly Slot[]): boolean {
	return (
		a.length === b.length &&
		a.every((s, i) => {
			const o = b[i];
			const same = o?.id === s.id && o.mid === s.mid && o.kind === s.kind && o.ssrc === s.ssrc && o.msid === s.msid;
			return same && (o.rtx ?? 0) === (s.rtx ?? 0);
		})
	);
}

/** A seed nobody else has: never 0, which leaves the choice to the router. */
export function newSeed(): number {
	return crypto.getRandomValues(new Uint32Array(1))[0] || 1;
}
