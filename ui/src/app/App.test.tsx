import { QueryClient } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { beforeEach, expect, test, vi } from "vitest";
import { App } from "./App.tsx";

const user = {
	id: "u",
	email: "mia@example.org",
	first_name: "Mia",
	last_name: "",
	display_name: "Mia",
	role_name: "Member",
	timezone: "",
};

/** A server that knows nobody and answers what the table says; everything else is refused. */
function serve(table: Record<string, unknown>) {
	const answers: Record<string, unknown> = { "/api/v1/session": { user: null }, ...table };
	vi.stubGlobal("fetch", async (path: string) => {
		const key = path.split("&")[0] ?? path;
		return key in answers ? Response.json(answers[key]) : Response.json({ code: 124, message: "" }, { status: 401 });
	});
}

const open = (path: string) => {
	history.replaceState(null, "", path);
	render(<App client={new QueryClient({ defaultOptions: { queries: { retry: false } } })} />);
};

beforeEach(() => {
	vi.stubGlobal("scrollTo", () => undefined);
	localStorage.setItem("parley.language", "en");
});

test("a guest's home is the door", async () => {
	serve({});
	open("/");
	expect((await screen.findByRole("heading", { level: 1 })).textContent).toBe("Meet, and be heard.");
	expect(screen.getByRole("button", { name: "Continue" })).toBeTruthy();
});

test("who is not signed in is asked to, and comes back", async () => {
	serve({});
	open("/meetings/new");
	await screen.findByRole("heading", { name: "Welcome back" });
	expect(location.pathname + location.search).toBe("/signin?to=%2Fmeetings%2Fnew");
});

test("the meetings of who is signed in", async () => {
	const empty = { meetings: [], next_page_token: "", total_records: 0 };
	serve({
		"/api/v1/session": { user },
		"/v2/users/me/meetings?type=scheduled": empty,
		"/v2/users/me/meetings?type=live": empty,
	});
	open("/");
	await screen.findByRole("heading", { name: "Hello, Mia" });
	await screen.findByRole("heading", { name: "Nothing planned" });
	expect(location.pathname).toBe("/meetings");
});

test("a page that is not there says so", async () => {
	serve({});
	open("/nowhere/at/all");
	expect((await screen.findAllByText("There is no such page")).length).toBeGreaterThan(0);
});

test("a session that ended leads to signing in, and back", async () => {
	serve({ "/api/v1/session": { user } }); // the lists are refused
	history.replaceState(null, "", "/meetings");
	render(<App />);
	await screen.findByRole("heading", { name: "Welcome back" });
	expect(location.search).toBe("?to=%2Fmeetings");
});
