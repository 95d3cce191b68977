import { useActions, useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { BarButton, CountMark } from "./BarButton.tsx";
import { CameraButton } from "./CameraButton.tsx";
import { LeaveButton } from "./LeaveButton.tsx";
import { MicButton } from "./MicButton.tsx";
import { MoreMenu } from "./MoreMenu.tsx";
import { ReactButton } from "./ReactButton.tsx";
import { usePhone } from "./useMedia.ts";

/** What one does most, always in reach. On a phone the rest is in the menu. */
export function Toolbar() {
	const t = useT();
	const phone = usePhone();
	return (
		<section
			aria-label={t("room.toolbar")}
			className="flex items-center justify-center gap-1 px-1 pt-1 pb-[max(0.375rem,env(safe-area-inset-bottom))] sm:gap-2 sm:px-4"
		>
			<MicButton />
			<CameraButton />
			{!phone && <ShareButton />}
			<ReactButton />
			{!phone && <PeopleButton />}
			<ChatButton />
			<MoreMenu />
			<LeaveButton />
		</section>
	);
}

function ShareButton() {
	const t = useT();
	const { share, stopShare } = useActions();
	return (
		<BarButton
			caption={t(stopShare ? "room.share.stop.short" : "room.share.short")}
			icon={stopShare ? "share-stop" : "share"}
			label={t(stopShare ? "room.share.stop" : "room.share")}
			onClick={stopShare ?? share}
			shortcut="S"
			tone={stopShare ? "on" : "plain"}
		/>
	);
}

function PeopleButton() {
	const t = useT();
	const n = useCall(s => s.people.size);
	const waiting = useCall(s => s.waiting.length);
	const open = useCall(s => s.view.panel === "people");
	const { openPanel } = useActions();
	return (
		<BarButton
			aria-expanded={open}
			caption={t("room.people.short")}
			icon="people"
			label={t("room.people.open", { n, waiting })}
			mark={<CountMark n={waiting || n} urgent={waiting > 0} />}
			onClick={() => openPanel(open ? "none" : "people")}
			shortcut="P"
			tone={open ? "on" : "plain"}
		/>
	);
}

function ChatButton() {
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
