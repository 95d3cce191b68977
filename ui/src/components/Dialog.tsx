import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode } from "react";
import { useT } from "../i18n/useT.ts";
import { cx } from "./cx.ts";
import { IconButton } from "./IconButton.tsx";

export type DialogProps = {
	open: boolean;
	onClose: () => void;
	title: string;
	description?: ReactNode;
	children?: ReactNode;
	/** Buttons at the bottom, the main one last. */
	actions?: ReactNode;
	size?: "sm" | "md" | "lg";
};

const widths = { sm: "sm:max-w-md", md: "sm:max-w-lg", lg: "sm:max-w-3xl" };

/** A window above the page; on phones it is a sheet at the bottom. */
export function Dialog({ open, onClose, title, description, children, actions, size = "md" }: DialogProps) {
	const t = useT();
	return (
		<Base.Root onOpenChange={next => !next && onClose()} open={open}>
			<Base.Portal>
				<Base.Backdrop className="fixed inset-0 z-40 bg-scrim transition-opacity duration-150 data-ending-style:opacity-0 data-starting-style:opacity-0" />
				<Base.Viewport className="fixed inset-0 z-40 flex items-end justify-center sm:items-center sm:p-6">
					<Base.Popup
						className={cx(
							"flex max-h-[min(92dvh,48rem)] w-full flex-col rounded-t-2xl border border-line bg-raised shadow-pop outline-none sm:rounded-2xl",
							"transition duration-200 ease-out data-ending-style:translate-y-4 data-starting-style:translate-y-4 data-ending-style:opacity-0 data-starting-style:opacity-0",
							widths[size],
						)}
					>
						<div className="flex items-start gap-4 px-6 pt-5">
							<Base.Title className="grow pt-1.5 font-semibold text-lg leading-snug">{title}</Base.Title>
							<Base.Close
								render={<IconButton className="-mr-2" icon="close" label={t("ui.close")} noTooltip onClick={onClose} />}
							/>
						</div>
						{description && <Base.Description className="px-6 pt-1 text-muted">{description}</Base.Description>}
						{children && <div className="min-h-0 grow overflow-y-auto px-6 py-4">{children}</div>}
						{actions && (
							<div className="flex flex-wrap-reverse justify-end gap-2 px-6 pt-2 pb-6 max-sm:*:grow">{actions}</div>
						)}
					</Base.Popup>
				</Base.Viewport>
			</Base.Portal>
		</Base.Root>
	);
}
