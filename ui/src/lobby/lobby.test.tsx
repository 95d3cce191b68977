import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { act, fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import { Providers } from "../app/Providers.tsx";
import { actionsFor } from "../call/actions.ts";
import type { Effect } from "../call/event.ts";
import type { MineKind, Problem } from "../call/state.ts";
import { createStore } from "../call/store.ts";
import { CallContext } from "../call/useCall.ts";
import type { User } from "../site/api.ts";
import { sessionQuery } from "../site/queries.ts";
import { Lobby } from "./Lobby.tsx";
import { readWishes } from "./wishes.ts";

const number = "12345678901";
const mia: User = {
	id: "u",
	email: "mia@example.org",
	first_name: "",
	last_name: "",
	display_name: "Mia L",
	role_name: "",
	timezone: "",
};

/** The lobby over the call's own reducer; what is to be done is written down instead. */
async function open(secret: { pwd?: string }, { signedIn = false, name = "" } = {}) {
	const done: Effect[] = [];
	const store = createStore(e => done.push(e));
	const actions = actionsFor(store.dispatch);
	store.dispatch({ is: "remembered", name, chosen: {} });
	actions(store.get()).openLobby({ number, ...secret });
	const client = new QueryClient();
	client.setQueryData<User | null>(sessionQuery.queryKey, signedIn ? mia : null);
	const router = createRouter({
		routeTree: createRootRoute({ component: () => <Lobby number={number} /> }),
		history: createMemoryHistory(),
	});
	render(
		<QueryClientProvider client={client}>
			<Providers locale="en">
				<CallContext value={{ store, actions }}>
					<RouterProvider router={router as never} />
				</CallContext>
			</Providers>
		</QueryClientProvider>,
	);
	await screen.findByRole("heading", { name: "Ready to join?" });
	const fail = (kind: MineKind, problem: Problem) => store.dispatch({ is: "capture_failed", kind, problem });
	const started = () => done.find(e => e.do === "start");
	return { store, done, fail, started, client };
}

const type = (label: string, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });
const join = () => fireEvent.click(screen.getByRole("button", { name: "Join now" }));

beforeEach(() => {
	HTMLMediaElement.prototype.play = () => Promise.resolve();
});

test("a name is asked for, and one joins under it", async () => {
	const { started } = await open({ pwd: "x" });
	expect(screen.queryByLabelText("Passcode")).toBeNull();
	join();
	expect(started()).toBeUndefined();
	expect(screen.getByText("Tell the others who you are.")).toBeTruthy();
	expect(document.activeElement).toBe(screen.getByLabelText("Your name"));
	type("Your name", "  Ada ");
	join();
	expect(started()).toEqual({ do: "start", target: { number, pwd: "x" }, name: "Ada" });
});

test("the name is the remembered one, else the account's", async () => {
	await open({ pwd: "x" }, { name: "Ada", signedIn: true });
	expect((screen.getByLabelText("Your name") as HTMLInputElement).value).toBe("Ada");
});

test("who has begun to type keeps what was typed, whatever is learnt of the account later", async () => {
	const { client } = await open({ pwd: "x" });
	type("Your name", "Z");
	type("Your name", "");
	act(() => client.setQueryData<User | null>(sessionQuery.queryKey, mia));
	expect((screen.getByLabelText("Your name") as HTMLInputElement).value).toBe("");
});

test("without a link the passcode is asked for, and kept for a reload", async () => {
	const { started } = await open({}, { name: "Ada" });
	join();
	expect(screen.getByText("Enter the passcode from the invitation.")).toBeTruthy();
	type("Passcode", " s3cret ");
	join();
	expect(started()).toEqual({ do: "start", target: { number, passcode: "s3cret" }, name: "Ada" });
	expect(sessionStorage.getItem(`parley.invitation.${number}`)).toContain("s3cret");
});

test("who is signed in may be the host, and needs no passcode", async () => {
	const { started } = await open({}, { signedIn: true });
	join();
	expect(started()).toEqual({ do: "start", target: { number }, name: "Mia L" });
});

test("a blocked camera and microphone: told once, with help, and one can join to listen", async () => {
	const { fail, started, done } = await open({ pwd: "x" }, { name: "Ada" });
	fail("audio", "denied");
	fail("video", "denied");
	expect(await screen.findByText("Camera and microphone are blocked")).toBeTruthy();
	expect(screen.getByText("You join muted and without camera.")).toBeTruthy();
	done.length = 0;
	fireEvent.click(screen.getByRole("button", { name: "Try again" }));
	expect(done.filter(e => e.do === "capture").map(e => e.kind)).toEqual(["audio", "video"]);
	join();
	expect(started()).toBeDefined();
});

test("M and V switch microphone and camera, but not while one types", async () => {
	const { store } = await open({ pwd: "x" });
	expect(store.get().mine.video.wanted).toBe(true);
	fireEvent.keyDown(document.body, { key: "v" });
	expect(store.get().mine.video.wanted).toBe(false);
	fireEvent.keyDown(screen.getByLabelText("Your name"), { key: "v" });
	expect(store.get().mine.video.wanted).toBe(false);
	fireEvent.keyDown(document.body, { key: "v", ctrlKey: true });
	expect(store.get().mine.video.wanted).toBe(false);
});

test("how one enters is remembered", async () => {
	await open({ pwd: "x" }, { name: "Ada" });
	fireEvent.click(screen.getByRole("button", { name: "Stop video" }));
	join();
	expect(readWishes()).toEqual({ audio: true, video: false, muted: false });
});
