import { useIntl } from "react-intl";
import type { Connection } from "../call/state.ts";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { kindName } from "../proto/ids.ts";

/** What is sent and received, as last measured. */
export function MediaTable({ media, rates }: Pick<Connection, "media" | "rates">) {
	const t = useT();
	const intl = useIntl();
	if (media.length === 0) return <p className="text-muted text-sm">{t("room.media.none")}</p>;
	const number = (n: number, digits = 0) => intl.formatNumber(n, { maximumFractionDigits: digits });
	const heads = [
		"room.media.rate",
		"room.media.loss",
		"room.media.jitter",
		"room.media.rtt",
		"room.media.picture",
	] as const;
	return (
		// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
		<section aria-label={t("room.connection.media")} className="-mx-2 overflow-x-auto px-2" tabIndex={0}>
			<table className="w-full min-w-lg border-collapse text-sm tabular-nums">
				<thead>
					<tr className="border-line border-b text-left text-muted">
						<th className="py-1.5 pr-3 font-medium" scope="col">
							{t("room.media.what")}
						</th>
						{heads.map(h => (
							<th className="px-2 py-1.5 text-right font-medium" key={h} scope="col">
								{t(h)}
							</th>
						))}
					</tr>
				</thead>
				<tbody>
					{media.map(m => {
						const rate = rates.find(r => r.kind === m.kind && r.up === m.up);
						const cells = [
							rate ? t("room.kbps", { n: number(rate.bps / 1000) }) : "–",
							rate ? t("room.percent", { n: number(rate.loss * 100, 1) }) : "–",
							t("room.ms", { n: number(m.jitter_ms, 1) }),
							m.rtt_ms > 0 ? t("room.ms", { n: number(m.rtt_ms) }) : "–",
							m.width && m.height ? `${m.width} × ${m.height} · ${number(m.fps ?? 0)}` : "–",
						];
						return (
							<tr className="border-line border-b" key={`${m.kind} ${m.up}`}>
								<th className="py-1.5 pr-3 text-left font-normal" scope="row">
									<span className="inline-flex items-center gap-2">
										<Icon className="text-muted" name={m.up ? "chevron-up" : "chevron-down"} size={16} />
										<span className="sr-only">{t(m.up ? "room.media.up" : "room.media.down")}</span>
										{t(`room.kind.${kindName(m.kind)}`)}
									</span>
								</th>
								{cells.map((cell, i) => (
									<td className="whitespace-nowrap px-2 py-1.5 text-right" key={heads[i]}>
										{cell}
									</td>
								))}
							</tr>
						);
					})}
				</tbody>
			</table>
		</section>
	);
}
