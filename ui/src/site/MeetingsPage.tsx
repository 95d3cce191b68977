import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useIntl } from "react-intl";
import { Banner } from "../components/Banner.tsx";
import { Button, buttonStyle } from "../components/Button.tsx";
import { EmptyState } from "../components/EmptyState.tsx";
import { Icon } from "../components/Icon.tsx";
import { Segmented } from "../components/Segmented.tsx";
import { useT } from "../i18n/useT.ts";
import type { User } from "./api.ts";
import { faultText } from "./faultText.ts";
import { LiveMeetings } from "./LiveMeetings.tsx";
import { MeetingSection } from "./MeetingSection.tsx";
import { useMeetings } from "./queries.ts";
import { ownZone, sortMeetings } from "./times.ts";
import { useDayName } from "./useDayName.ts";
import { useInstantMeeting } from "./useStart.ts";
import { useTitle } from "./useTitle.ts";

type Tab = "upcoming" | "past";

/** One's own meetings: what runs, what comes, what was. */
export function MeetingsPage({ user }: { user: User }) {
	const t = useT();
	useTitle(t("site.meetings.title"));
	const instant = useInstantMeeting();
	const [tab, setTab] = useState<Tab>("upcoming");
	const today = useIntl().formatDate(new Date(), { weekday: "long", day: "numeric", month: "long" });
	return (
		<div className="rise pt-4 sm:pt-8">
			<div className="flex flex-wrap items-end gap-x-6 gap-y-4">
				<div className="grow">
					<p className="text-muted text-sm">{today}</p>
					<h1 className="font-semibold text-2xl tracking-tight sm:text-3xl">
						{t("site.meetings.hello", { name: user.first_name || user.display_name })}
					</h1>
				</div>
				<div className="flex gap-2 max-sm:w-full max-sm:*:grow">
					<Link className={buttonStyle("secondary", "lg")} to="/meetings/new">
						<Icon name="calendar" />
						{t("site.meetings.schedule")}
					</Link>
					<Button busy={instant.busy} icon="camera" onClick={instant.start} size="lg" tone="primary">
						{t("site.meetings.instant")}
					</Button>
				</div>
			</div>
			<LiveMeetings />
			<div className="mt-8 mb-2">
				<Segmented<Tab>
					label={t("site.meetings.which")}
					onChange={setTab}
					options={[
						{ value: "upcoming", label: t("site.meetings.upcoming") },
						{ value: "past", label: t("site.meetings.past") },
					]}
					value={tab}
				/>
			</div>
			<Planned tab={tab} />
		</div>
	);
}

function Planned({ tab }: { tab: Tab }) {
	const t = useT();
	const dayName = useDayName();
	const list = useMeetings("scheduled");
	if (list.isPending) return <Skeleton label={t("ui.loading")} />;
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

function Skeleton({ label }: { label: string }) {
	return (
		<div aria-label={label} className="mt-6 grid gap-3" role="status">
			{[0, 1, 2].map(i => (
				<div className="breathe card h-20" key={i} />
			))}
		</div>
	);
}
