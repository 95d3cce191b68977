import { Button as Base } from "@base-ui/react/button";
import type { ComponentProps } from "react";
import { cx } from "./cx.ts";
import { Icon, type IconName } from "./Icon.tsx";
import { Spinner } from "./Spinner.tsx";

export type ButtonTone = "primary" | "secondary" | "quiet" | "danger";
export type ButtonSize = "sm" | "md" | "lg";

const tones: Record<ButtonTone, string> = {
	primary: "bg-accent text-on-accent hover:bg-accent-strong",
	secondary: "border border-line bg-raised text-ink shadow-xs hover:border-line-strong hover:bg-hover",
	quiet: "text-ink hover:bg-hover active:bg-press",
	danger: "bg-danger text-on-danger hover:bg-danger-strong",
};

const sizes: Record<ButtonSize, string> = {
	sm: "min-h-8 gap-1.5 rounded-md px-3 py-1 text-sm",
	md: "min-h-10 gap-2 rounded-md px-4 py-1.5 text-sm",
	lg: "min-h-12 gap-2.5 rounded-lg px-4 py-2 text-base sm:px-6",
};

/** How a button looks, for links that should look like one. */
export function buttonStyle(tone: ButtonTone = "secondary", size: ButtonSize = "md", wide = false): string {
	return cx(
		"inline-flex select-none items-center justify-center text-center font-semibold transition-colors duration-150",
		"data-disabled:pointer-events-none data-disabled:opacity-50",
		tones[tone],
		sizes[size],
		wide && "w-full",
	);
}

export type ButtonProps = Omit<ComponentProps<typeof Base>, "className"> & {
	tone?: ButtonTone;
	size?: ButtonSize;
	icon?: IconName;
	busy?: boolean;
	wide?: boolean;
	className?: string;
};

/** A button with words. Without onClick (an action not allowed now) it is disabled, unless it submits a form. */
export function Button({ tone, size = "md", icon, busy, wide, className, children, disabled, ...rest }: ButtonProps) {
	const idle = !rest.onClick && rest.type !== "submit" && !rest.render && !("data-popup-open" in rest);
	return (
		<Base
			aria-busy={busy || undefined}
			disabled={disabled ?? (busy || idle)}
			focusableWhenDisabled={busy ?? false}
			{...rest}
			className={cx(buttonStyle(tone, size, wide), className)}
		>
			{busy ? <Spinner size={size === "lg" ? 20 : 16} /> : icon && <Icon name={icon} size={size === "lg" ? 22 : 18} />}
			{children}
		</Base>
	);
}
