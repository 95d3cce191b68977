// The call without screens, for tests of media: one <video> per source, and the call on window.
// ?site= where the server is, ?one=1 one transport, ?slots= cameras at once, ?color= a camera of one colour
// (and of moving noise, so that it costs bits as a real one does), ?clap=1 a flash and a beep once a second,
// ?via= the port media goes to instead of its own.
import { createCall, type RunningCall } from "../../../src/call/runner.ts";
import { playClapper, watchClapper } from "./clapper.ts";

export type TileReport = {
	/** Pictures shown since the tile was made. */
	frames: number;
	/** Of the picture shown last. */
	width: number;
	height: number;
	color: string;
	/** The longest time between two pictures, ms, since it was last set to 0. */
	gap: number;
	/** Whether it may be seen now. */
	live: boolean;
	/** Colours seen while it was live, with how often. */
	seen: Record<string, number>;
};

export type Layer = { width: number; height: number; frames: number; active: boolean; limit: string };

declare global {
	interface Window {
		call: RunningCall;
		tiles(): Record<number, TileReport>;
		/** How much later than its flash each beep of a person comes, ms. */
		clapper(person: number, ms: number): Promise<number[]>;
		/** What the sender's encoders made, by rid. */
		layers(): Promise<Record<string, Layer>>;
	}
}

const query = new URLSearchParams(location.search);
const site = query.get("site");
const slots = query.get("slots");
const color = query.get("color");
if (color) paintCamera(color);
if (query.get("clap") === "1") playClapper();
const via = query.get("via");
if (via) sendVia(via);

const call = createCall({
	...(site ? { site } : {}),
	...(slots ? { videoSlots: Number(slots) } : {}),
	oneGroup: query.get("one") === "1",
});

const box = document.getElementById("tiles");
const tiles = new Map<number, { video: HTMLVideoElement; report: TileReport }>();
const pixels = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

call.store.subscribe(() => {
	const { slots } = call.store.get();
	for (const [source, view] of slots) {
		if (view.kind !== 1 && view.kind !== 2) continue;
		let t = tiles.get(source);
		if (!t) {
			t = newTile();
			tiles.set(source, t);
		}
		// As the screens do: an element is given the stream when what comes is this source's.
		if (view.live && !t.video.srcObject) t.video.srcObject = view.stream;
		if (!view.live) t.video.srcObject = null;
		t.report.live = view.live;
	}
	for (const [source, t] of tiles) {
		if (slots.has(source)) continue;
		t.video.remove();
		tiles.delete(source);
	}
});

function newTile(): { video: HTMLVideoElement; report: TileReport } {
	const video = document.createElement("video");
	video.autoplay = true;
	video.muted = true;
	video.playsInline = true;
	video.width = 320;
	box?.append(video);
	const report: TileReport = { frames: 0, width: 0, height: 0, color: "", gap: 0, live: false, seen: {} };
	let last = 0;
	const shown: VideoFrameRequestCallback = now => {
		if (!video.isConnected) return;
		if (report.frames > 0) report.gap = Math.max(report.gap, now - last);
		last = now;
		report.frames++;
		report.width = video.videoWidth;
		report.height = video.videoHeight;
		report.color = colorOf(video);
		video.requestVideoFrameCallback(shown);
	};
	// What is on the screen, whenever the screen is drawn.
	const drawn = () => {
		if (!video.isConnected) return;
		if (report.live && video.readyState >= 2) {
			const c = colorOf(video);
			if (c !== "none") report.seen[c] = (report.seen[c] ?? 0) + 1;
		}
		requestAnimationFrame(drawn);
	};
	video.requestVideoFrameCallback(shown);
	requestAnimationFrame(drawn);
	return { video, report };
}

/** The nearest of the plain colours, in the middle of the picture. */
function colorOf(video: HTMLVideoElement): string {
	if (!pixels || video.videoWidth === 0) return "none";
	pixels.clearRect(0, 0, 8, 8);
	pixels.drawImage(video, video.videoWidth / 2, video.videoHeight / 4, 8, 8, 0, 0, 8, 8);
	const [r = 0, g = 0, b = 0, a = 0] = pixels.getImageData(4, 4, 1, 1).data;
	if (a === 0) return "none"; // no picture yet
	if (Math.max(r, g, b) < 60) return "black";
	if (r > 120 && g > 120 && b < 100) return "yellow";
	return r > g && r > b ? "red" : g > b ? "green" : "blue";
}

/** Sends media to another port than the candidates say. */
function sendVia(port: string): void {
	const proto = RTCPeerConnection.prototype;
	const add: (this: RTCPeerConnection, c?: RTCIceCandidateInit) => Promise<void> = proto.addIceCandidate;
	proto.addIceCandidate = function (this: RTCPeerConnection, c?: RTCIceCandidateInit | null) {
		const candidate = c?.candidate?.replace(/\d+ typ host$/, `${port} typ host`);
		return add.call(this, candidate ? { ...c, candidate } : (c ?? undefined));
	};
}

/** Replaces the camera by a canvas. */
function paintCamera(color: string): void {
	const media = navigator.mediaDevices;
	const real = media.getUserMedia.bind(media);
	media.getUserMedia = async constraints => {
		if (!constraints?.video) return real(constraints);
		const canvas = document.createElement("canvas");
		canvas.width = 1280;
		canvas.height = 720;
		const c = canvas.getContext("2d");
		let n = 0;
		setInterval(() => {
			if (!c) return;
			c.fillStyle = color;
			c.fillRect(0, 0, 1280, 720);
			for (let i = 0; i < 40; i++) {
				c.fillStyle = `hsl(${(n * 7 + i * 9) % 360} 80% 50%)`;
				c.fillRect((i * 32 + n * 5) % 1280, 560 + ((n + i * 13) % 120), 32, 40);
			}
			n++;
		}, 40);
		return canvas.captureStream(25);
	};
}

window.call = call;
window.tiles = () => Object.fromEntries([...tiles].map(([s, t]) => [s, t.report]));
window.clapper = async (person, ms) => {
	const picture = tiles.get(person * 8 + 1)?.video;
	const sound = call.store.get().slots.get(person * 8)?.stream;
	if (!picture || !sound) throw new Error("nobody to see and hear");
	return watchClapper(picture, sound, ms);
};
window.layers = async () => {
	const out: Awaited<ReturnType<Window["layers"]>> = {};
	for (const peer of call.session()?.plane?.peers() ?? []) {
		for (const s of (await peer.pc.getStats()).values()) {
			if (s.type !== "outbound-rtp" || !s.rid) continue;
			out[s.rid] = {
				width: s.frameWidth ?? 0,
				height: s.frameHeight ?? 0,
				frames: s.framesEncoded ?? 0,
				active: s.active !== false,
				limit: s.qualityLimitationReason ?? "none",
			};
		}
	}
	return out;
};
