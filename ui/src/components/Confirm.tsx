import { AlertDialog as Base } from "@base-ui/react/alert-dialog";
import type { ReactNode } from "react";
import { useT } from "../i18n/useT.ts";
import { Button } from "./Button.tsx";

export type ConfirmProps = {
	open: boolean;
	onClose: () => void;
	title: string;
	children?: ReactNode;
	/** The word on the button that does it. */
	action: string;
	onConfirm: () => void;
	busy?: boolean;
	danger?: boolean;
};

/** Asks before something that cannot be undone. */
export function Confirm({
	open,
	onClose,
	title,
	children,
	action,
	onConfirm,
	busy = false,
	danger = true,
}: ConfirmProps) {
	const t = useT();
	return (
		<Base.Root onOpenChange={next => !next && onClose()} open={open}>
			<Base.Portal>
				<Base.Backdrop className="fixed inset-0 z-40 bg-scrim transition-opacity duration-150 data-ending-style:opacity-0 data-starting-style:opacity-0" />
				<Base.Viewport className="fixed inset-0 z-40 flex items-end justify-center p-4 sm:items-center">
					<Base.Popup className="pop w-full rounded-2xl border border-line bg-raised p-6 shadow-pop outline-none sm:max-w-md">
						<Base.Title className="font-semibold text-lg leading-snug">{title}</Base.Title>
						<Base.Description className="mt-2 text-muted" render={<div />}>
							{children}
						</Base.Description>
						<div className="mt-6 flex flex-wrap-reverse justify-end gap-2 max-sm:*:grow">
							<Base.Close render={<Button onClick={onClose}>{t("ui.cancel")}</Button>} />
							<Button busy={busy} onClick={onConfirm} tone={danger ? "danger" : "primary"}>
								{action}
							</Button>
						</div>
					</Base.Popup>
				</Base.Viewport>
			</Base.Portal>
		</Base.Root>
	);
}
