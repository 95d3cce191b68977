// The devices that are open. One of each kind; opening another replaces it without a gap.
import type { MineKind, Problem } from "../call/state.ts";
import { openCamera, openMicrophone, openScreen, problemOf } from "./devices.ts";

export type CaptureEvents = {
	opened(kind: MineKind, stream: MediaStream, size: { width?: number; height?: number }): void;
	failed(kind: MineKind, problem: Problem): void;
	/** It ended by itself: unplugged, or stopped in the browser's own bar. */
	ended(kind: MineKind): void;
};

export class Capture {
	private readonly on: CaptureEvents;
	private readonly streams = new Map<MineKind, MediaStream>();
	private readonly asked = new Map<MineKind, number>();
	private asks = 0;

	constructor(on: CaptureEvents) {
		this.on = on;
	}

	async open(kind: MineKind, device?: string): Promise<void> {
		const ask = ++this.asks;
		this.asked.set(kind, ask);
		try {
			const stream = await (kind === "audio"
				? openMicrophone(device)
				: kind === "video"
					? openCamera(device)
					: openScreen());
			if (this.asked.get(kind) !== ask) {
				stop(stream); // released or asked anew meanwhile
				return;
			}
			const old = this.streams.get(kind);
			this.streams.set(kind, stream);
			if (old) stop(old);
			const main = kind === "audio" ? stream.getAudioTracks()[0] : stream.getVideoTracks()[0];
			main?.addEventListener("ended", () => {
				if (this.streams.get(kind) === stream) this.on.ended(kind);
			});
			const { width, height } = main?.getSettings() ?? {};
			this.on.opened(kind, stream, { ...(width ? { width } : {}), ...(height ? { height } : {}) });
		} catch (err) {
			if (this.asked.get(kind) === ask) this.on.failed(kind, problemOf(err, kind === "content"));
		}
	}

	stream(kind: MineKind): MediaStream | undefined {
		return this.streams.get(kind);
	}

	/** Silence without closing the device, so that speaking again takes no time. */
	mute(muted: boolean): void {
		for (const t of this.streams.get("audio")?.getAudioTracks() ?? []) t.enabled = !muted;
	}

	release(kind: MineKind): void {
		this.asked.delete(kind);
		const s = this.streams.get(kind);
		this.streams.delete(kind);
		if (s) stop(s);
	}
}

function stop(s: MediaStream): void {
	for (const t of s.getTracks()) t.stop();
}
