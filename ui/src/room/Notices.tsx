import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { cx } from "../components/cx.ts";
import { Icon } from "../components/Icon.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import { noticeIcon, noticeText } from "./noticeText.ts";
import { useMedia } from "./useMedia.ts";

const shown = 3;

/** What passes by: the last few on screen, each read out once. At the foot of the tiles, whose buttons are at the top. */
export function Notices() {
	const t = useT();
	const notices = useCall(s => s.notices);
	const { dismiss, takeFound } = useActions();
	const keyboard = useMedia("(hover: hover)");
	const visible = notices.slice(-shown);
	return (
		<div
			aria-live="polite" // said in so many words: windows hide all else behind them from screen readers
			className="pointer-events-none absolute inset-x-2 bottom-2 z-10 mx-auto flex max-w-sm flex-col items-stretch gap-2 sm:right-4 sm:left-auto sm:mx-0 sm:w-80"
			role="status"
		>
			{visible.map(n => (
				<div
					className={cx(
						"rise pointer-events-auto flex items-center gap-3 rounded-lg border border-line bg-raised py-1 pr-1 pl-3 text-sm shadow-pop",
						(n.kind === "refused" || n.kind === "device_lost") && "text-danger-ink",
					)}
					key={n.id}
				>
					<Icon className="text-accent-ink" name={noticeIcon(n)} size={18} />
					<p className="wrap-anywhere line-clamp-3 min-w-0 grow" dir="auto">
						{noticeText(t, n, keyboard)}
					</p>
					{n.kind === "device_found" && (
						<Button onClick={() => takeFound(n.id)} size="sm">
							{t("room.device.use")}
						</Button>
					)}
					<IconButton icon="close" label={t("room.notice.dismiss")} noTooltip onClick={() => dismiss(n.id)} size="sm" />
				</div>
			))}
		</div>
	);
}
