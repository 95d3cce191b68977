import { expect, test } from "vitest";
import { commandOf, isTalkKey, type Press, shortcuts } from "./shortcuts.ts";

function press(key: string, change: Partial<Press> = {}): Press {
	return {
		key,
		ctrlKey: false,
		metaKey: false,
		altKey: false,
		isComposing: false,
		defaultPrevented: false,
		target: document.body,
		...change,
	};
}

function at(html: string): Element {
	const holder = document.createElement("div");
	holder.innerHTML = html;
	const target = holder.querySelector("[data-at]");
	if (!target) throw new Error("no target");
	return target;
}

test("each key has one command", () => {
	expect(new Set(shortcuts.map(s => s.key)).size).toBe(shortcuts.length);
	for (const s of shortcuts) expect(commandOf(press(s.key))).toBe(s.command);
	expect(commandOf(press("M"))).toBe("mic");
	expect(commandOf(press("x"))).toBeUndefined();
});

test("the browser's own keys are left alone", () => {
	for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing", "defaultPrevented"] as const)
		expect(commandOf(press("c", { [held]: true }))).toBeUndefined();
});

test.each([
	["<input data-at>", false, false],
	["<textarea data-at></textarea>", false, false],
	['<div contenteditable="true"><b data-at></b></div>', false, false],
	['<div role="menu"><div role="menuitem" data-at></div></div>', false, false],
	['<div role="dialog"><p data-at></p></div>', false, false],
	["<button data-at></button>", true, false],
	['<a href="/x" data-at></a>', true, false],
	["<p data-at></p>", true, true],
])("at %s letters are commands: %s, space is talking: %s", (html, letters, talk) => {
	const target = at(html);
	expect(commandOf(press("m", { target })) === "mic").toBe(letters);
	expect(isTalkKey(press(" ", { target }))).toBe(talk);
});

test("Escape leads out of a text field, but not out of what closes itself", () => {
	expect(commandOf(press("Escape", { target: at("<textarea data-at></textarea>") }))).toBe("close");
	expect(commandOf(press("Escape", { target: at('<div role="menu"><i data-at></i></div>') }))).toBeUndefined();
});
