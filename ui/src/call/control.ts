// The control channel: one WebSocket, opened with a signed hello, with a heartbeat of its own.

import { say, type Told } from "../join/words.ts";
import type { TunnelRequest } from "../proto/messages.gen.ts";
import { decodeFromRouter, encode, type FromClient, type FromRouter, fits } from "../proto/messages.ts";

export type ControlEvents = {
	/** The channel stands, and its hello waits for go(). */
	stands(): void;
	/** The channel stands and the hello is out: what is sent now comes right behind it. */
	up(): void;
	message(m: FromRouter): void;
	/** It could not be opened, broke, or fell silent. Not after close(). */
	lost(why: Told): void;
};

const pingEvery = 2000;
/** Nothing at all for this long, with a ping every two seconds: the router is gone. */
const silentFor = 4500;

export class Control {
	private readonly ws: WebSocket;
	private readonly on: ControlEvents;
	private timer: ReturnType<typeof setInterval> | undefined;
	private heardAt = 0;
	private pings = 0;
	private readonly pinged = new Map<number, number>();
	private done = false;
	private greeted = false;
	private waits: boolean;
	private readonly hello: () => Promise<FromClient>;
	/** Of the last ping, ms; undefined before the first answer. */
	rtt: number | undefined;

	/**
	 * ws may be open already, with nothing said on it. waits: the hello is not sent before go(). first goes before it:
	 * what a tunnel is shown.
	 */
	constructor(
		ws: WebSocket,
		hello: () => Promise<FromClient>,
		on: ControlEvents,
		waits = false,
		first: TunnelRequest | undefined = undefined,
	) {
		this.on = on;
		this.hello = hello;
		this.waits = waits;
		this.ws = ws;
		const opened = () => {
			if (this.done) return;
			if (first) this.ws.send(JSON.stringify(first));
			if (this.waits) this.on.stands();
			else void this.greet();
		};
		if (ws.readyState === WebSocket.OPEN) queueMicrotask(opened);
		else ws.onopen = opened;
		this.ws.onmessage = e => this.receive(e.data);
		this.ws.onclose = () => this.end(say("broke"));
		this.ws.onerror = () => this.end(say("no_connection"));
	}

	/** Sends the hello, now or as soon as the channel stands. */
	go(): void {
		if (!this.waits) return;
		this.waits = false;
		if (this.ws.readyState === WebSocket.OPEN) void this.greet();
	}

	private async greet(): Promise<void> {
		const m = await this.hello();
		if (this.done) return;
		this.ws.send(encode(m));
		this.greeted = true;
		this.heardAt = performance.now();
		this.timer = setInterval(() => this.beat(), 500);
		this.on.up();
	}

	private receive(data: unknown): void {
		if (this.done || typeof data !== "string") return;
		this.heardAt = performance.now();
		let m: ReturnType<typeof decodeFromRouter>;
		try {
			m = decodeFromRouter(data);
		} catch {
			return; // malformed: nothing can be made of it
		}
		switch (m.t) {
			case "unknown":
				this.send({ t: "error", code: "unsupported", text: "unknown message", re: m.type });
				return;
			case "ping":
				this.send({ t: "pong", n: m.n });
				return;
			case "pong": {
				const at = this.pinged.get(m.n);
				if (at !== undefined) this.rtt = performance.now() - at;
				this.pinged.delete(m.n);
				return;
			}
			default:
				this.on.message(m);
		}
	}

	private beat(): void {
		const now = performance.now();
		if (now - this.heardAt >= silentFor) this.end(say("fell_silent"));
		else if (now - this.lastPing >= pingEvery) this.ask();
	}

	private lastPing = 0;

	/** Sends a ping now: somebody doubts that the router lives. */
	ask(): void {
		this.lastPing = performance.now();
		this.pinged.set(++this.pings, this.lastPing);
		this.pinged.delete(this.pings - 4);
		this.send({ t: "ping", n: this.pings });
	}

	/** How long the router has been silent, ms. */
	get silence(): number {
		return this.heardAt === 0 ? 0 : performance.now() - this.heardAt;
	}

	/** Says something; before the hello there is nothing to say. */
	send(m: FromClient): void {
		if (this.done || !this.greeted || this.ws.readyState !== WebSocket.OPEN) return;
		const text = encode(m);
		if (fits(text)) this.ws.send(text);
	}

	/** Gives the channel up as lost. */
	end(why: Told): void {
		if (this.done) return;
		this.close();
		this.on.lost(why);
	}

	/** Says goodbye, where the person leaves, and closes. */
	leave(): void {
		this.send({ t: "bye", code: "left" });
		this.close();
	}

	close(): void {
		this.done = true;
		clearInterval(this.timer);
		this.ws.close(1000);
	}
}

/** The address of a router's control channel. */
export function controlURL(base: string, page: string): string {
	const url = new URL(`${base.replace(/\/$/, "")}/control`, page);
	url.protocol = url.protocol === "http:" || url.protocol === "ws:" ? "ws:" : "wss:";
	return url.toString();
}
