// One stay in one meeting: the connection process, the control channel and the media plane.

import { say, type Told } from "../join/words.ts";
import type { Capture } from "../media/capture.ts";
import { Plane } from "../media/plane.ts";
import type { Rate } from "../media/stats.ts";
import { newSeed, slotTable } from "../media/table.ts";
import { decodeBase64url } from "../proto/base64url.ts";
import { helloText, newNonce, signHello } from "../proto/hello.ts";
import { groupOf } from "../proto/ids.ts";
import { type Candidate, type Code, type Grant, Group, Kind, Version } from "../proto/messages.gen.ts";
import type { FromClient, FromRouter } from "../proto/messages.ts";
import { Control, controlURL } from "./control.ts";
import type { CallEvent, Outbound } from "./event.ts";
import { type Identity, identity } from "./identity.ts";
import { type ActionOf, type JoinAction, type JoinEvent, Joining } from "./joining.ts";
import { slotsFor } from "./layout.ts";
import { preferences, remember } from "./memory.ts";
import type { CallState, Target } from "./state.ts";

export type SessionOptions = {
	/** Base URL of the site; the page's own origin by default. */
	site?: string;
	/** All media on one transport. */
	oneGroup?: boolean;
	/** How many cameras at once; 25 by default, fewer on phones. */
	videoSlots?: number;
	build?: string;
};

const measureEvery = 1000;
const reportEvery = 5000;
const listenEvery = 200;
/** Silence of all media before the control channel is asked, before it means a lost router, and how long an answer may take. */
const askAfter = 1000;
const lostAfter = 1500;
const answerWithin = 700;
/** Cameras at once where the page does not say. */
const defaultSlots = 25;
/** A share of fewer packets than these says nothing. */
const enoughPackets = 20;
/** Under which name a meeting is looked up in the lobby; the hello has the real one. */
const nobody = "Guest";

/** The control channel's address in a meeting that one has been in. */
export type Place = { number: string; control: string };

type Sink = { dispatch(e: CallEvent): void; get(): CallState };

export class Session {
	plane: Plane | undefined;
	private readonly target: Target;
	private name: string;
	private readonly options: SessionOptions;
	private readonly sink: Sink;
	private readonly capture: Capture;
	private joining: Joining | undefined;
	private who: Identity | undefined;
	private control: Control | undefined;
	private controlAttempt = 0;
	private done = false;
	private timers: ReturnType<typeof setInterval>[] = [];
	private askedAt = 0;
	/** The rates of the last seconds. */
	private lately: (readonly Rate[])[] = [];
	/** Control channels on which nothing has been said yet, by address. */
	private readonly ready = new Map<string, WebSocket>();
	/** Attempts through a tunnel that wait for its answer. */
	private readonly asking = new Set<number>();
	/** The person has not decided yet: everything is made ready, nothing is said. */
	private lobby: boolean;
	private admitted = false;
	/** Of the router in use. */
	private base = "";
	/** Where the meeting was found. */
	place: Place | undefined;
	/** SSRCs of all slots follow from it, so the offer need not wait for the router's table. */
	private readonly seed = newSeed();
	private readonly videoSlots: number | undefined;

	constructor(
		target: Target,
		name: string,
		options: SessionOptions,
		sink: Sink,
		capture: Capture,
		lobby: boolean = false,
		last: Place | undefined = undefined,
	) {
		this.target = target;
		this.name = name;
		this.lobby = lobby;
		this.videoSlots = options.videoSlots ?? slotsFor(screen);
		this.options = options;
		this.sink = sink;
		this.capture = capture;
		// Whoever comes back meets there again, most likely: the channel need not wait for the site's answer.
		if (last?.number === target.number) this.ready.set(last.control, new WebSocket(last.control));
		this.begin().catch((err: unknown) => {
			if (this.lobby) return this.end(false); // a click begins anew, and tells
			const text = err instanceof Error ? err.message : String(err);
			this.dispatch({ is: "process_failed", code: "unsupported", text, tried: [] });
		});
	}

