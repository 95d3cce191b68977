import type { Connection, PhaseView } from "../call/state.ts";
import { cx } from "../components/cx.ts";
import { useT } from "../i18n/useT.ts";
import { PhaseMark } from "./PhaseMark.tsx";

/**
 * The phases of the connection with how far each is, when it was done and about how many round trips it took. Of the details only the zone's has no
 * words in it; the others are those of the record, in English.
 */
export function PhaseList({ phases, trips = {} }: { phases: readonly PhaseView[]; trips?: Connection["trips"] }) {
	const t = useT();
	return (
		<ol className="grid gap-1 text-left">
			{phases.map(p => (
				<li className="flex min-h-8 items-center gap-3 text-sm" key={p.phase}>
					<PhaseMark state={p.state} />
					<span className={cx("grow", p.state === "todo" && "text-muted")}>
						{t(`room.phase.${p.phase}`)}
						{p.phase === "zone" && p.detail && (
							<span className="wrap-anywhere block text-muted text-xs">{p.detail}</span>
						)}
						<span className="sr-only">{t(`room.phase.state.${p.state}`)}</span>
					</span>
					{p.ms !== undefined && (
						<span className="whitespace-nowrap text-right text-muted tabular-nums">
							{t("room.ms", { n: Math.round(p.ms) })}
							{!!trips[p.phase] && <span className="block text-xs">{t("room.trips", { n: trips[p.phase] ?? 0 })}</span>}
						</span>
					)}
				</li>
			))}
		</ol>
	);
}
