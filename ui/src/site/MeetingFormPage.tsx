import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Banner } from "../components/Banner.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import { ApiError, type Meeting } from "./api.ts";
import { faultText } from "./faultText.ts";
import { InvitationDialog } from "./InvitationDialog.tsx";
import { MeetingForm } from "./MeetingForm.tsx";
import { type Faults, faultsFrom, inputOf, type MeetingValues, newValues, valuesOf } from "./meetingForm.ts";
import { meetingQuery, useChangeMeeting, useCreateMeeting } from "./queries.ts";
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
		<Page title={t("site.form.newTitle")}>
			<MeetingForm
				busy={create.isPending}
				faults={serverFaults(create.error)}
				initial={initial}
				isNew
				onCancel={done}
				onSubmit={v => create.mutate(inputOf(v), { onSuccess: setMade })}
				problem={create.error && faultText(t, create.error)}
			/>
			{made && <InvitationDialog number={made.id} onClose={done} open />}
		</Page>
	);
}

/** Changes a meeting. */
export function EditMeetingPage({ number }: { number: number }) {
	const t = useT();
	useTitle(t("site.form.editTitle"));
	const { data: m, error } = useQuery({ ...meetingQuery(number), staleTime: 0, refetchOnWindowFocus: false });
	return (
		<Page title={t("site.form.editTitle")}>
			{error && !m && <Banner tone="danger">{faultText(t, error)}</Banner>}
			{!error && !m && <Spinner className="mx-auto my-16 text-muted" size={28} />}
			{m && <Edit key={m.uuid} meeting={m} />}
		</Page>
	);
}

function Edit({ meeting }: { meeting: Meeting }) {
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
			faults={serverFaults(change.error)}
			initial={initial}
			isNew={false}
			onCancel={done}
			onSubmit={submit}
			problem={change.error && faultText(t, change.error)}
		/>
	);
}

function serverFaults(e: Error | null): Faults {
	return e instanceof ApiError ? faultsFrom(e.fields) : {};
}

function Page({ title, children }: { title: string; children: React.ReactNode }) {
	return (
		<div className="rise mx-auto w-full max-w-2xl pt-4 sm:pt-8">
			<h1 className="mb-6 font-semibold text-2xl tracking-tight sm:text-3xl">{title}</h1>
			{children}
		</div>
	);
}
