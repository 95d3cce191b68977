// A flash and a beep at one instant, once a second, and by how much they are apart where they arrive.

/** The camera flashes when the microphone beeps. */
export function playClapper(): void {
	const sound = new AudioContext();
	const tone = new OscillatorNode(sound, { frequency: 1000 });
	const gain = new GainNode(sound, { gain: 0 });
	const out = sound.createMediaStreamDestination();
	tone.connect(gain).connect(out);
	tone.start();
	const canvas = document.createElement("canvas");
	canvas.width = 640;
	canvas.height = 360;
	const c = canvas.getContext("2d");
	let was = false;
	let n = 0;
	setInterval(() => {
		if (sound.state === "suspended") void sound.resume();
		const on = sound.currentTime % 1 < 0.15;
		if (on !== was) gain.gain.setValueAtTime(on ? 0.5 : 0, sound.currentTime);
		// A picture at every change at once, and otherwise fifty a second.
		if (on === was && n++ % 2 === 0) return;
		was = on;
		if (!c) return;
		c.fillStyle = on ? "white" : "black";
		c.fillRect(0, 0, 640, 360);
		c.fillStyle = "gray";
		c.fillRect((n * 5) % 640, 340, 40, 20);
	}, 10);
	navigator.mediaDevices.getUserMedia = async constraints =>
		constraints?.video ? canvas.captureStream() : out.stream.clone();
}

/** How much later than its flash each beep came, ms, over a time. */
export async function watchClapper(video: HTMLVideoElement, sound: MediaStream, ms: number): Promise<number[]> {
	const flashes: number[] = [];
	const beeps: number[] = [];
	const pixels = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
	let bright = true;
	let over = false;
	const shown: VideoFrameRequestCallback = now => {
		pixels?.drawImage(video, video.videoWidth / 2, video.videoHeight / 4, 8, 8, 0, 0, 8, 8);
		const is = (pixels?.getImageData(4, 4, 1, 1).data[1] ?? 0) > 128;
		if (is && !bright) flashes.push(now);
		bright = is;
		if (!over) video.requestVideoFrameCallback(shown);
	};
	video.requestVideoFrameCallback(shown);

	const context = new AudioContext({ latencyHint: "interactive" });
	await context.resume();
	const analyser = new AnalyserNode(context, { fftSize: 256 });
	context.createMediaStreamSource(sound).connect(analyser);
	const samples = new Float32Array(new ArrayBuffer(4 * 256));
	let loud = true;
	const timer = setInterval(() => {
		analyser.getFloatTimeDomainData(samples);
		const is = samples.some(x => Math.abs(x) > 0.1);
		if (is && !loud && performance.now() - (beeps.at(-1) ?? 0) > 500) beeps.push(performance.now());
		loud = is;
	}, 4);
	await new Promise(done => setTimeout(done, ms));
	over = true;
	clearInterval(timer);
	await context.close();
	return flashes.flatMap(f => beeps.map(b => b - f).filter(d => Math.abs(d) < 450));
}
