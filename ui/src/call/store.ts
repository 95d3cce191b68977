// Holds the state of the call. Events go in one at a time; what has to be done comes out to the runner
// after the state has changed, so that whoever acts sees the state it acts on.
import type { CallEvent, Effect } from "./event.ts";
import { reduce } from "./reduce.ts";
import { type CallState, initialState } from "./state.ts";

export type Store = {
	get(): CallState;
	subscribe(listener: () => void): () => void;
	dispatch(e: CallEvent): void;
};

export function createStore(run: (effect: Effect) => void, state: CallState = initialState()): Store {
	const listeners = new Set<() => void>();
	const queue: CallEvent[] = [];
	let busy = false;
	return {
		get: () => state,
		subscribe(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
		dispatch(e) {
			queue.push(e);
			if (busy) return; // an effect that dispatches waits for its turn
			busy = true;
			try {
				for (let next = queue.shift(); next; next = queue.shift()) {
					const before = state;
					const [after, effects] = reduce(state, next, Date.now());
					state = after;
					for (const f of effects) run(f);
					if (state !== before) for (const listener of [...listeners]) listener();
				}
			} finally {
				busy = false;
			}
		},
	};
}
