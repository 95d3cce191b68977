import { useEffect } from "react";

/** Keeps the screen awake while one is in a meeting. The browser lets go whenever the page is hidden. */
export function useWakeLock(): void {
	useEffect(() => {
		if (!("wakeLock" in navigator)) return;
		let done = false;
		let lock: WakeLockSentinel | undefined;
		const take = async () => {
			if (document.visibilityState !== "visible") return;
			// Refused where the battery is low: then the screen does as it likes.
			const got = await navigator.wakeLock.request("screen").catch(() => undefined);
			if (done) void got?.release();
			else lock = got;
		};
		void take();
		document.addEventListener("visibilitychange", take);
		return () => {
			done = true;
			document.removeEventListener("visibilitychange", take);
			void lock?.release();
		};
	}, []);
}
