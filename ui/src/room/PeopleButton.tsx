import { useActions, useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";
import { CountMark } from "./CountMark.tsx";

/** Opens the list of people; says how many there are, or wait. */
export function PeopleButton() {
	const t = useT();
	const n = useCall(s => s.people.size);
	const waiting = useCall(s => s.waiting.length);
	const open = useCall(s => s.view.panel === "people");
	const { openPanel } = useActions();
	return (
		<BarButton
			aria-expanded={open}
			caption={t("room.people.short")}
			icon="people"
			label={t("room.people.open", { n, waiting })}
			mark={<CountMark n={waiting || n} urgent={waiting > 0} />}
			onClick={() => openPanel(open ? "none" : "people")}
			shortcut="P"
			tone={open ? "on" : "plain"}
		/>
	);
}
