import { useT } from "../i18n/useT.ts";
import { CopyLink } from "./CopyLink.tsx";

/** Nobody else is here: how to change that. */
export function AloneHint() {
	const t = useT();
	return (
		<div className="rise absolute inset-x-0 top-2 sm:top-auto sm:bottom-4 mx-auto flex w-fit max-w-[calc(100%-1rem)] flex-wrap items-center justify-center gap-x-4 gap-y-2 rounded-xl border border-line bg-raised px-4 py-3 text-sm shadow-pop">
			<p>{t("room.alone")}</p>
			<CopyLink />
		</div>
	);
}
