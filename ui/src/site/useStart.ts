import { useNavigate } from "@tanstack/react-router";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import { type MeetingRow, meetingType } from "./api.ts";
import { faultText } from "./faultText.ts";
import { numberOfLink } from "./invitation.ts";
import { useCreateMeeting } from "./queries.ts";

/** Goes to the lobby of one's own meeting. */
export function useStart(): (m: MeetingRow) => void {
	const navigate = useNavigate();
	return m => void navigate({ to: "/j/$number", params: { number: numberOfLink(m.join_url) } });
}

/** Makes a meeting for now and goes to its lobby. */
export function useInstantMeeting(): { start: () => void; busy: boolean } {
	const t = useT();
	const start = useStart();
	const create = useCreateMeeting();
	return {
		busy: create.isPending,
		start: () =>
			create.mutate(
				{ type: meetingType.instant, topic: t("site.meetings.instantTopic") },
				{ onSuccess: start, onError: e => toasts.add({ type: "error", title: faultText(t, e) }) },
			),
	};
}
