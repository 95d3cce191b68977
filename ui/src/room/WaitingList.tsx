import { useActions, useCall } from "../call/useCall.ts";
import { Avatar } from "../components/Avatar.tsx";
import { Button } from "../components/Button.tsx";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";

/** Who is at the door. Hosts let them in, or send them away. */
export function WaitingList() {
	const t = useT();
	const waiting = useCall(s => s.waiting);
	const { act } = useActions();
	if (waiting.length === 0) return null;
	return (
		<section aria-labelledby="waiting-title" className="mx-2 mb-2 rounded-lg bg-warn-soft py-2">
			<div className="flex items-center gap-2 pr-2 pb-1 pl-3">
				<h3 className="grow font-semibold text-sm text-warn-ink" id="waiting-title">
					{t("room.waiting.title", { n: waiting.length })}
				</h3>
				{waiting.length > 1 && (
					<Button onClick={act.admitAll} size="sm" tone="primary">
						{t("room.act.admitAll")}
					</Button>
				)}
			</div>
			<ul>
				{waiting.map(p => (
					<li className="flex min-h-12 items-center gap-3 pr-2 pl-3" key={p.id}>
						<Avatar name={p.name} />
						<span className="min-w-0 grow truncate text-sm">
							<bdi>{p.name}</bdi>
						</span>
						<Button
							aria-label={t("room.act.admitOne", { name: p.name })}
							onClick={act.admit && (() => act.admit?.(p.id))}
							size="sm"
						>
							{t("room.act.admit")}
						</Button>
						<IconButton
							icon="close"
							label={t("room.act.refuse", { name: p.name })}
							onClick={act.eject && (() => act.eject?.(p.id))}
							size="sm"
						/>
					</li>
				))}
			</ul>
		</section>
	);
}
