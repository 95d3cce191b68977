// How long a process could have run and was not given a processor, by the account of Linux.
import { readdirSync, readFileSync } from "node:fs";

const every = 100;
/** What a process waits for now and then on a busy machine, and what holds up nothing. */
const little = 100;

export class Waits {
	private readonly list: { at: number; ms: number }[] = [];
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
		if (longest >= little * 1e6) this.list.push({ at: Date.now(), ms: longest / 1e6 });
	}

	/** What it waited in a time, ms: Linux tells of it once it has ended. */
	between(from: number, to: number): number {
		return this.list.reduce((sum, w) => (w.at < from || w.at > to + every ? sum : sum + w.ms), 0);
	}

	stop(): void {
		clearInterval(this.timer);
	}
}
