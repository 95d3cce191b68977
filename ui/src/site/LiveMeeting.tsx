import { useState } from "react";
import { Badge } from "../components/Badge.tsx";
import { Button } from "../components/Button.tsx";
import { Confirm } from "../components/Confirm.tsx";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import type { MeetingRow } from "./api.ts";
import { faultText } from "./faultText.ts";
import { showNumber } from "./number.ts";
import { useEndMeeting } from "./queries.ts";
import { useStart } from "./useStart.ts";

/** A meeting that runs: back into it, or end it. */
export function LiveMeeting({ meeting: m }: { meeting: MeetingRow }) {
	const t = useT();
	const start = useStart();
	const end = useEndMeeting();
	const [asking, setAsking] = useState(false);
	return (
		<article className="card flex flex-wrap items-center gap-x-4 gap-y-3 border-accent! p-4 sm:px-5">
			<div className="min-w-0 grow">
				<Badge tone="accent">
					<span className="breathe size-2 rounded-full bg-speak" />
					{t("site.meetings.live")}
				</Badge>
				<h2 className="mt-1 truncate font-semibold">{m.topic}</h2>
				<p className="text-muted text-sm tabular-nums">{showNumber(m.id)}</p>
			</div>
			<div className="flex flex-wrap gap-2 *:whitespace-nowrap max-sm:w-full max-sm:*:grow">
				<Button onClick={() => setAsking(true)}>{t("site.meetings.end")}</Button>
				<Button icon="camera" onClick={() => start(m)} tone="primary">
					{t("site.meetings.return")}
				</Button>
			</div>
			<Confirm
				action={t("site.meetings.end")}
				busy={end.isPending}
				onClose={() => setAsking(false)}
				onConfirm={() =>
					end.mutate(m.id, {
						onSuccess: () => setAsking(false),
						onError: e => toasts.add({ type: "error", title: faultText(t, e) }),
					})
				}
				open={asking}
				title={t("site.meetings.endTitle", { topic: m.topic })}
			>
				{t("site.meetings.endText")}
			</Confirm>
		</article>
	);
}
