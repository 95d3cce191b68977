import { createCall, type RunningCall } from "../call/runner.ts";

let call: RunningCall | undefined;

/** The call of this page. One for its life: it listens to devices and network. */
export function sharedCall(): RunningCall {
	call ??= createCall();
	return call;
}
