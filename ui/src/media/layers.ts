// The layers a camera is sent in.
import { RIDs } from "../proto/messages.gen.ts";

/** What each layer may use, lowest first; scale divides what the camera gives. */
export const cameraLayers = [
	{ rid: RIDs[0], scale: 4, bps: 180_000 },
	{ rid: RIDs[1], scale: 2, bps: 600_000 },
	{ rid: RIDs[2], scale: 1, bps: 2_200_000 },
] as const;

/** The layers of a camera of this size, as the router is told of them. */
export function layersOf(width: number, height: number): { rid: string; width: number; height: number }[] {
	return cameraLayers.map(({ rid, scale }) => ({
		rid,
		width: Math.floor(width / scale),
		height: Math.floor(height / scale),
	}));
}

/** A bit rate that is plenty for VP8 of this height at 30 frames per second. */
export function bitsFor(height: number): number {
	if (height <= 0) return cameraLayers[2].bps;
	return Math.max(120_000, Math.round((height * height * 4.3) / 1000) * 1000);
}
