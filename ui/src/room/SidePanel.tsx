import { useEffect, useRef } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { IconButton } from "../components/IconButton.tsx";
import { useT } from "../i18n/useT.ts";
import { ChatPanel } from "./ChatPanel.tsx";
import { PeoplePanel } from "./PeoplePanel.tsx";

/** Chat or people: beside the stage, or over it where it is narrow. Takes the focus when it opens and gives it back. */
export function SidePanel({ panel }: { panel: "chat" | "people" }) {
	const t = useT();
	const { openPanel } = useActions();
	const n = useCall(s => s.people.size);
	const ref = useRef<HTMLElement>(null);
	useEffect(() => {
		const before = document.activeElement;
		return () => {
			if (before instanceof HTMLElement && before.isConnected) before.focus();
		};
	}, []);
	// biome-ignore lint/correctness/useExhaustiveDependencies: each panel takes the focus when it comes
	useEffect(() => {
		const first = ref.current?.querySelector<HTMLElement>("[data-autofocus]");
		(first ?? ref.current)?.focus({ preventScroll: true });
	}, [panel]);
	const title = panel === "chat" ? t("room.chat.short") : t("room.people", { n });
	return (
		<>
			<button
				aria-hidden="true"
				className="fixed inset-0 z-10 bg-scrim lg:hidden"
				onClick={() => openPanel("none")}
				tabIndex={-1}
				type="button"
			/>
			<aside
				aria-label={title}
				className="fixed inset-y-0 right-0 z-20 flex min-h-0 w-full flex-col bg-surface outline-none motion-safe:rise sm:w-96 sm:shadow-pop lg:static lg:z-0 lg:m-2 lg:ml-0 lg:w-90 lg:shrink-0 lg:rounded-xl lg:border lg:border-line lg:shadow-card"
				ref={ref}
				tabIndex={-1}
			>
				<header className="flex min-h-13 items-center gap-2 border-line border-b pr-2 pl-4 pt-[env(safe-area-inset-top)]">
					<h2 className="grow font-semibold">{title}</h2>
					<IconButton icon="close" label={t("room.panel.close")} onClick={() => openPanel("none")} shortcut="Esc" />
				</header>
				{panel === "chat" ? <ChatPanel /> : <PeoplePanel />}
			</aside>
		</>
	);
}
