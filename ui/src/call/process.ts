// What the connection process makes of the state.

import { Code } from "../proto/messages.gen.ts";
import type { Effect, ProcessEvent } from "./event.ts";
import { arrival, fromIdle, note, releaseAll, type Step, send } from "./mine.ts";
import { type CallState, type OverCode, type PhaseName, phaseNames } from "./state.ts";

/** Refusals that a click would only meet again. The others may be another network's by then, or a host's to lift. */
const keepsOut: readonly string[] = [Code.NoSuchMeeting, Code.Ended, Code.Ejected, Code.TooOld, Code.SlowDown];

export function onProcess(s: CallState, e: ProcessEvent, now: number): Step {
	switch (e.is) {
		case "progress": {
			if (e.phase === "resume") return s.stage === "in" ? [{ ...s, stage: "reconnecting" }, []] : [s, []];
			if (e.phase === "tunnel") return [s, []];
			return [{ ...s, phases: phasesAt(s, e.phase, e.ms, e.detail) }, []];
		}
		case "found":
			return [{ ...s, meeting: e.meeting, self: e.participant, role: e.role }, []];
		case "process_waiting":
			return [{ ...s, stage: "waiting", topic: e.topic, announced: [] }, []];
		case "process_joined": {
			const next: CallState = {
				...s,
				clock: e.clock,
				connection: { ...s.connection, router: e.router, zone: e.zone },
			};
			return e.resumed && s.stage === "in" ? note(next, "back", {}, now) : [next, []];
		}
		case "process_failed": {
			// Who is in has reached the site and the meeting; what has found no way is media.
			const silent = s.stage === "in" ? "no_media" : "no_path";
			return over(s, (e.code || silent) as OverCode, e.text, e.tried, [{ do: "over" }]);
		}
		case "greeted": {
			const said = arrival(s);
			return [{ ...s, announced: said.map(m => JSON.stringify(m)) }, said.map(send)];
		}
		case "lobby_failed": {
			if (s.stage !== "lobby" || !keepsOut.includes(e.code)) return [s, []];
			return [{ ...s, obstacle: { code: e.code as OverCode, text: e.text } }, []];
		}
		case "control_lost":
			return s.stage === "in" ? [{ ...s, stage: "reconnecting" }, []] : [s, []];
		case "report": {
			const { attempts, summary, trips } = e;
			return [{ ...s, connection: { ...s.connection, attempts, summary, trips } }, []];
		}
		default: {
			const never: never = e;
			return never;
		}
	}
}

/** A phase that got somewhere is done, and so is what was before it or not needed; the next one runs. */
function phasesAt(s: CallState, phase: PhaseName, ms: number, detail: string) {
	const at = phaseNames.indexOf(phase);
	return s.phases.map((p, i) => {
		if (i === at) return { ...p, state: "done" as const, ms: p.ms ?? ms, ...(detail ? { detail } : {}) };
		if (i < at && p.state !== "done") return { ...p, state: "done" as const };
		if (i === at + 1 && p.state === "todo") return { ...p, state: "running" as const };
		return p;
	});
}

export function over(s: CallState, code: OverCode, text: string, tried: string[], effects: Effect[]): Step {
	const phases = s.phases.map(p => (p.state === "running" ? { ...p, state: "failed" as const } : p));
	const next: CallState = {
		...fromIdle(s),
		stage: "over",
		over: { code, text, tried },
		phases,
		connection: s.connection,
		...(s.target ? { target: s.target } : {}),
		...(s.meeting ? { meeting: s.meeting } : {}),
	};
	return [next, [...effects, ...releaseAll(s)]];
}
