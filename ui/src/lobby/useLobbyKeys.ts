import { useEffect } from "react";
import { useActions } from "../call/useCall.ts";

/** M and V switch microphone and camera, as in the meeting; not while one is typing. */
export function useLobbyKeys(): void {
	const { toggleAudio, toggleVideo } = useActions();
	useEffect(() => {
		const press = (e: KeyboardEvent) => {
			if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || e.defaultPrevented) return;
			const at = e.target;
			if (
				at instanceof Element &&
				at.closest("input, textarea, select, [role=combobox], [role=listbox], [role=menu], [contenteditable]")
			)
				return;
			const key = e.key.toLowerCase();
			if (key === "m") toggleAudio?.();
			else if (key === "v") toggleVideo?.();
		};
		document.addEventListener("keydown", press);
		return () => document.removeEventListener("keydown", press);
	}, [toggleAudio, toggleVideo]);
}
