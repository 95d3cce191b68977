import { useEffect } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { Dialog } from "../components/Dialog.tsx";
import { useT } from "../i18n/useT.ts";
import { DeviceField } from "./DeviceField.tsx";
import { SelfPreview } from "./SelfPreview.tsx";
import { VoiceLevel } from "./VoiceLevel.tsx";

/** Camera, microphone and speaker in mid-call, with what they give. */
export function DevicesDialog() {
	const t = useT();
	const open = useCall(s => s.view.panel === "devices");
	const { openPanel, refreshDevices } = useActions();
	useEffect(() => {
		if (open) refreshDevices();
	}, [open, refreshDevices]);
	return (
		<Dialog onClose={() => openPanel("none")} open={open} title={t("room.devices")}>
			<div className="grid gap-5 pb-2">
				<DeviceField icon="camera" kind="videoIn" />
				<SelfPreview />
				<DeviceField icon="mic" kind="audioIn" />
				<VoiceLevel />
				<DeviceField icon="sound-on" kind="audioOut" />
			</div>
		</Dialog>
	);
}
