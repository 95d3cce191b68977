import { useT } from "../i18n/useT.ts";
import { LiveMeeting } from "./LiveMeeting.tsx";
import { useMeetings } from "./queries.ts";

/** One's meetings that run right now. */
export function LiveMeetings() {
	const t = useT();
	const rows = useMeetings("live").data?.pages.flatMap(p => p.meetings) ?? [];
	if (rows.length === 0) return null;
	return (
		<section aria-label={t("site.meetings.live")} className="mt-8 grid grid-cols-[minmax(0,1fr)] gap-3">
			{rows.map(m => (
				<LiveMeeting key={m.uuid} meeting={m} />
			))}
		</section>
	);
}
