import type { Over, OverCode } from "../call/state.ts";
import type { IconName } from "../components/Icon.tsx";
import type { T } from "../i18n/useT.ts";

/** What can be done about it. */
export type Way = "again" | "home";

export type OverWords = { icon: IconName; bad: boolean; title: string; text: string; ways: Way[] };

type Look = { icon: IconName; bad: boolean; ways: Way[] };

const fault = (...ways: Way[]): Look => ({ icon: "warning", bad: true, ways });

const looks: Record<OverCode, Look> = {
	left: { icon: "door", bad: false, ways: ["again", "home"] },
	meeting_ended: { icon: "check", bad: false, ways: ["home"] },
	not_started: { icon: "clock", bad: false, ways: ["again", "home"] },
	meeting_locked: { icon: "lock", bad: false, ways: ["again", "home"] },
	meeting_full: { icon: "people", bad: false, ways: ["again", "home"] },
	replaced: { icon: "info", bad: false, ways: ["again", "home"] },
	ejected: { icon: "person-remove", bad: true, ways: ["home"] },
	no_such_meeting: { icon: "key", bad: true, ways: ["home"] },
	slow_down: { icon: "clock", bad: true, ways: ["again", "home"] },
	too_old: { icon: "refresh", bad: true, ways: ["again", "home"] },
	token_expired: fault("again", "home"),
	token_invalid: fault("again", "home"),
	replayed: fault("again", "home"),
	forbidden: fault("home"),
	router_full: fault("again", "home"),
	no_router: fault("again", "home"),
	moved: fault("again", "home"),
	lost: fault("again", "home"),
	shutdown: fault("again", "home"),
	no_path: fault("again", "home"),
	no_media: fault("again", "home"),
	unsupported: fault("home"),
	bad_request: fault("home"),
	internal: fault("again", "home"),
};

/** The words for an end, by its code; a code from a newer server speaks for itself. */
export function overWords(t: T, over: Over): OverWords {
	if (!Object.hasOwn(looks, over.code)) {
		return { ...fault("again", "home"), title: t("error.internal.title"), text: over.text || t("error.internal.text") };
	}
	return { ...looks[over.code], title: t(`error.${over.code}.title`), text: t(`error.${over.code}.text`) };
}
