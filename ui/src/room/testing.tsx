// What the tests of the room share: a call in a state of one's choice, and what was done to it.
import { type RenderResult, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { Providers } from "../app/Providers.tsx";
import { actionsFor } from "../call/actions.ts";
import type { CallEvent } from "../call/event.ts";
import { type CallState, initialState } from "../call/state.ts";
import { createStore, type Store } from "../call/store.ts";
import { CallContext } from "../call/useCall.ts";
import type { Role } from "../proto/messages.gen.ts";
import { person } from "./stories/people.ts";

/** A meeting of n; oneself has id 1. */
export function inMeeting(n: number, change: Partial<CallState> = {}, role: Role = "host"): CallState {
	const people = Array.from({ length: n }, (_, i) => person(i + 1));
	return {
		...initialState(),
		stage: "in",
		self: 1,
		role,
		people: new Map(people.map(p => [p.id, p])),
		order: people.map(p => p.id),
		...change,
	};
}

export type Shown = RenderResult & { store: Store; done: CallEvent[] };

/** Renders a part of the room around a call; `done` is what the person did. */
export function show(state: CallState, children: ReactNode): Shown {
	const done: CallEvent[] = [];
	const store = createStore(() => undefined, state);
	const actions = actionsFor(e => {
		done.push(e);
		store.dispatch(e);
	});
	const result = render(
		<Providers locale="en">
			<CallContext value={{ store, actions }}>{children}</CallContext>
		</Providers>,
	);
	return { ...result, store, done };
}
