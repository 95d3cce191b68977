// Which rung worked from which network: where nothing better than TLS 443 worked an hour ago, it is tried at
// once, beside UDP. A network is known by the address the site sees, coarsely: its /24, or /48.
import { Rung } from "../proto/messages.gen.ts";

const key = "parley.networks";
const keepFor = 86_400_000;
const keepMost = 8;

type Entry = { net: string; rung: Rung; at: number };

/** The network of an address as a lookup answer writes it; "" where it can't be read. */
export function networkOf(addr: string): string {
	const ip = addr.replace(/^\[|\](:\d+)?$/g, "");
	const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+(?::\d+)?$/.exec(ip);
	if (v4) return `${v4[1]}.0/24`;
	if (!ip.includes(":")) return "";
	const [head = "", tail] = ip.toLowerCase().split("::");
	const left = head === "" ? [] : head.split(":");
	const right = tail === undefined || tail === "" ? [] : tail.split(":");
	const all = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right];
	return `${all
		.slice(0, 3)
		.map(p => p.replace(/^0+(?=.)/, ""))
		.join(":")}::/48`;
}

/** The rung that worked last from a network, within a day. */
export function lastRung(net: string, now: number): Rung | undefined {
	return entries(now).find(e => e.net === net)?.rung;
}

/** Remembers what works. */
export function rememberRung(net: string, rung: Rung, now: number): void {
	if (net === "") return;
	const others = entries(now).filter(e => e.net !== net);
	try {
		localStorage.setItem(key, JSON.stringify([{ net, rung, at: now }, ...others].slice(0, keepMost)));
	} catch {
		// Full or forbidden: the ladder is climbed anew each time.
	}
}

function entries(now: number): Entry[] {
	try {
		const all: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
		return Array.isArray(all) ? all.filter((e): e is Entry => isEntry(e) && now >= e.at && now - e.at < keepFor) : [];
	} catch {
		return [];
	}
}

function isEntry(e: unknown): e is Entry {
	if (typeof e !== "object" || e === null) return false;
	const { net, rung, at } = e as Record<string, unknown>;
	return typeof net === "string" && typeof at === "number" && Object.values<unknown>(Rung).includes(rung);
}
