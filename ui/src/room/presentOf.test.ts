import { expect, test } from "vitest";
import { presentOf } from "./presentOf.ts";

test("a device that was unplugged is not shown as chosen", () => {
	const list = [
		{ id: "a", label: "A" },
		{ id: "b", label: "B" },
	];
	expect(presentOf(list, "b")).toBe("b");
	expect(presentOf(list, "gone")).toBe("a");
	expect(presentOf(list, undefined)).toBe("a");
	expect(presentOf([], "b")).toBe("");
});
