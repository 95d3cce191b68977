import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ongoing, setOngoing } from "./memory.ts";

const call = { target: { number: "123456789", pwd: "x" }, name: "Ada", audio: true, muted: true, video: false };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
	vi.useRealTimers();
	sessionStorage.clear();
});

test("a reload goes back to its call as it was; a page left long ago does not", () => {
	setOngoing(call);
	vi.advanceTimersByTime(30_000);
	expect(ongoing()).toEqual(call);
	vi.advanceTimersByTime(100_000);
	expect(ongoing()).toBeUndefined();
});

test("a call that was left, or that nobody wrote properly, is none", () => {
	setOngoing(call);
	setOngoing(undefined);
	expect(ongoing()).toBeUndefined();
	sessionStorage.setItem("parley.call", JSON.stringify(call)); // never left
	expect(ongoing()).toBeUndefined();
	sessionStorage.setItem("parley.call", "{");
	expect(ongoing()).toBeUndefined();
});
