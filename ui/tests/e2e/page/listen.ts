// What is heard of somebody. The sound is recorded and decoded again: that needs no loudspeaker, and Firefox
// runs no AudioContext on a machine without one.

/** The strongest tone of a stream over a time, and the highest level of it all: full scale is 1. */
export async function listenTo(sound: MediaStream, ms: number): Promise<{ hertz: number; level: number }> {
	const heard = await record(sound, ms).catch(() => undefined);
	if (!heard) return { hertz: 0, level: 0 };
	const samples = heard.getChannelData(0);
	const at = samples.reduce((best, x, i) => (Math.abs(x) > Math.abs(samples[best] ?? 0) ? i : best), 0);
	return {
		hertz: strongest(samples.subarray(Math.max(0, at - 2048)), heard.sampleRate),
		level: Math.abs(samples[at] ?? 0),
	};
}

async function record(sound: MediaStream, ms: number): Promise<AudioBuffer> {
	const recorder = new MediaRecorder(new MediaStream(sound.getAudioTracks()));
	const parts: Blob[] = [];
	recorder.addEventListener("dataavailable", e => parts.push(e.data));
	const stopped = new Promise(done => recorder.addEventListener("stop", done));
	recorder.start();
	await new Promise(done => setTimeout(done, ms));
	recorder.stop();
	await stopped;
	return new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await new Blob(parts).arrayBuffer());
}

/** The frequency with most energy, up to 4 kHz, in steps of 10 Hz. */
function strongest(samples: Float32Array, rate: number): number {
	const n = Math.min(4096, samples.length);
	let best = 0;
	let most = 0;
	for (let hertz = 50; hertz < 4000; hertz += 10) {
		let re = 0;
		let im = 0;
		for (let i = 0; i < n; i++) {
			const x = (samples[i] ?? 0) * Math.sin((Math.PI * i) / n);
			re += x * Math.cos((2 * Math.PI * hertz * i) / rate);
			im += x * Math.sin((2 * Math.PI * hertz * i) / rate);
		}
		const energy = re * re + im * im;
		if (energy <= most) continue;
		most = energy;
		best = hertz;
	}
	return best;
}
