import type { SummaryLine } from "../call/state.ts";
import type { T } from "../i18n/useT.ts";
import { Rung } from "../proto/messages.gen.ts";

/** A sentence of the report, as `parley join --explain` says it. */
export function summaryText(t: T, line: SummaryLine): string {
	const { zone = "", ms = 0, group = "", rung = "" } = line.values;
	switch (line.key) {
		case "best_zone":
		case "home_zone":
		case "udp_blocked":
		case "no_path":
		case "no_controller":
			return t(`room.summary.${line.key}`, { zone, ms, group });
		case "path":
			return t("room.summary.path", { group, rung: isRung(rung) ? t(`room.rung.${rung}`) : rung });
		default:
			return line.key satisfies never;
	}
}

function isRung(text: string | number): text is Rung {
	return Object.values<string | number>(Rung).includes(text);
}
