// A connection to look at in the stories.
import type { CallState, PhaseView } from "../../call/state.ts";
import { say } from "../../join/words.ts";
import { Kind, Rung } from "../../proto/messages.gen.ts";

export const phases: PhaseView[] = [
	{ phase: "lookup", state: "done", ms: 41, detail: "2 zones, 1 tunnel" },
	{ phase: "zone", state: "done", ms: 72, detail: "Paris, 18 ms" },
	{ phase: "route", state: "done", ms: 73, detail: "mmr-1" },
	{ phase: "control", state: "done", ms: 121 },
	{ phase: "media", state: "done", ms: 164, detail: "udp-8801" },
];

const measured = { packets: 12000, bytes: 9_000_000, lost: 12, jitter_ms: 3.2, rtt_ms: 21, path: "udp-8801" as const };

export const connection: CallState["connection"] = {
	zone: "Paris",
	router: "mmr-1",
	path: { audio: "udp-8801", video: "tcp-8801" },
	tunnelled: {},
	rtt: 24,
	media: [
		{ ...measured, kind: Kind.Audio, up: true },
		{ ...measured, kind: Kind.Audio, up: false },
		{ ...measured, kind: Kind.Video, up: true, width: 1280, height: 720, fps: 29.7 },
		{ ...measured, kind: Kind.Video, up: false, width: 640, height: 360, fps: 30 },
	],
	rates: [
		{ kind: Kind.Audio, up: true, bps: 32_000, loss: 0 },
		{ kind: Kind.Audio, up: false, bps: 31_000, loss: 0.004 },
		{ kind: Kind.Video, up: true, bps: 1_840_000, loss: 0.012 },
		{ kind: Kind.Video, up: false, bps: 920_000, loss: 0 },
	],
	attempts: [
		{ phase: "lookup", what: say("site"), start_ms: 0, took_ms: 41, outcome: "won" },
		{
			phase: "zone",
			what: say("zone", { zone: "Paris", url: "https://paris.example.org" }),
			start_ms: 41,
			took_ms: 18,
			outcome: "won",
		},
		{
			phase: "zone",
			what: say("zone", { zone: "Tokyo", url: "https://tokyo.example.org" }),
			start_ms: 41,
			took_ms: 31,
			outcome: "lost",
			why: say("rated", { ms: 231, mine: 231, best: 18 }),
		},
		{
			phase: "media",
			what: say("media", { group: "video", rung: Rung.UDP8801 }),
			start_ms: 121,
			took_ms: 250,
			outcome: "lost",
			why: say("no_answer"),
		},
		{
			phase: "media",
			what: say("media", { group: "video", rung: Rung.TCP8801 }),
			start_ms: 371,
			took_ms: 62,
			outcome: "won",
		},
	],
	trips: { lookup: 3, zone: 1, control: 4, media: 2.1 },
	summary: [
		{ key: "best_zone", values: { zone: "Paris", ms: 18 } },
		{ key: "path", values: { group: "audio", rung: "udp-8801" } },
		{ key: "path", values: { group: "video", rung: "tcp-8801" } },
	],
};
