import type { Notice } from "../call/state.ts";
import type { IconName } from "../components/Icon.tsx";
import type { T } from "../i18n/useT.ts";
import { Code } from "../proto/messages.gen.ts";

/** The words of a notice. */
export function noticeText(t: T, n: Notice, keyboard: boolean): string {
	switch (n.kind) {
		case "talking_muted":
			return t(keyboard ? "room.notice.talking_muted" : "room.notice.talking_muted.touch");
		case "refused":
			return refusal(t, String(n.values["code"] ?? ""), String(n.values["text"] ?? ""));
		case "joined":
		case "left":
		case "hand_raised":
		case "chat":
		case "share_started":
		case "share_stopped":
		case "muted_by_host":
		case "unmuted":
		case "made_cohost":
		case "made_participant":
		case "waiting":
		case "locked":
		case "unlocked":
		case "device_lost":
		case "device_switched":
		case "device_found":
		case "back":
			return t(`room.notice.${n.kind}`, n.values);
		default:
			return n.kind satisfies never;
	}
}

/** Why the router did not do what was asked, in words for what a person can run into. */
function refusal(t: T, code: string, text: string): string {
	switch (code) {
		case Code.Forbidden:
			return t("room.refused.forbidden");
		case Code.SlowDown:
			return t("room.refused.slow_down");
		case Code.Unsupported:
			return t("room.refused.unsupported");
		default:
			return t("room.refused.other", { text });
	}
}

/** The drawing beside it. */
export function noticeIcon(n: Notice): IconName {
	switch (n.kind) {
		case "joined":
			return "person-add";
		case "left":
			return "door";
		case "hand_raised":
			return "hand";
		case "chat":
			return "chat";
		case "share_started":
			return "share";
		case "share_stopped":
			return "share-stop";
		case "muted_by_host":
		case "talking_muted":
			return "mic-off";
		case "unmuted":
			return "mic";
		case "made_cohost":
			return "crown";
		case "made_participant":
			return "person";
		case "waiting":
			return "clock";
		case "locked":
			return "lock";
		case "unlocked":
			return "unlock";
		case "device_lost":
		case "device_switched":
		case "refused":
			return "warning";
		case "device_found":
			return "sliders";
		case "back":
			return "check";
		default:
			return n.kind satisfies never;
	}
}
