// What is said of a person in several places.
import type { CallState, PersonView } from "../call/state.ts";
import { Role } from "../proto/messages.gen.ts";

/** Whether the microphone is open. Of oneself the page knows before the router does. */
export function isHeard(s: Pick<CallState, "mine">, p: PersonView): boolean {
	if (p.isSelf) return s.mine.audio.on && !s.mine.audio.muted;
	return p.audio !== undefined && !p.audio.muted;
}

/** The people list: oneself, hands in the order they went up, hosts, then by name. */
export function sorted(people: PersonView[], locale: string): PersonView[] {
	const names = new Intl.Collator(locale, { sensitivity: "base", numeric: true });
	const rank = (p: PersonView) => (p.isSelf ? 0 : p.hand > 0 ? 1 : p.role === Role.Participant ? 3 : 2);
	return [...people].sort(
		(a, b) => rank(a) - rank(b) || a.hand - b.hand || names.compare(a.name, b.name) || a.id - b.id,
	);
}
