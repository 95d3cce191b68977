import { Link } from "@tanstack/react-router";
import { Banner } from "../components/Banner.tsx";
import { Button, buttonStyle } from "../components/Button.tsx";
import { EmptyState } from "../components/EmptyState.tsx";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { faultText } from "./faultText.ts";
import { ListSkeleton } from "./ListSkeleton.tsx";
import { MeetingSection } from "./MeetingSection.tsx";
import { useMeetings } from "./queries.ts";
import { ownZone, sortMeetings } from "./times.ts";
import { useDayName } from "./useDayName.ts";

export type Tab = "upcoming" | "past";

/** Meetings by day: those to come, or those that are over. */
export function PlannedMeetings({ tab }: { tab: Tab }) {
	const t = useT();
	const dayName = useDayName();
	const list = useMeetings("scheduled");
	if (list.isPending) return <ListSkeleton />;
	if (list.isError && !list.data) {
		return (
			<Banner
				actions={
					<Button onClick={() => void list.refetch()} size="sm">
						{t("ui.retry")}
					</Button>
				}
				className="mt-4"
				tone="danger"
			>
				{faultText(t, list.error)}
			</Banner>
		);
	}
	const { upcoming, anytime, past } = sortMeetings(
		list.data.pages.flatMap(p => p.meetings),
		new Date(),
		ownZone(),
	);
	const nothing = tab === "past" ? past.length === 0 : upcoming.length + anytime.length === 0;
	return (
		<>
			{nothing && tab === "past" && <EmptyState icon="clock" title={t("site.meetings.noPast")} />}
			{nothing && tab === "upcoming" && (
				<EmptyState
					actions={
						<Link className={buttonStyle("primary")} to="/meetings/new">
							<Icon name="calendar" size={18} />
							{t("site.meetings.schedule")}
						</Link>
					}
					icon="calendar"
					title={t("site.meetings.none")}
				>
					{t("site.meetings.noneHint")}
				</EmptyState>
			)}
			{tab === "upcoming" && upcoming.map(d => <MeetingSection key={d.key} rows={d.rows} title={dayName(d.at)} />)}
			{tab === "upcoming" && anytime.length > 0 && <MeetingSection rows={anytime} title={t("site.meetings.anytime")} />}
			{tab === "past" && past.length > 0 && <MeetingSection past rows={past} title={t("site.meetings.past")} />}
			{list.hasNextPage && (
				<div className="mt-6 text-center">
					<Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
						{t("site.meetings.more")}
					</Button>
				</div>
			)}
		</>
	);
}
