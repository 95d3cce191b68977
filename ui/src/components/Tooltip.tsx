import { Tooltip as Base } from "@base-ui/react/tooltip";
import type { ReactElement } from "react";
import { Kbd } from "./Kbd.tsx";

/** Words for a control, on hover and focus. `trigger` is the control itself. */
export function Tooltip({
	label,
	shortcut,
	trigger,
	side = "top",
}: {
	label: string;
	shortcut?: string;
	trigger: ReactElement;
	side?: "top" | "bottom" | "left" | "right";
}) {
	return (
		<Base.Root>
			<Base.Trigger render={trigger} />
			<Base.Portal>
				<Base.Positioner className="z-50" side={side} sideOffset={8}>
					<Base.Popup className="night pop flex max-w-64 items-center gap-2 rounded-md bg-raised px-2.5 py-1.5 text-sm shadow-pop">
						{label}
						{shortcut && <Kbd>{shortcut}</Kbd>}
					</Base.Popup>
				</Base.Positioner>
			</Base.Portal>
		</Base.Root>
	);
}
