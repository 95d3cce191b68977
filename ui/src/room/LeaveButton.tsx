import { useState } from "react";
import { useActions } from "../call/useCall.ts";
import { Confirm } from "../components/Confirm.tsx";
import { Menu, MenuItem } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";

/** Leaves; a host is asked whether the others may go on. */
export function LeaveButton() {
	const t = useT();
	const { leave, act } = useActions();
	const [ending, setEnding] = useState(false);
	const words = { caption: t("room.leave.short"), icon: "leave", label: t("room.leave"), tone: "leave" } as const;
	if (!act.end) return <BarButton {...words} className="xl:ml-3" onClick={leave} />;
	return (
		<>
			<Menu side="top" trigger={<BarButton {...words} className="xl:ml-3" noTooltip onClick={() => undefined} />}>
				<MenuItem icon="leave" onClick={leave}>
					{t("room.leave.only")}
				</MenuItem>
				<MenuItem danger icon="close" onClick={() => setEnding(true)}>
					{t("room.leave.end")}
				</MenuItem>
			</Menu>
			<Confirm
				action={t("room.leave.end")}
				onClose={() => setEnding(false)}
				onConfirm={() => {
					setEnding(false);
					act.end?.();
				}}
				open={ending}
				title={t("room.end.title")}
			>
				{t("room.end.text")}
			</Confirm>
		</>
	);
}
