import { useActions, useCall } from "../call/useCall.ts";
import { Dialog } from "../components/Dialog.tsx";
import { Kbd } from "../components/Kbd.tsx";
import { useT } from "../i18n/useT.ts";
import { shortcuts } from "./shortcuts.ts";

/** The help sheet of the keyboard. */
export function ShortcutsDialog() {
	const t = useT();
	const open = useCall(s => s.view.panel === "shortcuts");
	const { openPanel } = useActions();
	const row = (keys: string, text: string) => (
		<div className="flex items-center justify-between gap-4 border-line border-b py-2 text-sm" key={keys}>
			<dt>{text}</dt>
			<dd>
				<Kbd>{keys}</Kbd>
			</dd>
		</div>
	);
	return (
		<Dialog onClose={() => openPanel("none")} open={open} title={t("room.shortcuts")}>
			<dl className="grid gap-x-8 pb-2 sm:grid-cols-2">
				{row(t("room.shortcut.space"), t("room.shortcut.talk"))}
				{shortcuts.map(s => row(s.shown, t(s.label)))}
			</dl>
		</Dialog>
	);
}
