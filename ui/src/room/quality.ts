import type { Connection } from "../call/state.ts";

export type Quality = "unknown" | "good" | "fair" | "poor";

/** A connection in a word, from the round trip and what is lost now. */
export function quality(c: Pick<Connection, "rtt" | "rates">): Quality {
	if (c.rtt === undefined && c.rates.length === 0) return "unknown";
	const loss = Math.max(0, ...c.rates.map(r => r.loss));
	const rtt = c.rtt ?? 0;
	// Five in a hundred lost are heard; half a second is talked over.
	if (loss > 0.05 || rtt > 500) return "poor";
	if (loss > 0.02 || rtt > 250) return "fair";
	return "good";
}
