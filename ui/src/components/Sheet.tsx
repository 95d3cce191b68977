import type { ReactNode } from "react";
import { useT } from "../i18n/useT.ts";
import { cx } from "./cx.ts";
import { IconButton } from "./IconButton.tsx";

/** A panel with a heading beside the main thing; the page goes on behind it. */
export function Sheet({
	title,
	onClose,
	children,
	foot,
	className,
}: {
	title: string;
	onClose: () => void;
	children: ReactNode;
	foot?: ReactNode;
	className?: string;
}) {
	const t = useT();
	return (
		<section aria-label={title} className={cx("flex min-h-0 flex-col bg-surface", className)}>
			<header className="flex items-center gap-2 border-line border-b px-4 py-2">
				<h2 className="grow font-semibold">{title}</h2>
				<IconButton className="-mr-2" icon="close" label={t("ui.close")} onClick={onClose} />
			</header>
			<div className="min-h-0 grow overflow-y-auto">{children}</div>
			{foot && <footer className="border-line border-t p-3">{foot}</footer>}
		</section>
	);
}
