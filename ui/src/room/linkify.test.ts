import { expect, test } from "vitest";
import { linkify } from "./linkify.ts";

test.each([
	["no address here", [], "text only"],
	["see https://example.org/a?b=c#d now", ["https://example.org/a?b=c#d"], "in the middle"],
	["https://example.org.", ["https://example.org"], "the full stop ends the sentence"],
	["(https://example.org/x)", ["https://example.org/x"], "the bracket is the sentence's"],
	["https://example.org/x_(y)", ["https://example.org/x_(y)"], "the bracket is the address's"],
	["https://a.example, https://b.example!", ["https://a.example", "https://b.example"], "two"],
	["javascript:alert(1)", [], "leads nowhere"],
	["https://bank.example@evil.example/", [], "looks like another's"],
	["HTTPS://EXAMPLE.ORG", ["HTTPS://EXAMPLE.ORG"], "capitals"],
	["https://", [], "no host"],
	["https://例え.jp/あ です", ["https://例え.jp/あ"], "letters of any script"],
])("%j has the addresses %j: %s", (text, want) => {
	const pieces = linkify(text);
	expect(pieces.filter(p => p.href).map(p => p.text)).toEqual(want);
	expect(pieces.map(p => p.text).join("")).toBe(text);
});
