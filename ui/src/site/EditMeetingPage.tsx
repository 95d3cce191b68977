import { useQuery } from "@tanstack/react-query";
import { Banner } from "../components/Banner.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { useT } from "../i18n/useT.ts";
import { EditMeeting } from "./EditMeeting.tsx";
import { FormFrame } from "./FormFrame.tsx";
import { faultText } from "./faultText.ts";
import { meetingQuery } from "./queries.ts";
import { useTitle } from "./useTitle.ts";

/** Changes a meeting. */
export function EditMeetingPage({ number }: { number: number }) {
	const t = useT();
	useTitle(t("site.form.editTitle"));
	const { data: m, error } = useQuery({ ...meetingQuery(number), staleTime: 0, refetchOnWindowFocus: false });
	return (
		<FormFrame title={t("site.form.editTitle")}>
			{error && !m && <Banner tone="danger">{faultText(t, error)}</Banner>}
			{!error && !m && <Spinner className="mx-auto my-16 text-muted" size={28} />}
			{m && <EditMeeting key={m.uuid} meeting={m} />}
		</FormFrame>
	);
}
