import { useContext, useEffect } from "react";
import { CallContext } from "../call/useCall.ts";
import { type Command, commandOf, isTalkKey } from "./shortcuts.ts";

/** Keys of the call, on the whole page. Holding space while muted lets one be heard. */
export function useShortcuts(): void {
	const call = useContext(CallContext);
	useEffect(() => {
		let talking = false;
		const run = (command: Command): boolean => {
			const s = call.store.get();
			const a = call.actions(s);
			const { panel, page, mode } = s.view;
			const toggle = (p: typeof panel) => a.openPanel(panel === p ? "none" : p);
			switch (command) {
				case "mic":
					a.toggleAudio?.();
					return a.toggleAudio !== undefined;
				case "camera":
					a.toggleVideo?.();
					return a.toggleVideo !== undefined;
				case "share":
					(a.stopShare ?? a.share)?.();
					return true;
				case "hand":
					a.hand?.(s.hand === 0);
					return true;
				case "view":
					a.pin(undefined);
					a.setView(mode === "gallery" ? "speaker" : "gallery");
					return true;
				case "previous":
					a.page(Math.max(0, page - 1));
					return true;
				case "next":
					a.page(page + 1);
					return true;
				case "chat":
				case "people":
				case "connection":
				case "devices":
				case "shortcuts":
					toggle(command);
					return true;
				case "close":
					if (panel !== "none") a.openPanel("none");
					else if (s.view.pinned !== undefined) a.pin(undefined);
					else return false;
					return true;
				default:
					return command satisfies never;
			}
		};
		const quiet = () => {
			if (!talking) return;
			talking = false;
			call.actions(call.store.get()).setMuted?.(true);
		};
		const down = (e: KeyboardEvent) => {
			if (isTalkKey(e)) {
				e.preventDefault(); // the page would scroll
				const s = call.store.get();
				if (e.repeat || talking || !s.mine.audio.muted) return;
				const { setMuted } = call.actions(s);
				talking = setMuted !== undefined;
				setMuted?.(false);
				return;
			}
			const command = e.repeat ? undefined : commandOf(e);
			if (command && run(command)) e.preventDefault();
		};
		const up = (e: KeyboardEvent) => {
			if (e.key === " ") quiet();
		};
		document.addEventListener("keydown", down);
		document.addEventListener("keyup", up);
		// A key let go in another window is not heard of.
		window.addEventListener("blur", quiet);
		return () => {
			quiet();
			document.removeEventListener("keydown", down);
			document.removeEventListener("keyup", up);
			window.removeEventListener("blur", quiet);
		};
	}, [call]);
}
