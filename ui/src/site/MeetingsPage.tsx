import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useIntl } from "react-intl";
import { Button, buttonStyle } from "../components/Button.tsx";
import { Icon } from "../components/Icon.tsx";
import { Segmented } from "../components/Segmented.tsx";
import { useT } from "../i18n/useT.ts";
import type { User } from "./api.ts";
import { LiveMeetings } from "./LiveMeetings.tsx";
import { PlannedMeetings, type Tab } from "./PlannedMeetings.tsx";
import { useInstantMeeting } from "./useStart.ts";
import { useTitle } from "./useTitle.ts";

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
				<div className="flex flex-wrap gap-2 *:whitespace-nowrap max-sm:w-full max-sm:*:grow">
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
			<PlannedMeetings tab={tab} />
		</div>
	);
}
