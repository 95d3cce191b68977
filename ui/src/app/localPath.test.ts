import { expect, test } from "vitest";
import { localPath } from "./localPath.ts";

test.each([
	["/meetings", "/meetings"],
	["/meetings/new?x=1#y", "/meetings/new?x=1#y"],
	["meetings", "/meetings"],
	["https://evil.example/a", "/"],
	["//evil.example", "/"],
	["/\\evil.example", "/"],
	["/..//evil.example", "/"],
	["javascript:alert(1)", "/"],
	["https://site.invalid//evil.example", "/"],
	["http://[", "/"],
])("%s leads to %s", (to, want) => {
	expect(localPath(to)).toBe(want);
});
