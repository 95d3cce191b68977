import type { ReactNode } from "react";
import { cx } from "./cx.ts";

const tones = {
	neutral: "bg-sunken text-muted",
	accent: "bg-accent-soft text-accent-ink",
	warn: "bg-warn-soft text-warn-ink",
	danger: "bg-danger text-on-danger",
};

/** A word or a count beside something. */
export function Badge({
	tone = "neutral",
	children,
	className,
}: {
	tone?: keyof typeof tones;
	children: ReactNode;
	className?: string;
}) {
	return (
		<span
			className={cx(
				"inline-flex min-w-5 items-center justify-center gap-1 rounded-full px-2 py-0.5 font-semibold text-xs leading-4",
				tones[tone],
				className,
			)}
		>
			{children}
		</span>
	);
}
