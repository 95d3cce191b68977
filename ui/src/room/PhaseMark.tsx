import type { PhaseView } from "../call/state.ts";
import { Icon } from "../components/Icon.tsx";
import { Spinner } from "../components/Spinner.tsx";

/** How far a phase is, as a sign. */
export function PhaseMark({ state }: { state: PhaseView["state"] }) {
	switch (state) {
		case "done":
			return <Icon className="text-accent" name="check" size={18} />;
		case "failed":
			return <Icon className="text-danger-ink" name="close" size={18} />;
		case "running":
			return <Spinner className="text-accent" size={18} />;
		case "todo":
			return <span aria-hidden="true" className="mx-1.25 size-2 shrink-0 rounded-full bg-line-strong" />;
		default:
			return state satisfies never;
	}
}
