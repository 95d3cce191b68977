import { useActions } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";

/** Shares one's screen, and stops. */
export function ShareButton() {
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
