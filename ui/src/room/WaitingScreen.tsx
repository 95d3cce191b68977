import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { Plate } from "./Plate.tsx";

/** In the waiting room, until a host opens. */
export function WaitingScreen() {
	const t = useT();
	const topic = useCall(s => s.topic ?? s.meeting?.topic ?? "");
	const { leave } = useActions();
	return (
		<Plate>
			<span className="breathe mb-5 inline-flex size-16 items-center justify-center rounded-full bg-accent-soft text-accent-ink">
				<Icon name="door" size={30} />
			</span>
			<div role="status">
				<h1 className="font-semibold text-xl">{t("room.wait.title")}</h1>
				<p className="mt-2 text-muted">{t("room.wait.text")}</p>
			</div>
			{topic && (
				<p className="mt-5 max-w-full truncate rounded-full bg-sunken px-4 py-1 font-medium text-sm" dir="auto">
					{topic}
				</p>
			)}
			<Button className="mt-8" icon="leave" onClick={leave}>
				{t("room.leave")}
			</Button>
		</Plate>
	);
}
