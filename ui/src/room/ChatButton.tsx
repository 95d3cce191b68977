import { useActions, useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";
import { CountMark } from "./CountMark.tsx";

/** Opens the chat; says how much of it is new. */
export function ChatButton() {
	const t = useT();
	const unread = useCall(s => s.chat.unread);
	const open = useCall(s => s.view.panel === "chat");
	const { openPanel } = useActions();
	return (
		<BarButton
			aria-expanded={open}
			caption={t("room.chat.short")}
			icon="chat"
			label={t("room.chat.open", { n: unread })}
			mark={<CountMark n={unread} urgent />}
			onClick={() => openPanel(open ? "none" : "chat")}
			shortcut="C"
			tone={open ? "on" : "plain"}
		/>
	);
}
