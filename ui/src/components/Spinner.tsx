import { cx } from "./cx.ts";

/** Something is under way. What, the words beside it say. */
export function Spinner({ size = 20, className }: { size?: number; className?: string }) {
	return (
		<svg
			aria-hidden="true"
			className={cx("shrink-0 animate-spin", className)}
			fill="none"
			height={size}
			viewBox="0 0 24 24"
			width={size}
		>
			<circle cx="12" cy="12" opacity="0.25" r="9" stroke="currentColor" strokeWidth="2.5" />
			<path d="M21 12a9 9 0 0 0-9-9" stroke="currentColor" strokeLinecap="round" strokeWidth="2.5" />
		</svg>
	);
}
