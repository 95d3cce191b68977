// The loudness of the own microphone, for the meter, and the hint that one speaks while muted.
export class Meter {
	private context: AudioContext | undefined;
	private node: MediaStreamAudioSourceNode | undefined;
	private analyser: AnalyserNode | undefined;
	private track: MediaStreamTrack | undefined;
	private timer: ReturnType<typeof setInterval> | undefined;
	private readonly samples = new Float32Array(new ArrayBuffer(4 * 1024));

	/** Measures a microphone, ten times a second. A clone is listened to: the muted original is silent. */
	watch(stream: MediaStream, heard: (level: number) => void): void {
		this.stop();
		const original = stream.getAudioTracks()[0];
		if (!original || typeof AudioContext === "undefined") return;
		this.track = original.clone();
		this.track.enabled = true;
		this.context = new AudioContext({ latencyHint: "playback" });
		this.node = this.context.createMediaStreamSource(new MediaStream([this.track]));
		this.analyser = this.context.createAnalyser();
		this.analyser.fftSize = 1024;
		this.node.connect(this.analyser);
		this.timer = setInterval(() => {
			// Without a gesture of the person the context waits.
			if (this.context?.state === "suspended") void this.context.resume();
			heard(this.level());
		}, 100);
	}

	/** From 0, silence, to 1: 0 dB; linear in decibels over a range of 60. */
	private level(): number {
		if (!this.analyser) return 0;
		this.analyser.getFloatTimeDomainData(this.samples);
		let sum = 0;
		for (const x of this.samples) sum += x * x;
		const db = 10 * Math.log10(sum / this.samples.length + 1e-12);
		return Math.min(1, Math.max(0, 1 + db / 60));
	}

	stop(): void {
		clearInterval(this.timer);
		this.track?.stop();
		this.node?.disconnect();
		void this.context?.close().catch(() => undefined);
		this.context = undefined;
	}
}