	private async begin(): Promise<void> {
		const who = await identity();
		if (this.done) return;
		this.who = who;
		const table = slotTable(this.seed, this.videoSlots ?? defaultSlots);
		this.plane = new Plane(who.certificate, !!this.options.oneGroup, table, this.lobby, {
			up: (attempt, port) => this.tell({ is: "transport_up", attempt, port }),
			failed: (attempt, text) => this.tell({ is: "transport_failed", attempt, text }),
			answers: attempt => this.tell({ is: "path_answers", attempt }),
			lost: (attempt, text) => this.tell({ is: "transport_lost", attempt, text }),
			silent: (attempt, silent) => this.tell({ is: silent ? "path_silent" : "path_heard", attempt }),
			moved: (attempt, rung, port) => this.tell({ is: "path_moved", attempt, rung, port }),
			path: (group, rung, tunnelled) => {
				this.dispatch({ is: "path", group, ...(rung ? { rung } : {}), ...(tunnelled ? { tunnelled } : {}) });
				if (group === "audio" && rung) this.joining?.works(rung);
			},
			answered: twcc => this.send({ t: "answer", twcc }),
			shown: (source, slot, kind, stream, live) =>
				this.dispatch({ is: "slot", source, view: { slot, kind, stream, live } }),
			hidden: source => this.dispatch({ is: "unslot", source }),
		});
		for (const kind of ["audio", "video", "content"] as const) this.plane.publish(kind, this.capture.stream(kind));
		const chosen = this.sink.get().devices.chosen.audioOut;
		if (chosen) this.plane.output(chosen);
		const { lastZone } = preferences();
		this.joining = new Joining(
			{
				site: this.options.site ?? location.origin,
				target: this.target,
				name: this.name || nobody,
				lobby: this.lobby,
				build: this.options.build ?? "web",
				key: who.publicKey,
				fingerprint: who.fingerprint,
				oneGroup: !!this.options.oneGroup,
				...(lastZone ? { lastZone } : {}),
			},
			{
				found: ({ meeting, participant, role }) => this.dispatch({ is: "found", meeting, participant, role }),
				act: a => this.act(a),
				credentials: (set, grant) => this.plane?.know(set, named(grant.candidates, grant.url)),
				report: r => this.dispatch({ is: "report", ...r }),
			},
		);
		this.tell({ is: "start" });
		if (this.done) return;
		this.timers = [
			setInterval(() => void this.measure(false), measureEvery),
			setInterval(() => void this.measure(true), reportEvery),
			setInterval(() => this.listen(), listenEvery),
		];
	}

	/**
	 * The person has decided to join, from the lobby. False: what was made ready is not for this, or did not
	 * last; then begin anew.
	 */
	go(target: Target, name: string): boolean {
		const same = target.number === this.target.number && secretOf(target) === secretOf(this.target);
		if (this.done || !this.lobby || !same) return false;
		const { joining } = this;
		// A guest's name is taken from the hello; a signed-in user's is in the token.
		if (joining && name !== this.name && (joining.token === "" || signedIn(joining.token))) return false;
		this.lobby = false;
		this.name = name;
		joining?.decided(name);
		this.plane?.speak();
		this.control?.go();
		return true;
	}

	private dispatch(e: CallEvent): void {
		if (!this.done) this.sink.dispatch(e);
	}

	/** Tells the connection process what happened. */
	tell(e: JoinEvent): void {
		if (!this.done) this.joining?.tell(e);
	}

	send(m: FromClient | Outbound): void {
		this.control?.send(m);
	}

	/** Opens the control channel anew. */
	reopen(why: Told): void {
		this.control?.end(why);
	}

	/** Does what the connection process wants beyond requests. */
	private act(a: JoinAction): void {
		if (this.done) return;
		switch (a.do) {
			case "prepare":
				this.prepare(a.grant);
				return;
			case "cancel":
				this.unprepare();
				return;
			case "open_control":
				this.openControl(a.attempt, a.grant, a.via);
				return;
			case "close_control":
				if (this.controlAttempt !== a.attempt) return;
				this.control?.close();
				this.control = undefined;
				return;
			case "start_transport":
				if (a.via === undefined) this.plane?.start(a);
				else void this.startTunnelled({ ...a, via: a.via });
				return;
			case "use_transport":
				this.plane?.take(a.attempt);
				return;
			case "close_transport":
				this.asking.delete(a.attempt);
				this.plane?.close(a.attempt);
				return;
			case "progress":
				this.dispatch({ is: "progress", phase: a.phase, ms: a.ms, detail: a.detail ?? "" });
				return;
			case "waiting":
				this.dispatch({ is: "process_waiting", topic: a.topic ?? "" });
				return;
			case "joined":
				remember({ lastZone: a.zone });
				this.dispatch({
					is: "process_joined",
					router: a.router,
					zone: a.zone,
					resumed: !!a.resumed,
					clock: this.joining ? this.joining.serverTime() - Date.now() : 0,
				});
				return;
			case "failed":
				if (this.lobby) {
					this.dispatch({ is: "lobby_failed", code: a.code ?? "", text: a.text });
					this.end(false);
					return;
				}
				this.dispatch({ is: "process_failed", code: a.code ?? "", text: a.text, tried: [...(a.tried ?? [])] });
				return;
			default:
				return; // the requests are Joining's, the rest only tells
		}
	}

