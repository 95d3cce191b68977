import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useIntl } from "react-intl";
import { Button } from "../components/Button.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { Menu, MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import type { MeetingRow } from "./api.ts";
import { DeleteMeeting } from "./DeleteMeeting.tsx";
import { InvitationDialog } from "./InvitationDialog.tsx";
import { showNumber } from "./number.ts";
import { useDuration } from "./useDuration.ts";
import { useStart } from "./useStart.ts";

/** One planned meeting and what can be done with it. */
export function MeetingItem({ meeting: m, past }: { meeting: MeetingRow; past: boolean }) {
	const t = useT();
	const intl = useIntl();
	const navigate = useNavigate();
	const start = useStart();
	const duration = useDuration();
	const [open, setOpen] = useState<"invitation" | "delete">();
	const at = m.start_time ? new Date(m.start_time) : undefined;
	// The one that is next to do stands out.
	const soon = !past && at !== undefined && at.getTime() < Date.now() + 15 * 60_000;
	const close = () => setOpen(undefined);
	return (
		<li className="flex flex-wrap items-center gap-x-4 gap-y-3 p-4 sm:px-5">
			<div className="flex min-w-0 grow basis-60 gap-x-4 max-sm:basis-full max-sm:flex-col">
				{at && (
					<div className="w-24 shrink-0 tabular-nums max-sm:w-full max-sm:text-sm">
						<p className="font-semibold max-sm:inline">{intl.formatTime(at)}</p>{" "}
						<p className="text-muted text-sm max-sm:inline">
							{past ? intl.formatDate(at, { dateStyle: "medium" }) : duration(m.duration)}
						</p>
					</div>
				)}
				<div className="min-w-0 grow">
					<h3 className="truncate font-semibold">{m.topic}</h3>
					<p className="text-muted text-sm tabular-nums">{showNumber(m.id)}</p>
				</div>
			</div>
			<div className="flex items-center gap-1 max-sm:w-full">
				<Button className="max-sm:grow" onClick={() => start(m)} tone={soon ? "primary" : "secondary"}>
					{past ? t("site.meetings.startAgain") : t("site.meetings.start")}
				</Button>
				<IconButton icon="copy" label={t("site.meetings.invite")} onClick={() => setOpen("invitation")} />
				<Menu trigger={<IconButton icon="more" label={t("site.meetings.options", { topic: m.topic })} />}>
					<MenuItem icon="copy" onClick={() => setOpen("invitation")}>
						{t("site.meetings.invite")}
					</MenuItem>
					<MenuItem
						icon="edit"
						onClick={() => void navigate({ to: "/meetings/$number", params: { number: String(m.id) } })}
					>
						{t("site.meetings.edit")}
					</MenuItem>
					<MenuSeparator />
					<MenuItem danger icon="trash" onClick={() => setOpen("delete")}>
						{t("site.meetings.delete")}
					</MenuItem>
				</Menu>
			</div>
			<InvitationDialog number={m.id} onClose={close} open={open === "invitation"} />
			<DeleteMeeting meeting={m} onClose={close} open={open === "delete"} />
		</li>
	);
}
