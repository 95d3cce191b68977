// The only bridge between the call and React.
import { createContext, useContext, useRef, useSyncExternalStore } from "react";
import type { Actions } from "./actions.ts";
import { type CallState, initialState } from "./state.ts";
import type { Store } from "./store.ts";

export type Call = { store: Pick<Store, "get" | "subscribe">; actions: (s: CallState) => Actions };

const nothing = initialState();

export const CallContext = createContext<Call>({
	store: { get: () => nothing, subscribe: () => () => {} },
	actions: () => {
		throw new Error("no call around this component");
	},
});

/** A part of the call's state; the component is drawn anew when it changes. */
export function useCall<T>(select: (s: CallState) => T, same: (a: T, b: T) => boolean = Object.is): T {
	const { store } = useContext(CallContext);
	const last = useRef<{ value: T } | undefined>(undefined);
	return useSyncExternalStore(store.subscribe, () => {
		const value = select(store.get());
		if (!last.current || !same(last.current.value, value)) last.current = { value };
		return last.current.value;
	});
}

/** What the person may do now; absent actions disable their buttons. */
export function useActions(): Actions {
	const { actions } = useContext(CallContext);
	return useCall(actions);
}
