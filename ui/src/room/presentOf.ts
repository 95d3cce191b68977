import type { Device } from "../call/state.ts";

/** Which device of a list to show as chosen: the one remembered if it is there, else the first, which is opened. */
export function presentOf(list: readonly Device[], chosen: string | undefined): string {
	const known = list.find(d => d.id === chosen);
	return (known ?? list[0])?.id ?? "";
}
