import type { DeviceKind } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import type { IconName } from "../components/Icon.tsx";
import { Select } from "../components/Select.tsx";
import type { MessageID } from "../i18n/locales.ts";
import { useT } from "../i18n/useT.ts";

const without = "without";

const words: Record<DeviceKind, { icon: IconName; label: MessageID; numbered: MessageID; none: MessageID }> = {
	audioIn: { icon: "mic", label: "lobby.microphone", numbered: "lobby.microphoneN", none: "lobby.noMicrophone" },
	videoIn: { icon: "camera", label: "lobby.camera", numbered: "lobby.cameraN", none: "lobby.noCamera" },
	audioOut: { icon: "sound-on", label: "lobby.loudspeaker", numbered: "lobby.loudspeakerN", none: "lobby.systemSound" },
};

/** One kind of device; of microphones also none. */
export function DeviceSelect({ kind }: { kind: DeviceKind }) {
	const t = useT();
	const devices = useCall(s => s.devices[kind]);
	const chosen = useCall(s => s.devices.chosen[kind]);
	const wantsAudio = useCall(s => s.mine.audio.wanted);
	const { chooseDevice, wantAudio } = useActions();
	const { icon, label, numbered, none } = words[kind];
	const options = devices.map((d, i) => ({ value: d.id, label: d.label || t(numbered, { n: i + 1 }) }));
	const listening = kind === "audioIn" && !wantsAudio;
	const known = options.some(o => o.value === chosen);
	const value = listening ? without : known ? (chosen ?? "") : (options[0]?.value ?? "");
	const all = kind === "audioIn" ? [...options, { value: without, label: t("lobby.withoutMicrophone") }] : options;
	const change = (id: string) => {
		if (id === without) return wantAudio?.(false);
		chooseDevice(kind, id);
		if (listening) wantAudio?.(true);
	};
	return (
		<Select
			icon={icon}
			label={t(label)}
			onChange={options.length > 0 ? change : undefined}
			options={options.length > 0 ? all : [{ value: "", label: t(none) }]}
			value={options.length > 0 ? value : ""}
		/>
	);
}
