import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useT } from "../i18n/useT.ts";
import type { Meeting } from "./api.ts";
import { FormFrame } from "./FormFrame.tsx";
import { faultText } from "./faultText.ts";
import { InvitationDialog } from "./InvitationDialog.tsx";
import { MeetingForm } from "./MeetingForm.tsx";
import { inputOf, newValues, refusedBy } from "./meetingForm.ts";
import { useCreateMeeting } from "./queries.ts";
import { ownZone } from "./times.ts";
import { useTitle } from "./useTitle.ts";

/** Plans a new meeting; then shows its invitation. */
export function NewMeetingPage() {
	const t = useT();
	useTitle(t("site.form.newTitle"));
	const navigate = useNavigate();
	const create = useCreateMeeting();
	const [initial] = useState(() => newValues(new Date(), ownZone()));
	const [made, setMade] = useState<Meeting>();
	const done = () => void navigate({ to: "/meetings" });
	return (
		<FormFrame title={t("site.form.newTitle")}>
			<MeetingForm
				busy={create.isPending}
				faults={refusedBy(create.error)}
				initial={initial}
				isNew
				onCancel={done}
				onSubmit={v => create.mutate(inputOf(v), { onSuccess: setMade })}
				problem={create.error && faultText(t, create.error)}
			/>
			{made && <InvitationDialog number={made.id} onClose={done} open />}
		</FormFrame>
	);
}
