import { useId } from "react";
import type { MeetingRow } from "./api.ts";
import { MeetingItem } from "./MeetingItem.tsx";

/** Meetings under one heading. */
export function MeetingSection({
	title,
	rows,
	past = false,
}: {
	title: string;
	rows: readonly MeetingRow[];
	past?: boolean;
}) {
	const id = useId();
	return (
		<section aria-labelledby={id} className="mt-6">
			<h2 className="mb-2 font-semibold text-muted text-sm" id={id}>
				{title}
			</h2>
			<ul className="card divide-y divide-line">
				{rows.map(m => (
					<MeetingItem key={m.uuid} meeting={m} past={past} />
				))}
			</ul>
		</section>
	);
}
