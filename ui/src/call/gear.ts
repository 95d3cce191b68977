// Devices that go and come in mid-call. A microphone that is unplugged is replaced at once by another; a camera is
// not, since nobody expects to be seen from elsewhere. What is plugged in is offered, never just used.
import type { Effect, MediaEvent } from "./event.ts";
import { closed, gone, note, open, type Step, want, withMine } from "./mine.ts";
import type { CallState, Device, DeviceKind, MineKind } from "./state.ts";

const deviceKinds = ["audioIn", "videoIn", "audioOut"] as const satisfies DeviceKind[];
const mineOf = { audioIn: "audio", videoIn: "video" } as const;

/** A device stopped by itself, or the browser's own bar stopped a share. */
export function onCaptureEnded(s: CallState, kind: MineKind, now: number): Step {
	const mine = { ...gone(s.mine[kind]), wanted: kind === "audio", ...(kind === "content" ? {} : { lost: true }) };
	const [next, effects] = closed(withMine(s, kind, mine), kind);
	effects.push({ do: "release", kind });
	switch (kind) {
		case "content":
			return [next, effects];
		case "video":
			return note(next, "device_lost", { kind }, now, effects);
		case "audio":
			return [next, [...effects, open(next, kind)]];
	}
}

/** The list of devices, as it is now. */
export function onDevices(s: CallState, e: Extract<MediaEvent, { is: "devices" }>, now: number): Step {
	const { is: _, ...list } = e;
	const next = { ...s, devices: { ...s.devices, ...list } };
	if (s.stage !== "in" && s.stage !== "reconnecting") return [next, []];
	const effects: Effect[] = [];
	const found: Record<string, string> = {};
	let step: Step = [next, effects];
	for (const kind of deviceKinds) {
		const before = s.devices[kind];
		const chosen = s.devices.chosen[kind];
		const has = (all: readonly Device[]) => all.some(d => d.id === chosen);
		if (kind === "audioOut" && chosen !== undefined && has(before) !== has(e.audioOut)) {
			// Sound goes where it can, and back when its own place is there again.
			const back = has(e.audioOut);
			step[1].push({ do: "output", device: back ? chosen : "" });
			if (!back) step = note(step[0], "device_lost", { kind: "output" }, now, step[1]);
			if (back) continue;
		}
		if (before.length === 0 && !(kind !== "audioOut" && missed(s, mineOf[kind]))) continue; // the first list, with permission
		if (kind === "audioOut" && !e.canChooseOutput) continue;
		const fresh = e[kind].find(d => d.label !== "" && d.id !== "default" && !before.some(b => b.id === d.id));
		if (!fresh) continue;
		found[kind] = fresh.id;
		found["label"] ??= fresh.label;
	}
	return found["label"] === undefined ? step : note(step[0], "device_found", found, now, step[1]);
}

/** Somebody wanted to use one, and there is none. */
function missed(s: CallState, kind: MineKind): boolean {
	return s.mine[kind].lost === true || s.mine[kind].problem === "missing";
}

export function chooseDevice(s: CallState, kind: DeviceKind, id: string): Step {
	const next = { ...s, devices: { ...s.devices, chosen: { ...s.devices.chosen, [kind]: id } } };
	const effects: Effect[] = [{ do: "remember", device: { kind, id } }];
	if (kind === "audioOut") effects.push({ do: "output", device: id });
	else if (s.mine[mineOf[kind]].wanted) effects.push({ do: "capture", kind: mineOf[kind], device: id });
	return [next, effects];
}

/** Uses what was offered; what had been missing is opened again. */
export function takeFound(s: CallState, notice: number): Step {
	const offer = s.notices.find(n => n.id === notice && n.kind === "device_found");
	let step: Step = [{ ...s, notices: s.notices.filter(n => n.id !== notice) }, []];
	const then = (next: Step) => {
		step = [next[0], [...step[1], ...next[1]]];
	};
	for (const kind of deviceKinds) {
		const id = offer?.values[kind];
		if (typeof id !== "string") continue;
		then(chooseDevice(step[0], kind, id));
		if (kind !== "audioOut" && missed(s, mineOf[kind])) then(want(step[0], mineOf[kind], true));
	}
	return step;
}
