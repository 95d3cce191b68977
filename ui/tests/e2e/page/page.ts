// The call without screens, for tests of media: one <video> per source, and the call on window.
import { createCall, type RunningCall } from "../../../src/call/runner.ts";

declare global {
	interface Window {
		call: RunningCall;
		tiles: Map<number, HTMLVideoElement>;
		/** Frames decoded by source. */
		decoded(): Record<number, number>;
	}
}

const query = new URLSearchParams(location.search);
const site = query.get("site");
const call = createCall({
	...(site ? { site } : {}),
	oneGroup: query.get("one") === "1",
});
const tiles = new Map<number, HTMLVideoElement>();
const box = document.getElementById("tiles");

call.store.subscribe(() => {
	const { slots } = call.store.get();
	for (const [source, view] of slots) {
		if (view.kind !== 1 && view.kind !== 2) continue;
		let v = tiles.get(source);
		if (!v) {
			v = document.createElement("video");
			v.autoplay = true;
			v.muted = true;
			v.playsInline = true;
			v.width = 320;
			v.srcObject = view.stream;
			box?.append(v);
			tiles.set(source, v);
		}
		v.style.visibility = view.live ? "visible" : "hidden";
	}
	for (const [source, v] of tiles) {
		if (slots.has(source)) continue;
		v.remove();
		tiles.delete(source);
	}
});

window.call = call;
window.tiles = tiles;
window.decoded = () =>
	Object.fromEntries([...tiles].map(([s, v]) => [s, v.getVideoPlaybackQuality().totalVideoFrames]));
