import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { useT } from "../i18n/useT.ts";

const bar =
	"mx-2 mb-1 flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 rounded-lg px-4 py-1 text-sm font-medium sm:mx-4";

/** What stays in view as long as it lasts: a connection being restored, one's own share, people at the door. */
export function Banners() {
	const t = useT();
	const reconnecting = useCall(s => s.stage === "reconnecting");
	const sharing = useCall(s => s.mine.content.on);
	const waiting = useCall(s => s.waiting);
	const listOpen = useCall(s => s.view.panel === "people");
	const { stopShare, openPanel, act } = useActions();
	const first = waiting[0];
	return (
		<>
			<div aria-live="assertive" role="alert">
				{reconnecting && (
					<p className={`${bar} flex-nowrap! bg-warn-soft text-warn-ink`}>
						<Spinner size={18} />
						{t("room.reconnecting")}
					</p>
				)}
			</div>
			{sharing && (
				<div className={`${bar} bg-accent-soft text-accent-ink`}>
					<p className="grow">{t("room.share.mine")}</p>
					<Button onClick={stopShare} size="sm" tone="danger">
						{t("room.share.stop")}
					</Button>
				</div>
			)}
			{first && !listOpen && (
				<div className={`${bar} border border-line bg-raised`}>
					<p className="min-w-0 grow truncate max-sm:basis-full">
						{t("room.waiting.banner", { n: waiting.length, name: first.name })}
					</p>
					<Button onClick={() => openPanel("people")} size="sm">
						{t("room.waiting.see")}
					</Button>
					<Button
						onClick={waiting.length === 1 ? act.admit && (() => act.admit?.(first.id)) : act.admitAll}
						size="sm"
						tone="primary"
					>
						{t(waiting.length === 1 ? "room.act.admit" : "room.act.admitAll")}
					</Button>
				</div>
			)}
		</>
	);
}
