import type { ReactNode } from "react";
import { cx } from "./cx.ts";
import { Icon, type IconName } from "./Icon.tsx";

export type BannerTone = "info" | "warn" | "danger";

const tones: Record<BannerTone, { look: string; icon: IconName }> = {
	info: { look: "bg-accent-soft text-accent-ink", icon: "info" },
	warn: { look: "bg-warn-soft text-warn-ink", icon: "warning" },
	danger: { look: "bg-danger-soft text-danger-ink", icon: "warning" },
};

export type BannerProps = {
	tone?: BannerTone;
	title?: string;
	children?: ReactNode;
	actions?: ReactNode;
	icon?: IconName;
	className?: string;
};

/** Something to know, in the flow of the page. Faults are announced at once. */
export function Banner({ tone = "info", title, children, actions, icon, className }: BannerProps) {
	const { look, icon: usual } = tones[tone];
	return (
		<div
			className={cx("flex flex-wrap items-start gap-3 rounded-lg px-4 py-3 text-sm", look, className)}
			role={tone === "danger" ? "alert" : "status"}
		>
			<Icon className="mt-px" name={icon ?? usual} />
			<div className="min-w-0 flex-1">
				{title && <p className="font-semibold">{title}</p>}
				{children && <div className={title ? "mt-0.5" : ""}>{children}</div>}
			</div>
			{actions && <div className="flex shrink-0 gap-2 max-sm:basis-full max-sm:pl-8">{actions}</div>}
		</div>
	);
}
