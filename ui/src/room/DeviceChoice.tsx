import type { DeviceKind } from "../call/state.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { MenuChoice } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { presentOf } from "./presentOf.ts";

/** The devices of a kind in a menu; nothing where there is no choice. */
export function DeviceChoice({ kind }: { kind: DeviceKind }) {
	const t = useT();
	const list = useCall(s => s.devices[kind]);
	const chosen = useCall(s => s.devices.chosen[kind]);
	const canChoose = useCall(s => kind !== "audioOut" || s.devices.canChooseOutput);
	const { chooseDevice } = useActions();
	if (!canChoose || list.length === 0) return null;
	return (
		<MenuChoice
			label={t(`room.device.${kind}`)}
			onChange={id => chooseDevice(kind, id)}
			options={list.map((d, i) => ({ value: d.id, label: d.label || t("room.device.unnamed", { n: i + 1 }) }))}
			value={presentOf(list, chosen)}
		/>
	);
}