	/** Opens ahead of the choice of a zone what takes round trips: control channels, and the best router's transports. */
	private prepare(grant: Grant): void {
		const url = controlURL(grant.url, this.options.site ?? location.href);
		if (!this.ready.has(url)) this.ready.set(url, new WebSocket(url));
		this.plane?.prepare(grant.groups, grant.fingerprint);
	}

	private unprepare(): void {
		this.closeReady();
		this.plane?.unprepare();
	}

	private closeReady(): void {
		for (const ws of this.ready.values()) ws.close(1000);
		this.ready.clear();
	}

	/** A transport through a tunnel waits for what opens the relay there. */
	private async startTunnelled(a: ActionOf<"start_transport"> & { via: string }): Promise<void> {
		this.asking.add(a.attempt);
		const relay = await this.joining?.relay(a.via, a.router);
		if (!this.asking.delete(a.attempt)) return;
		if (relay) this.plane?.start({ ...a, relay });
		else this.tell({ is: "transport_failed", attempt: a.attempt, text: say("no_answer") });
	}

	private openControl(attempt: number, grant: Grant, via: string | undefined): void {
		this.control?.close();
		this.controlAttempt = attempt;
		this.base = grant.url;
		this.admitted = false;
		this.plane?.hold();
		const through = via === undefined ? undefined : this.joining?.tunnelled(via, grant.router);
		const url = controlURL(through?.url ?? grant.url, this.options.site ?? location.href);
		this.place = through ? undefined : { number: this.target.number, control: url };
		const ready = this.ready.get(url);
		this.ready.delete(url);
		this.closeReady(); // it is decided
		const control = new Control(
			ready && ready.readyState <= WebSocket.OPEN ? ready : new WebSocket(url),
			() => this.hello(grant.router),
			{
				stands: () => this.tell({ is: "control_stands", attempt }),
				up: () => {
					this.tell({ is: "control_up", attempt });
					// Whoever waits for a host says it again later; everybody else is spared a round trip.
					const { twcc } = this.plane ?? {};
					if (twcc) this.send({ t: "answer", twcc });
					this.dispatch({ is: "greeted" });
				},
				lost: text => {
					if (this.control !== control) return;
					this.control = undefined;
					this.tell({ is: "control_lost", attempt, text });
				},
				message: m => {
					if (this.control === control) this.receive(attempt, m);
				},
			},
			this.lobby,
			through?.first,
		);
		this.control = control;
	}

	private async hello(router: string): Promise<FromClient> {
		const { joining, who } = this;
		if (!joining || !who) throw new Error("a hello before the lookup");
		const nonce = newNonce();
		const at = Math.round(joining.serverTime());
		const text = await helloText(joining.token, router, at, nonce);
		return {
			t: "hello",
			v: Version,
			build: this.options.build ?? "web",
			token: joining.token,
			key: who.publicKey,
			at,
			nonce,
			sig: await signHello(who.key, text),
			name: this.name,
			caps: {
				client: "web",
				codecs: decodable(),
				video_slots: this.videoSlots,
				one_group: this.options.oneGroup,
				slot_seed: this.seed,
			},
		};
	}

	private receive(attempt: number, m: FromRouter): void {
		switch (m.t) {
			case "welcome":
				this.admitted = true;
				this.plane?.know(m.groups, named(m.candidates, this.base));
				this.plane?.welcome(m.slots);
				this.dispatch({ is: "message", message: m });
				this.tell({ is: "welcomed", attempt, groups: m.groups, resumed: m.resumed });
				return;
			case "waiting":
				this.tell({ is: "waiting_room", attempt, topic: m.topic });
				this.plane?.bar();
				return;
			case "bye":
				this.refused(attempt, m.code, m.text, m.grant);
				return;
			default:
				this.dispatch({ is: "message", message: m });
				if (m.t === "roster" && m.put?.some(p => p.sources?.some(x => x.kind === Kind.Content))) {
					this.tell({ is: "need_content" });
				}
		}
	}

