import type { AttemptView } from "../call/state.ts";
import { cx } from "../components/cx.ts";
import type { MessageID } from "../i18n/locales.ts";
import { useT } from "../i18n/useT.ts";
import { phraseText } from "./attemptText.ts";

const phases: Record<AttemptView["phase"], MessageID> = {
	lookup: "room.phase.lookup",
	zone: "room.phase.zone",
	probe: "room.attempt.probe",
	tunnel: "room.attempt.tunnel",
	route: "room.phase.route",
	control: "room.phase.control",
	media: "room.phase.media",
};

const looks = { won: "text-accent-ink", lost: "text-muted", pending: "text-warn-ink" };

/** The record of the connection process: every attempt, when it began, how long it took, how it ended. */
export function AttemptList({ attempts }: { attempts: readonly AttemptView[] }) {
	const t = useT();
	return (
		<details className="text-sm">
			<summary className="cursor-pointer font-semibold">{t("room.attempts", { n: attempts.length })}</summary>
			<ol className="mt-2 grid gap-1 rounded-lg bg-sunken p-3">
				{attempts.map((a, i) => (
					<li
						className="grid grid-cols-[4.5rem_1fr] gap-x-3 gap-y-0 sm:grid-cols-[4.5rem_1fr_auto]"
						// biome-ignore lint/suspicious/noArrayIndexKey: the record only grows
						key={i}
					>
						<span className="text-muted tabular-nums">{t("room.ms", { n: a.start_ms })}</span>
						<span className="wrap-anywhere">
							{t(phases[a.phase])} · {phraseText(t, a.what)}
							{a.why && <span className="block text-muted text-xs">{phraseText(t, a.why)}</span>}
						</span>
						<span className={cx("tabular-nums max-sm:col-start-2", looks[a.outcome])}>
							{t(`room.attempt.${a.outcome}`, { n: a.took_ms })}
						</span>
					</li>
				))}
			</ol>
		</details>
	);
}
