import { useActions, useCall } from "../call/useCall.ts";
import { Dialog } from "../components/Dialog.tsx";
import { useT } from "../i18n/useT.ts";
import { ConnectionReport } from "./ConnectionReport.tsx";

/** How one is connected, and why this way: for the person, and for whoever helps them. */
export function ConnectionDialog() {
	const t = useT();
	const open = useCall(s => s.view.panel === "connection");
	const { openPanel } = useActions();
	return (
		<Dialog onClose={() => openPanel("none")} open={open} size="lg" title={t("room.connection")}>
			<ConnectionReport />
		</Dialog>
	);
}
