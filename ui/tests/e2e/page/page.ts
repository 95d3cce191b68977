// The call without screens, for tests of media: one <video> per source, and the call on window.
// ?site= where the server is, ?one=1 one transport, ?slots= cameras at once, ?color= a camera of one colour
// (and of moving noise, so that it costs bits as a real one does), ?voice= a microphone that is a tone of so
// many hertz, ?screen=color,hertz a screen with sound (or without), ?clap=1 a flash and a beep once a second, ?via= the port
// media goes to instead of its own, ?udp= and ?tcp= the ports of these alone.
import { createCall, type RunningCall } from "../../../src/call/runner.ts";
import { playClapper, watchClapper } from "./clapper.ts";
import { listenTo } from "./listen.ts";
import { paintCamera, replaceMicrophone, replaceScreen } from "./sources.ts";

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

export type Layer = {
	width: number;
	height: number;
	frames: number;
	active: boolean;
	limit: string;
	/** The id of the track that is encoded. */
	track: string;
};

declare global {
	interface Window {
		call: RunningCall;
		tiles(): Record<number, TileReport>;
		/** How much later than its flash each beep of a person comes, ms; of person 0 the own ones, as they leave. */
		clapper(person: number, ms: number): Promise<number[]>;
		/** What the encoders of one of the own m-lines made, by rid; "" where there is one encoding. */
		layers(mid?: string): Promise<Record<string, Layer>>;
		/** The strongest tone of a source that arrives, and how loud it is: full scale is 1. */
		listen(source: number, ms: number): Promise<{ hertz: number; level: number }>;
		/** How loud ?voice= speaks. */
		speak(loudness: number): Promise<void>;
	}
}

const query = new URLSearchParams(location.search);
const site = query.get("site");
const slots = query.get("slots");
const color = query.get("color");
if (color) paintCamera(color);
const voice = query.get("voice");
const speak = voice ? replaceMicrophone(Number(voice)) : undefined;
const [screen, sound] = query.get("screen")?.split(",") ?? [];
if (screen) replaceScreen(screen, sound ? Number(sound) : undefined);
if (query.get("clap") === "1") playClapper();
const via = query.get("via");
if (via) sendVia(/ typ host$/, via);
for (const kind of ["udp", "tcp"]) {
	const port = query.get(kind);
	// What the TURN server alone knows stays.
	if (port) sendVia(new RegExp(`^candidate:\\d+ 1 ${kind} (?!.* 49153 typ)`), port);
}

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

/** Sends media to another port than the candidates of a kind say. */
function sendVia(kind: RegExp, port: string): void {
	const proto = RTCPeerConnection.prototype;
	const add: (this: RTCPeerConnection, c?: RTCIceCandidateInit) => Promise<void> = proto.addIceCandidate;
	proto.addIceCandidate = function (this: RTCPeerConnection, c?: RTCIceCandidateInit | null) {
		if (!c?.candidate || !kind.test(c.candidate)) return add.call(this, c ?? undefined);
		const candidate = c.candidate.replace(/\d+ typ host/, `${port} typ host`);
		return add.call(this, { ...c, candidate });
	};
}

window.call = call;
window.tiles = () => Object.fromEntries([...tiles].map(([s, t]) => [s, t.report]));
window.clapper = async (person, ms) => {
	if (person !== 0) {
		const picture = tiles.get(person * 8 + 1)?.video;
		const sound = call.store.get().slots.get(person * 8)?.stream;
		if (!picture || !sound) throw new Error("nobody to see and hear");
		return watchClapper(picture, sound, ms);
	}
	const { audio, video } = call.store.get().mine;
	if (!audio.stream || !video.stream) throw new Error("nothing of one's own");
	const { video: mirror } = newTile();
	mirror.srcObject = video.stream;
	const late = await watchClapper(mirror, audio.stream, ms);
	mirror.remove();
	return late;
};
window.speak = async loudness => speak?.(loudness);
window.listen = async (source, ms) => {
	const stream = call.store.get().slots.get(source)?.stream;
	return stream ? listenTo(stream, ms) : { hertz: 0, level: 0 };
};
window.layers = async (mid = "uv") => {
	const out: Awaited<ReturnType<Window["layers"]>> = {};
	for (const peer of call.session()?.plane?.peers() ?? []) {
		const report = await peer.pc.getStats();
		for (const s of report.values()) {
			if (s.type !== "outbound-rtp" || s.mid !== mid) continue;
			out[s.rid ?? ""] = {
				width: s.frameWidth ?? 0,
				height: s.frameHeight ?? 0,
				frames: s.framesEncoded ?? 0,
				active: s.active !== false,
				limit: s.qualityLimitationReason ?? "none",
				track: report.get(s.mediaSourceId ?? "")?.trackIdentifier ?? "",
			};
		}
	}
	return out;
};
