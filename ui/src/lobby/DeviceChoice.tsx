import { useCall } from "../call/useCall.ts";
import { DeviceSelect } from "./DeviceSelect.tsx";
import { MicLevel } from "./MicLevel.tsx";

/** Which microphone, camera and loudspeaker; or no microphone, to listen only. */
export function DeviceChoice() {
	const canChooseOutput = useCall(s => s.devices.canChooseOutput && s.devices.audioOut.length > 0);
	return (
		<div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-[repeat(auto-fit,minmax(11rem,1fr))]">
			<div>
				<DeviceSelect kind="audioIn" />
				<MicLevel />
			</div>
			<DeviceSelect kind="videoIn" />
			{canChooseOutput && <DeviceSelect kind="audioOut" />}
		</div>
	);
}
