import { afterEach, expect, test, vi } from "vitest";
import { copyText } from "./copyText.ts";

afterEach(() => vi.unstubAllGlobals());

const clipboard = (writeText?: (text: string) => Promise<void>) =>
	vi.stubGlobal("navigator", { ...(writeText ? { clipboard: { writeText } } : {}) });

/** A browser whose copy command works, or does not. */
function command(works: boolean): string[] {
	const got: string[] = [];
	Object.assign(document, {
		execCommand: () => {
			if (!works) return false;
			const e = new Event("copy", { bubbles: true, cancelable: true });
			const clipboardData = { setData: (_: string, text: string) => got.push(text) };
			document.body.dispatchEvent(Object.assign(e, { clipboardData }));
			return e.defaultPrevented;
		},
	});
	return got;
}

test("the clipboard of the browser is used where there is one", async () => {
	const got: string[] = [];
	const old = command(true);
	clipboard(async text => void got.push(text));
	expect(await copyText("hello")).toBe(true);
	expect([got, old]).toEqual([["hello"], []]);
});

test.each([
	["there is none", undefined],
	["it is forbidden", () => Promise.reject(new Error("no"))],
] as const)("the copy command is used where %s", async (_, writeText) => {
	clipboard(writeText);
	const got = command(true);
	expect(await copyText("hello")).toBe(true);
	expect(got).toEqual(["hello"]);
});

test("where nothing works, that is said", async () => {
	clipboard();
	command(false);
	expect(await copyText("hello")).toBe(false);
});
