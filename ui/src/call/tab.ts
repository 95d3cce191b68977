// Which tab this is, and what other tabs of this browser do. A lock is held for the life of the page, so no
// other page has to be asked.
import { newNonce } from "../proto/hello.ts";

export type Tab = {
	/** Survives a reload; no two open tabs have the same. */
	id: string;
	/** The tab was duplicated: what sessionStorage holds is the original's, which is still open. */
	copied: boolean;
};

const idKey = "parley.tab";
/** A page that was just reloaded may hold its lock a moment longer, ms. */
const patience = 400;

let own: Promise<Tab> | undefined;

/** This tab; asked for the first time, it takes its lock. */
export function thisTab(): Promise<Tab> {
	own ??= claim();
	return own;
}

async function claim(): Promise<Tab> {
	let id: string | null = null;
	try {
		id = sessionStorage.getItem(idKey);
	} catch {
		// No storage: every load is a new person.
	}
	if (id && (await hold(`parley-tab-${id}`, patience))) return { id, copied: false };
	const fresh = newNonce();
	try {
		sessionStorage.setItem(idKey, fresh);
	} catch {
		// as above
	}
	await hold(`parley-tab-${fresh}`, patience);
	return { id: fresh, copied: id !== null };
}

/** Takes a lock for the life of the page; false where another tab keeps it. */
async function hold(name: string, wait: number): Promise<boolean> {
	if (!navigator.locks) return true;
	return new Promise(resolve => {
		navigator.locks
			.request(name, { signal: AbortSignal.timeout(wait) }, () => {
				resolve(true);
				return new Promise<void>(() => {});
			})
			// Waited in vain; or locks are forbidden here, and nothing can be told.
			.catch((err: unknown) => resolve(!(err instanceof DOMException && /^(Timeout|Abort)Error$/.test(err.name))));
	});
}

const meetingLock = (number: string) => `parley-in-${number}`;

/** Lets other tabs know that this one is in a meeting, until the answer is called. */
export function enterMeeting(number: string): () => void {
	const abort = new AbortController();
	let leave = () => abort.abort();
	navigator.locks
		?.request(meetingLock(number), { mode: "shared", signal: abort.signal }, () => {
			return new Promise<void>(resolve => {
				leave = resolve;
			});
		})
		.catch(() => undefined); // left before the lock was had, or locks are forbidden here
	return () => leave();
}

/** Whether a tab of this browser is in a meeting. */
export async function inMeeting(number: string): Promise<boolean> {
	const all = await navigator.locks?.query().catch(() => undefined);
	return all?.held?.some(l => l.name === meetingLock(number)) ?? false;
}
