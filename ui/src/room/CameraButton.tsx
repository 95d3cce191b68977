import { useActions, useCall } from "../call/useCall.ts";
import { MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";
import { DeviceChoice } from "./DeviceChoice.tsx";
import { DeviceMenu } from "./DeviceMenu.tsx";
import { ProblemMark } from "./ProblemMark.tsx";

/** Starts and stops the camera, and chooses which. */
export function CameraButton() {
	const t = useT();
	const on = useCall(s => s.mine.video.on);
	const problem = useCall(s => s.mine.video.problem);
	const { toggleVideo, openPanel } = useActions();
	const label = problem
		? t("room.camera.problem", { problem: t(`room.problem.${problem}`) })
		: t(on ? "room.camera.stop" : "room.camera.start");
	return (
		<div className="flex items-center">
			<BarButton
				caption={t(on ? "room.camera.stop.short" : "room.camera.start.short")}
				icon={on ? "camera" : "camera-off"}
				label={label}
				mark={problem && <ProblemMark />}
				onClick={toggleVideo}
				shortcut="V"
				tone={on ? "plain" : "off"}
			/>
			<DeviceMenu label={t("room.camera.menu")}>
				<DeviceChoice kind="videoIn" />
				<MenuSeparator />
				<MenuItem icon="sliders" onClick={() => openPanel("devices")}>
					{t("room.devices")}
				</MenuItem>
			</DeviceMenu>
		</div>
	);
}
