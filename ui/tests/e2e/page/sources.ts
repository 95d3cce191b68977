// What a page sends instead of its devices: plain colours, which tell who is seen, and tones, which tell who
// is heard.

type Constraints = MediaStreamConstraints | undefined;

/** Replaces the camera by a canvas of one colour, with something that moves at its foot. */
export function paintCamera(color: string): void {
	const media = navigator.mediaDevices;
	const real = media.getUserMedia.bind(media);
	media.getUserMedia = async (c: Constraints) => (c?.video ? painting(color, 25) : real(c));
}

/** Replaces the microphone by a tone; the answer makes it louder and softer: 0 is silence, 1 full scale. */
export function replaceMicrophone(hertz: number): (loudness: number) => Promise<void> {
	const media = navigator.mediaDevices;
	const real = media.getUserMedia.bind(media);
	const tone = new Tone(hertz, 0);
	media.getUserMedia = async (c: Constraints) => (c?.audio ? tone.stream() : real(c));
	return loudness => tone.set(loudness);
}

/** Replaces the screen by a picture of one colour, with a tone for its sound, or without sound. */
export function replaceScreen(color: string, hertz: number | undefined): void {
	const tone = hertz === undefined ? undefined : new Tone(hertz, 0.3);
	navigator.mediaDevices.getDisplayMedia = async () => {
		const picture = painting(color, 15);
		return new MediaStream([...picture.getVideoTracks(), ...(tone?.stream().getAudioTracks() ?? [])]);
	};
}

function painting(color: string, rate: number): MediaStream {
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
	}, 1000 / rate);
	return canvas.captureStream(rate);
}

class Tone {
	private readonly context = new AudioContext();
	private readonly gain: GainNode;
	private readonly out: MediaStreamAudioDestinationNode;

	constructor(frequency: number, gain: number) {
		this.gain = new GainNode(this.context, { gain });
		this.out = this.context.createMediaStreamDestination();
		const source = new OscillatorNode(this.context, { frequency });
		source.connect(this.gain).connect(this.out);
		source.start();
	}

	stream(): MediaStream {
		void this.context.resume();
		return this.out.stream.clone();
	}

	/** Waits for the person's first gesture: before it a page makes no sound. */
	async set(gain: number): Promise<void> {
		await this.context.resume();
		this.gain.gain.value = gain;
	}
}
