// What is remembered: preferences of the person for good, and the call of this tab until it ends, so that a
// reload comes back to it.
import type { DeviceKind, Target } from "./state.ts";

export type Preferences = {
	name: string;
	chosen: { audioIn?: string; audioOut?: string; videoIn?: string };
	lastZone?: string;
};

const preferencesKey = "parley.preferences";
const callKey = "parley.call";

export function preferences(): Preferences {
	const p = read(localStorageOf(), preferencesKey);
	const chosen = isObject(p?.["chosen"]) ? p["chosen"] : {};
	const text = (v: unknown) => (typeof v === "string" ? v : undefined);
	const out: Preferences = { name: text(p?.["name"]) ?? "", chosen: {} };
	for (const k of ["audioIn", "audioOut", "videoIn"] as const satisfies DeviceKind[]) {
		const id = text(chosen[k]);
		if (id) out.chosen[k] = id;
	}
	const zone = text(p?.["lastZone"]);
	if (zone) out.lastZone = zone;
	return out;
}

export function remember(change: Partial<Omit<Preferences, "chosen">> & { chosen?: Preferences["chosen"] }): void {
	const p = preferences();
	write(localStorageOf(), preferencesKey, { ...p, ...change, chosen: { ...p.chosen, ...change.chosen } });
}

/** The call this tab was in when its page went. */
export type Ongoing = { target: Target; name: string; audio: boolean; muted: boolean; video: boolean };

/** A page that was left longer ago than this is not a reload: its person is asked before they are heard again, ms. */
const goneFor = 120_000;

export function ongoing(): Ongoing | undefined {
	const c = read(sessionStorageOf(), callKey);
	const t = c?.["target"];
	const left = c?.["left"];
	if (typeof left !== "number" || Date.now() - left > goneFor) return undefined;
	if (!isObject(t) || typeof t["number"] !== "string" || typeof c?.["name"] !== "string") return undefined;
	const target: Target = { number: t["number"] };
	if (typeof t["pwd"] === "string") target.pwd = t["pwd"];
	if (typeof t["passcode"] === "string") target.passcode = t["passcode"];
	return {
		target,
		name: c["name"],
		audio: c["audio"] === true,
		muted: c["muted"] === true,
		video: c["video"] === true,
	};
}

/** Remembers the call of a page that goes, or forgets it. */
export function setOngoing(c: Ongoing | undefined): void {
	if (c) write(sessionStorageOf(), callKey, { ...c, left: Date.now() });
	else {
		try {
			sessionStorageOf()?.removeItem(callKey);
		} catch {
			// no storage
		}
	}
}

function localStorageOf(): Storage | undefined {
	try {
		return globalThis.localStorage;
	} catch {
		return undefined;
	}
}

function sessionStorageOf(): Storage | undefined {
	try {
		return globalThis.sessionStorage;
	} catch {
		return undefined;
	}
}

function isObject(v: unknown): v is Record<string, unknown> {
	return typeof v === "object" && v !== null && !Array.isArray(v);
}

function read(storage: Storage | undefined, key: string): Record<string, unknown> | undefined {
	try {
		const v: unknown = JSON.parse(storage?.getItem(key) ?? "null");
		return isObject(v) ? v : undefined;
	} catch {
		return undefined;
	}
}

function write(storage: Storage | undefined, key: string, v: unknown): void {
	try {
		storage?.setItem(key, JSON.stringify(v));
	} catch {
		// Full or forbidden: nothing is remembered.
	}
}
