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
		best = "",
		n = 0,
		zones = "",
		silent = "",
	} = line.values;
	switch (line.key) {
		case "best_zone":
		case "zone_nearer":
			return t(`room.summary.${line.key}`, { zone, ms: Math.round(Number(ms)) });
		case "home_zone":
		case "other_zone":
		case "zones_silent":
		case "zones_deaf":
		case "zones_shut":
		case "long_hello":
		case "tunnel":
		case "tunnel_left":
		case "network_moved":
		case "resumed":
		case "udp_waiting":
		case "udp_opened":
		case "udp_back":
		case "udp_better":
		case "udp_partly":
		case "udp_other_port":
		case "tcp_blocked":
		case "checks_only":
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
			return t(`room.summary.${line.key}`, { zone, group, url, proxy, issuer, why, best, n, zones, silent, port });
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
