import { useT } from "../i18n/useT.ts";
import { CameraButton } from "./CameraButton.tsx";
import { ChatButton } from "./ChatButton.tsx";
import { LeaveButton } from "./LeaveButton.tsx";
import { MicButton } from "./MicButton.tsx";
import { MoreMenu } from "./MoreMenu.tsx";
import { PeopleButton } from "./PeopleButton.tsx";
import { ReactButton } from "./ReactButton.tsx";
import { ShareButton } from "./ShareButton.tsx";
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
