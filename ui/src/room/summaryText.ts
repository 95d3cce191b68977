import type { SummaryLine } from "../call/state.ts";
import type { T } from "../i18n/useT.ts";
import { Rung } from "../proto/messages.gen.ts";

/** A sentence of the report, as `parley join --explain` says it. */
export function summaryText(t: T, line: SummaryLine): string {
	const {
		zone = "",
		ms = 0,
		group = "",
		rung = "",
		port = 0,
		url = "",
		proxy = "",
		issuer = "",
		why = "",
	} = line.values;
	switch (line.key) {
		case "best_zone":
			return t("room.summary.best_zone", { zone, ms: Math.round(Number(ms)) });
		case "home_zone":
		case "tunnel":
		case "udp_blocked":
		case "udp_stopped":
		case "udp_lossy":
		case "nothing_direct":
		case "stun_only":
		case "small_datagrams":
		case "ipv6_silent":
		case "connecting":
		case "no_path":
		case "no_controller":
		case "proxy":
		case "proxy_unused":
		case "inspected":
			return t(`room.summary.${line.key}`, { zone, group, url, proxy, issuer, why });
		case "path":
		case "path_short":
		case "tunnelled":
			return t(`room.summary.${line.key}`, { group, rung: isRung(rung) ? wayText(t, rung, Number(port)) : rung });
		default:
			return line.key satisfies never;
	}
}

/** A rung by the port that packets go to, since there may be several; 0 is the usual one. */
export function wayText(t: T, rung: Rung, port: number): string {
	if (port === 0 || rung === Rung.TLS443) return t(`room.rung.${rung}`);
	return `${rung === Rung.TCP8801 ? "TCP" : "UDP"} ${port}`;
}

function isRung(text: string | number): text is Rung {
	return Object.values<string | number>(Rung).includes(text);
}
