import { expect, test } from "vitest";
import { type Named, readNumber, showNumber } from "./number.ts";

test.each<[string, Named | undefined, string]>([
	["12345678901", { number: "12345678901" }, "eleven digits"],
	["123 4567 8901", { number: "12345678901" }, "with spaces"],
	["123-456-789", { number: "123456789" }, "with dashes"],
	["123\u00a04567\u00a08901", { number: "12345678901" }, "with no-break spaces"],
	["１２３４５６７８９", { number: "123456789" }, "full-width digits"],
	["  (123) 456.7890 ", { number: "1234567890" }, "brackets and dots"],
	["https://meet.example/j/12345678901?pwd=a%2Bb_c", { number: "12345678901", pwd: "a+b_c" }, "a link"],
	["Join here: https://meet.example/j/123456789 now", { number: "123456789" }, "a link in a sentence"],
	["meet.example/j/12345678901?pwd=x#frag", { number: "12345678901", pwd: "x" }, "a link without scheme"],
	["12345678", undefined, "too short"],
	["123456789012", undefined, "too long"],
	["call me", undefined, "words"],
	["12a45678901", undefined, "a letter"],
	["", undefined, "nothing"],
])("%j is read as %j: %s", (text, want) => {
	expect(readNumber(text)).toEqual(want);
});

test.each([
	["12345678901", "123\u00a04567\u00a08901"],
	["1234567890", "123\u00a0456\u00a07890"],
	["123456789", "123\u00a0456\u00a0789"],
])("%s is shown as %s", (n, want) => {
	expect(showNumber(n)).toBe(want);
});
