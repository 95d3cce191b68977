import { Confirm } from "../components/Confirm.tsx";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import type { MeetingRow } from "./api.ts";
import { faultText } from "./faultText.ts";
import { useRecoverMeeting, useRemoveMeeting } from "./queries.ts";

/** Asks, deletes, and offers to take it back. */
export function DeleteMeeting({
	meeting: m,
	open,
	onClose,
}: {
	meeting: MeetingRow;
	open: boolean;
	onClose: () => void;
}) {
	const t = useT();
	const remove = useRemoveMeeting();
	const recover = useRecoverMeeting();
	const failed = (e: unknown) => toasts.add({ type: "error", title: faultText(t, e) });
	const confirm = () =>
		remove.mutate(m.id, {
			onError: failed,
			onSuccess: () => {
				onClose();
				const id = toasts.add({
					type: "done",
					title: t("site.meetings.deleted", { topic: m.topic }),
					timeout: 10_000,
					actionProps: {
						children: t("site.meetings.undo"),
						onClick: () => {
							toasts.close(id);
							recover.mutate(m.id, { onError: failed });
						},
					},
				});
			},
		});
	return (
		<Confirm
			action={t("site.meetings.delete")}
			busy={remove.isPending}
			onClose={onClose}
			onConfirm={confirm}
			open={open}
			title={t("site.meetings.deleteTitle", { topic: m.topic })}
		>
			{t("site.meetings.deleteText")}
		</Confirm>
	);
}
