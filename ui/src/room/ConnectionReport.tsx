import { useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";
import { AttemptList } from "./AttemptList.tsx";
import { MediaTable } from "./MediaTable.tsx";
import { PhaseList } from "./PhaseList.tsx";
import { summaryText, wayText } from "./summaryText.ts";

const heading = "mb-2 font-semibold text-sm";

/** Phases, paths, what is measured, and the record of what was tried. */
export function ConnectionReport() {
	const t = useT();
	const c = useCall(s => s.connection);
	const phases = useCall(s => s.phases);
	const facts: [string, string][] = [
		[t("room.fact.zone"), c.zone ?? "–"],
		[t("room.fact.router"), c.router ?? "–"],
		[t("room.fact.rtt"), c.rtt === undefined ? "–" : t("room.ms", { n: Math.round(c.rtt) })],
	];
	for (const group of ["audio", "video", "content"] as const) {
		const rung = c.path[group];
		const port = c.summary.find(l => l.values["group"] === group && "port" in l.values)?.values["port"] ?? 0;
		const way = rung ? wayText(t, rung, Number(port)) : t("room.path.none");
		facts.push([t(`room.path.${group}`), c.tunnelled[group] ? t("room.path.tunnelled", { rung: way }) : way]);
	}
	return (
		<div className="grid grid-cols-[minmax(0,1fr)] gap-6 pb-3">
			{c.summary.length > 0 && (
				<ul className="grid gap-1 rounded-lg bg-accent-soft px-4 py-3 text-accent-ink text-sm">
					{c.summary.map(line => (
						<li key={`${line.key} ${JSON.stringify(line.values)}`}>{summaryText(t, line)}</li>
					))}
				</ul>
			)}
			<div className="grid gap-6 sm:grid-cols-2">
				<section>
					<h3 className={heading}>{t("room.connection.phases")}</h3>
					<PhaseList phases={phases} trips={c.trips} />
				</section>
				<section>
					<h3 className={heading}>{t("room.connection.now")}</h3>
					<dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-sm">
						{facts.map(([name, value]) => (
							<div className="contents" key={name}>
								<dt className="text-muted">{name}</dt>
								<dd className="wrap-anywhere text-right font-medium tabular-nums">{value}</dd>
							</div>
						))}
					</dl>
				</section>
			</div>
			<section>
				<h3 className={heading}>{t("room.connection.media")}</h3>
				<MediaTable media={c.media} rates={c.rates} />
			</section>
			{c.attempts.length > 0 && <AttemptList attempts={c.attempts} />}
		</div>
	);
}
