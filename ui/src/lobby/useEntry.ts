import { useEffect, useState } from "react";
import type { RunningCall } from "../call/runner.ts";
import { inMeeting } from "../call/tab.ts";
import { forgetSecret, targetOf } from "../site/invitation.ts";
import { readWishes } from "./wishes.ts";

/**
 * Opens the lobby of a meeting, and leaves the meeting with the page. A tab that was in it goes back to its
 * seat at once: that is what a reload is. Tells whether another tab of this browser is in the meeting; beside
 * that one, one begins muted, or the two would hear each other.
 */
export function useEntry(call: RunningCall, number: string): { elsewhere: boolean } {
	const [elsewhere, setElsewhere] = useState(false);
	useEffect(() => {
		let gone = false;
		const enter = async () => {
			const beside = await inMeeting(number);
			if (gone || (await call.resume(number)) || gone) return;
			const wishes = readWishes();
			setElsewhere(beside);
			call.actions(call.store.get()).openLobby(targetOf(number), beside ? { ...wishes, muted: true } : wishes);
		};
		void enter();
		const stop = call.store.subscribe(() => {
			const { stage, over } = call.store.get();
			if (stage === "over" && over?.code === "no_such_meeting") forgetSecret(number);
		});
		return () => {
			gone = true;
			stop();
			call.actions(call.store.get()).reset();
		};
	}, [call, number]);
	return { elsewhere };
}

/** Enters again, with what is known by now: under the same name where there is one, else by the lobby. */
export function enterAgain(call: RunningCall, number: string): void {
	const now = () => call.actions(call.store.get());
	now().openLobby(targetOf(number), readWishes());
	const { name } = call.store.get();
	if (name) now().join?.(name);
}
