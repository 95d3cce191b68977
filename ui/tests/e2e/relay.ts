// A box between a browser and the media port, as a NAT is one: it can come by another way at any moment.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

export class Relay {
	readonly port: number;
	private readonly inner: Socket;
	private readonly target: number;
	/** Lets nothing through, either way. */
	shut = false;
	/** The way out, by who sends. */
	private readonly ways = new Map<string, Socket>();

	private constructor(inner: Socket, target: number) {
		this.inner = inner;
		this.port = inner.address().port;
		this.target = target;
		inner.on("message", (data, from) => {
			if (!this.shut) this.way(from).send(data, this.target, "127.0.0.1");
		});
	}

	/** Listens for what is meant for a port of this machine. */
	static async start(target: number): Promise<Relay> {
		const inner = createSocket("udp4");
		await new Promise<void>(done => inner.bind(0, done));
		return new Relay(inner, target);
	}

	private way(from: RemoteInfo): Socket {
		const key = `${from.address}:${from.port}`;
		let out = this.ways.get(key);
		if (!out) {
			out = createSocket("udp4");
			out.on("message", data => {
				if (!this.shut) this.inner.send(data, from.port, from.address);
			});
			this.ways.set(key, out);
		}
		return out;
	}

	/** From now on everything comes from other ports, and the old ones answer nobody. */
	rebind(): number {
		const n = this.ways.size;
		for (const out of this.ways.values()) out.close();
		this.ways.clear();
		return n;
	}

	stop(): void {
		this.rebind();
		this.inner.close();
	}
}
