import type { ReactNode } from "react";
import { useActions } from "../call/useCall.ts";
import { IconButton } from "../components/IconButton.tsx";
import { Menu } from "../components/Menu.tsx";

/** The small arrow beside a device's button. Phones have the settings window instead. */
export function DeviceMenu({ label, children }: { label: string; children: ReactNode }) {
	const { refreshDevices } = useActions();
	return (
		<div className="hidden md:block">
			<Menu
				align="start"
				side="top"
				trigger={
					<IconButton
						className="h-12! w-6! xl:h-14!"
						icon="chevron-up"
						label={label}
						noTooltip
						onClick={refreshDevices}
						size="sm"
					/>
				}
			>
				{children}
			</Menu>
		</div>
	);
}
