import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
	document.addEventListener("visibilitychange", listener);
	return () => document.removeEventListener("visibilitychange", listener);
}

/** Whether nobody can see the page: another tab is in front, or the window is minimised. */
export function useHidden(): boolean {
	return useSyncExternalStore(subscribe, () => document.visibilityState === "hidden");
}
