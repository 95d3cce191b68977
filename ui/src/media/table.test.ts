import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Slot } from "../proto/messages.gen.ts";
import { sameTable, slotTable } from "./table.ts";

type Vector = { seed: number; video: number; float: number; content: number; slots: Slot[] };
const vectors = JSON.parse(readFileSync("../wire/proto/testdata/slots.json", "utf8")) as Vector[];

it.each(vectors)("the table of seed $seed is the router's", v => {
	expect(slotTable(v.seed, v.video, v.float, v.content)).toEqual(v.slots);
});

it("tables differ by seed, size and order", () => {
	const table = slotTable(7, 2);
	expect(sameTable(table, slotTable(7, 2))).toBe(true);
	expect(sameTable(table, slotTable(8, 2))).toBe(false);
	expect(sameTable(table, slotTable(7, 3))).toBe(false);
	expect(sameTable(table, [...table].reverse())).toBe(false);
});
