// What lets one into a meeting besides its number: what a link carried, or the passcode that was typed.
// It stays in the tab, so that a reload finds it, and never in the address bar or its history.
import type { Target } from "../call/state.ts";

export type Secret = { pwd?: string; passcode?: string };

const keyOf = (number: string) => `parley.invitation.${number}`;

/** Of this page alone, where the browser forbids storage. */
const unstored = new Map<string, Secret>();

export function keepSecret(number: string, secret: Secret): void {
	unstored.delete(number);
	try {
		sessionStorage.setItem(keyOf(number), JSON.stringify(secret));
	} catch {
		unstored.set(number, secret);
	}
}

export function forgetSecret(number: string): void {
	unstored.delete(number);
	try {
		sessionStorage.removeItem(keyOf(number));
	} catch {
		// there is nothing in it
	}
}

/** How to join a meeting by number, with what this tab knows of it. */
export function targetOf(number: string): Target {
	try {
		const stored = JSON.parse(sessionStorage.getItem(keyOf(number)) ?? "{}") as Secret;
		return withSecret(number, unstored.get(number) ?? stored);
	} catch {
		return withSecret(number, unstored.get(number) ?? {});
	}
}

function withSecret(number: string, { pwd, passcode }: Secret): Target {
	return { number, ...(pwd ? { pwd } : {}), ...(passcode ? { passcode } : {}) };
}

/** Takes the pwd of a link out of the address bar, once, before anything else can see it. */
export function takeLink(location: Location, history: History): void {
	const number = /^\/j\/(\d{9,11})\/?$/.exec(location.pathname)?.[1];
	const query = new URLSearchParams(location.search);
	const pwd = query.get("pwd");
	if (pwd === null) return;
	if (number && pwd) keepSecret(number, { pwd });
	query.delete("pwd");
	const rest = query.toString();
	history.replaceState(history.state, "", location.pathname + (rest && `?${rest}`) + location.hash);
}

/** Keeps what a link carries, and gives the number of its meeting. */
export function numberOfLink(link: string): string {
	const url = new URL(link, "https://site.invalid");
	const number = url.pathname.split("/").pop() ?? "";
	const pwd = url.searchParams.get("pwd");
	if (pwd) keepSecret(number, { pwd });
	return number;
}
