import { useActions, useCall } from "../call/useCall.ts";
import { MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";
import { DeviceChoice } from "./DeviceChoice.tsx";
import { DeviceMenu } from "./DeviceMenu.tsx";
import { MicFill } from "./MicFill.tsx";
import { ProblemMark } from "./ProblemMark.tsx";

/** Mutes and unmutes, shows how loud one is, and chooses microphone and speaker. */
export function MicButton() {
	const t = useT();
	const open = useCall(s => s.mine.audio.on && !s.mine.audio.muted);
	const problem = useCall(s => s.mine.audio.problem);
	const { toggleAudio, openPanel } = useActions();
	const label = problem
		? t("room.mic.problem", { problem: t(`room.problem.${problem}`) })
		: t(open ? "room.mic.mute" : "room.mic.unmute");
	return (
		<div className="flex items-center">
			<BarButton
				inside={open && <MicFill />}
				caption={t(open ? "room.mic.mute.short" : "room.mic.unmute.short")}
				icon={open ? "mic" : "mic-off"}
				label={label}
				mark={problem && <ProblemMark />}
				onClick={toggleAudio}
				shortcut="M"
				tone={open ? "plain" : "off"}
			/>
			<DeviceMenu label={t("room.mic.menu")}>
				<DeviceChoice kind="audioIn" />
				<DeviceChoice kind="audioOut" />
				<MenuSeparator />
				<MenuItem icon="sliders" onClick={() => openPanel("devices")}>
					{t("room.devices")}
				</MenuItem>
			</DeviceMenu>
		</div>
	);
}
