// The people of the meeting, from the rows of the roster.
import { manages, source } from "../proto/ids.ts";
import { Kind, type ParticipantID, type Person, type Roster } from "../proto/messages.gen.ts";
import type { CallState, PersonView, SourceView } from "./state.ts";

/** Applies a change of the roster, or the whole of it onto nobody. */
export function withRoster(s: CallState, r: Roster): CallState {
	const people = new Map(s.people);
	let waiting = s.waiting;
	for (const p of r.put ?? []) {
		const view = personView(p, s);
		if (p.waiting) {
			waiting = [...waiting.filter(w => w.id !== p.id), view];
			people.delete(p.id);
		} else {
			waiting = waiting.filter(w => w.id !== p.id);
			people.set(p.id, view);
		}
	}
	for (const id of r.gone ?? []) {
		people.delete(id);
		waiting = waiting.filter(w => w.id !== id);
	}
	const me = s.self === undefined ? undefined : people.get(s.self);
	const role = me?.role ?? s.role;
	const next: CallState = {
		...s,
		people,
		order: orderOf(s, people),
		waiting: role && manages(role) ? waiting : [],
		rosterVersion: r.version,
		...(role ? { role } : {}),
	};
	const share = shareOf(next);
	if (share) next.share = share;
	else delete next.share;
	return next;
}

function personView(p: Person, s: CallState): PersonView {
	const view: PersonView = {
		id: p.id,
		name: p.name,
		role: p.role,
		client: p.client ?? "",
		hand: p.hand ?? 0,
		waiting: !!p.waiting,
		away: !!p.away,
		isSelf: p.id === s.self,
		speaking: s.speakers.loudest.includes(p.id),
	};
	for (const src of p.sources ?? []) {
		const v: SourceView = { source: source(p.id, src.kind), muted: !!src.muted, byHost: !!src.by_host };
		switch (src.kind) {
			case Kind.Audio:
				view.audio = v;
				break;
			case Kind.Video:
				view.video = v;
				break;
			case Kind.Content:
				view.content = v;
				break;
			case Kind.ContentAudio:
				view.contentAudio = v;
				break;
		}
	}
	return view;
}

function orderOf(s: CallState, people: ReadonlyMap<ParticipantID, PersonView>): ParticipantID[] {
	const kept = s.order.filter(id => people.has(id));
	const known = new Set(kept);
	const order = [...kept, ...[...people.keys()].filter(id => !known.has(id))];
	// Oneself first, the others as they came.
	return s.self !== undefined && people.has(s.self) ? [s.self, ...order.filter(id => id !== s.self)] : order;
}

/** Who shares a screen: somebody else before oneself, so that one's own share never hides another's. */
function shareOf(s: CallState): CallState["share"] {
	let mine: CallState["share"];
	for (const p of s.people.values()) {
		if (!p.content || p.content.muted) continue;
		const share = { by: p.id, source: p.content.source, mine: p.isSelf };
		if (!p.isSelf) return share;
		mine = share;
	}
	return mine;
}

export function mapPeople(
	people: ReadonlyMap<ParticipantID, PersonView>,
	change: (p: PersonView) => PersonView,
): ReadonlyMap<ParticipantID, PersonView> {
	let out: Map<ParticipantID, PersonView> | undefined;
	for (const [id, p] of people) {
		const next = change(p);
		if (next === p) continue;
		out ??= new Map(people);
		out.set(id, next);
	}
	return out ?? people;
}
