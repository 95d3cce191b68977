// The recorded traces of core/join: events in, the same actions out, and the same report.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readStruct } from "../proto/shape.ts";
import { type Config, Join, type JoinEvent, type Report } from "./join.ts";

const traces = "../wire/proto/testdata/join";

interface Trace {
	name: string;
	config: Config;
	steps: { at_ms: number; event: JoinEvent; actions?: unknown[] }[];
	explain: Report;
}

/** An event as the hands make it: what a server said is read, so that absent lists are empty. */
function read(e: JoinEvent): JoinEvent {
	return e.is === "lookup_done" ? { ...e, answer: readStruct("LookupAnswer", e.answer) } : e;
}

function take(j: Join): string[] {
	const out: string[] = [];
	for (let a = j.next(); a !== undefined; a = j.next()) {
		out.push(JSON.stringify(a));
	}
	return out;
}

describe("traces", () => {
	const files = readdirSync(traces);
	it("are there", () => expect(files.length).toBeGreaterThan(20));

	it.each(files)("%s", file => {
		const trace = JSON.parse(readFileSync(`${traces}/${file}`, "utf8")) as Trace;
		// A page's clock does not start at 0.
		for (const origin of [0, 86_400_000.1]) {
			const j = new Join(trace.config);
			for (const [i, step] of trace.steps.entries()) {
				j.handle(origin + step.at_ms, read(step.event));
				const want = (step.actions ?? []).map(a => JSON.stringify(a));
				expect(take(j), `step ${i} at ${step.at_ms} ms`).toEqual(want);
			}
			expect(JSON.stringify(j.explain())).toBe(JSON.stringify(trace.explain));
		}
	});
});
