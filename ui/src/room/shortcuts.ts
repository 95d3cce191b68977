// Which key does what in a call. Pure; useShortcuts listens.
import type { MessageID } from "../i18n/locales.ts";

export type Command =
	| "mic"
	| "camera"
	| "share"
	| "chat"
	| "people"
	| "hand"
	| "view"
	| "previous"
	| "next"
	| "connection"
	| "devices"
	| "shortcuts"
	| "close";

/** The help sheet, in its order. Letters are the keys' own, as KeyboardEvent.key has them. */
export const shortcuts: readonly { command: Command; key: string; shown: string; label: MessageID }[] = [
	{ command: "mic", key: "m", shown: "M", label: "room.shortcut.mic" },
	{ command: "camera", key: "v", shown: "V", label: "room.shortcut.camera" },
	{ command: "share", key: "s", shown: "S", label: "room.shortcut.share" },
	{ command: "chat", key: "c", shown: "C", label: "room.shortcut.chat" },
	{ command: "people", key: "p", shown: "P", label: "room.shortcut.people" },
	{ command: "hand", key: "h", shown: "H", label: "room.shortcut.hand" },
	{ command: "view", key: "g", shown: "G", label: "room.shortcut.view" },
	{ command: "previous", key: "ArrowLeft", shown: "←", label: "room.shortcut.previous" },
	{ command: "next", key: "ArrowRight", shown: "→", label: "room.shortcut.next" },
	{ command: "devices", key: "d", shown: "D", label: "room.shortcut.devices" },
	{ command: "connection", key: "i", shown: "I", label: "room.shortcut.connection" },
	{ command: "shortcuts", key: "?", shown: "?", label: "room.shortcut.shortcuts" },
	{ command: "close", key: "Escape", shown: "Esc", label: "room.shortcut.close" },
];

/** What of a key press matters here. */
export type Press = Pick<
	KeyboardEvent,
	"key" | "ctrlKey" | "metaKey" | "altKey" | "isComposing" | "defaultPrevented" | "target"
>;

const typing =
	"input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable]:not([contenteditable=false])";
// Menus and lists find their rows by letters, windows close themselves.
const ownKeys = "[role=menu], [role=listbox], [role=combobox], [role=dialog], [role=alertdialog]";
const pressed = "button, a[href], input, summary, [role=button], [role=switch], [role=tab]";

const within = (target: EventTarget | null, selector: string) =>
	target instanceof Element && target.closest(selector) !== null;

function ours(e: Press): boolean {
	// Ctrl, Cmd and Alt belong to the browser and the system; Shift only makes capitals.
	if (e.defaultPrevented || e.isComposing || e.ctrlKey || e.metaKey || e.altKey) return false;
	return !within(e.target, typing) && !within(e.target, ownKeys);
}

/** The command of a key press, if it is one. */
export function commandOf(e: Press): Command | undefined {
	if (!ours(e)) {
		// Out of the text field of a panel, Escape still leads.
		const leaves = e.key === "Escape" && !e.defaultPrevented && !e.isComposing && !within(e.target, ownKeys);
		return leaves ? "close" : undefined;
	}
	const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
	return shortcuts.find(s => s.key === key)?.command;
}

/** Whether this key press is talking while it is held: space, where space does nothing else. */
export function isTalkKey(e: Press): boolean {
	return e.key === " " && ours(e) && !within(e.target, pressed);
}
