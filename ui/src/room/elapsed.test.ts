import { expect, test } from "vitest";
import { elapsed } from "./elapsed.ts";

test.each([
	[-5000, "0:00"], // the clocks are not quite equal
	[59_999, "0:59"],
	[245_000, "4:05"],
	[3_599_000, "59:59"],
	[3_600_000, "1:00:00"],
	[3_845_000, "1:04:05"],
	[90_000_000, "25:00:00"],
])("%d ms is %s", (ms, want) => expect(elapsed(ms)).toBe(want));
