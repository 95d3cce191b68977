// One stay in one meeting: the connection process, the control channel and the media plane.
import type { Capture } from "../media/capture.ts";
import { Plane } from "../media/plane.ts";
import { helloText, newNonce, signHello } from "../proto/hello.ts";
import { type Code, type Grant, Kind, Version } from "../proto/messages.gen.ts";
import type { FromClient, FromRouter } from "../proto/messages.ts";
import { Control, controlURL } from "./control.ts";
import type { CallEvent, Outbound } from "./event.ts";
import { type Identity, identity } from "./identity.ts";
import { type JoinAction, type JoinEvent, Joining } from "./joining.ts";
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

const measureEvery = 2000;
const reportEvery = 5000;
const listenEvery = 250;
/** Silence of all media before the control channel is asked, and how long it may take to answer. */
const askAfter = 1500;
const answerWithin = 700;

type Sink = { dispatch(e: CallEvent): void; get(): CallState };

export class Session {
	plane: Plane | undefined;
	private readonly target: Target;
	private readonly name: string;
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

	constructor(target: Target, name: string, options: SessionOptions, sink: Sink, capture: Capture) {
		this.target = target;
		this.name = name;
		this.options = options;
		this.sink = sink;
		this.capture = capture;
		this.begin().catch((err: unknown) => {
			const text = err instanceof Error ? err.message : String(err);
			this.dispatch({ is: "process_failed", code: "unsupported", text, tried: [] });
		});
	}

	private async begin(): Promise<void> {
		const who = await identity();
		if (this.done) return;
		this.who = who;
		this.plane = new Plane(who.certificate, !!this.options.oneGroup, {
			up: attempt => this.tell({ is: "transport_up", attempt }),
			failed: (attempt, text) => this.tell({ is: "transport_failed", attempt, text }),
			lost: (attempt, text) => this.tell({ is: "transport_lost", attempt, text }),
			path: (group, rung) => this.dispatch({ is: "path", group, ...(rung ? { rung } : {}) }),
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
				name: this.name,
				build: this.options.build ?? "web",
				key: who.publicKey,
				fingerprint: who.fingerprint,
				oneGroup: !!this.options.oneGroup,
				...(lastZone ? { lastZone } : {}),
			},
			{
				found: ({ meeting, participant, role }) => this.dispatch({ is: "found", meeting, participant, role }),
				act: a => this.act(a),
				credentials: set => this.plane?.know(set),
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
	reopen(text: string): void {
		this.control?.end(text);
	}

	/** Does what the connection process wants beyond requests. */
	private act(a: JoinAction): void {
		if (this.done) return;
		switch (a.do) {
			case "open_control":
				this.openControl(a.attempt, a.grant);
				return;
			case "close_control":
				if (this.controlAttempt !== a.attempt) return;
				this.control?.close();
				this.control = undefined;
				return;
			case "start_transport":
				this.plane?.start(a);
				return;
			case "use_transport":
				this.plane?.take(a.attempt);
				return;
			case "close_transport":
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
				this.dispatch({ is: "process_failed", code: a.code ?? "", text: a.text, tried: [...(a.tried ?? [])] });
				return;
			default:
				return; // the requests are Joining's, the rest only tells
		}
	}

	private openControl(attempt: number, grant: Grant): void {
		this.control?.close();
		this.controlAttempt = attempt;
		this.plane?.hold();
		const control = new Control(
			controlURL(grant.url, this.options.site ?? location.href),
			() => this.hello(grant.router),
			{
				up: () => this.tell({ is: "control_up", attempt }),
				lost: text => {
					if (this.control !== control) return;
					this.control = undefined;
					this.tell({ is: "control_lost", attempt, text });
				},
				message: m => {
					if (this.control === control) this.receive(attempt, m);
				},
			},
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
			caps: {
				client: "web",
				codecs: decodable(),
				video_slots: this.options.videoSlots ?? slotsFor(screen),
				one_group: this.options.oneGroup,
			},
		};
	}

	private receive(attempt: number, m: FromRouter): void {
		switch (m.t) {
			case "welcome":
				this.plane?.know(m.groups);
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
		if (!this.plane || !this.control || this.plane.silence < askAfter) {
			this.askedAt = 0;
			return;
		}
		const now = performance.now();
		if (this.askedAt === 0) {
			this.askedAt = now;
			this.control.ask();
		} else if (now - this.askedAt > answerWithin && this.control.silence > now - this.askedAt) {
			this.askedAt = 0;
			this.control.end("the server fell silent");
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
		this.dispatch({ is: "stats", ...m, ...(control.rtt === undefined ? {} : { rtt: Math.round(control.rtt) }) });
	}

	end(leaving: boolean): void {
		if (this.done) return;
		this.done = true;
		for (const t of this.timers) clearInterval(t);
		if (leaving) this.control?.leave();
		else this.control?.close();
		this.control = undefined;
		this.joining?.end();
		this.plane?.end();
	}
}

/** The video codecs this browser decodes, as the protocol names them. */
function decodable(): string[] {
	const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
	const has = (name: string) => codecs.some(c => c.mimeType.toLowerCase() === `video/${name.toLowerCase()}`);
	const all = ["VP8", "VP9", "H264", "AV1"].filter(has);
	return all.length > 0 ? all : ["VP8"];
}
