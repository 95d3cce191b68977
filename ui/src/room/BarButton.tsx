import { Button as Base } from "@base-ui/react/button";
import type { ComponentProps, ReactNode } from "react";
import { cx } from "../components/cx.ts";
import { Icon, type IconName } from "../components/Icon.tsx";
import { Tooltip } from "../components/Tooltip.tsx";

const tones = {
	plain: "text-ink hover:bg-hover active:bg-press",
	on: "bg-accent-soft text-accent-ink hover:bg-accent-soft",
	off: "bg-danger-soft text-danger-ink hover:bg-danger-soft",
	leave: "bg-danger text-on-danger hover:bg-danger-strong",
};

export type BarButtonProps = Omit<ComponentProps<typeof Base>, "className" | "children"> & {
	icon: IconName;
	/** What pressing it does: for tooltip and screen readers. */
	label: string;
	/** The word under the drawing, where there is room. */
	caption: string;
	shortcut?: string;
	tone?: keyof typeof tones;
	/** At the corner: a count, a mark. */
	mark?: ReactNode;
	/** Drawn inside the icon. */
	inside?: ReactNode;
	noTooltip?: boolean;
	className?: string;
};

/** A button of the bar at the bottom. Without onClick it is not allowed now. */
export function BarButton({
	icon,
	label,
	caption,
	shortcut,
	tone = "plain",
	mark,
	inside,
	noTooltip,
	className,
	...rest
}: BarButtonProps) {
	const button = (
		<Base
			aria-label={label}
			disabled={!rest.onClick}
			{...rest}
			className={cx(
				"relative flex h-12 min-w-12 shrink-0 select-none flex-col items-center justify-center rounded-lg transition-colors duration-150 xl:h-14 xl:min-w-18 xl:px-2",
				"data-disabled:pointer-events-none data-disabled:opacity-45",
				tones[tone],
				className,
			)}
		>
			<span className="relative">
				{inside}
				<Icon className="relative" name={icon} size={23} />
			</span>
			<span className="mt-0.5 hidden max-w-24 truncate font-medium text-xs xl:block">{caption}</span>
			{mark}
		</Base>
	);
	return noTooltip ? button : <Tooltip label={label} trigger={button} {...(shortcut ? { shortcut } : {})} />;
}
