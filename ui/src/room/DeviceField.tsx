import type { DeviceKind } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { Banner } from "../components/Banner.tsx";
import type { IconName } from "../components/Icon.tsx";
import { Select } from "../components/Select.tsx";
import { useT } from "../i18n/useT.ts";
import { presentOf } from "./presentOf.ts";

/** Chooses the device of a kind, and says what is wrong with it. */
export function DeviceField({ kind, icon }: { kind: DeviceKind; icon: IconName }) {
	const t = useT();
	const list = useCall(s => s.devices[kind]);
	const chosen = useCall(s => s.devices.chosen[kind]);
	// A browser that names no loudspeakers plays where the system does.
	const fixed = useCall(s => kind === "audioOut" && (!s.devices.canChooseOutput || s.devices.audioOut.length === 0));
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
				value={none || fixed ? "" : presentOf(list, chosen)}
			/>
			{problem && <Banner tone="warn">{t(`room.problem.${problem}`)}</Banner>}
		</div>
	);
}
