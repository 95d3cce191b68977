import { expect, test } from "@playwright/test";
import { covered, within } from "./waits.ts";

for (const [what, spans, want] of [
	["nothing", [], 0],
	["one", [[10, 30]], 20],
	[
		"two apart",
		[
			[50, 60],
			[10, 30],
		],
		30,
	],
	[
		"two that meet",
		[
			[10, 30],
			[30, 40],
		],
		30,
	],
	[
		"two that share",
		[
			[10, 30],
			[20, 40],
		],
		30,
	],
	[
		"one within another, and one after",
		[
			[10, 100],
			[20, 40],
			[90, 110],
		],
		100,
	],
	[
		"the same three times",
		[
			[10, 30],
			[10, 30],
			[10, 30],
		],
		20,
	],
] as [string, [number, number][], number][]) {
	test(`of spans what is shared counts once: ${what}`, () => {
		expect(covered(spans.map(([from, to]) => ({ from, to })))).toBe(want);
	});
}

test("of spans only what is within a time counts", () => {
	const spans = [
		[0, 9],
		[0, 15],
		[12, 13],
		[18, 30],
		[20, 40],
	].map(([from = 0, to = 0]) => ({ from, to }));
	expect(within(spans, 10, 20)).toEqual([
		{ from: 10, to: 15 },
		{ from: 12, to: 13 },
		{ from: 18, to: 20 },
	]);
});
