import { expect, test, vi } from "vitest";
import { keepWishes, readWishes } from "./wishes.ts";

test("wishes are remembered; without any, all is on", () => {
	expect(readWishes()).toEqual({ audio: true, video: true, muted: false });
	keepWishes({ audio: true, video: false, muted: true });
	expect(readWishes()).toEqual({ audio: true, video: false, muted: true });
	localStorage.setItem("parley.wishes", "not JSON");
	expect(readWishes()).toEqual({ audio: true, video: true, muted: false });
});

test("where the browser keeps nothing, one joins all the same", () => {
	const setItem = vi.fn(() => {
		throw new DOMException("", "SecurityError");
	});
	vi.stubGlobal("localStorage", { setItem });
	expect(() => keepWishes({ audio: true, video: true, muted: false })).not.toThrow();
	expect(setItem).toHaveBeenCalled();
	vi.unstubAllGlobals();
});
