import { useT } from "../i18n/useT.ts";
import { cx } from "./cx.ts";

const bars = Array.from({ length: 12 }, (_, i) => i);

/** How loud a microphone is, from 0 to 1, as a row of bars. */
export function LevelMeter({ level, className }: { level: number; className?: string }) {
	const t = useT();
	const lit = Math.round(Math.min(1, Math.max(0, level)) * bars.length);
	return (
		// biome-ignore lint/a11y/useSemanticElements: a <meter> cannot be drawn as bars
		<div
			aria-label={t("ui.level")}
			aria-valuemax={bars.length}
			aria-valuemin={0}
			aria-valuenow={lit}
			className={cx("flex h-4 items-center gap-1", className)}
			role="meter"
		>
			{bars.map(i => (
				<span
					className={cx(
						"h-full grow rounded-full transition-colors duration-75",
						i < lit ? (i > 9 ? "bg-warn" : "bg-speak") : "bg-line",
					)}
					key={i}
				/>
			))}
		</div>
	);
}
