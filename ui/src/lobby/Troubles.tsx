import { useActions, useCall } from "../call/useCall.ts";
import { Banner } from "../components/Banner.tsx";
import { Button } from "../components/Button.tsx";
import { useT } from "../i18n/useT.ts";
import { troubles, type Who } from "./problems.ts";

/** Why camera or microphone do not work, and what to do about it. One can join all the same. */
export function Troubles() {
	const t = useT();
	const audio = useCall(s => s.mine.audio);
	const video = useCall(s => s.mine.video);
	const { toggleAudio, toggleVideo, refreshDevices } = useActions();
	const list = troubles(audio, video);
	if (list.length === 0) return null;

	const again = (who: Who) => () => {
		refreshDevices();
		if (who !== "video") toggleAudio?.();
		if (who !== "audio") {
			if (video.wanted) toggleVideo?.(); // off, and on again
			toggleVideo?.();
		}
	};
	return (
		<div className="grid gap-2">
			{list.map(({ who, title, text, retry }) => (
				<Banner
					actions={
						retry && (
							<Button className="shrink-0" onClick={again(who)} size="sm">
								{t("ui.retry")}
							</Button>
						)
					}
					key={title}
					title={t(title)}
					tone="warn"
				>
					{t(text)}
				</Banner>
			))}
		</div>
	);
}
