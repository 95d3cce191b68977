import { beforeEach, expect, test, vi } from "vitest";
import { forgetSecret, keepSecret, numberOfLink, takeLink, targetOf } from "./invitation.ts";

beforeEach(() => history.replaceState(null, "", "/"));

test("the pwd of a link leaves the address bar and is known to the tab", () => {
	history.replaceState({ at: 1 }, "", "/j/12345678901?pwd=s3cret&lang=fr#x");
	takeLink(location, history);
	expect(location.href).not.toContain("s3cret");
	expect(location.search + location.hash).toBe("?lang=fr#x");
	expect(history.state).toEqual({ at: 1 });
	expect(targetOf("12345678901")).toEqual({ number: "12345678901", pwd: "s3cret" });
	expect(localStorage.length).toBe(0);
});

test("a pwd leaves the address bar of any page, and is kept for none", () => {
	history.replaceState(null, "", "/join?pwd=s3cret");
	takeLink(location, history);
	expect(location.search).toBe("");
	expect(sessionStorage.length).toBe(0);
});

test("a later link replaces the earlier one; a passcode replaces both", () => {
	keepSecret("123456789", { pwd: "old" });
	history.replaceState(null, "", "/j/123456789?pwd=new");
	takeLink(location, history);
	expect(targetOf("123456789")).toEqual({ number: "123456789", pwd: "new" });
	keepSecret("123456789", { passcode: "abc" });
	expect(targetOf("123456789")).toEqual({ number: "123456789", passcode: "abc" });
	forgetSecret("123456789");
	expect(targetOf("123456789")).toEqual({ number: "123456789" });
});

test("a reload without pwd keeps what is known", () => {
	keepSecret("123456789", { pwd: "known" });
	history.replaceState(null, "", "/j/123456789");
	takeLink(location, history);
	expect(targetOf("123456789")).toEqual({ number: "123456789", pwd: "known" });
});

test("one's own link is followed inside the site", () => {
	expect(numberOfLink("https://meet.example/j/12345678901?pwd=a%2Bb")).toBe("12345678901");
	expect(targetOf("12345678901")).toEqual({ number: "12345678901", pwd: "a+b" });
});

test("where the browser forbids storage, a link works until the page is left", () => {
	const refuse = vi.fn(() => {
		throw new DOMException("", "SecurityError");
	});
	vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse, removeItem: refuse });
	history.replaceState(null, "", "/j/987654321?pwd=s3cret");
	takeLink(location, history);
	expect(refuse).toHaveBeenCalled();
	expect(location.href).not.toContain("s3cret");
	expect(targetOf("987654321")).toEqual({ number: "987654321", pwd: "s3cret" });
	forgetSecret("987654321");
	expect(targetOf("987654321")).toEqual({ number: "987654321" });
	vi.unstubAllGlobals();
});
