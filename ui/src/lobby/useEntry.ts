import { useEffect } from "react";
import type { RunningCall } from "../call/runner.ts";
import { forgetSecret, targetOf } from "../site/invitation.ts";
import { readWishes } from "./wishes.ts";

/**
 * Opens the lobby of a meeting, and leaves the meeting with the page. A tab that was in it goes back to its
 * seat at once: that is what a reload is.
 */
export function useEntry(call: RunningCall, number: string): void {
	useEffect(() => {
		if (!call.resume(number)) call.actions(call.store.get()).openLobby(targetOf(number), readWishes());
		const stop = call.store.subscribe(() => {
			const { stage, over } = call.store.get();
			if (stage === "over" && over?.code === "no_such_meeting") forgetSecret(number);
		});
		return () => {
			stop();
			call.actions(call.store.get()).reset();
		};
	}, [call, number]);
}

/** Enters again, with what is known by now: under the same name where there is one, else by the lobby. */
export function enterAgain(call: RunningCall, number: string): void {
	const now = () => call.actions(call.store.get());
	now().openLobby(targetOf(number), readWishes());
	const { name } = call.store.get();
	if (name) now().join?.(name);
}
