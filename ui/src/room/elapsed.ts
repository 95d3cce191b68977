/** A length of time as clocks show it: 4:05, or 1:04:05 from an hour on. */
export function elapsed(ms: number): string {
	const s = Math.max(0, Math.floor(ms / 1000));
	const two = (n: number) => String(n).padStart(2, "0");
	const rest = `${Math.floor(s / 60) % 60}:${two(s % 60)}`;
	return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest.padStart(5, "0")}`;
}
