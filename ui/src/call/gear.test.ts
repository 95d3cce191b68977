import { expect, test } from "vitest";
import { Kind } from "../proto/messages.gen.ts";
import type { CallEvent, Effect } from "./event.ts";
import { reduce } from "./reduce.ts";
import { type CallState, type Device, initialState } from "./state.ts";

const dev = (id: string): Device => ({ id, label: id.toUpperCase() });
const listed = (audioIn: string[], videoIn: string[] = ["cam"], audioOut: string[] = ["speaker"]): CallEvent => ({
	is: "devices",
	audioIn: audioIn.map(dev),
	videoIn: videoIn.map(dev),
	audioOut: audioOut.map(dev),
	canChooseOutput: true,
});
const stream = (label: string) =>
	({ getAudioTracks: () => [{ label }], getVideoTracks: () => [{ label }] }) as unknown as MediaStream;
const opened = (kind: "audio" | "video", label = "X"): CallEvent => ({ is: "captured", kind, stream: stream(label) });

/** In a meeting with a microphone and a camera that are on. */
function inside(muted = false): CallState {
	const on = { wanted: true, on: true, muted: false, byHost: false, stream: stream("X") };
	const mine = { ...initialState().mine, audio: { ...on, muted }, video: on };
	return play([listed(["built-in", "headset"])], { ...initialState(), stage: "in", mine }).s;
}

function play(events: CallEvent[], from: CallState): { s: CallState; effects: Effect[] } {
	let s = from;
	const effects: Effect[] = [];
	for (const e of events) {
		const [next, more] = reduce(s, e, 1000);
		s = next;
		effects.push(...more);
	}
	return { s, effects };
}

const notices = (s: CallState) => s.notices.map(n => n.kind);
const captures = (all: Effect[]) => all.filter(e => e.do === "capture");

test("a microphone that is unplugged is replaced by another, as muted as it was", () => {
	const gone = play([{ is: "capture_ended", kind: "audio" }], inside(true));
	expect(captures(gone.effects)).toEqual([{ do: "capture", kind: "audio" }]);
	expect(gone.effects).toContainEqual({
		do: "send",
		message: { t: "publish", kind: Kind.Audio, active: false },
	});
	const { s, effects } = play([opened("audio", "Built-in")], gone.s);
	expect(s.mine.audio).toMatchObject({ on: true, muted: true });
	expect(effects).toContainEqual({ do: "mute", muted: true });
	expect(s.notices).toMatchObject([{ kind: "device_switched", values: { label: "Built-in" } }]);
});

test("without another microphone one listens, and is told so once", () => {
	const { s } = play(
		[
			{ is: "capture_ended", kind: "audio" },
			{ is: "capture_failed", kind: "audio", problem: "missing" },
		],
		inside(),
	);
	expect(s.mine.audio).toMatchObject({ wanted: false, on: false, problem: "missing" });
	expect(notices(s)).toEqual(["device_lost"]);
});

test("a camera that is unplugged is not replaced by one nobody expects", () => {
	const { s, effects } = play([{ is: "capture_ended", kind: "video" }], inside());
	expect(captures(effects)).toEqual([]);
	expect(s.mine.video).toMatchObject({ wanted: false, on: false });
	expect(s.notices).toMatchObject([{ kind: "device_lost", values: { kind: "video" } }]);
});

test("what is plugged in is offered in one notice, and used when the person says so", () => {
	const { s, effects } = play([listed(["built-in", "headset", "usb"], ["cam"], ["speaker", "usb-out"])], inside());
	expect(captures(effects)).toEqual([]);
	expect(s.notices).toMatchObject([
		{ kind: "device_found", values: { label: "USB", audioIn: "usb", audioOut: "usb-out" } },
	]);
	const used = play([{ is: "use_found", notice: s.notices[0]?.id ?? 0 }], s);
	expect(used.effects).toContainEqual({ do: "capture", kind: "audio", device: "usb" });
	expect(used.effects).toContainEqual({ do: "output", device: "usb-out" });
	expect(used.s.notices).toEqual([]);
});

test("the only microphone and camera, plugged in again, are opened again when the person says so", () => {
	const without = play(
		[
			{ is: "capture_ended", kind: "audio" },
			{ is: "capture_failed", kind: "audio", problem: "missing" },
			{ is: "capture_ended", kind: "video" },
			listed([], []),
		],
		inside(),
	).s;
	const { s } = play([listed(["headset"], ["cam"])], without);
	const offer = s.notices.at(-1);
	expect(offer).toMatchObject({ kind: "device_found", values: { audioIn: "headset", videoIn: "cam" } });
	const used = play([{ is: "use_found", notice: offer?.id ?? 0 }], s);
	expect(captures(used.effects)).toEqual([
		{ do: "capture", kind: "audio", device: "headset" },
		{ do: "capture", kind: "video", device: "cam" },
	]);
	expect(notices(play([opened("audio"), opened("video")], used.s).s)).not.toContain("device_switched");
});

test("a camera one had switched off stays off when another is plugged in", () => {
	const off = play([{ is: "toggle", kind: "video" }, listed(["built-in", "headset"], ["cam", "new"])], inside()).s;
	expect(captures(play([{ is: "use_found", notice: off.notices[0]?.id ?? 0 }], off).effects)).toEqual([]);
});

test("the first list, with permission, offers nothing, nor does one in the lobby", () => {
	expect(notices(play([listed(["a"])], { ...initialState(), stage: "in" }).s)).toEqual([]);
	expect(notices(play([listed(["a"]), listed(["a", "b"])], { ...initialState(), stage: "lobby" }).s)).toEqual([]);
});

test("the loudspeaker chosen goes and comes back: sound goes elsewhere and returns", () => {
	const chosen = play([{ is: "choose_device", kind: "audioOut", id: "speaker" }], inside()).s;
	const away = play([listed(["built-in", "headset"], ["cam"], ["hdmi"])], chosen);
	expect(away.effects).toContainEqual({ do: "output", device: "" });
	expect(away.s.notices[0]).toMatchObject({ kind: "device_lost", values: { kind: "output" } });
	const back = play([listed(["built-in", "headset"], ["cam"], ["hdmi", "speaker"])], away.s);
	expect(back.effects).toEqual([{ do: "output", device: "speaker" }]);
});
