import { useCallback, useSyncExternalStore } from "react";

/** Whether a media query holds, as it changes. */
export function useMedia(query: string): boolean {
	const subscribe = useCallback(
		(listener: () => void) => {
			const list = matchMedia(query);
			list.addEventListener("change", listener);
			return () => list.removeEventListener("change", listener);
		},
		[query],
	);
	return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** Too narrow for a panel beside the stage: it lies over it. */
export const useNarrow = () => useMedia("(max-width: 1023px)");

/** Too narrow for all the buttons of the bar. */
export const usePhone = () => useMedia("(max-width: 767px)");
