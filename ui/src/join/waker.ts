// Folds times and reasons to the earliest.
import type { Nanos } from "./clock.ts";
import type { Reason } from "./mind.ts";

export class Waker {
	earliest: { at: Nanos; why: Reason } | undefined;

	add(at: Nanos | undefined, why: Reason): void {
		if (at !== undefined && (this.earliest === undefined || at < this.earliest.at)) {
			this.earliest = { at, why };
		}
	}
}