	private refused(attempt: number, code: Code, text: string | undefined, signed: string | undefined): void {
		this.control?.close();
		this.control = undefined;
		const grant = this.joining?.read(signed);
		this.tell({ is: "refused", attempt, code, text, grant });
	}

	/** Silence of all media and of the control channel is a lost router, well before the heartbeat says so. */
	private listen(): void {
		if (!this.plane || !this.control || !this.admitted || this.plane.silence < askAfter) {
			this.askedAt = 0;
			return;
		}
		const now = performance.now();
		if (this.askedAt === 0) {
			this.askedAt = now;
			this.control.ask();
		} else if (
			this.plane.silence > lostAfter &&
			now - this.askedAt > answerWithin &&
			this.control.silence > now - this.askedAt
		) {
			this.askedAt = 0;
			this.control.end(say("fell_silent"));
		}
	}

	private async measure(report: boolean): Promise<void> {
		const { plane, control } = this;
		if (!plane || !control || this.sink.get().stage !== "in") return;
		if (report) {
			const { media } = this.sink.get().connection;
			this.send({ t: "stats", media: media.map(m => ({ ...m, path: m.path })) });
			return;
		}
		const m = await plane.stats();
		this.losses(m.rates);
		this.dispatch({ is: "stats", ...m, ...(control.rtt === undefined ? {} : { rtt: Math.round(control.rtt) }) });
	}

	/**
	 * What share of each group's packets is lost, in the worse direction: in the last second or the last three, for
	 * reports and pictures come unevenly.
	 */
	private losses(rates: readonly Rate[]): void {
		this.lately = [...this.lately.slice(-2), rates];
		for (const group of [Group.Audio, Group.Video, Group.Content]) {
			const of = [rates, this.lately.flat()].flatMap(all => sharesLost(all.filter(r => groupOf(r.kind) === group)));
			if (of.length > 0) this.tell({ is: "path_loss", group, loss: Math.max(...of) });
		}
	}

	end(leaving: boolean): void {
		if (this.done) return;
		this.done = true;
		for (const t of this.timers) clearInterval(t);
		if (leaving) this.control?.leave();
		else this.control?.close();
		this.control = undefined;
		this.unprepare();
		this.joining?.end();
		this.plane?.end();
	}
}

/** The shares lost of what there is enough of to tell, by kind and direction. */
function sharesLost(rates: readonly Rate[]): number[] {
	const sums = new Map<string, { packets: number; lost: number }>();
	for (const r of rates) {
		const s = sums.get(`${r.kind}${r.up}`) ?? { packets: 0, lost: 0 };
		sums.set(`${r.kind}${r.up}`, { packets: s.packets + r.packets, lost: s.lost + r.loss * r.packets });
	}
	return [...sums.values()].filter(s => s.packets >= enoughPackets).map(s => s.lost / s.packets);
}

/** The video codecs this browser decodes, as the protocol names them. */
function decodable(): string[] {
	const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
	const has = (name: string) => codecs.some(c => c.mimeType.toLowerCase() === `video/${name.toLowerCase()}`);
	const all = ["VP8", "VP9", "H264", "AV1"].filter(has);
	return all.length > 0 ? all : ["VP8"];
}

/** Addresses whose host is the router's own, with its name. */
function named(candidates: readonly Candidate[], url: string): Candidate[] {
	return candidates.map(c => (c.addr.startsWith(":") ? { ...c, addr: new URL(url).hostname + c.addr } : c));
}

function secretOf(t: Target): string {
	return t.passcode ? `passcode ${t.passcode}` : `pwd ${t.pwd ?? ""}`;
}

/** Whether a meeting token is that of a user of the site. */
function signedIn(token: string): boolean {
	try {
		const claims: unknown = JSON.parse(new TextDecoder().decode(decodeBase64url(token.split(".")[1] ?? "")));
		return typeof claims === "object" && claims !== null && "sub" in claims && !!claims.sub;
	} catch {
		return true; // unreadable: nothing is taken for granted
	}
}
