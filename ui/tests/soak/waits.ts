// How long a process could have run and was not given a processor, by the account of Linux.
import { readdirSync, readFileSync } from "node:fs";

/** A time in ms since 1970. */
export type Span = { from: number; to: number };

/** What of spans lies within a time. */
export const within = (spans: Iterable<Span>, from: number, to: number): Span[] =>
	[...spans].map(s => ({ from: Math.max(s.from, from), to: Math.min(s.to, to) })).filter(s => s.to > s.from);

/** How long it was in all that there was one of the spans, in ms: what two of them share counts once. */
export function covered(spans: Span[]): number {
	let sum = 0;
	let end = -Infinity;
	for (const s of [...spans].sort((a, b) => a.from - b.from)) {
		sum += Math.max(0, s.to - Math.max(s.from, end));
		end = Math.max(end, s.to);
	}
	return sum;
}

const every = 100;
/** What a process waits for now and then on a busy machine, and what holds up nothing. */
const little = 100;

export class Waits {
	private readonly list: Span[] = [];
	private readonly before = new Map<string, number>();
	private readonly timer: ReturnType<typeof setInterval>;

	constructor(pid: number) {
		this.timer = setInterval(() => this.look(`/proc/${pid}/task`), every);
	}

	/** Notes what the thread that waited longest has waited since the last look. */
	private look(tasks: string): void {
		let longest = 0;
		try {
			for (const thread of readdirSync(tasks)) {
				const [, waited] = readFileSync(`${tasks}/${thread}/schedstat`, "utf8").split(" ").map(Number);
				longest = Math.max(longest, (waited ?? 0) - (this.before.get(thread) ?? waited ?? 0));
				this.before.set(thread, waited ?? 0);
			}
		} catch {
			// A thread has ended meanwhile, or this system keeps no such account.
		}
		if (longest >= little * 1e6) this.list.push({ from: Date.now() - longest / 1e6, to: Date.now() });
	}

	/** When it waited in a time: Linux tells of it once it has ended. */
	between(from: number, to: number): Span[] {
		return within(this.list, from, to + every);
	}

	stop(): void {
		clearInterval(this.timer);
	}
}
