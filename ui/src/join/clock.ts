// Times and durations of the machine: whole nanoseconds, times since its first event. The same numbers as in
// Go, so that both decide alike to the last tick.

export type Nanos = number;

export const millisecond = 1_000_000;
export const second = 1000 * millisecond;
export const minute = 60 * second;

/** A measured duration in milliseconds; fractions of a nanosecond are cut off. */
export function millis(ms: number): Nanos {
	return Math.trunc(ms * millisecond);
}

/** Whole milliseconds, for people. */
export function wholeMillis(d: Nanos): number {
	return Math.trunc(d / millisecond);
}

/** Whether a time is set and has come. */
export function due(now: Nanos, at: Nanos | undefined): boolean {
	return at !== undefined && now >= at;
}

/** A number without decimals; a half goes to the even neighbour. */
export function rounded(x: number): string {
	if (Math.abs(x % 1) !== 0.5) {
		return x.toFixed(0);
	}
	return (x < 0 ? "-" : "") + String(2 * Math.round(Math.abs(x) / 2));
}
