import { useEffect, useState } from "react";
import { useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { elapsed } from "./elapsed.ts";

/** How long the meeting has been going on, by the server's clock. */
export function Timer() {
	const t = useT();
	const began = useCall(s => s.switches.started_at);
	const clock = useCall(s => s.clock);
	const [now, setNow] = useState(Date.now);
	useEffect(() => {
		const timer = setInterval(() => setNow(Date.now()), 1000);
		return () => clearInterval(timer);
	}, []);
	if (began === 0) return null;
	return (
		<span aria-label={t("room.timer")} className="ml-2 shrink-0 text-muted text-sm tabular-nums" role="timer">
			{elapsed(now + clock - began)}
		</span>
	);
}
