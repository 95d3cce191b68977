import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { Providers } from "../app/Providers.tsx";
import { InvitationDialog } from "./InvitationDialog.tsx";
import { meetingQuery, sessionQuery } from "./queries.ts";

test("where the browser does not copy, what was wanted is selected and the window stays", async () => {
	vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new Error("no"));
	const link = "https://meet.example.org/j/12345678901?pwd=x";
	const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
	client.setQueryData(sessionQuery.queryKey, null);
	client.setQueryData(meetingQuery(12345678901).queryKey, {
		uuid: "u",
		id: 12345678901,
		topic: "Tea",
		type: 3,
		duration: 0,
		timezone: "Europe/Paris",
		join_url: link,
		host_email: "mia@example.org",
		status: "waiting",
		password: "s",
		settings: {
			host_video: true,
			participant_video: true,
			join_before_host: true,
			mute_upon_entry: false,
			waiting_room: false,
		},
	});
	const closed = vi.fn();
	render(
		<QueryClientProvider client={client}>
			<Providers locale="en">
				<InvitationDialog number={12345678901} onClose={closed} open />
			</Providers>
		</QueryClientProvider>,
	);
	const field = (await screen.findByRole("textbox")) as HTMLTextAreaElement;
	fireEvent.click(screen.getByRole("button", { name: "Copy link" }));
	await waitFor(() => expect(field.value.slice(field.selectionStart, field.selectionEnd)).toBe(link));
	expect(closed).not.toHaveBeenCalled();
});
