import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import type { Meeting } from "./api.ts";
import { faultText } from "./faultText.ts";
import { MeetingForm } from "./MeetingForm.tsx";
import { inputOf, type MeetingValues, refusedBy, valuesOf } from "./meetingForm.ts";
import { useChangeMeeting } from "./queries.ts";

/** The form of a meeting that is there already. */
export function EditMeeting({ meeting }: { meeting: Meeting }) {
	const t = useT();
	const navigate = useNavigate();
	const change = useChangeMeeting();
	const [initial] = useState(() => valuesOf(meeting, new Date()));
	const done = () => void navigate({ to: "/meetings" });
	const submit = (v: MeetingValues) =>
		change.mutate(
			{ id: meeting.id, input: inputOf(v, meeting.type) },
			{
				onSuccess: () => {
					toasts.add({ type: "done", title: t("site.form.saved") });
					done();
				},
			},
		);
	return (
		<MeetingForm
			busy={change.isPending}
			faults={refusedBy(change.error)}
			initial={initial}
			isNew={false}
			onCancel={done}
			onSubmit={submit}
			problem={change.error && faultText(t, change.error)}
		/>
	);
}
