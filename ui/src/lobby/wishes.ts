// How somebody likes to enter: remembered on this device, to begin the next lobby with.

export type Wishes = { audio: boolean; video: boolean; muted: boolean };

const key = "parley.wishes";

export function readWishes(): Wishes {
	try {
		const kept = JSON.parse(localStorage.getItem(key) ?? "{}") as Partial<Wishes>;
		return { audio: kept.audio !== false, video: kept.video !== false, muted: kept.muted === true };
	} catch {
		return { audio: true, video: true, muted: false };
	}
}

export function keepWishes(w: Wishes): void {
	try {
		localStorage.setItem(key, JSON.stringify(w));
	} catch {
		// Full or forbidden: nothing is remembered, and one joins all the same.
	}
}
