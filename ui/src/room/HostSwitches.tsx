import { useActions, useCall } from "../call/useCall.ts";
import { Switch } from "../components/Switch.tsx";
import { useT } from "../i18n/useT.ts";

/** The meeting's own switches. */
export function HostSwitches() {
	const t = useT();
	const { locked, waiting_room, mute_on_entry } = useCall(s => s.switches);
	const { act } = useActions();
	return (
		<div className="px-1">
			<Switch checked={locked ?? false} className="py-1!" label={t("room.switch.lock")} onChange={act.lock} />
			<Switch
				checked={waiting_room ?? false}
				className="py-1!"
				label={t("room.switch.waiting")}
				onChange={act.waitingRoom}
			/>
			<Switch
				checked={mute_on_entry ?? false}
				className="py-1!"
				label={t("room.switch.mute")}
				onChange={act.muteOnEntry}
			/>
		</div>
	);
}
