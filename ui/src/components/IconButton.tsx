import { Button as Base } from "@base-ui/react/button";
import type { ComponentProps } from "react";
import type { ButtonSize, ButtonTone } from "./Button.tsx";
import { cx } from "./cx.ts";
import { Icon, type IconName } from "./Icon.tsx";
import { Tooltip } from "./Tooltip.tsx";

const tones: Record<ButtonTone, string> = {
	primary: "bg-accent text-on-accent hover:bg-accent-strong",
	secondary: "border border-line bg-raised text-ink hover:border-line-strong",
	quiet: "text-ink hover:bg-hover active:bg-press aria-pressed:bg-accent-soft aria-pressed:text-accent-ink",
	danger: "bg-danger text-on-danger hover:bg-danger-strong",
};

const sizes: Record<ButtonSize, string> = {
	sm: "size-8 rounded-md",
	md: "size-10 rounded-md",
	lg: "size-12 rounded-lg",
};

export type IconButtonProps = Omit<ComponentProps<typeof Base>, "className" | "children"> & {
	icon: IconName;
	label: string;
	/** Shown after the label in the tooltip, e.g. "M". */
	shortcut?: string;
	tone?: ButtonTone;
	size?: ButtonSize;
	round?: boolean;
	className?: string;
	/** Nothing to point out: the label is visible beside it, or a menu opens at once. */
	noTooltip?: boolean;
};

/** A button that is a drawing; its label is told by tooltip and to screen readers. */
export function IconButton({
	icon,
	label,
	shortcut,
	tone = "quiet",
	size = "md",
	round,
	className,
	noTooltip,
	disabled,
	...rest
}: IconButtonProps) {
	const button = (
		<Base
			aria-label={label}
			disabled={disabled ?? (!rest.onClick && rest.type !== "submit" && !rest.render)}
			{...rest}
			className={cx(
				"inline-flex shrink-0 items-center justify-center transition-colors duration-150 data-disabled:pointer-events-none data-disabled:opacity-45",
				tones[tone],
				sizes[size],
				round && "rounded-full!",
				className,
			)}
		>
			<Icon name={icon} size={size === "sm" ? 18 : size === "lg" ? 24 : 20} />
		</Base>
	);
	return noTooltip ? button : <Tooltip label={label} {...(shortcut ? { shortcut } : {})} trigger={button} />;
}
