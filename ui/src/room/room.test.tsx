import { act, fireEvent, screen, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { initialState } from "../call/state.ts";
import { english, type MessageID } from "../i18n/locales.ts";
import { type Chat, Code, Kind, Role } from "../proto/messages.gen.ts";
import { CallScreen } from "./CallScreen.tsx";
import { ChatBox, longest } from "./ChatBox.tsx";
import { ChatPanel } from "./ChatPanel.tsx";
import { noticeText } from "./noticeText.ts";
import { overWords } from "./overText.ts";
import { PeoplePanel } from "./PeoplePanel.tsx";
import { isHeard, sorted } from "./person.ts";
import { quality } from "./quality.ts";
import { Room } from "./Room.tsx";
import { person } from "./stories/people.ts";
import { Toolbar } from "./Toolbar.tsx";
import { inMeeting, show } from "./testing.tsx";
import { useShortcuts } from "./useShortcuts.ts";

const button = (name: RegExp) => screen.getByRole("button", { name });
const disabled = (name: RegExp) => button(name).hasAttribute("disabled") || button(name).ariaDisabled === "true";

function Keys() {
	useShortcuts();
	return <input aria-label="text" />;
}

test("what is not allowed now is disabled", () => {
	const { store } = show(inMeeting(2), <Toolbar />);
	expect(disabled(/^Unmute microphone/)).toBe(false);
	act(() => store.dispatch({ is: "control_lost" }));
	expect(disabled(/^React/)).toBe(false); // it opens; what is inside it waits
	fireEvent.click(button(/^React/));
	expect(screen.getByRole("button", { name: "Applause" }).hasAttribute("disabled")).toBe(true);
});

test("a host is asked before the meeting ends for all, others just leave", () => {
	const guest = show(inMeeting(2, {}, Role.Participant), <Toolbar />);
	fireEvent.click(button(/^Leave/));
	expect(guest.done).toEqual([{ is: "leave" }]);
	guest.unmount();

	const host = show(inMeeting(2), <Toolbar />);
	fireEvent.click(button(/^Leave/));
	fireEvent.click(screen.getByRole("menuitem", { name: "End for everyone" }));
	expect(host.done).toEqual([]);
	fireEvent.click(within(screen.getByRole("alertdialog")).getByRole("button", { name: "End for everyone" }));
	expect(host.done).toEqual([{ is: "act", act: { do: "end" } }]);
});

test("Enter sends, Shift and Enter does not, nor Enter that ends a composition", () => {
	const { done } = show(inMeeting(2), <ChatBox />);
	const box = screen.getByRole("textbox");
	fireEvent.change(box, { target: { value: "  " } });
	fireEvent.keyDown(box, { key: "Enter" });
	fireEvent.change(box, { target: { value: "hello" } });
	fireEvent.keyDown(box, { key: "Enter", shiftKey: true });
	fireEvent.keyDown(box, { key: "Enter", isComposing: true });
	expect(done).toEqual([]);
	fireEvent.keyDown(box, { key: "Enter" });
	expect(done).toEqual([{ is: "say", text: "hello" }]);
	expect(box).toHaveProperty("value", "");
});

test("a message that is too long is not sent", () => {
	const { done } = show(inMeeting(2), <ChatBox />);
	const box = screen.getByRole("textbox");
	fireEvent.change(box, { target: { value: "🎉".repeat(longest + 1) } });
	expect(screen.getByText("1 character too many")).toBeTruthy();
	fireEvent.keyDown(box, { key: "Enter" });
	expect(done).toEqual([]);
});

/** Whom the next message goes to. */
function address(name: string): void {
	fireEvent.click(screen.getByRole("combobox"));
	const option = screen.getByRole("option", { name });
	fireEvent.pointerDown(option, { pointerType: "touch" });
	fireEvent.click(option);
}

test("what is written to one person is sent to that one", () => {
	const { done } = show(inMeeting(3), <ChatBox />);
	address("Grace Hopper");
	const box = screen.getByRole("textbox");
	fireEvent.change(box, { target: { value: "psst" } });
	fireEvent.keyDown(box, { key: "Enter" });
	expect(done).toEqual([{ is: "say", text: "psst", to: 2 }]);
});

test("what is for one person says so, to both, also between lines for everyone", () => {
	const line = (seq: number, from: number, to?: number): Chat => ({
		seq,
		from,
		name: from === 1 ? "Ada" : "Grace Hopper",
		text: `line ${seq}`,
		at: seq,
		...(to ? { to } : {}),
	});
	const lines = [line(1, 2), line(2, 2, 1), line(3, 2), line(4, 1, 2)];
	show(inMeeting(3, { chat: { ...initialState().chat, lines } }), <ChatPanel />);
	const heads = screen
		.getAllByText(/only$/)
		.map(e => [e.textContent, e.closest("div")?.textContent?.match(/line \d/)?.[0]]);
	expect(heads).toEqual([
		["to you only", "line 2"],
		["to Grace Hopper only", "line 4"],
	]);
	expect(screen.getAllByText("Grace Hopper")).toHaveLength(3);
});

test("what was meant for one person never goes to all when they leave", () => {
	const { done, store } = show(inMeeting(2), <ChatBox />);
	address("Grace Hopper");
	expect(screen.getByRole("combobox").textContent).toBe("Grace Hopper");
	fireEvent.change(screen.getByRole("textbox"), { target: { value: "secret" } });
	act(() => store.dispatch({ is: "message", message: { t: "roster", version: 1, put: [], gone: [2] } }));
	fireEvent.keyDown(screen.getByRole("textbox"), { key: "Enter" });
	expect(done).toEqual([]);
});

test("only hosts see what hosts may do", () => {
	const waiting = [person(20, { waiting: true, name: "Kim" })];
	const host = show(inMeeting(2, { waiting }), <PeoplePanel />);
	fireEvent.click(button(/^Admit Kim/));
	expect(host.done).toEqual([{ is: "act", act: { do: "admit", target: 20 } }]);
	fireEvent.click(button(/^More about Grace/));
	fireEvent.click(screen.getByRole("menuitem", { name: "Mute" }));
	expect(host.done[1]).toEqual({ is: "act", act: { do: "mute", target: 2, kind: Kind.Audio } });
	host.unmount();

	show(inMeeting(2, {}, Role.Participant), <PeoplePanel />);
	expect(screen.queryByRole("switch")).toBeNull();
	fireEvent.click(button(/^More about Grace/));
	expect(screen.getAllByRole("menuitem").map(i => i.textContent)).toEqual(["Show large"]);
});

test("removing somebody is asked about first, and nobody removes the host", () => {
	const { done } = show(inMeeting(3), <PeoplePanel />);
	fireEvent.click(button(/^More about Grace/));
	fireEvent.click(screen.getByRole("menuitem", { name: "Remove" }));
	expect(done).toEqual([]);
	fireEvent.click(within(screen.getByRole("alertdialog")).getByRole("button", { name: "Remove" }));
	expect(done).toEqual([{ is: "act", act: { do: "eject", target: 2 } }]);
});

test("space held is heard, let go is muted; in a text field it is a space", () => {
	const audio = { wanted: true, on: true, muted: true, byHost: false };
	const { done, store } = show(inMeeting(2, { mine: { ...initialState().mine, audio } }), <Keys />);
	fireEvent.keyDown(screen.getByRole("textbox"), { key: " " });
	expect(store.get().mine.audio.muted).toBe(true);
	fireEvent.keyDown(document.body, { key: " " });
	fireEvent.keyDown(document.body, { key: " ", repeat: true });
	expect(store.get().mine.audio.muted).toBe(false);
	fireEvent.blur(window); // let go elsewhere
	expect(store.get().mine.audio.muted).toBe(true);
	expect(done).toHaveLength(2);
});

test("keys open and close panels, and G lets go of a pin", () => {
	const { store } = show(inMeeting(3), <Keys />);
	const press = (key: string, more = {}) => fireEvent.keyDown(document.body, { key, ...more });
	press("c");
	expect(store.get().view.panel).toBe("chat");
	press("c", { ctrlKey: true });
	expect(store.get().view.panel).toBe("chat");
	press("Escape");
	expect(store.get().view.panel).toBe("none");
	act(() => store.dispatch({ is: "pin", source: 17 }));
	press("g");
	expect(store.get().view.pinned).toBeUndefined();
	press("h");
	expect(store.get().hand).toBeGreaterThan(0);
});

test("each stage has its screen", () => {
	const { store } = show({ ...initialState(), stage: "waiting", topic: "Review" }, <Room onHome={() => undefined} />);
	expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("You are in the waiting room");
	act(() => store.dispatch({ is: "process_failed", code: "ejected", text: "", tried: [] }));
	const heading = screen.getByRole("heading", { level: 1 });
	expect(heading.textContent).toBe("You were removed from the meeting");
	expect(document.activeElement).toBe(heading);
});

test("each end has words of its own, one nobody knows has the server's", () => {
	const t = (id: MessageID) => english[id] ?? id;
	const codes = [...Object.values(Code), "no_path", "no_media", "unsupported"] as const;
	const titles = codes.map(code => overWords(t, { code, text: "", tried: [] }).title);
	expect(new Set(titles).size).toBe(new Set(codes).size);
	const strange = JSON.parse('{"code":"from_tomorrow","text":"Come back tomorrow.","tried":[]}');
	expect(overWords(t, strange).text).toBe("Come back tomorrow.");
});

test("a refusal nobody knows speaks for itself", () => {
	const t = (id: MessageID, values: Record<string, unknown> = {}) => `${id} ${JSON.stringify(values)}`;
	const notice = { id: 1, kind: "refused", values: { code: "odd", text: "no" }, at: 0 } as const;
	expect(noticeText(t, notice, true)).toBe('room.refused.other {"text":"no"}');
});

test("people: oneself, hands as they went up, hosts, then by name", () => {
	const list = [person(4), person(3), person(5, { hand: 2 }), person(6, { hand: 1 }), person(1), person(2)];
	expect(sorted(list, "en").map(p => p.id)).toEqual([1, 6, 5, 3, 2, 4]);
});

test("one is heard when the microphone is open: of oneself the page knows first", () => {
	const { mine } = initialState();
	expect(isHeard({ mine }, person(1))).toBe(false);
	expect(isHeard({ mine }, person(2))).toBe(true);
	expect(isHeard({ mine }, person(3))).toBe(false);
});

test.each([
	[{ rates: [] }, "unknown"],
	[{ rtt: 30, rates: [] }, "good"],
	[{ rtt: 300, rates: [] }, "fair"],
	[{ rtt: 30, rates: [{ kind: Kind.Video, up: false, bps: 1, loss: 0.06 }] }, "poor"],
] as const)("the connection %j is %s", (c, want) => {
	expect(quality({ ...c, rates: [...c.rates] })).toBe(want);
});

test("what passes by is read out behind an open window and behind a panel that covers the stage", () => {
	const reader = (text: RegExp) => {
		// What a screen reader hears of a change: a live region that nothing around it hides.
		const found = screen.queryAllByText(text).filter(e => !e.closest("[aria-hidden=true], [inert]"));
		return found.filter(e => e.closest("[aria-live]")).length;
	};
	const line = (seq: number, text: string) => ({ t: "chat", seq, from: 2, name: "Grace", text, at: 1 }) as const;
	const window = { ...initialState().view, panel: "devices" } as const;
	const { store, unmount } = show(inMeeting(2, { view: window }), <CallScreen />);
	act(() => store.dispatch({ is: "message", message: line(1, "behind a window") }));
	expect(reader(/behind a window/)).toBe(1);
	unmount();

	vi.spyOn(globalThis, "matchMedia").mockImplementation(
		query => ({ matches: query.includes("max-width"), addEventListener() {}, removeEventListener() {} }) as never,
	);
	const panel = { ...initialState().view, panel: "people" } as const;
	const phone = show(inMeeting(2, { view: panel }), <CallScreen />);
	act(() => phone.store.dispatch({ is: "message", message: line(1, "behind a panel") }));
	expect(reader(/behind a panel/)).toBe(1);
});

test("the title of the page is that of the meeting, with what is unread", () => {
	const meeting = { id: "m", number: "123456789", topic: "Weekly", hosting: "cloud" } as const;
	const { store } = show(inMeeting(2, { meeting }), <Room onHome={() => undefined} />);
	expect(document.title).toBe("Weekly · Parley");
	const line = { t: "chat", seq: 1, from: 2, name: "Grace", text: "hi", at: 1 } as const;
	act(() => store.dispatch({ is: "message", message: line }));
	expect(document.title).toBe("(1) Weekly · Parley");
	act(() => store.dispatch({ is: "view", change: { panel: "chat" } }));
	expect(document.title).toBe("Weekly · Parley");
});

test("an address keeps its own direction in a text that is read from the right", () => {
	const line = { seq: 1, from: 2, name: "Grace", text: "שלום https://example.org/", at: 1 };
	show(inMeeting(2, { chat: { lines: [line], unread: 0, open: true } }), <ChatPanel />);
	expect(screen.getByRole("link").dir).toBe("ltr");
});

test("the button to new messages counts them, however long the chat is", () => {
	const line = (seq: number) => ({ seq, from: 2, name: "Grace", text: `line ${seq}`, at: seq });
	const chat = { lines: Array.from({ length: 2000 }, (_, i) => line(i + 1)), unread: 0, open: true };
	const { store } = show(inMeeting(2, { chat }), <ChatPanel />);
	const log = screen.getByRole("log");
	Object.defineProperty(log, "scrollHeight", { value: 1000 });
	fireEvent.scroll(log); // up, away from the end
	for (const seq of [2001, 2002]) {
		act(() => store.dispatch({ is: "message", message: { t: "chat", ...line(seq) } }));
	}
	expect(store.get().chat.lines).toHaveLength(2000);
	expect(button(/2 new messages/)).toBeTruthy();
});
