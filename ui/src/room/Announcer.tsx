import { useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { noticeText } from "./noticeText.ts";

/** Reads out what passes by while a panel covers the place where it is shown; else that place does it. */
export function Announcer({ covered }: { covered: boolean }) {
	const t = useT();
	const notices = useCall(s => s.notices);
	const reconnecting = useCall(s => s.stage === "reconnecting");
	return (
		<div aria-live="polite" className="sr-only">
			{covered && reconnecting && <p>{t("room.reconnecting")}</p>}
			{covered && notices.map(n => <p key={n.id}>{noticeText(t, n, false)}</p>)}
		</div>
	);
}
