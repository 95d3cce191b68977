import { cx } from "./cx.ts";
import { type IconName, paths } from "./iconPaths.ts";

export type { IconName };

/** A drawing beside or instead of words. It says nothing to screen readers: label the control. */
export function Icon({ name, size = 20, className }: { name: IconName; size?: number; className?: string }) {
	return (
		<svg
			aria-hidden="true"
			className={cx("shrink-0", className)}
			fill="none"
			height={size}
			stroke="currentColor"
			strokeLinecap="round"
			strokeLinejoin="round"
			strokeWidth={1.75}
			viewBox="0 0 24 24"
			width={size}
		>
			<path d={paths[name]} />
		</svg>
	);
}
