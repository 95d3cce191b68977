import { useCall } from "../call/useCall.ts";
import "./room.css";
import { Announcer } from "./Announcer.tsx";
import { AskDialog } from "./AskDialog.tsx";
import { Banners } from "./Banners.tsx";
import { ConnectionDialog } from "./ConnectionDialog.tsx";
import { DevicesDialog } from "./DevicesDialog.tsx";
import { Notices } from "./Notices.tsx";
import { ReactionsFloat } from "./ReactionsFloat.tsx";
import { ShortcutsDialog } from "./ShortcutsDialog.tsx";
import { SidePanel } from "./SidePanel.tsx";
import { Stage } from "./Stage.tsx";
import { Toolbar } from "./Toolbar.tsx";
import { TopBar } from "./TopBar.tsx";
import { useLeaveGuard } from "./useLeaveGuard.ts";
import { useNarrow } from "./useMedia.ts";
import { useShortcuts } from "./useShortcuts.ts";
import { useWakeLock } from "./useWakeLock.ts";

/** The call itself: the stage, what is around it, and what opens over it. */
export function CallScreen() {
	useShortcuts();
	useWakeLock();
	useLeaveGuard();
	const narrow = useNarrow();
	const panel = useCall(s => s.view.panel);
	const beside = panel === "chat" || panel === "people";
	// Where a panel lies over the stage, what is behind it is out of reach.
	const covered = narrow && beside;
	return (
		<div className="relative flex h-dvh min-h-0 overflow-hidden bg-stage">
			<div className="relative flex min-w-0 grow flex-col" inert={covered}>
				<TopBar />
				<main className="flex min-h-0 grow flex-col">
					<Banners />
					<div className="relative min-h-0 grow">
						<Stage />
						<ReactionsFloat />
						<Notices />
					</div>
				</main>
				<Toolbar />
			</div>
			<Announcer covered={covered} />
			{beside && <SidePanel panel={panel} />}
			<AskDialog />
			<DevicesDialog />
			<ConnectionDialog />
			<ShortcutsDialog />
		</div>
	);
}
