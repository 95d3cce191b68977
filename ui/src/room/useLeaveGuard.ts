import { useEffect } from "react";
import { useCall } from "../call/useCall.ts";

/**
 * Asks before the page goes while one's screen is shared: that ends for everybody and does not come back with a
 * reload. All else does, so nothing else is asked about.
 */
export function useLeaveGuard(): void {
	const sharing = useCall(s => s.mine.content.on);
	useEffect(() => {
		if (!sharing) return;
		const ask = (e: BeforeUnloadEvent) => e.preventDefault();
		window.addEventListener("beforeunload", ask);
		return () => window.removeEventListener("beforeunload", ask);
	}, [sharing]);
}
