import { useEffect } from "react";
import type { DeviceKind } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { Banner } from "../components/Banner.tsx";
import { Dialog } from "../components/Dialog.tsx";
import type { IconName } from "../components/Icon.tsx";
import { LevelMeter } from "../components/LevelMeter.tsx";
import { Select } from "../components/Select.tsx";
import { useT } from "../i18n/useT.ts";
import { VideoView } from "./VideoView.tsx";

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
				<Field icon="camera" kind="videoIn" />
				<Preview />
				<Field icon="mic" kind="audioIn" />
				<Level />
				<Field icon="sound-on" kind="audioOut" />
			</div>
		</Dialog>
	);
}

function Field({ kind, icon }: { kind: DeviceKind; icon: IconName }) {
	const t = useT();
	const list = useCall(s => s.devices[kind]);
	const chosen = useCall(s => s.devices.chosen[kind]);
	const fixed = useCall(s => kind === "audioOut" && !s.devices.canChooseOutput);
	const problem = useCall(s =>
		kind === "videoIn" ? s.mine.video.problem : kind === "audioIn" ? s.mine.audio.problem : undefined,
	);
	const { chooseDevice } = useActions();
	const options = list.map((d, i) => ({ value: d.id, label: d.label || t("room.device.unnamed", { n: i + 1 }) }));
	const none = options.length === 0;
	return (
		<div className="grid gap-2">
			<Select
				icon={icon}
				label={t(`room.device.${kind}`)}
				onChange={none || fixed ? undefined : id => chooseDevice(kind, id)}
				options={none || fixed ? [{ value: "", label: t(fixed ? "room.device.system" : "room.device.none") }] : options}
				value={none || fixed ? "" : (chosen ?? options[0]?.value ?? "")}
			/>
			{problem && <Banner tone="warn">{t(`room.problem.${problem}`)}</Banner>}
		</div>
	);
}

function Preview() {
	const stream = useCall(s => (s.mine.video.on ? s.mine.video.stream : undefined));
	if (!stream) return null;
	return (
		<div className="relative -mt-3 aspect-video w-full overflow-hidden rounded-lg bg-tile">
			<VideoView mirrored stream={stream} />
		</div>
	);
}

function Level() {
	const on = useCall(s => s.mine.audio.on && !s.mine.audio.muted);
	const level = useCall(s => s.mine.audio.level ?? 0);
	return on ? <LevelMeter className="-mt-3" level={level} /> : null;
}
