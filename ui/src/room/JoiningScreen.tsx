import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { useT } from "../i18n/useT.ts";
import { PhaseList } from "./PhaseList.tsx";
import { Plate } from "./Plate.tsx";

/** Between pressing Join and the meeting: what is being done. */
export function JoiningScreen() {
	const t = useT();
	const phases = useCall(s => s.phases);
	const { leave } = useActions();
	return (
		<Plate>
			<div className="flex items-center gap-3" role="status">
				<Spinner className="text-accent" size={26} />
				<h1 className="font-semibold text-xl">{t("room.joining")}</h1>
			</div>
			<div className="mt-6 w-full">
				<PhaseList phases={phases} />
			</div>
			<Button className="mt-8" onClick={leave}>
				{t("ui.cancel")}
			</Button>
		</Plate>
	);
}
