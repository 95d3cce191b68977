import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon.tsx";

/** Where a list would be, if there were anything in it. */
export function EmptyState({
	icon,
	title,
	children,
	actions,
}: {
	icon: IconName;
	title: string;
	children?: ReactNode;
	actions?: ReactNode;
}) {
	return (
		<div className="flex flex-col items-center px-4 py-12 text-center">
			<span className="mb-4 inline-flex size-14 items-center justify-center rounded-full bg-accent-soft text-accent-ink">
				<Icon name={icon} size={26} />
			</span>
			<h2 className="font-semibold text-lg">{title}</h2>
			{children && <p className="mt-1 max-w-sm text-muted">{children}</p>}
			{actions && <div className="mt-6 flex flex-wrap justify-center gap-2">{actions}</div>}
		</div>
	);
}
