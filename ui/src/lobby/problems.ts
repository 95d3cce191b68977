// What keeps camera and microphone from working, as few messages as say it all.
import type { Problem, SourceMine } from "../call/state.ts";
import type { MessageID } from "../i18n/locales.ts";

export type Who = "audio" | "video" | "both";
export type Trouble = { who: Who; title: MessageID; text: MessageID; retry: boolean };

/** Problems of the page or browser concern both devices, however many report them. */
const general: Partial<Record<Problem, true>> = { insecure: true, unsupported: true };

/** The problems to tell, worst first. A device that is not wanted has none. */
export function troubles(audio: SourceMine, video: SourceMine): Trouble[] {
	const a = audio.problem;
	const v = video.problem;
	if (a && general[a]) return [trouble("both", a)];
	if (v && general[v]) return [trouble("both", v)];
	if (a && a === v) return [trouble("both", a)];
	return [...(a ? [trouble("audio", a)] : []), ...(v ? [trouble("video", v)] : [])];
}

function trouble(who: Who, problem: Problem): Trouble {
	switch (problem) {
		case "denied":
			return { who, title: `lobby.denied.${who}`, text: "lobby.denied.help", retry: true };
		case "missing":
			return { who, title: `lobby.missing.${who}`, text: "lobby.missing.help", retry: true };
		case "busy":
			return { who, title: `lobby.busy.${who}`, text: "lobby.busy.help", retry: true };
		case "insecure":
			return { who, title: "lobby.insecure", text: "lobby.insecure.help", retry: false };
		case "unsupported":
			return { who, title: "lobby.unsupported", text: "lobby.unsupported.help", retry: false };
		case "cancelled":
		case "failed":
			return { who, title: `lobby.failed.${who}`, text: "lobby.failed.help", retry: true };
		default:
			return problem satisfies never;
	}
}
