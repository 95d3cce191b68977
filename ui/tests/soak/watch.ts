// In a page: when the picture of a source stood still, and when that of a control did. The control is painted, sent,
// received and shown by this page alone: what holds it up is the machine, or the browser.

/** A time without a new picture, in ms since 1970. */
export type Still = { from: number; to: number };

export type Watched = { pictures: number; still: Still[]; controlStill: Still[] };

declare global {
	interface Window {
		/** What was seen since this was last asked; a picture that stands still now is told of again once it goes on. */
		watched?: () => Watched;
	}
}

/** Less is what a page does now and then, even where nothing else runs. */
const shortest = 200;

/** Begins to watch. */
export async function watch(source: number): Promise<void> {
	const stream = window.call.store.get().slots.get(source)?.stream;
	const video = [...document.querySelectorAll("video")].find(v => stream && v.srcObject === stream);
	if (!video) throw new Error("nothing is seen of the source");
	const picture = follow(video);
	const control = follow(await loop());
	window.watched = () => {
		const seen = picture();
		return { pictures: seen.count, still: seen.still, controlStill: control().still };
	};
}

function follow(video: HTMLVideoElement): () => { count: number; still: Still[] } {
	let still: Still[] = [];
	let count = 0;
	let last = performance.now();
	const since = (from: number, to: number): Still[] =>
		to - from < shortest ? [] : [{ from: performance.timeOrigin + from, to: performance.timeOrigin + to }];
	const shown: VideoFrameRequestCallback = now => {
		still.push(...since(last, now));
		last = now;
		count++;
		video.requestVideoFrameCallback(shown);
	};
	video.requestVideoFrameCallback(shown);
	return () => {
		const out = { count, still: [...still, ...since(last, performance.now())] };
		still = [];
		count = 0;
		return out;
	};
}

/** What this page sends to itself, once it is seen. */
async function loop(): Promise<HTMLVideoElement> {
	const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
	from.onicecandidate = e => void (e.candidate && to.addIceCandidate(e.candidate));
	to.onicecandidate = e => void (e.candidate && from.addIceCandidate(e.candidate));
	const stream = paint();
	for (const t of stream.getTracks()) from.addTrack(t, stream);
	const video = document.createElement("video");
	Object.assign(video, { autoplay: true, muted: true, width: 160 });
	document.body.append(video);
	to.ontrack = e => {
		video.srcObject = e.streams[0] ?? null;
	};
	await from.setLocalDescription(await from.createOffer());
	if (from.localDescription) await to.setRemoteDescription(from.localDescription);
	await to.setLocalDescription(await to.createAnswer());
	if (to.localDescription) await from.setRemoteDescription(to.localDescription);
	await new Promise(seen => video.requestVideoFrameCallback(seen));
	return video;
}

/** A small camera, as fast as those of the people. */
function paint(): MediaStream {
	const canvas = document.createElement("canvas");
	[canvas.width, canvas.height] = [320, 180];
	const c = canvas.getContext("2d");
	let n = 0;
	setInterval(() => {
		if (!c) return;
		c.fillStyle = `hsl(${n++ % 360} 80% 50%)`;
		c.fillRect((n * 7) % 320, (n * 5) % 180, 32, 18);
	}, 40);
	return canvas.captureStream(25);
}
