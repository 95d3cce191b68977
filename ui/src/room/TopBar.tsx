import { useActions, useCall } from "../call/useCall.ts";
import { Icon } from "../components/Icon.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import { quality } from "./quality.ts";
import { Timer } from "./Timer.tsx";

const looks = { good: "", fair: "text-warn-ink", poor: "text-danger-ink", unknown: "text-muted" };

/** What meeting this is, how good the connection is, and which view. */
export function TopBar() {
	const t = useT();
	const topic = useCall(s => s.meeting?.topic || s.meeting?.number || "");
	const locked = useCall(s => s.switches.locked ?? false);
	const mode = useCall(s => s.view.mode);
	const pinned = useCall(s => s.view.pinned !== undefined);
	const state = useCall(s => quality(s.connection));
	const { setView, pin, openPanel } = useActions();
	const next = mode === "gallery" ? "speaker" : "gallery";
	return (
		<header className="flex min-h-12 items-center gap-1 px-3 pt-[env(safe-area-inset-top)] sm:px-5">
			<h1 className="min-w-0 truncate font-semibold text-[0.9375rem]" dir="auto">
				{topic}
			</h1>
			<Timer />
			{locked && (
				<span className="ml-1 text-muted" title={t("room.locked")}>
					<Icon name="lock" size={16} />
					<span className="sr-only">{t("room.locked")}</span>
				</span>
			)}
			<div className="grow" />
			{pinned && (
				<IconButton aria-pressed icon="pin" label={t("room.unpin")} onClick={() => pin(undefined)} shortcut="Esc" />
			)}
			<IconButton
				className={looks[state]}
				icon="signal"
				label={t(`room.quality.${state}`)}
				onClick={() => openPanel("connection")}
				shortcut="I"
			/>
			<IconButton
				icon={next === "gallery" ? "grid" : "speaker-view"}
				label={t(`room.view.${next}`)}
				onClick={() => {
					pin(undefined);
					setView(next);
				}}
				shortcut="G"
			/>
		</header>
	);
}
